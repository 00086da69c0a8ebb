package checks

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func sampleRun(stages ...pipeline.StageRun) pipeline.Run {
	for i := range stages {
		s := &stages[i]
		s.ID, s.RunID, s.Index = int64(100+i), 9, i
		s.Attempt = max(s.Attempt, 1)
		s.CreatedAt = noon
	}
	return pipeline.Run{
		ID: 9, Number: 12, Stages: stages, CreatedAt: noon,
		Trigger: pipeline.Trigger{
			Event:      pipeline.EventPullRequest,
			Repository: pipeline.Repository{ID: 42, Owner: "acme", Name: "shop", InstallationID: 7},
			SHA:        "0123456789abcdef0123456789abcdef01234567", Branch: "topic", Base: "main", PullRequest: 5,
		},
	}
}

func spec(key string, needs ...string) pipeline.StageSpec {
	s := pipeline.StageSpec{Key: key, ID: key, Timeout: 30 * time.Minute}
	for _, need := range needs {
		s.Needs = append(s.Needs, pipeline.Need{Stage: need})
	}
	return s
}

func worked(s pipeline.StageRun, status pipeline.Status, took time.Duration) pipeline.StageRun {
	s.Status, s.StartedAt = status, noon.Add(5*time.Second)
	if status.Final() {
		s.FinishedAt = s.StartedAt.Add(took)
	}
	return s
}

func failedTests() pipeline.StageRun {
	s := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusFailure, 83*time.Second)
	s.Result = pipeline.Result{
		Verdict:   pipeline.Verdict{Title: "412 tests, 1 failed, coverage 86.4 %", Cause: "tests/test_items.py::test_create failed: assert 500 == 201"},
		Diagnosis: &pipeline.Diagnosis{ID: "service-unreachable", Cause: "The tests could not reach Redis at localhost:6379.", Remedy: []string{"Use `fakeredis` in the tests.", "Or start Redis in the stage."}, Evidence: "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379"},
		Steps: []pipeline.Step{
			{Name: "checkout", Status: pipeline.StatusSuccess, Detail: "0123456", StartedAt: noon.Add(5 * time.Second), FinishedAt: noon.Add(6 * time.Second)},
			{Name: "pytest", Status: pipeline.StatusFailure, Detail: "412 tests", StartedAt: noon.Add(6 * time.Second), FinishedAt: noon.Add(88 * time.Second)},
		},
		Sections: []pipeline.Section{
			{Title: "Tests", Table: &pipeline.Table{Columns: []pipeline.Column{{Name: "Suite"}, {Name: "Tests", Right: true}, {Name: "Failed", Right: true}}, Rows: [][]string{{"tests.test_items", "40", "1"}, {"tests.test_health", "3", "0"}}}},
			{Title: "tests.test_items::test_create", Code: "assert 500 == 201\n +  where 500 = <Response>.status_code", Folded: true},
			{Title: "Notes", Markdown: "Thanks @octocat, see **the report**.\n\n```\nkept @as is\n```"},
		},
		Findings: []pipeline.Finding{
			{Tool: "pytest", Rule: "test_create", Path: "tests/test_items.py", Line: 31, Level: pipeline.LevelFailure, Title: "assert 500 == 201", Message: "assert 500 == 201", Details: "Traceback…"},
			{Tool: "pip", Level: pipeline.LevelWarning, Title: "pytest 7 is no longer maintained", URL: "https://docs.pytest.org/", Rule: "outdated"},
		},
		Artifacts: []pipeline.Artifact{{Name: "reports/junit.xml", Bytes: 18234}},
		LogTail:   []string{"$ pytest", "\x1b[31mFAILED\x1b[0m tests/test_items.py::test_create", "1 failed, 411 passed"},
	}
	return s
}

func goldenCases() map[string]pipeline.Run {
	passed := worked(pipeline.StageRun{Spec: spec("security-and-linting")}, pipeline.StatusSuccess, 9*time.Second)
	passed.Result.Verdict.Title = "0 critical, 3 low"
	reused := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusSuccess, 0)
	reused.Result.Verdict.Title = "412 tests passed"
	reused.Reused = &pipeline.Reused{RunID: 4, RunNumber: 11, StageID: 55, Duration: 83 * time.Second}
	running := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusRunning, 0)
	running.Progress = "pytest: 120 of 412 tests"
	running.Result.Steps = []pipeline.Step{{Name: "pytest", Status: pipeline.StatusRunning, StartedAt: noon.Add(6 * time.Second)}}
	waiting := worked(pipeline.StageRun{Spec: spec("terraform-provision (production)")}, pipeline.StatusWaiting, 0)
	waiting.Reason = "waits for one approval of @acme/platform"
	held := pipeline.StageRun{Spec: spec("build-and-test"), Status: pipeline.StatusWaiting}
	held.Spec.Hold = "Waiting for /ok-to-test 0123456789abcdef0123456789abcdef01234567"
	held.Reason = held.Spec.Hold
	timedOut := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusTimedOut, 30*time.Minute)
	cancelled := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusCancelled, 8*time.Second)
	cancelled.Reason = "superseded by run #13"
	skipped := pipeline.StageRun{Spec: spec("kubernetes-deploy"), Status: pipeline.StatusSkipped, Reason: "build-and-test failed", FinishedAt: noon.Add(time.Minute)}
	neutral := worked(pipeline.StageRun{Spec: spec("lint")}, pipeline.StatusNeutral, 3*time.Second)
	neutral.Result.Verdict = pipeline.Verdict{Title: "flake8 found 2 problems", Cause: "flake8 found 2 problems", ExitCode: 1}
	infrastructure := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusFailure, 4*time.Second)
	infrastructure.Result.Verdict = pipeline.Verdict{Title: "The runner was lost", Cause: "The runner ended without a verdict: signal: killed.", Infrastructure: true}
	first := failedTests()
	first.Superseded, first.Result.Findings, first.Result.Sections = true, nil, nil
	second := worked(pipeline.StageRun{Spec: spec("build-and-test"), Attempt: 2, AttemptReason: "retried by ann"}, pipeline.StatusSuccess, 80*time.Second)
	second.Result.Verdict.Title = "412 tests passed"

	return map[string]pipeline.Run{
		"queued":         sampleRun(pipeline.StageRun{Spec: spec("kubernetes-deploy", "build-and-test"), Status: pipeline.StatusQueued}, running),
		"ready":          sampleRun(pipeline.StageRun{Spec: spec("build-and-test"), Status: pipeline.StatusReady}),
		"running":        sampleRun(running),
		"waiting":        sampleRun(waiting),
		"held":           sampleRun(held),
		"success":        sampleRun(passed),
		"reused":         sampleRun(reused),
		"failure":        sampleRun(failedTests()),
		"infrastructure": sampleRun(infrastructure),
		"timed_out":      sampleRun(timedOut),
		"cancelled":      sampleRun(cancelled),
		"skipped":        sampleRun(skipped),
		"neutral":        sampleRun(neutral),
		"attempt":        sampleRun(second, first),
		"hostile":        sampleRun(hostileStage()),
	}
}

func hostileStage() pipeline.StageRun {
	const bad = "@admin | ![x](http://evil/x.png) <script>alert(1)</script> <!-- ``` `a` **b** [l](javascript:x) \x1b[31m\u202e &lt;"
	s := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusFailure, time.Second)
	s.Result = pipeline.Result{
		Verdict: pipeline.Verdict{Title: bad, Cause: bad + "\n# heading\n- item\n\n    code"},
		Sections: []pipeline.Section{
			{Title: bad, Text: bad, Table: &pipeline.Table{Columns: []pipeline.Column{{Name: bad}, {Name: "b"}}, Rows: [][]string{{bad, bad + "\n" + bad, "extra"}, {"short"}}}},
			{Title: "code", Code: "```\n</details>\n````", Folded: true},
			{Title: "markdown", Markdown: "<details><summary>x</summary>\n\n```\nopen @fence <b>\n"},
			{Title: "comment", Markdown: "<!-- hides\n\n<img src=x> </table> <td colspan=2>cell @you"},
			{Title: "after", Text: "still here"},
		},
		Findings:  []pipeline.Finding{{Tool: bad, Rule: bad, Title: bad, Message: bad, URL: "javascript:alert(1)"}, {Path: "../../etc/passwd", Line: 3, Title: bad, Message: "m", Level: "odd"}},
		Steps:     []pipeline.Step{{Name: bad, Status: "odd", Detail: bad}},
		Artifacts: []pipeline.Artifact{{Name: "a)b](http://evil)/" + bad, Bytes: 1}},
		LogTail:   []string{"```", bad, "````"},
	}
	return s
}

func TestRenderGolden(t *testing.T) {
	cases := goldenCases()
	maps.Copy(cases, entryCases())
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			check := Render(run, run.Stages[0], RenderOptions{PageURL: "https://ci.example.org/", Now: noon.Add(time.Minute)})
			assertWithinLimits(t, check)
			got := readable(check)
			golden.Equal(t, "testdata/"+name+".md", got)
		})
	}
}

// readable is a check as a file one can read.
func readable(c Check) string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	field("name", c.Name)
	field("status", strings.TrimSpace(c.Status+" "+c.Conclusion))
	field("started", stamp(c.StartedAt))
	field("completed", stamp(c.CompletedAt))
	field("details", c.DetailsURL)
	field("external", c.ExternalID)
	field("title", c.Title)
	for _, a := range c.Actions {
		field("button", fmt.Sprintf("%s (%s): %s", a.Label, a.Identifier, a.Description))
	}
	for _, a := range c.Annotations {
		field("annotation", fmt.Sprintf("%s:%d-%d %s %q %q %q", a.Path, a.StartLine, a.EndLine, a.Level, a.Title, a.Message, a.RawDetails))
	}
	fmt.Fprintf(&b, "--- summary\n%s\n--- text\n%s\n", c.Summary, c.Text)
	return b.String()
}

func TestExternalID(t *testing.T) {
	if id, ok := ParseExternalID(ExternalID(77)); !ok || id != 77 {
		t.Errorf("%d, %v", id, ok)
	}
	for _, foreign := range []string{"", "77", "slipway/", "slipway/-1", "slipway/07", "slipway/7x", "other/7", "slipway/99999999999999999999"} {
		if id, ok := ParseExternalID(foreign); ok {
			t.Errorf("%q is taken for stage run %d", foreign, id)
		}
	}
}
