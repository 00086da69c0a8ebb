package summary

import (
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func start() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

// stage is an attempt that took some seconds.
func stage(id int64, key string, status pipeline.Status, seconds int, title string) pipeline.StageRun {
	s := pipeline.StageRun{ID: id, Spec: pipeline.StageSpec{Key: key, ID: key}, Attempt: 1, Status: status}
	s.Result.Verdict = pipeline.Verdict{Status: status, Title: title}
	if seconds > 0 {
		s.StartedAt, s.FinishedAt = start(), start().Add(time.Duration(seconds)*time.Second)
	}
	return s
}

func run(stages ...pipeline.StageRun) (pipeline.Run, pipeline.StageRun) {
	self := stage(99, "deployment-summary", pipeline.StatusRunning, 0, "")
	self.Spec.Uses = pipeline.UsesSummary
	return pipeline.Run{
		Number: 12, Name: "CI/CD Pipeline - Inventory Manager", StartedAt: start(),
		Trigger: pipeline.Trigger{
			Event: pipeline.EventPush, SHA: "4f0c1e9a7d3b2c5e8f6a1b4d7c9e0f2a3b5d6c8e", Branch: "main", Actor: "mona", Title: "feat: prices\r\nhave | decimals",
			Repository: pipeline.Repository{Owner: "acme", Name: "inventory-manager"},
		},
		Stages: append(stages, self),
	}, self
}

func TestGolden(t *testing.T) {
	now := start().Add(4*time.Minute + 12*time.Second)
	passed := func() (pipeline.Run, pipeline.StageRun) {
		tests := stage(1, "build-and-test", pipeline.StatusSuccess, 64, "48 tests, coverage 86.4 %")
		tests.Result.Artifacts = []pipeline.Artifact{{Name: "junit.xml", Bytes: 12_300}, {Name: "coverage.xml", Bytes: 900}}
		image := stage(2, "docker-build-push", pipeline.StatusSuccess, 90, "acme/inventory-manager:main pushed")
		image.Spec.Uses = "image"
		image.Result.Outputs = map[string]string{"image": "docker.io/acme/inventory-manager:main", "digest": "sha256:0123"}
		lint := stage(3, "security-and-linting", pipeline.StatusSuccess, 0, "0 critical, 1 high")
		lint.Reused = &pipeline.Reused{RunNumber: 11, Duration: 31 * time.Second}
		deploy := stage(4, "kubernetes-deploy (production)", pipeline.StatusSuccess, 55, "3 deployments rolled out")
		deploy.Spec.Environment = "production"
		deploy.Result.Outputs = map[string]string{"url": "https://inventory.example.com"}
		smoke := stage(5, "smoke-tests (production)", pipeline.StatusNeutral, 3, "1 of 4 checks failed")
		smoke.Spec.Environment, smoke.Attempt = "production", 2
		smoke.Result.Verdict.Cause = "GET /api/items answered 500."
		return run(tests, image, lint, deploy, smoke)
	}
	failed := func() (pipeline.Run, pipeline.StageRun) {
		old := stage(1, "build-and-test", pipeline.StatusFailure, 10, "The tests could not run")
		old.Superseded = true
		tests := stage(2, "build-and-test", pipeline.StatusFailure, 12, "pytest is not installed")
		tests.Attempt = 2
		tests.Result.Verdict.Cause = "pytest: command not found."
		tests.Result.Diagnosis = &pipeline.Diagnosis{ID: "pytest-not-found", Cause: "pytest is not among the requirements.", Remedy: []string{"Add it."}}
		lint := stage(3, "security-and-linting", pipeline.StatusSkipped, 0, "")
		lint.Reason = "build-and-test failed"
		slow := stage(4, "slow", pipeline.StatusTimedOut, 1800, "Timed out after 30m")
		r, self := run(old, tests, lint, slow)
		r.Trigger.Event, r.Trigger.PullRequest, r.Trigger.Base, r.Trigger.Branch = pipeline.EventPullRequest, 7, "main", "prices"
		return r, self
	}
	cancelled := func() (pipeline.Run, pipeline.StageRun) {
		r, self := run(stage(1, "build-and-test", pipeline.StatusCancelled, 5, "Cancelled: superseded by run #13"), stage(2, "other", pipeline.StatusCancelled, 0, ""))
		r.Reason = "superseded by run #13"
		return r, self
	}
	entered := func(change func(*pipeline.Run, *pipeline.Entry)) func() (pipeline.Run, pipeline.StageRun) {
		return func() (pipeline.Run, pipeline.StageRun) {
			deploy := stage(4, "kubernetes-deploy (production)", pipeline.StatusSuccess, 55, "3 deployments rolled out")
			deploy.Spec.Environment, deploy.Spec.Enters, deploy.Release = "production", true, 5
			r, self := run(stage(1, "build-and-test", pipeline.StatusSuccess, 64, "48 tests"), deploy)
			c := pipeline.Candidate{Environment: "production", Action: pipeline.ActionDeploy, Commit: r.Trigger.SHA}
			r.Entries = []pipeline.Entry{{
				Environment: "production", Action: pipeline.ActionDeploy, State: pipeline.EntryDone, Release: 5, Candidate: &c, EnteredAt: start(),
				Approvals: []pipeline.Approval{
					{By: "bob", At: start(), Fingerprint: c.Fingerprint(), Via: "comment"}, {By: "dan", At: start(), Fingerprint: "older", Via: "button"},
				},
			}}
			change(&r, &r.Entries[0])
			return r, self
		}
	}
	cases := map[string]func() (pipeline.Run, pipeline.StageRun){
		"passed": passed, "failed": failed, "cancelled": cancelled,
		"released": entered(func(*pipeline.Run, *pipeline.Entry) {}),
		"rolled-back": entered(func(r *pipeline.Run, e *pipeline.Entry) {
			e.Action, e.Release = pipeline.ActionRollback, 6
			r.Restores = &pipeline.Release{
				Number: 3, Environment: "production", Commit: "fedcba9876543210fedcba9876543210fedcba98",
				Parts: []pipeline.Part{{Kind: pipeline.PartImage, Name: "docker-build-push", Value: "docker.io/acme/inventory-manager@sha256:0123"}},
			}
		}),
		"rejected": entered(func(r *pipeline.Run, e *pipeline.Entry) {
			e.State, e.Release, e.EnteredAt, e.Reason = pipeline.EntryRejected, 0, time.Time{}, "Rejected by carol: not before\nthe sale"
			r.Stages[1].Status, r.Stages[1].Reason, r.Stages[1].Release = pipeline.StatusFailure, e.Reason, 0
			r.Stages[1].Result.Verdict = pipeline.Verdict{Status: pipeline.StatusFailure, Title: e.Reason, Cause: e.Reason + "."}
		}),
		"entry-failed": entered(func(r *pipeline.Run, e *pipeline.Entry) {
			e.State, e.Release, e.Reason = pipeline.EntryFailed, 0, "kubernetes-deploy (production): 1 of 3 deployments did not roll out"
			r.Stages[1].Status, r.Stages[1].Release = pipeline.StatusFailure, 0
		}),
	}
	for name, given := range cases {
		t.Run(name, func(t *testing.T) {
			r, self := given()
			golden.EqualJSON(t, "testdata/"+name+".golden.json", Summarise(r, self, now))
		})
	}
}

func TestVerdict(t *testing.T) {
	s := func(status pipeline.Status) pipeline.StageRun { return stage(1, "a", status, 1, "") }
	for name, test := range map[string]struct {
		stages []pipeline.StageRun
		status pipeline.Status
		title  string
	}{
		"all passed":                {[]pipeline.StageRun{s(pipeline.StatusSuccess), s(pipeline.StatusNeutral)}, pipeline.StatusSuccess, "2 stages passed, in 1m 0s"},
		"all skipped":               {[]pipeline.StageRun{s(pipeline.StatusSkipped)}, pipeline.StatusSuccess, "0 stages passed, 1 skipped, in 1m 0s"},
		"failure beats cancelled":   {[]pipeline.StageRun{s(pipeline.StatusCancelled), s(pipeline.StatusTimedOut)}, pipeline.StatusFailure, "1 of 2 stages failed (a), in 1m 0s"},
		"cancelled is no success":   {[]pipeline.StageRun{s(pipeline.StatusCancelled), s(pipeline.StatusSuccess)}, pipeline.StatusCancelled, "1 of 2 stages cancelled, in 1m 0s"},
		"what is open is not known": {[]pipeline.StageRun{s(pipeline.StatusSuccess), s(pipeline.StatusRunning)}, pipeline.StatusNeutral, "1 stage passed, 1 not finished, in 1m 0s"},
		"failed and open":           {[]pipeline.StageRun{s(pipeline.StatusFailure), s(pipeline.StatusRunning)}, pipeline.StatusFailure, "1 of 2 stages failed (a), 1 not finished, in 1m 0s"},
		"nothing at all":            {nil, pipeline.StatusSuccess, "0 stages passed, in 1m 0s"},
	} {
		t.Run(name, func(t *testing.T) {
			r, self := run(test.stages...)
			got := Summarise(r, self, start().Add(time.Minute)).Verdict
			if got.Status != test.status || got.Title != test.title {
				t.Errorf("verdict = %+v, want %s %q", got, test.status, test.title)
			}
		})
	}
}
