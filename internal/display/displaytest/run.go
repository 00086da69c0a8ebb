package displaytest

import (
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Now is the time at which every scenario is looked at.
func Now() time.Time { return time.Date(2026, 3, 14, 9, 30, 0, 0, time.UTC) }

// Clock always tells Now.
type Clock struct{ At time.Time }

// Now returns the clock's time, or that of the scenarios when none is set.
func (c Clock) Now() time.Time {
	if c.At.IsZero() {
		return Now()
	}
	return c.At
}

// Repository is the example's.
func Repository() pipeline.Repository {
	return pipeline.Repository{
		ID: 7, Owner: "acme", Name: "inventory-manager", DefaultBranch: "main", InstallationID: 1,
		CloneURL: "https://github.com/acme/inventory-manager.git",
	}
}

// New builds the run of a pull request with every stage queued; the scenarios move it on.
func New() pipeline.Run {
	run := pipeline.Run{
		ID: 42, Number: 12, Key: "7/pull_request/refs/pull/31/head", Name: "CI/CD Pipeline - Inventory Manager",
		Source: ".github/slipway.yml", Status: pipeline.StatusQueued, CreatedAt: Now().Add(-4 * time.Minute),
		Trigger: pipeline.Trigger{
			Event: pipeline.EventPullRequest, Repository: Repository(),
			SHA: "4f2a9c1d7be03356c7a1d90e6b1f4a8d5c3e2b10", Ref: "refs/pull/31/head", Branch: "feature/stock-alerts",
			Base: "main", PullRequest: 31, Actor: "ada-lovelace", Title: "Warn when stock of an item runs low",
			ReceivedAt: Now().Add(-4 * time.Minute),
		},
	}
	for i, spec := range plan() {
		run.Stages = append(run.Stages, pipeline.StageRun{
			ID: int64(100 + i), RunID: run.ID, Index: i, Spec: spec, Attempt: 1, Status: pipeline.StatusQueued,
			CreatedAt: run.CreatedAt, Version: 1,
		})
	}
	return run
}

func plan() []pipeline.StageSpec {
	needs := func(keys ...string) []pipeline.Need {
		var list []pipeline.Need
		for _, key := range keys {
			list = append(list, pipeline.Need{Stage: key})
		}
		return list
	}
	leg := func(version string) pipeline.StageSpec {
		return pipeline.StageSpec{
			Key: "compatibility (" + version + ")", ID: "compatibility", Uses: "run", Needs: needs("build-and-test"),
			Matrix: pipeline.MatrixLeg{{Name: "python", Value: version}}, Run: []string{"make check"}, Timeout: 30 * time.Minute,
		}
	}
	return []pipeline.StageSpec{
		{Key: "build-and-test", ID: "build-and-test", Uses: "python", Timeout: 30 * time.Minute},
		{Key: "security-and-linting", ID: "security-and-linting", Uses: "python-security", Needs: needs("build-and-test")},
		leg("3.11"), leg("3.12"), leg("3.13"),
		{Key: "docker-build-push", ID: "docker-build-push", Uses: "image", Needs: needs("build-and-test")},
		{
			Key: "terraform-provision (production)", ID: "terraform-provision", Uses: "terraform", Environment: "production",
			Needs: needs("security-and-linting", "docker-build-push"),
		},
		{
			Key: "kubernetes-deploy (production)", ID: "kubernetes-deploy", Uses: "kubernetes", Environment: "production",
			Needs: needs("terraform-provision (production)", "compatibility (3.11)", "compatibility (3.12)", "compatibility (3.13)"),
		},
		{
			Key: "smoke-tests (production)", ID: "smoke-tests", Uses: "smoke", Environment: "production",
			Needs: needs("kubernetes-deploy (production)"),
		},
		{Key: "deployment-summary", ID: "deployment-summary", Uses: "summary"},
	}
}

// Stage finds the last attempt of a stage by its key; nil when the run has none.
func Stage(run *pipeline.Run, key string) *pipeline.StageRun {
	for i := len(run.Stages) - 1; i >= 0; i-- {
		if run.Stages[i].Spec.Key == key {
			return &run.Stages[i]
		}
	}
	return nil
}

// finish ends a stage that worked from one offset after the run's creation to another.
func finish(run *pipeline.Run, key string, from, to time.Duration, verdict pipeline.Verdict) *pipeline.StageRun {
	stage := Stage(run, key)
	stage.Status, stage.Result.Verdict = verdict.Status, verdict
	stage.StartedAt, stage.FinishedAt = run.CreatedAt.Add(from), run.CreatedAt.Add(to)
	stage.Version += 3
	return stage
}

func start(run *pipeline.Run, key string, from time.Duration, progress string) *pipeline.StageRun {
	stage := Stage(run, key)
	stage.Status, stage.Progress, stage.StartedAt = pipeline.StatusRunning, progress, run.CreatedAt.Add(from)
	stage.Version += 2
	return stage
}

func skip(run *pipeline.Run, reason string, keys ...string) {
	for _, key := range keys {
		stage := Stage(run, key)
		stage.Status, stage.Reason = pipeline.StatusSkipped, reason
	}
}

func passed(title string) pipeline.Verdict {
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: title}
}
