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

// sayChanges writes a line for each stage whose state is another than the one told last. That a stage waits is not news.
func (t *Terminal) sayChanges(run pipeline.Run) {
	for _, s := range run.Stages {
		if t.told[s.ID] == s.Status {
			continue
		}
		t.told[s.ID] = s.Status
		if s.Status == pipeline.StatusQueued || s.Status == pipeline.StatusReady {
			continue
		}
		t.say(t.stamp() + t.change(run, s))
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
