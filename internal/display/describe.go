package display

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// ShortSHA is a commit as people write it.
func ShortSHA(sha string) string {
	sha = Line(sha)
	if len(sha) > 7 {
		return sha[:7]
	}
	return sha
}

// Why says in a few words what started a run.
func Why(t pipeline.Trigger) string {
	switch t.Event {
	case pipeline.EventPush:
		return "push to " + Line(t.Branch)
	case pipeline.EventPullRequest:
		return pullRequestWhy(t)
	case pipeline.EventMergeGroup:
		return "merge queue of " + Line(t.Base)
	case pipeline.EventDeploy:
		return deployWhy(t.Deploy)
	case pipeline.EventSchedule:
		if t.Schedule != nil {
			return "drift of " + Line(t.Schedule.Environment)
		}
		return "schedule on " + Line(t.Branch)
	default:
		return Line(string(t.Event))
	}
}

func deployWhy(d *pipeline.Deploy) string {
	if d == nil {
		return "deploy"
	}
	environment := Line(d.Environment)
	switch {
	case d.Action == pipeline.ActionRollback && d.Release > 0:
		return fmt.Sprintf("rollback of %s to release %d", environment, d.Release)
	case d.Action == pipeline.ActionRollback:
		return "rollback of " + environment
	case d.Action == pipeline.ActionDestroy:
		return "destroy " + environment
	case d.Action == pipeline.ActionPlan:
		return "plan for " + environment
	default:
		return "deploy to " + environment
	}
}

func pullRequestWhy(t pipeline.Trigger) string {
	from := ""
	if t.Fork {
		from = " from a fork"
	}
	number := ""
	if t.PullRequest != 0 { // a checkout that is run as one has none
		number = fmt.Sprintf(" #%d", t.PullRequest)
	}
	return "pull request" + number + from + " into " + Line(t.Base)
}

// RunTook is how long a run has worked, up to now while it does.
func RunTook(run pipeline.Run, now time.Time) time.Duration {
	switch {
	case run.StartedAt.IsZero():
		return 0
	case run.FinishedAt.IsZero():
		return now.Sub(run.StartedAt)
	default:
		return run.FinishedAt.Sub(run.StartedAt)
	}
}

// Worked is how long a stage has worked, up to now while it does. Between its two steps it does not: 0.
func Worked(stage pipeline.StageRun, now time.Time) time.Duration {
	if stage.Status != pipeline.StatusRunning && !stage.Status.Final() {
		return 0
	}
	return stage.Duration(now)
}

// Says is the one line a stage has to say: what it found, why it does not run, what it does now or waits for.
func Says(run pipeline.Run, stage pipeline.StageRun) string {
	switch {
	case stage.Status == pipeline.StatusRunning && stage.Cancel != "":
		return "stopping: " + Line(stage.Cancel)
	case stage.Status == pipeline.StatusRunning:
		return Line(stage.Progress)
	case stage.Status == pipeline.StatusQueued:
		return queuedFor(run, stage)
	case stage.Status == pipeline.StatusReady:
		return "waits for a free worker"
	}
	said := Line(stage.Result.Verdict.Title)
	if said == "" || stage.Reason != "" && stage.Result.Verdict.Status != stage.Status { // the verdict is its preparation's
		said = Line(stage.Reason)
	}
	if stage.Reused != nil {
		return strings.TrimPrefix(fmt.Sprintf("%s (reused from run #%d)", said, stage.Reused.RunNumber), " ")
	}
	if stage.Release > 0 && stage.Status.Passed() {
		return strings.TrimPrefix(fmt.Sprintf("%s (release %d of %s)", said, stage.Release, Line(stage.Spec.Environment)), " ")
	}
	return said
}

// Before is the entry into an environment that a stage waits with, and shows the reason of; nil: it waits for something
// else, or not at all.
func Before(run pipeline.Run, stage pipeline.StageRun) *pipeline.Entry {
	held := stage.Status == pipeline.StatusWaiting || stage.Status == pipeline.StatusQueued && stage.Reason != ""
	if !held || stage.Superseded || stage.Admitted || !stage.Spec.Enters {
		return nil
	}
	if e := run.Entry(stage.Spec.Environment); e != nil && e.State == pipeline.EntryWaiting && e.Hold != nil {
		return e
	}
	return nil
}

// queuedFor says what keeps a queued stage: what its environment waits for, or other stages.
func queuedFor(run pipeline.Run, stage pipeline.StageRun) string {
	if stage.Reason != "" {
		return Line(stage.Reason)
	}
	waits := waitsFor(run, stage)
	if waits == "" {
		waits = waitsToEnter(run, stage)
	}
	if stage.Phase != pipeline.PhaseApply {
		return waits
	}
	if waits == "" {
		return "prepared"
	}
	return "prepared, " + waits
}

// waitsToEnter is of a stage that has all it needs but the word of the gate.
func waitsToEnter(run pipeline.Run, stage pipeline.StageRun) string {
	if !stage.Spec.Enters || stage.Admitted {
		return ""
	}
	e := run.Entry(stage.Spec.Environment)
	switch {
	case e == nil:
		return ""
	case e.State == pipeline.EntryPreparing:
		return "waits until all that is to enter " + Line(e.Environment) + " is prepared"
	case e.State == pipeline.EntryDeciding:
		return "it is decided whether it may enter " + Line(e.Environment)
	default:
		return ""
	}
}

// waitsFor names the stages that have not passed yet, two at most.
func waitsFor(run pipeline.Run, stage pipeline.StageRun) string {
	open := map[string]bool{}
	for _, other := range run.Current() {
		open[other.Spec.Key] = !other.Status.Final()
	}
	var names []string
	for _, need := range stage.Spec.Needs {
		if open[need.Stage] {
			names = append(names, Line(need.Stage))
		}
	}
	switch len(names) {
	case 0:
		if stage.Spec.Uses == "summary" {
			return "waits for all other stages"
		}
		return ""
	case 1:
		return "waits for " + names[0]
	case 2:
		return "waits for " + names[0] + " and " + names[1]
	default:
		return fmt.Sprintf("waits for %s and %d more", names[0], len(names)-1)
	}
}

// Cause is what went wrong in a stage, best known first; empty when nothing did.
func Cause(stage pipeline.StageRun) string {
	switch {
	case stage.Result.Diagnosis != nil && stage.Result.Diagnosis.Cause != "":
		return Text(stage.Result.Diagnosis.Cause)
	case stage.Result.Verdict.Cause != "":
		return Text(stage.Result.Verdict.Cause)
	default:
		return ""
	}
}

// Tally counts the last attempts by face, in a fixed order: "4 passed, 1 failed, 2 skipped".
func Tally(stages []pipeline.StageRun) string {
	order := []pipeline.Status{
		pipeline.StatusFailure, pipeline.StatusTimedOut, pipeline.StatusSuccess, pipeline.StatusNeutral,
		pipeline.StatusRunning, pipeline.StatusWaiting, pipeline.StatusReady, pipeline.StatusQueued,
		pipeline.StatusCancelled, pipeline.StatusSkipped,
	}
	counts := map[pipeline.Status]int{}
	for _, s := range stages {
		counts[s.Status]++
	}
	var parts []string
	for _, status := range order {
		if n := counts[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, Status(status).Word))
		}
	}
	return strings.Join(parts, ", ")
}
