package checks

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// RenderOptions are what a rendering needs besides the run.
type RenderOptions struct {
	// PageURL is how people reach the dashboard, without a slash at its end.
	PageURL string
	// Now is the time durations of what is still running are counted to.
	Now time.Time
}

// Render makes the Check Run of a stage attempt. It is a pure function, and whatever the run holds, its result is within
// GitHub's limits and its Markdown complete.
func Render(run pipeline.Run, stage pipeline.StageRun, options RenderOptions) Check {
	p := page{base: strings.TrimRight(options.PageURL, "/"), run: run, stage: stage, now: options.Now}
	check := Check{
		Name:       stage.Spec.Key,
		HeadSHA:    run.Trigger.SHA,
		DetailsURL: p.stageURL(),
		ExternalID: ExternalID(stage.ID),
		Title:      title(run, stage),
	}
	check.Status, check.Conclusion = state(stage.Status)
	check.StartedAt, check.CompletedAt = times(stage)
	var listed []pipeline.Finding
	check.Actions = actions(run, stage)
	if stage.Status.Final() {
		check.Annotations, listed = annotate(stage.Result.Findings)
	} else {
		listed = stage.Result.Findings
	}
	check.Summary = p.summary(listed, len(check.Annotations))
	check.Text = p.log()
	return check
}

// state is what GitHub calls a status of ours.
func state(s pipeline.Status) (status, conclusion string) {
	switch {
	case s == pipeline.StatusRunning:
		return statusInProgress, ""
	case s == pipeline.StatusWaiting:
		return statusCompleted, conclusionActionRequired
	case s.Final():
		return statusCompleted, string(s)
	default:
		return statusQueued, ""
	}
}

// times are those of the work; what never worked began when it ended, since GitHub would make up a time otherwise.
func times(stage pipeline.StageRun) (started, completed time.Time) {
	started = stage.StartedAt
	if stage.Status.Final() {
		completed = stage.FinishedAt
		if started.IsZero() {
			started = completed
		}
	}
	return started, completed
}

// actions are the buttons. A check that may have had some says that it has none, since GitHub keeps what is not mentioned.
func actions(run pipeline.Run, stage pipeline.StageRun) []Action {
	switch stage.Status {
	case pipeline.StatusFailure, pipeline.StatusTimedOut, pipeline.StatusCancelled:
		return []Action{{Label: "Retry", Description: "Run this stage again", Identifier: ActionRetry}}
	case pipeline.StatusWaiting:
		if entry := display.Before(run, stage); asksForApproval(entry) {
			return []Action{
				{Label: "Approve", Description: "Let exactly this candidate enter", Identifier: approveIdentifier(entry)},
				{Label: "Reject", Description: "End it: it is not to enter", Identifier: ActionReject},
			}
		}
	case pipeline.StatusSuccess, pipeline.StatusNeutral:
		if stage.Release > 0 {
			return []Action{{Label: "Roll back", Description: "Bring back the release before this one", Identifier: ActionRollback}}
		}
	default:
	}
	if stage.Spec.Enters {
		return []Action{}
	}
	return nil
}

// approveIdentifier names what is approved: who presses the button on a page that is old approves nothing else.
func approveIdentifier(entry *pipeline.Entry) string {
	if entry.Candidate == nil {
		return ActionApprove
	}
	return ActionApprove + "-" + entry.Candidate.Fingerprint()[:12]
}

// title says in one line what there is to say.
func title(run pipeline.Run, stage pipeline.StageRun) string {
	said := display.Says(run, stage)
	switch stage.Status {
	case pipeline.StatusSkipped:
		said = worded("Skipped", stage.Reason)
	case pipeline.StatusCancelled:
		if !closedByGate(stage) { // a closed one's reason says what became of it: "Void: …"
			said = worded("Cancelled", stage.Reason)
		}
	case pipeline.StatusWaiting, pipeline.StatusQueued, pipeline.StatusReady:
		if said == "" && stage.Status == pipeline.StatusWaiting {
			said = "waits for a person"
		}
		if display.Before(run, stage) == nil { // the gate's own words begin with the environment's name
			said = capital(said)
		}
	default:
	}
	if said == "" {
		said = capital(display.Status(stage.Status).Word)
	}
	return clip(strings.ReplaceAll(display.Line(said), "@", noMention), maxTitle)
}

func worded(word, reason string) string {
	if reason = display.Line(reason); reason != "" {
		return word + ": " + reason
	}
	return word
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// page is where a stage attempt is shown, and what the parts of its texts are made of.
type page struct {
	base  string
	run   pipeline.Run
	stage pipeline.StageRun
	now   time.Time
}

func (p page) runURL(number int64) string {
	r := p.run.Trigger.Repository
	return fmt.Sprintf("%s/%s/%s/runs/%d", p.base, url.PathEscape(r.Owner), url.PathEscape(r.Name), number)
}

func (p page) stageURL() string {
	return p.runURL(p.run.Number) + "?stage=" + url.QueryEscape(p.stage.Spec.Key)
}

func (p page) artifactURL(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return fmt.Sprintf("%s/artifacts/%d/%s", p.runURL(p.run.Number), p.stage.ID, strings.Join(parts, "/"))
}
