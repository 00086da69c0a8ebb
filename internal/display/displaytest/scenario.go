package displaytest

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Running is a run in the middle: tests have passed, four stages work, the rest waits.
func Running() pipeline.Run {
	run := New()
	run.Status, run.StartedAt = pipeline.StatusRunning, run.CreatedAt.Add(2*time.Second)
	tested(&run)
	linting := start(&run, "security-and-linting", 85*time.Second, "bandit: 41 of 63 files")
	linting.Result.Steps = []pipeline.Step{
		step(linting, "prepare", 0, 9*time.Second, "63 packages, from cache"),
		step(linting, "flake8", 9*time.Second, 22*time.Second, "3 remarks"),
		{Name: "bandit", Status: pipeline.StatusRunning, StartedAt: linting.StartedAt.Add(22 * time.Second)},
	}
	start(&run, "compatibility (3.11)", 85*time.Second, "make check")
	finish(&run, "compatibility (3.12)", 85*time.Second, 146*time.Second, passed("1 command"))
	start(&run, "compatibility (3.13)", 85*time.Second, "")
	start(&run, "docker-build-push", 84*time.Second, "[builder 4/7] pip install --no-cache-dir -r requirements.txt")
	return run
}

// Failed is a run whose tests failed, with a diagnosis, findings, tables and an earlier attempt.
func Failed() pipeline.Run {
	run := New()
	run.Status, run.StartedAt, run.FinishedAt = pipeline.StatusFailure, run.CreatedAt.Add(2*time.Second), run.CreatedAt.Add(96*time.Second)
	first := run.Stages[0]
	first.ID, first.Status, first.Superseded = 99, pipeline.StatusFailure, true
	first.StartedAt, first.FinishedAt = run.CreatedAt.Add(2*time.Second), run.CreatedAt.Add(11*time.Second)
	first.Result.Verdict = pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: "packages could not be fetched", Infrastructure: true,
		Cause: "The package index answered 503 for flask.",
	}
	stage := finish(&run, "build-and-test", 16*time.Second, 94*time.Second, pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: "412 tests, 2 failed, coverage 78.3 %",
		Cause: "2 of 412 tests failed and coverage is 78.3 %, below the minimum of 80 %.", ExitCode: 1,
	})
	stage.Attempt, stage.AttemptReason = 2, "the package index did not answer"
	failedResult(stage)
	skip(&run, "build-and-test failed", "security-and-linting", "compatibility (3.11)", "compatibility (3.12)",
		"compatibility (3.13)", "docker-build-push", "terraform-provision (production)")
	skip(&run, "terraform-provision (production) was skipped", "kubernetes-deploy (production)")
	skip(&run, "kubernetes-deploy (production) was skipped", "smoke-tests (production)")
	finish(&run, "deployment-summary", 95*time.Second, 95*time.Second+200*time.Millisecond, passed("1 failed, 8 skipped")).Result.Sections = []pipeline.Section{
		{Text: "Nothing was deployed: build-and-test failed."},
	}
	run.Stages = append([]pipeline.StageRun{first}, run.Stages...)
	return run
}

func failedResult(stage *pipeline.StageRun) {
	tests := stage.Result.Sections
	tests = append(tests, testSections()...)
	stage.Result.Sections = tests
	stage.Result.Diagnosis = &pipeline.Diagnosis{
		ID: "coverage-below-minimum", Cause: "Two tests of the alert threshold fail, and coverage is 78.3 % where at least 80 % is asked.",
		Remedy: []string{
			"Run `pytest tests/test_alerts.py` and look at the two failures below.",
			"Cover the new lines of `app/alerts.py` (17 of 24 are not), or lower `coverage-min` in .github/slipway.yml.",
		},
		Evidence: "FAILED tests/test_alerts.py::test_threshold_is_inclusive - assert 5 < 5",
	}
	stage.Result.Findings = []pipeline.Finding{
		{
			Tool: "pytest", Path: "tests/test_alerts.py", Line: 31, Level: pipeline.LevelFailure, Title: "test_threshold_is_inclusive",
			Message: "assert 5 < 5", Details: "    def test_threshold_is_inclusive(client):\n        item = add(client, quantity=5)\n>       assert item.quantity < item.threshold\nE       assert 5 < 5",
		},
		{Tool: "pytest", Path: "tests/test_alerts.py", Line: 48, Level: pipeline.LevelFailure, Title: "test_alert_is_sent_once", Message: "assert 2 == 1"},
		{Tool: "coverage", Path: "app/alerts.py", Line: 14, EndLine: 30, Level: pipeline.LevelWarning, Title: "17 changed lines are not covered", Message: "No test runs lines 14 to 30."},
	}
	stage.Result.Steps = []pipeline.Step{
		step(stage, "checkout", 0, time.Second, "4f2a9c1"),
		step(stage, "python", time.Second, 2*time.Second, "3.13.1"),
		step(stage, "requirements", 2*time.Second, 9*time.Second, "31 packages, from cache"),
		{
			Name: "pytest", Status: pipeline.StatusFailure, Detail: "412 tests, 2 failed",
			StartedAt: stage.StartedAt.Add(9 * time.Second), FinishedAt: stage.StartedAt.Add(76 * time.Second),
		},
	}
	stage.Result.Artifacts = []pipeline.Artifact{
		{Name: "reports/junit.xml", Bytes: 48211}, {Name: "reports/coverage.xml", Bytes: 131072}, {Name: "htmlcov.tar.gz", Bytes: 2_411_520},
	}
	for _, line := range Log(stage.ID) {
		stage.Result.LogTail = append(stage.Result.LogTail, line.Text)
	}
}

// Passed is a push to main that went all the way.
func Passed() pipeline.Run {
	run := New()
	run.ID, run.Number, run.Status = 43, 13, pipeline.StatusSuccess
	run.Trigger.Event, run.Trigger.Branch, run.Trigger.Base, run.Trigger.PullRequest = pipeline.EventPush, "main", "", 0
	run.StartedAt, run.FinishedAt = run.CreatedAt.Add(time.Second), run.CreatedAt.Add(232*time.Second)
	tested(&run)
	Stage(&run, "build-and-test").Reused = &pipeline.Reused{RunID: 41, RunNumber: 11, StageID: 80, Duration: 78 * time.Second}
	finish(&run, "security-and-linting", 84*time.Second, 118*time.Second, passed("3 remarks, nothing critical"))
	for i, version := range []string{"3.11", "3.12", "3.13"} {
		finish(&run, "compatibility ("+version+")", 84*time.Second, time.Duration(120+9*i)*time.Second, passed("1 command"))
	}
	finish(&run, "docker-build-push", 3*time.Second, 131*time.Second, passed("3 tags, 61 MB, 0 critical"))
	finish(&run, "terraform-provision (production)", 132*time.Second, 160*time.Second, passed("no changes"))
	finish(&run, "kubernetes-deploy (production)", 160*time.Second, 205*time.Second, passed("4 of 4 rollouts ready"))
	finish(&run, "smoke-tests (production)", 205*time.Second, 231*time.Second, passed("6 checks, slowest 84 ms"))
	finish(&run, "deployment-summary", 231*time.Second, 231*time.Second+90*time.Millisecond, passed("10 passed, deployed to production"))
	return run
}

func tested(run *pipeline.Run) {
	stage := finish(run, "build-and-test", 2*time.Second, 84*time.Second, passed("412 tests, coverage 86.4 %"))
	stage.Result.Sections = testSections()
	stage.Result.Steps = []pipeline.Step{
		step(stage, "requirements", 2*time.Second, 9*time.Second, "31 packages, from cache"),
		step(stage, "pytest", 9*time.Second, 80*time.Second, "412 tests"),
	}
	stage.Result.Artifacts = []pipeline.Artifact{{Name: "reports/junit.xml", Bytes: 48211}}
}

func step(stage *pipeline.StageRun, name string, from, to time.Duration, detail string) pipeline.Step {
	return pipeline.Step{
		Name: name, Status: pipeline.StatusSuccess, Detail: detail,
		StartedAt: stage.StartedAt.Add(from), FinishedAt: stage.StartedAt.Add(to),
	}
}

func testSections() []pipeline.Section {
	return []pipeline.Section{
		{Title: "Tests", Table: &pipeline.Table{
			Columns: []pipeline.Column{{Name: "File"}, {Name: "Tests", Right: true}, {Name: "Failed", Right: true}, {Name: "Time", Right: true}},
			Rows:    [][]string{{"tests/test_items.py", "288", "0", "31.2 s"}, {"tests/test_alerts.py", "76", "2", "22.9 s"}, {"tests/test_health.py", "48", "0", "4.0 s"}},
		}},
		{Title: "Coverage", Text: "78.3 % of 1,204 lines.\n\n29.2 % of the 24 changed lines.", Table: &pipeline.Table{
			Columns: []pipeline.Column{{Name: "File"}, {Name: "Lines", Right: true}, {Name: "Covered", Right: true}},
			Rows:    [][]string{{"app/items.py", "410", "91.0 %"}, {"app/alerts.py", "58", "41.4 %"}},
		}},
		{Title: "Environment", Folded: true, Code: "Python 3.13.1\npytest 8.3.4\nflask 3.1.0"},
		{Title: "Notes of the tests", Markdown: "Slowest: **test_bulk_import** (6.1 s), see [the guide](https://example.com/slow)."},
	}
}

// Log is a stage's log with colours, steps and a long line.
func Log(stageRunID int64) []pipeline.StoredLine {
	var lines []pipeline.StoredLine
	add := func(step, text string) {
		seq := int64(3 + 2*len(lines)) // a runner's other events are counted in between
		lines = append(lines, pipeline.StoredLine{
			Seq: seq, Time: Now().Add(-3*time.Minute + time.Duration(len(lines))*time.Second/4),
			LogLine: pipeline.LogLine{Step: step, Text: text},
		})
	}
	add("checkout", "HEAD is now at 4f2a9c1 Warn when stock of an item runs low")
	add("python", "Using \x1b[1mPython 3.13.1\x1b[0m from /usr/lib/python3.13")
	add("requirements", "Using cached "+strings.Repeat("flask-3.1.0-py3-none-any.whl ", 6))
	add("pytest", "$ pytest tests/ --cov=app --junitxml=reports/junit.xml")
	add("pytest", "============================= test session starts ==============================")
	for i := range 24 {
		add("pytest", fmt.Sprintf("tests/test_items.py::test_item_%02d \x1b[32mPASSED\x1b[0m%s[%3d%%]", i, strings.Repeat(" ", 28), i*4))
	}
	add("pytest", "tests/test_alerts.py::test_threshold_is_inclusive \x1b[31mFAILED\x1b[0m                   [ 98%]")
	add("pytest", "tests/test_alerts.py::test_alert_is_sent_once \x1b[31mFAILED\x1b[0m                       [100%]")
	add("pytest", "\x1b[31mFAILED\x1b[0m tests/test_alerts.py::test_threshold_is_inclusive - assert 5 < 5")
	add("pytest", "\x1b[31m\x1b[1m2 failed\x1b[0m, \x1b[32m410 passed\x1b[0m in 58.10s (run "+fmt.Sprint(stageRunID)+")")
	return lines
}

// Hostile is Failed with everything a stranger can write turned against its reader.
func Hostile() pipeline.Run {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>` + "\x1b]0;owned\x07\x1b[2J\u202e"
	run := Failed()
	run.Name, run.Reason = evil, evil
	run.Trigger.Title, run.Trigger.Branch, run.Trigger.Base, run.Trigger.Actor = evil, evil, evil, evil
	for i := range run.Stages {
		hostileStage(&run.Stages[i], evil)
	}
	return run
}

func hostileStage(stage *pipeline.StageRun, evil string) {
	stage.Spec.Key = fmt.Sprintf("stage %d %s", stage.Index, evil)
	stage.Spec.ID = stage.Spec.Key
	for i := range stage.Spec.Needs {
		stage.Spec.Needs[i].Stage = evil
	}
	result := &stage.Result
	stage.Reason, stage.AttemptReason, result.Verdict.Title, result.Verdict.Cause = evil, evil, evil, evil
	result.Diagnosis = &pipeline.Diagnosis{ID: evil, Cause: evil, Remedy: []string{"`" + evil + "`", evil}, Evidence: evil}
	result.LogTail = []string{evil}
	result.Sections = append(result.Sections, pipeline.Section{Title: evil, Text: evil, Code: evil, Markdown: evil + "\n\n[x](javascript:alert(3)) ![i](https://example.com/i.png)"},
		pipeline.Section{Table: &pipeline.Table{Columns: []pipeline.Column{{Name: evil}}, Rows: [][]string{{evil, evil}, {}}}})
	result.Findings = append(result.Findings, pipeline.Finding{Tool: evil, Rule: evil, Path: "../../" + evil, Line: -1, Level: "bogus", Title: evil, Message: evil, Details: evil, URL: "javascript:alert(4)"})
	result.Steps = append(result.Steps, pipeline.Step{Name: evil, Status: pipeline.Status(evil), Detail: evil})
	result.Artifacts = []pipeline.Artifact{{Name: "../../etc/passwd", Bytes: -5}, {Name: evil + ".html", Bytes: 10}}
}
