package pythonsecurity

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

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

func needPython(t *testing.T) {
	t.Helper()
	want, err := pythonenv.ParseRequest(pythonenv.DefaultVersion, "the test")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pythonenv.Find(t.Context(), stagetest.New(t, stagetest.Options{}), pythonenv.ThisMachine(), want); err != nil {
		stagetest.Missing(t, "Python "+pythonenv.DefaultVersion)
	}
	stagetest.NeedPackages(t)
}

// run checks a checkout; the settings are the canonical JSON of a pipeline file.
func run(t *testing.T, settings string, files map[string]string, env map[string]string) (pipeline.Verdict, *stagetest.Session) {
	t.Helper()
	needPython(t)
	s := stagetest.New(t, stagetest.Options{
		Task:  pipeline.Task{Stage: pipeline.StageSpec{ID: "security-and-linting", With: json.RawMessage(settings), Env: env}},
		Files: files, CacheRoot: cacheRoot, Env: stagetest.Packages(),
	})
	verdict, err := New(Options{Machine: pythonenv.ThisMachine(), Now: time.Now}).Run(t.Context(), s)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.LogText())
	}
	return verdict, s
}

const (
	only     = `{"flake8":{"enabled":%t},"bandit":{"enabled":%t},"dependencies":{"enabled":%t},"fail-on":"%s"}`
	insecure = "import subprocess\n\nimport yaml\n\n\ndef load(name):\n    subprocess.call(\"cat %s\" % name, shell=True)\n    with open(name) as f:\n        return yaml.load(f)\n"
)

func TestCodeAndStyle(t *testing.T) {
	verdict, s := run(t, fmt.Sprintf(only, true, true, false, "critical"), map[string]string{
		"app.py":            insecure,
		"style.py":          "import os\nx=1\n",
		"tests/test_app.py": "def test_app():\n    assert True\n",
		".venv/lib/x.py":    "import os, sys\neval(undefined)\n",
	}, nil)
	if verdict.Status != pipeline.StatusSuccess || verdict.Title != "0 critical, 1 high, 1 medium, 1 low, 2 style remarks" {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
	first := s.Recorded.Findings[0]
	if first.Tool != "bandit" || first.Path != "app.py" || first.Line != 7 || first.Rule != "B602" || first.Severity != pipeline.SeverityHigh {
		t.Errorf("first finding = %+v", first)
	}
	for _, name := range []string{"bandit.sarif", "flake8.sarif"} {
		findings, _, err := report.ReadSARIF(bytes.NewReader(s.Recorded.Artifacts[name]), s.Dir())
		if err != nil || len(findings) == 0 {
			t.Errorf("%s: %d findings, %v", name, len(findings), err)
		}
	}
	overview, _ := s.SectionTitled("Findings")
	if got := fmt.Sprint(overview.Table.Rows); got != "[[Dependencies (safety) off off off off off] [Code (bandit) 0 1 1 1 0] [Style (flake8) 0 0 0 0 2]]" {
		t.Errorf("overview = %s", got)
	}
}

func TestFailOn(t *testing.T) {
	for name, test := range map[string]struct {
		failOn, code string
		cause        string
	}{
		"high fails on high":         {"high", insecure, "app.py:7: subprocess call with shell=True identified, security issue. (confidence high) (high)."},
		"critical passes high":       {"critical", insecure, ""},
		"broken code fails":          {"critical", "print(undefined)\n", "app.py:1: F821 undefined name 'undefined'."},
		"a syntax error fails":       {"critical", "def x(:\n    pass\n", "app.py:1: E999 SyntaxError: invalid syntax."},
		"none passes everything":     {"none", "print(undefined)\n" + insecure, ""},
		"style never fails":          {"low", "x=1\n", ""},
		"a long line is left to you": {"low", "X = '" + strings.Repeat("x", 110) + "'\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, s := run(t, fmt.Sprintf(only, true, true, false, test.failOn), map[string]string{"app.py": test.code}, nil)
			if verdict.Cause != test.cause || (verdict.Status == pipeline.StatusFailure) != (test.cause != "") {
				t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
			}
		})
	}
}

func TestTheRepositorysOwnConfiguration(t *testing.T) {
	verdict, s := run(t, `{"flake8":{"enabled":true,"args":["--max-line-length=20"]},"bandit":{"enabled":true,"args":["--skip=B404"]},"dependencies":{"enabled":false},"fail-on":"low"}`, map[string]string{
		"app.py":         "import subprocess  # noqa\n\nlong_name = 'more than twenty'\n",
		"setup.cfg":      "[flake8]\nignore = F401\n",
		"pyproject.toml": "[tool.bandit]\nexclude_dirs = ['other']\n",
	}, nil)
	if verdict.Status != pipeline.StatusSuccess || verdict.Title != "0 critical, 0 high, 1 style remark" {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
	verdict, _ = run(t, fmt.Sprintf(only, true, false, false, "critical"), map[string]string{"app.py": "", ".flake8": "[flake8]\nmax-line-length = wide\n"}, nil)
	if verdict.Status != pipeline.StatusFailure || verdict.Title != "flake8 could not run" || !strings.Contains(verdict.Cause, "wide") {
		t.Errorf("verdict = %+v", verdict)
	}
}

func TestDependenciesOfAFixtureDatabase(t *testing.T) {
	db, err := filepath.Abs("testdata/db")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"requirements.txt": "# ours\nPluggy==1.6.0\ninIconfig==2.0.0  # ini\n", "app.py": ""}
	verdict, s := run(t, fmt.Sprintf(only, false, false, true, "critical"), files, map[string]string{"SAFETY_DB_DIR": db})
	if verdict.Status != pipeline.StatusFailure || verdict.Title != "1 critical, 1 high" || verdict.Cause != "requirements.txt:3: iniconfig 2.0.0: CVE-2099-0001 (critical)." {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
	got := s.Recorded.Findings
	if len(got) != 2 || got[0].Level != pipeline.LevelFailure || got[0].Path != "requirements.txt" || got[0].Line != 3 || got[1].Line != 2 || got[1].Level != pipeline.LevelWarning {
		t.Errorf("findings = %+v", got)
	}
	if !strings.HasPrefix(got[0].Message, "A made-up advisory: ini files are read twice. Affected: <2.1.0.") {
		t.Errorf("message = %q", got[0].Message)
	}
}

func TestDependenciesThatCannotBeAudited(t *testing.T) {
	files := map[string]string{"requirements.txt": "iniconfig==2.0.0\n"}
	empty := t.TempDir()
	for _, test := range []struct {
		failOn string
		status pipeline.Status
	}{{"critical", pipeline.StatusSuccess}, {"high", pipeline.StatusSuccess}, {"medium", pipeline.StatusFailure}, {"none", pipeline.StatusSuccess}} {
		verdict, s := run(t, fmt.Sprintf(only, false, false, true, test.failOn), files, map[string]string{"SAFETY_DB_DIR": empty})
		if verdict.Status != test.status || verdict.Title != "0 critical, 0 high, dependencies not audited" {
			t.Errorf("fail-on %s: verdict = %+v\n%s", test.failOn, verdict, s.LogText())
		}
		section, _ := s.SectionTitled("safety")
		if !strings.HasPrefix(section.Text, "The dependencies were not audited: the folder of the vulnerability database holds none") {
			t.Errorf("section = %+v", section)
		}
	}
}

func TestTheDatabaseIsNotReachable(t *testing.T) {
	files := map[string]string{"requirements.txt": "iniconfig==2.0.0\n"}
	settings := fmt.Sprintf(only, false, false, true, "critical")
	run(t, settings, files, map[string]string{"SAFETY_DB_DIR": t.TempDir()}) // everything is installed now
	// Nobody listens there: what a machine without a way to safety's host sees.
	nowhere := map[string]string{"https_proxy": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"}
	verdict, s := run(t, settings, files, nowhere)
	if verdict.Status != pipeline.StatusSuccess || verdict.Title != "0 critical, 0 high, dependencies not audited" {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
	section, _ := s.SectionTitled("safety")
	if !strings.Contains(section.Text, "safety's vulnerability database cannot be reached from here.") {
		t.Errorf("section = %+v", section)
	}
}

func TestNothingToCheck(t *testing.T) {
	verdict, _ := run(t, fmt.Sprintf(only, false, false, false, "critical"), nil, nil)
	if verdict.Status != pipeline.StatusSuccess || verdict.Title != "Every check is off" {
		t.Errorf("verdict = %+v", verdict)
	}
	verdict, s := run(t, fmt.Sprintf(only, false, false, true, "low"), nil, nil)
	if section, _ := s.SectionTitled("safety"); verdict.Status != pipeline.StatusSuccess || !strings.HasPrefix(section.Text, "There are no dependencies to audit") {
		t.Errorf("verdict = %+v, section = %+v", verdict, section)
	}
}
