package terminal

import (
	"fmt"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// opening announces a run.
func (t *Terminal) opening(run pipeline.Run) string {
	return t.stamp() + heading(run)
}

// heading names a run in one line.
func heading(run pipeline.Run) string {
	line := display.Line(run.Name)
	if line == "" {
		line = "Run"
	}
	if run.Number > 0 {
		line += fmt.Sprintf(" #%d", run.Number)
	}
	line += ", " + display.Why(run.Trigger)
	if sha := display.ShortSHA(run.Trigger.SHA); sha != "" {
		line += ", " + sha
	}
	if title := display.Line(run.Trigger.Title); title != "" {
		line += ", " + title
	}
	return line
}

// told is what was said of a stage last.
type told struct {
	status pipeline.Status
	// hold is the title of what it waits for before its environment.
	hold string
}

// sayChanges writes a line for each stage whose state is another than the one told last. That a stage waits for others is
// not news; that it waits before its environment is.
func (t *Terminal) sayChanges(run pipeline.Run) {
	for _, s := range run.Stages {
		now := told{status: s.Status}
		entry := display.Before(run, s)
		if entry != nil {
			now.hold = entry.Hold.Title
		}
		if t.told[s.ID] == now {
			continue
		}
		t.told[s.ID] = now
		if (s.Status == pipeline.StatusQueued || s.Status == pipeline.StatusReady) && entry == nil {
			continue
		}
		t.say(t.stamp() + t.change(run, s))
		if entry == nil {
			continue
		}
		for _, m := range entry.Hold.Missing {
			if m.Command != "" {
				t.say("           " + asked(m))
			}
		}
	}
}

func (t *Terminal) change(run pipeline.Run, s pipeline.StageRun) string {
	face := display.Status(s.Status)
	line := t.paint.bold(name(s)) + ": " + t.paint.tone(face.Tone, face.Word)
	if s.Status.Final() && !s.StartedAt.IsZero() && s.Status != pipeline.StatusSkipped {
		line += " in " + display.Duration(s.Duration(t.options.Clock.Now()))
	}
	if says := display.Says(run, s); says != "" {
		line += ": " + says
	}
	return line
}

// name is a stage's key, with the attempt when it is not the first.
func name(s pipeline.StageRun) string {
	if s.Attempt > 1 {
		return fmt.Sprintf("%s (attempt %d)", display.Line(s.Spec.Key), s.Attempt)
	}
	return display.Line(s.Spec.Key)
}

func (t *Terminal) stamp() string {
	return t.paint.dim(t.options.Clock.Now().Format("15:04:05") + " ")
}
