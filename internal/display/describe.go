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
		return "deploy by comment"
	case pipeline.EventSchedule:
		return "schedule on " + Line(t.Branch)
	default:
		return Line(string(t.Event))
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

// Says is the one line a stage has to say: what it found, why it does not run, what it does now or waits for.
func Says(run pipeline.Run, stage pipeline.StageRun) string {
	switch {
	case stage.Status == pipeline.StatusRunning && stage.Cancel != "":
		return "stopping: " + Line(stage.Cancel)
	case stage.Status == pipeline.StatusRunning:
		return Line(stage.Progress)
	case stage.Status == pipeline.StatusQueued:
		return waitsFor(run, stage)
	case stage.Status == pipeline.StatusReady:
		return "waits for a free worker"
	}
	said := Line(stage.Result.Verdict.Title)
	if said == "" {
		said = Line(stage.Reason)
	}
	if stage.Reused != nil {
		return strings.TrimPrefix(fmt.Sprintf("%s (reused from run #%d)", said, stage.Reused.RunNumber), " ")
	}
	return said
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
