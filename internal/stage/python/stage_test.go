package python

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// cacheRoot is shared by the tests of this package: requirements are installed once.
var cacheRoot string

func TestMain(m *testing.M) {
	dir, remove, err := stagetest.TempCache()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cacheRoot = dir
	code := m.Run()
	remove()
	os.Exit(code)
}

const requirements = "pytest==8.4.2\npytest-cov==7.0.0\n"

// project is a small application with a passing and, on demand, other tests.
func project(more map[string]string) map[string]string {
	files := map[string]string{
		"requirements.txt": requirements,
		"shop/__init__.py": "",
		"shop/cart.py": `def total(items):
    if not items:
        return 0
    return sum(price * count for price, count in items)


def discount(items, percent):
    if percent > 100:
        return 0
    return total(items) * (100 - percent) / 100
`,
		"tests/__init__.py": "",
		"tests/test_cart.py": `from shop.cart import total


def test_empty():
    assert total([]) == 0


def test_total():
    assert total([(2.5, 2), (1, 1)]) == 6
`,
	}
	maps.Copy(files, more)
	return files
}

type world struct {
	settings map[string]any
	files    map[string]string
	options  Options
	secrets  map[string]string
	named    []string
	cache    string
}

func run(t *testing.T, w world) (pipeline.Verdict, *stagetest.Session) {
	t.Helper()
	with, err := json.Marshal(w.settings)
	if err != nil {
		t.Fatal(err)
	}
	if w.cache == "" {
		w.cache = cacheRoot
	}
	s := stagetest.New(t, stagetest.Options{
		Task: pipeline.Task{
			ID: "r1-s1-a1", RunNumber: 7, Stage: pipeline.StageSpec{Key: "build-and-test", ID: "build-and-test", Uses: "python", With: with, Secrets: w.named},
			Trigger: pipeline.Trigger{SHA: strings.Repeat("ab", 20), Branch: "main", Repository: pipeline.Repository{Owner: "acme", Name: "shop"}},
		},
		Files: w.files, Secrets: w.secrets, CacheRoot: w.cache, Env: stagetest.Packages(),
	})
	if w.options.Machine.Path == "" && w.options.Machine.Globs == nil {
		w.options.Machine = pythonenv.ThisMachine()
	}
	if w.options.Now == nil {
		w.options.Now = time.Now
	}
	verdict, err := New(w.options).Run(t.Context(), s)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.LogText())
	}
	return verdict, s
}

func needPython(t *testing.T) {
	t.Helper()
	s := stagetest.New(t, stagetest.Options{})
	want, err := pythonenv.ParseRequest(pythonenv.DefaultVersion, "the test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pythonenv.Find(t.Context(), s, pythonenv.ThisMachine(), want); err != nil {
		stagetest.Missing(t, "Python "+pythonenv.DefaultVersion)
	}
	stagetest.NeedPackages(t)
}

func TestTestsPassWithCoverage(t *testing.T) {
	needPython(t)
	changes := func(context.Context, runner.Session) (report.Changes, error) {
		return report.Changes{"shop/cart.py": {{From: 7, To: 10}}}, nil
	}
	verdict, s := run(t, world{
		settings: map[string]any{"tests": []string{"tests/"}, "coverage-min": 60}, files: project(nil), options: Options{Changes: changes},
	})
	if want := (pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "2 tests, coverage 76.9 %"}); verdict != want {
		t.Fatalf("verdict = %+v, want %+v\n%s", verdict, want, s.LogText())
	}
	changed, ok := s.SectionTitled("Changed lines")
	if !ok || changed.Text != "25.0 % of the changed lines are covered: 1 of 4." || changed.Table.Rows[0][3] != "8–10" {
		t.Errorf("changed lines = %+v", changed)
	}
	if len(s.Recorded.Findings) != 1 || s.Recorded.Findings[0].Path != "shop/cart.py" || s.Recorded.Findings[0].Line != 8 {
		t.Errorf("findings = %+v", s.Recorded.Findings)
	}
	for _, name := range []string{"junit.xml", "coverage.xml", "coverage-html.zip"} {
		if len(s.Recorded.Artifacts[name]) == 0 {
			t.Errorf("artifact %s is missing", name)
		}
	}
	if got := s.Recorded.Progress; !slices.Contains(got, "2/2 tests") {
		t.Errorf("progress = %q", got)
	}
	if s.Recorded.Outputs["coverage"] != "76.92" {
		t.Errorf("outputs = %v", s.Recorded.Outputs)
	}
}

// --cov right before the folder of tests would make that the source to measure.
func TestConfiguredSourceIsWhatIsMeasured(t *testing.T) {
	needPython(t)
	_, s := run(t, world{
		settings: map[string]any{"tests": []string{"tests/"}}, files: project(map[string]string{"setup.cfg": "[coverage:run]\nsource = shop\n"}),
	})
	coverage, ok := s.SectionTitled("Coverage")
	if !ok || coverage.Table == nil || len(coverage.Table.Rows) == 0 || coverage.Table.Rows[0][0] != "shop/cart.py" {
		t.Errorf("coverage = %+v\n%s", coverage, s.LogText())
	}
}

func TestASecondRunInstallsNothing(t *testing.T) {
	needPython(t)
	run(t, world{files: project(nil)})
	_, s := run(t, world{files: project(map[string]string{"README.md": "changed"})})
	for _, args := range s.Recorded.Commands {
		if line := strings.Join(args, " "); strings.Contains(line, "install") || strings.Contains(line, "venv ") && !strings.Contains(line, "pytest") {
			t.Errorf("a command of installation ran: %s", line)
		}
	}
	if detail := s.Recorded.Steps[1].Detail; !strings.HasSuffix(detail, "from requirements.txt, from cache") {
		t.Errorf("step = %q", detail)
	}
}

func TestVerdicts(t *testing.T) {
	needPython(t)
	for name, test := range map[string]struct {
		settings map[string]any
		files    map[string]string
		title    string
		cause    string
	}{
		"a failing test": {
			files: map[string]string{"tests/test_bad.py": "def test_bad():\n    assert 1 == 2, 'no'\n"},
			title: "3 tests, 1 failed, coverage 80.0 %",
			cause: "1 of 3 tests failed: tests.test_bad.test_bad (AssertionError: no).",
		},
		"coverage below the minimum": {
			settings: map[string]any{"coverage-min": 90.5},
			title:    "2 tests, coverage 76.9 %", cause: "Coverage is 76.9 %, below the minimum of 90.5 %.",
		},
		"no tests": {
			settings: map[string]any{"tests": []string{"shop"}},
			title:    "0 tests, coverage 0.0 %", cause: "pytest found no tests.",
		},
		"a file that cannot be imported": {
			files: map[string]string{"tests/test_bad.py": "import nothing_of_that_name\n"},
			title: "1 test, 1 with errors", cause: "1 test file could not be imported: tests/test_bad.py.",
		},
		"a crash": {
			files: map[string]string{"tests/test_bad.py": "import os, signal\ndef test_bad():\n    os.kill(os.getpid(), signal.SIGSEGV)\n"},
			title: "The tests could not run", cause: "pytest crashed: signal segmentation fault.",
		},
		"bad arguments": {
			settings: map[string]any{"args": []string{"--no-such-option"}},
			title:    "The tests could not run", cause: "pytest refused its arguments: unrecognized arguments: --no-such-option",
		},
		"a folder that is missing": {
			settings: map[string]any{"tests": []string{"test/"}},
			title:    "0 tests", cause: "pytest refused its arguments: file or directory not found: test/",
		},
		"an internal error": {
			files: map[string]string{"conftest.py": "def pytest_runtestloop(session):\n    raise ValueError('inside')\n"},
			title: "", cause: "pytest ended with an internal error",
		},
		"the repository's own minimum": {
			settings: map[string]any{"args": []string{"--cov-fail-under=95"}},
			title:    "2 tests, coverage 76.9 %", cause: "pytest-cov ended the run: Required test coverage of 95% not reached. Total coverage: 76.92%",
		},
		"a test that leaves": {
			files: map[string]string{"tests/test_bad.py": "import os\ndef test_bad():\n    os._exit(0)\n"},
			title: "The tests could not run", cause: "pytest ended without a test report.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, s := run(t, world{settings: test.settings, files: project(test.files)})
			if verdict.Status != pipeline.StatusFailure || !strings.HasPrefix(verdict.Title, test.title) || !strings.HasPrefix(verdict.Cause, test.cause) {
				t.Errorf("%s\ntitle %q, want %q\ncause %q, want %q\n%s", verdict.Status, verdict.Title, test.title, verdict.Cause, test.cause, s.LogText())
			}
		})
	}
}

func TestWithoutPytest(t *testing.T) {
	needPython(t)
	verdict, s := run(t, world{files: project(map[string]string{"requirements.txt": ""})})
	if verdict.Title != "pytest is not installed" || verdict.ExitCode != 127 || !strings.Contains(s.LogText(), "pytest: command not found") {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
	if step := s.Recorded.Steps[len(s.Recorded.Steps)-1]; step.Status != pipeline.StatusFailure {
		t.Errorf("step = %+v", step)
	}
}

func TestWithoutTheInterpreter(t *testing.T) {
	verdict, s := run(t, world{settings: map[string]any{"python": "3.99"}, files: project(nil)})
	if verdict.Title != "Python 3.99 is not installed here" || !strings.HasPrefix(verdict.Cause, "Python 3.99 (asked for by the stage itself) is not installed here; there is ") {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
}

func TestWithoutTheRequirementFile(t *testing.T) {
	needPython(t)
	verdict, _ := run(t, world{settings: map[string]any{"requirements": []string{"req/dev.txt"}}, files: project(nil)})
	if verdict.Title != "req/dev.txt does not exist" || verdict.Infrastructure {
		t.Errorf("verdict = %+v", verdict)
	}
}

func TestAReportThatIsALinkIsNotRead(t *testing.T) {
	needPython(t)
	verdict, s := run(t, world{files: project(map[string]string{"conftest.py": `import atexit, os, sys

def swap():
    for arg in sys.argv:
        if arg.startswith("--junitxml="):
            path = arg.split("=", 1)[1]
            if os.path.exists(path):
                os.remove(path)
            os.symlink("/etc/passwd", path)

atexit.register(swap)
`})})
	if verdict.Status != pipeline.StatusFailure || !strings.HasPrefix(verdict.Cause, "pytest ended without a test report. The test report cannot be used") {
		t.Errorf("verdict = %+v", verdict)
	}
	if _, kept := s.Recorded.Artifacts["junit.xml"]; kept {
		t.Error("the link was kept as an artifact")
	}
}
