package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func run(t *testing.T, spec pipeline.StageSpec, o stagetest.Options, options Options) (pipeline.Verdict, *stagetest.Session) {
	t.Helper()
	stagetest.Need(t, "bash")
	o.Task.Stage = spec
	s := stagetest.New(t, o)
	verdict, err := New(options).Run(t.Context(), s)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.LogText())
	}
	return verdict, s
}

func TestCommands(t *testing.T) {
	verdict, s := run(t, pipeline.StageSpec{
		Run:     []string{"# greet\necho \"hello $WHO from $MATRIX_OS\"", "cd sub && cat file", "test \"$TOKEN\" = s3cr3t-value && echo \"$TOKEN\""},
		Secrets: []string{"TOKEN"}, Env: map[string]string{"WHO": "you"},
	}, stagetest.Options{
		Task: pipeline.Task{Env: map[string]string{"MATRIX_OS": "linux"}}, Files: map[string]string{"sub/file": "inside\n"}, Secrets: map[string]string{"TOKEN": "s3cr3t-value"},
	}, Options{})
	if want := (pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "3 commands passed"}); verdict != want {
		t.Errorf("verdict = %+v\n%s", verdict, s.LogText())
	}
	if diff := cmp.Diff("hello you from linux\ninside\n***", s.LogText()); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, step := range s.Recorded.Steps {
		names = append(names, step.Name)
	}
	if diff := cmp.Diff([]string{`1/3: echo "hello $WHO from $MATRIX_OS"`, "2/3: cd sub && cat file", `3/3: test "$TOKEN" = *** && echo "$TOKEN"`}, names); diff != "" {
		t.Error(diff)
	}
}

func TestAFailingCommandEndsTheStage(t *testing.T) {
	for name, test := range map[string]struct {
		run  []string
		want pipeline.Verdict
	}{
		"an exit code":        {[]string{"true", "exit 3", "touch never"}, pipeline.Verdict{Title: "command 2 of 3 exited with 3", Cause: "`exit 3` exited with 3.", ExitCode: 3}},
		"the only command":    {[]string{"false"}, pipeline.Verdict{Title: "the command exited with 1", Cause: "`false` exited with 1.", ExitCode: 1}},
		"inside a pipe":       {[]string{"false | cat\ntouch never"}, pipeline.Verdict{Title: "the command exited with 1", Cause: "`false | cat` exited with 1.", ExitCode: 1}},
		"an unset variable":   {[]string{"echo $NOT_THERE\ntouch never"}, pipeline.Verdict{Title: "the command exited with 1", Cause: "`echo $NOT_THERE` exited with 1.", ExitCode: 1}},
		"a missing program":   {[]string{"no-such-program"}, pipeline.Verdict{Title: "the command exited with 127", Cause: "`no-such-program` exited with 127.", ExitCode: 127}},
		"a signal":            {[]string{"kill -9 $$"}, pipeline.Verdict{Title: "the command was ended by signal killed", Cause: "`kill -9 $$` was ended by signal killed.", ExitCode: -1, Signal: "killed"}},
		"a syntax error":      {[]string{"if true"}, pipeline.Verdict{Title: "the command exited with 2", Cause: "`if true` exited with 2.", ExitCode: 2}},
		"comments and blanks": {[]string{"\n\n# why\nset -x\nexit 4"}, pipeline.Verdict{Title: "the command exited with 4", Cause: "`exit 4` exited with 4.", ExitCode: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			verdict, s := run(t, pipeline.StageSpec{Run: test.run}, stagetest.Options{}, Options{})
			test.want.Status = pipeline.StatusFailure
			if diff := cmp.Diff(test.want, verdict); diff != "" {
				t.Errorf("%s\n%s", diff, s.LogText())
			}
			if _, err := os.Stat(filepath.Join(s.Dir(), "never")); err == nil {
				t.Error("the stage went on")
			}
		})
	}
}

const junit = `<testsuite><testcase classname="t" name="good"/><testcase classname="t" name="bad" file="t.go" line="4"><failure message="no">t.go:7: no</failure></testcase></testsuite>`

func TestReportsAreReadAlsoAfterAFailure(t *testing.T) {
	changes := func(context.Context, runner.Session) (report.Changes, error) {
		return report.Changes{"t.go": {{From: 2, To: 2}}}, nil
	}
	verdict, s := run(t, pipeline.StageSpec{
		Run:     []string{"mkdir -p out/a out/b && cp one.xml out/a/r.xml && cp broken.xml out/b/r.xml && exit 1"},
		Reports: pipeline.Reports{JUnit: []string{"out/**/r.xml"}, Cobertura: []string{"cov.xml", "./cov.xml"}, SARIF: []string{"*.sarif", "none-*.sarif"}},
	}, stagetest.Options{Files: map[string]string{
		"one.xml": junit, "broken.xml": "<testsuite>", "t.go": "package t\n",
		"cov.xml":    `<coverage><packages><package><classes><class filename="t.go"><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>`,
		"lint.sarif": `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"lint"}},"results":[{"ruleId":"L1","message":{"text":"odd"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"t.go"},"region":{"startLine":1}}}]}]}]}`,
	}}, Options{Changes: changes})
	if verdict.Title != "the command exited with 1, 2 tests, 1 failed, coverage 50.0 %, 1 finding" {
		t.Errorf("title = %q", verdict.Title)
	}
	section, _ := s.SectionTitled("Reports")
	if section.Text != "out/b/r.xml cannot be used: JUnit report: read XML: the file ends inside <testsuite>." {
		t.Errorf("reports = %q", section.Text)
	}
	var got []string
	for _, f := range s.Recorded.Findings {
		got = append(got, fmt.Sprintf("%s %s:%d", f.Tool, f.Path, f.Line))
	}
	if diff := cmp.Diff([]string{"tests t.go:4", "coverage t.go:2", "lint t.go:1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMissingReportsAreTold(t *testing.T) {
	verdict, s := run(t, pipeline.StageSpec{
		Run: []string{"ln -s /etc/passwd r.xml"}, Reports: pipeline.Reports{JUnit: []string{"r.xml"}, SARIF: []string{"../x.sarif"}},
	}, stagetest.Options{}, Options{})
	section, _ := s.SectionTitled("Reports")
	if verdict.Title != "1 command passed" || !strings.Contains(section.Text, "No file matches the JUnit reports r.xml.") {
		t.Errorf("%q, %q", verdict.Title, section.Text)
	}
}

func TestCancelEndsTheStage(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.Canceled)
	s := stagetest.New(t, stagetest.Options{Task: pipeline.Task{Stage: pipeline.StageSpec{Run: []string{"sleep 60"}}}})
	if _, err := New(Options{}).Run(ctx, s); err == nil {
		t.Error("a cancelled stage has a verdict of its own")
	}
}
