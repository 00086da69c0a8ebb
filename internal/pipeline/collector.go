package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// collector turns the events of one task into a Result, its log and its live progress. A replay from the first event
// (after a restart) gives the same Result; the log store ignores lines it has.
type collector struct {
	engine  *Engine
	run     Run
	stage   StageRun
	result  Result
	lines   []StoredLine
	told    time.Time // when progress was last stored
	pending string    // progress not yet stored
	used    int       // bytes of findings, sections and outputs
	dropped int       // sections and outputs that did not fit
	// partLost: a part of the candidate did not fit, so that what would be approved is not what would be applied.
	partLost bool
}

func newCollector(e *Engine, run Run, s StageRun) *collector {
	return &collector{engine: e, run: run, stage: s}
}

// maxParts bounds what one attempt fixes of a candidate.
const maxParts = 500

// eventBuffer is how many events may be read ahead; log lines that arrive together are stored together.
const eventBuffer = 256

// drain reads events until the verdict. Reading and storing overlap: while one batch of lines is written the next
// gathers, so that batches grow exactly with the load and nothing waits for a timer.
func (c *collector) drain(ctx context.Context, task string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan StageEvent, eventBuffer)
	failed := make(chan error, 1)
	go func() {
		defer close(events)
		failed <- c.engine.executor.Events(ctx, task, func(ev StageEvent) error {
			select {
			case events <- ev:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	}()
	for {
		ev, more, err := c.next(ctx, events)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		c.take(ev)
		if len(events) > 0 && len(c.lines) < eventBuffer {
			continue
		}
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	return <-failed
}

// next waits for an event. Progress that is held back is stored when its time has come, though nothing happens then.
func (c *collector) next(ctx context.Context, events <-chan StageEvent) (ev StageEvent, more bool, err error) {
	if c.pending != "" && len(events) == 0 {
		late := time.NewTimer(progressEvery)
		defer late.Stop()
		select {
		case ev, more = <-events:
			return ev, more, nil
		case <-late.C:
			if err := c.flush(ctx); err != nil {
				return ev, false, err
			}
		}
	}
	ev, more = <-events
	return ev, more, nil
}

func (c *collector) take(ev StageEvent) {
	r := &c.result
	switch ev.Type {
	case StageEventLog:
		seq := ev.Seq + c.stage.Result.LogLines // the log of a second step goes on where the first one's ended
		c.lines = append(c.lines, StoredLine{Seq: seq, Time: ev.Time, LogLine: *ev.Log})
		r.LogLines = seq
		r.LogTail = append(r.LogTail, ev.Log.Text)
		if len(r.LogTail) > 2*MaxLogTail {
			r.LogTail = append(r.LogTail[:0:0], r.LogTail[len(r.LogTail)-MaxLogTail:]...)
		}
	case StageEventStep:
		c.takeStep(*ev.Step)
	case StageEventProgress:
		c.pending = ev.Progress
	case StageEventSection:
		if len(r.Sections) < MaxSections && c.fits(ev.Section) {
			r.Sections = append(r.Sections, *ev.Section)
		} else {
			c.dropped++
		}
	case StageEventFinding:
		if len(r.Findings) < MaxFindings && c.fits(ev.Finding) {
			r.Findings = append(r.Findings, *ev.Finding)
		} else {
			r.FindingsDropped++
		}
	case StageEventOutput:
		if !c.fits(ev.Output) {
			c.dropped++
			return
		}
		if r.Outputs == nil {
			r.Outputs = make(map[string]string)
		}
		maps.Copy(r.Outputs, ev.Output)
	case StageEventArtifact:
		r.Artifacts = append(r.Artifacts, *ev.Artifact)
	case StageEventPart:
		if len(r.Parts) < maxParts && c.fits(ev.Part) {
			r.Parts = mergeParts(r.Parts, []Part{*ev.Part})
		} else {
			c.partLost = true
		}
	case StageEventPrivate:
		r.Private = append(r.Private, *ev.Private)
	case StageEventVerdict:
		r.Verdict = *ev.Verdict
		if c.partLost && r.Verdict.Status.Passed() {
			r.Verdict = Verdict{
				Status: StatusFailure, Title: "too many parts to approve",
				Cause: fmt.Sprintf("The stage fixed more than the %d images, plans and manifests that one candidate may have.", maxParts),
			}
		}
		c.close()
	}
}

// fits takes what a part of the result needs off its bound; a part that is too large leaves room for smaller ones.
func (c *collector) fits(part any) bool {
	text, err := json.Marshal(part)
	if err != nil || c.used+len(text) > MaxResultBytes {
		return false
	}
	c.used += len(text)
	return true
}

// close brings the result within its bounds and tells what was left out.
func (c *collector) close() {
	tail := c.result.LogTail[max(0, len(c.result.LogTail)-MaxLogTail):]
	bytes := 0
	for i, line := range slices.Backward(tail) {
		if bytes += len(line); bytes > MaxLogTailBytes {
			tail = tail[i+1:]
			break
		}
	}
	c.result.LogTail = tail
	if c.dropped > 0 {
		c.result.Sections = append(c.result.Sections, Section{
			Title: "Not everything is shown",
			Text: fmt.Sprintf("The stage reported more than is kept (%d sections, %d MiB): %d sections and outputs were left out.",
				MaxSections, MaxResultBytes>>20, c.dropped),
		})
	}
}

func (c *collector) takeStep(step Step) {
	if step.Status == StatusRunning {
		c.pending = step.Name
	}
	for i := range c.result.Steps {
		if c.result.Steps[i].Name == step.Name {
			c.result.Steps[i] = step
			return
		}
	}
	c.result.Steps = append(c.result.Steps, step)
}

// flush stores the gathered lines, and progress when the last one is old enough.
func (c *collector) flush(ctx context.Context) error {
	e := c.engine
	if len(c.lines) > 0 {
		if err := e.logs.Append(ctx, c.stage.ID, c.lines); err != nil {
			return err
		}
		for _, o := range e.observers {
			o.LogAppended(c.stage.ID, c.lines)
		}
		c.lines = nil // observers may keep the slice
	}
	if c.pending == "" || e.clock.Now().Sub(c.told) < progressEvery {
		return nil
	}
	prepared := c.stage.Result.Steps[:c.stage.Result.PreparedSteps]
	progress, steps := c.pending, slices.Concat(prepared, c.result.Steps) // observers keep what is stored
	c.pending, c.told = "", e.clock.Now()
	_, err := e.change(ctx, c.run.ID, func(r *Run) ([]Job, error) {
		if s := r.Stage(c.stage.ID); s.Status == StatusRunning {
			s.Progress, s.Result.Steps = progress, steps
		}
		return nil, nil
	})
	return err
}
