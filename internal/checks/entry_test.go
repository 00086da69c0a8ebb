package checks

import (
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const bad = "@admin | `x` **b** ![x](http://evil/x.png) <script>alert(1)</script> <!-- \x1b[31m\u202e &lt;\n# heading"

// candidate is what would enter production.
func candidate() pipeline.Candidate {
	return pipeline.Candidate{
		Environment: "production", Action: pipeline.ActionDeploy,
		Commit: "0123456789abcdef0123456789abcdef01234567", Base: "89abcdef0123456789abcdef0123456789abcdef",
		Parts: []pipeline.Part{
			{Kind: pipeline.PartImage, Name: "docker-build-push", Value: "docker.io/acme/shop@sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"},
			{Kind: pipeline.PartManifests, Name: "kubernetes-deploy (production)", Value: strings.Repeat("ab12", 16), Detail: "1 of 12 objects changes"},
			{Kind: pipeline.PartPlan, Name: "terraform-provision (production)", Value: strings.Repeat("cd34", 16), Detail: "3 to add, 1 to destroy", ExtraApproval: "the plan destroys 1 resource"},
		},
		Configuration: strings.Repeat("ef56", 16),
	}
}

// entering is a run that wants to enter production: what it says is altered by change.
func entering(change func(run *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun)) pipeline.Run {
	terraform := worked(pipeline.StageRun{Spec: spec("terraform-provision (production)", "build-and-test")}, pipeline.StatusWaiting, 0)
	terraform.Spec.ID, terraform.Spec.Environment, terraform.Spec.Enters = "terraform-provision", "production", true
	terraform.Spec.Steps, terraform.Phase = pipeline.PrepareThenApply, pipeline.PhaseApply
	terraform.Result = pipeline.Result{
		Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "Plan: 3 to add, 1 to destroy"},
		Sections: []pipeline.Section{{Title: "Plan", Table: &pipeline.Table{
			Columns: []pipeline.Column{{Name: "Resource"}, {Name: "Action"}}, Rows: [][]string{{"aws_eks_cluster.main", "create"}, {"aws_vpc.old", "destroy"}},
		}}},
	}
	kubernetes := pipeline.StageRun{Spec: spec("kubernetes-deploy (production)", "terraform-provision (production)"), Status: pipeline.StatusQueued}
	kubernetes.Spec.ID, kubernetes.Spec.Environment, kubernetes.Spec.Enters = "kubernetes-deploy", "production", true
	kubernetes.Spec.Steps, kubernetes.Phase = pipeline.PrepareThenApply, pipeline.PhaseApply
	tests := worked(pipeline.StageRun{Spec: spec("build-and-test")}, pipeline.StatusSuccess, 83*time.Second)
	tests.Result.Verdict = pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "412 tests, coverage 86.4 %"}
	run := sampleRun(terraform, kubernetes, tests)
	run.Trigger.Event, run.Trigger.Title, run.Trigger.Actor = pipeline.EventDeploy, "Warn when stock runs low", "ada"
	run.Trigger.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionDeploy, Pinned: true, Comment: 77}
	c := candidate()
	run.Entries = []pipeline.Entry{{
		Environment: "production", Action: pipeline.ActionDeploy, State: pipeline.EntryWaiting, Askers: []string{"ada"},
		Candidate: &c, PreparedAt: noon,
	}}
	e, s := &run.Entries[0], &run.Stages[0]
	change(&run, e, s)
	if e.Hold != nil && e.State == pipeline.EntryWaiting {
		s.Reason = e.Hold.Title
	}
	return run
}

func entryCases() map[string]pipeline.Run {
	two := func(e *pipeline.Entry) {
		e.Hold = &pipeline.Hold{
			Title: "Waiting for 1 approval of @acme/platform, carol", Person: true, Approved: 1, Required: 2,
			Missing: []pipeline.Missing{{
				Rule: "approvals", Who: "@acme/platform, carol", Command: "/approve production",
				Why: "It needs 2 approvals, and has 1. One of them because the plan destroys 1 resource. These do not count: ada (asked for it).",
			}},
		}
		e.Approvals = []pipeline.Approval{
			{By: "bob", At: noon.Add(time.Minute), Fingerprint: candidate().Fingerprint(), Via: "comment"},
			{By: "dan", At: noon.Add(-time.Hour), Fingerprint: "older", Via: "button"},
		}
	}
	enter := func(e *pipeline.Entry, s *pipeline.StageRun, state pipeline.EntryState, status pipeline.Status) {
		two(e)
		e.Hold, e.State, e.EnteredAt = nil, state, noon.Add(10*time.Minute)
		s.Admitted, s.Status, s.Reason = true, status, ""
		s.StartedAt = noon.Add(10 * time.Minute)
		s.Result.Verdict = pipeline.Verdict{Status: status, Title: "Apply complete: 3 added, 1 destroyed"}
	}
	end := func(e *pipeline.Entry, s *pipeline.StageRun, state pipeline.EntryState, status pipeline.Status, reason string) {
		two(e)
		e.Hold, e.State, e.Reason, e.EndedAt = nil, state, reason, noon.Add(10*time.Minute)
		s.Status, s.Reason, s.FinishedAt = status, reason, noon.Add(10*time.Minute)
		s.Result.Verdict = pipeline.Verdict{Status: status, Title: reason, Cause: reason + "."}
	}
	return map[string]pipeline.Run{
		"entry-approvals": entering(func(_ *pipeline.Run, e *pipeline.Entry, _ *pipeline.StageRun) {
			two(e)
			e.Refuse(pipeline.RefusedWord{By: "eve", At: noon.Add(2 * time.Minute), What: "approve", Why: "eve may not approve what enters production."})
			e.Refuse(pipeline.RefusedWord{By: "ada", At: noon.Add(3 * time.Minute), What: "approve", Why: "ada asked for it, and production does not let people approve their own."})
		}),
		"entry-locked": entering(func(run *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			run.Trigger.Event, run.Trigger.Deploy, run.Trigger.PullRequest, run.Trigger.Base = pipeline.EventPush, nil, 0, ""
			e.Automatic = true
			s.Status = pipeline.StatusQueued
			e.Hold = &pipeline.Hold{
				Title: "production is locked by bob since 2026-03-04 11:00 UTC: the shop is being moved", Until: noon.Add(48 * time.Hour),
				Missing: []pipeline.Missing{
					{Rule: "lock", Why: "production is locked by bob since 2026-03-04 11:00 UTC: the shop is being moved.", Who: "somebody with write permission", Command: "/unlock production"},
					{Rule: "rollback", Why: "production was rolled back by bob at 2026-03-04 10:00 UTC: nothing is deployed there by itself until somebody says `/deploy production` or `/unlock production`.", Who: "somebody with write permission", Command: "/unlock production"},
					{Rule: "freeze", Why: "production is frozen until 2026-03-06 12:00 UTC: inventory.", Until: noon.Add(48 * time.Hour)},
				},
			}
		}),
		"entry-turn": entering(func(_ *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			s.Status = pipeline.StatusQueued
			e.Hold = &pipeline.Hold{
				Title: "Waits for its turn: run #10 is in production, and 1 more run before this one", Ahead: 2,
				Missing: []pipeline.Missing{{Rule: "turn", Why: "Run #10 is in production, and 1 more run before this one. It goes on by itself."}},
			}
		}),
		"entry-entered": entering(func(_ *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			enter(e, s, pipeline.EntryEntered, pipeline.StatusRunning)
			s.Progress = "aws_eks_cluster.main: creating"
		}),
		"entry-released": entering(func(_ *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			enter(e, s, pipeline.EntryDone, pipeline.StatusSuccess)
			e.Release, s.Release, s.FinishedAt = 5, 5, noon.Add(14*time.Minute)
		}),
		"entry-rolled-back": entering(func(run *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			enter(e, s, pipeline.EntryDone, pipeline.StatusSuccess)
			e.Action, run.Trigger.Deploy.Action = pipeline.ActionRollback, pipeline.ActionRollback
			run.Restores = &pipeline.Release{Number: 3, Commit: "fedcba9876543210fedcba9876543210fedcba98"}
			e.Release, s.Release, s.FinishedAt = 6, 6, noon.Add(14*time.Minute)
		}),
		"entry-rejected": entering(func(_ *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			end(e, s, pipeline.EntryRejected, pipeline.StatusFailure, "Rejected by carol: not before the sale")
		}),
		"entry-void": entering(func(_ *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			end(e, s, pipeline.EntryVoid, pipeline.StatusCancelled, "Void: the base moved from 89abcdef0123 to 111111111111")
		}),
		"entry-hostile": entering(func(run *pipeline.Run, e *pipeline.Entry, _ *pipeline.StageRun) {
			two(e)
			run.Trigger.Title, run.Trigger.Base = bad, bad
			e.Hold.Title = bad
			e.Hold.Missing = append(e.Hold.Missing, pipeline.Missing{Rule: bad, Why: bad, Who: bad, Command: "/unlock " + bad})
			e.Candidate.Parts[0] = pipeline.Part{Kind: bad, Name: bad, Value: bad, Detail: bad, ExtraApproval: bad}
			e.Approvals = append(e.Approvals, pipeline.Approval{By: bad, Via: bad, At: noon})
			e.Refuse(pipeline.RefusedWord{By: bad, What: bad, Why: bad, At: noon})
		}),
		"entry-rejected-hostile": entering(func(_ *pipeline.Run, e *pipeline.Entry, s *pipeline.StageRun) {
			end(e, s, pipeline.EntryRejected, pipeline.StatusFailure, "Rejected by carol: "+bad)
		}),
	}
}

// A stage that waits behind the first one of its environment says for which; only the first one has buttons.
func TestOnlyTheFirstStagesAskForApproval(t *testing.T) {
	run := entryCases()["entry-approvals"]
	second := Render(run, run.Stages[1], RenderOptions{})
	if second.Title != "Prepared, waits for terraform-provision (production)" || len(second.Actions) != 0 || second.Status != statusQueued {
		t.Errorf("%s: %s, %v", second.Title, second.Status, second.Actions)
	}
}

// GitHub keeps the buttons that a request does not mention.
func TestButtonsAreTakenAway(t *testing.T) {
	run := entryCases()["entry-entered"]
	check := Render(run, run.Stages[0], RenderOptions{})
	if check.Actions == nil || len(check.Actions) != 0 {
		t.Errorf("buttons of a stage that changes its environment: %#v", check.Actions)
	}
	if tests := Render(run, run.Stages[2], RenderOptions{}); tests.Actions != nil {
		t.Errorf("buttons of a stage that never had any: %#v", tests.Actions)
	}
}

// An attempt before the last one tells nothing of an entry that is decided on anew.
func TestAnEarlierAttemptDoesNotTellOfTheEntry(t *testing.T) {
	run := entryCases()["entry-approvals"]
	first := run.Stages[0]
	first.Status, first.Superseded, first.Admitted, first.FinishedAt = pipeline.StatusFailure, true, true, noon
	check := Render(run, first, RenderOptions{})
	if strings.Contains(check.Summary, "bob") || strings.Contains(check.Summary, "production,") {
		t.Error(check.Summary)
	}
}
