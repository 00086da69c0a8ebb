package displaytest

import (
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Waiting is a deploy by comment that is prepared and waits for one of two approvals.
func Waiting() pipeline.Run {
	run := New()
	run.Trigger.Event, run.Trigger.Deploy = pipeline.EventDeploy, &pipeline.Deploy{Environment: "production", Action: pipeline.ActionDeploy, Pinned: true}
	run.Status, run.StartedAt = pipeline.StatusWaiting, run.CreatedAt.Add(2*time.Second)
	tested(&run)
	for _, key := range []string{"security-and-linting", "compatibility (3.11)", "compatibility (3.12)", "compatibility (3.13)"} {
		finish(&run, key, 85*time.Second, 146*time.Second, passed("passed"))
	}
	finish(&run, "docker-build-push", 10*time.Second, 120*time.Second, passed("acme/inventory-manager, 84 MB"))
	for i := range run.Stages {
		if s := &run.Stages[i]; s.Spec.Environment != "" {
			s.Spec.Enters = true
		}
	}
	const title = "Waiting for 1 approval of @acme/platform"
	plan := start(&run, "terraform-provision (production)", 146*time.Second, "")
	plan.Spec.Steps, plan.Phase, plan.Status, plan.Reason = pipeline.PrepareThenApply, pipeline.PhaseApply, pipeline.StatusWaiting, title
	plan.Result.Verdict = passed("Plan: 3 to add, 1 to destroy")
	deploy := start(&run, "kubernetes-deploy (production)", 150*time.Second, "")
	deploy.Spec.Steps, deploy.Phase, deploy.Status = pipeline.PrepareThenApply, pipeline.PhaseApply, pipeline.StatusQueued
	deploy.Result.Verdict = passed("1 of 12 objects changes")
	candidate := pipeline.Candidate{
		Environment: "production", Action: pipeline.ActionDeploy, Commit: run.Trigger.SHA, Base: "9d2f6c6ad1c8a45e4a9f0f43a0d8a4b8f2f1f0aa",
		Parts: []pipeline.Part{
			{Kind: pipeline.PartImage, Name: "docker-build-push", Value: "docker.io/acme/inventory-manager@sha256:" + strings.Repeat("5f70bf18", 8)},
			{Kind: pipeline.PartPlan, Name: plan.Spec.Key, Value: strings.Repeat("c3d4", 16), Detail: "3 to add, 1 to destroy"},
		},
		Configuration: strings.Repeat("e5f6", 16),
	}
	run.Entries = []pipeline.Entry{{
		Environment: "production", Action: pipeline.ActionDeploy, State: pipeline.EntryWaiting, Askers: []string{"ada-lovelace"},
		Candidate: &candidate, PreparedAt: run.CreatedAt.Add(160 * time.Second),
		Approvals: []pipeline.Approval{{By: "grace-hopper", At: run.CreatedAt.Add(3 * time.Minute), Fingerprint: candidate.Fingerprint(), Via: "comment"}},
		Hold: &pipeline.Hold{
			Title: title, Person: true, Approved: 1, Required: 2,
			Missing: []pipeline.Missing{{
				Rule: "approvals", Who: "@acme/platform", Command: "/approve production",
				Why: "It needs 2 approvals, and has 1. These do not count: ada-lovelace (asked for it).",
			}},
		},
	}}
	return run
}

// Locked is Waiting before a locked environment: nobody has approved, and nobody has to as long as it is locked.
func Locked() pipeline.Run {
	run := Waiting()
	const title = "production is locked by grace-hopper since 2026-03-14 08:00 UTC: the shop is being moved"
	s := Stage(&run, "terraform-provision (production)")
	s.Status, s.Reason = pipeline.StatusQueued, title
	run.Entries[0].Hold = &pipeline.Hold{Title: title, Missing: []pipeline.Missing{{
		Rule: "lock", Why: title + ".", Who: "somebody with write permission", Command: "/unlock production",
	}}}
	return run
}
