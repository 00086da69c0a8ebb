package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of what a stage may tell, so that a hostile report cannot fill the disk.
const (
	maxText     = 1 << 20
	maxRemark   = 64 << 10
	maxProgress = 200
	maxOther    = 64 << 20 // bytes of everything but log lines
)

// recorder writes events, masked, numbered and bounded. It is the only way out of a runner.
type recorder struct {
	clock     pipeline.Clock
	concealed concealed

	mu       sync.Mutex
	to       io.Writer
	line     bytes.Buffer
	seq      int64
	logLeft  int64
	logFull  bool
	other    int64
	dropping bool
	closed   bool
	err      error
}

func newRecorder(to io.Writer, clock pipeline.Clock, maxLog int64) *recorder {
	return &recorder{to: to, clock: clock, logLeft: maxLog}
}

// log records a line that is masked already.
func (r *recorder) log(step, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.logFull {
		return
	}
	if r.logLeft -= int64(len(text)) + 1; r.logLeft < 0 {
		r.logFull = true
		text = "The log has reached its limit; what comes after is not kept."
	}
	r.write(pipeline.StageEvent{Type: pipeline.StageEventLog, Log: &pipeline.LogLine{Step: step, Text: text}})
}

// full reports whether log lines are dropped, so that nobody takes the trouble of making them.
func (r *recorder) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.logFull || r.closed
}

// emit masks and records any other event.
func (r *recorder) emit(event pipeline.StageEvent) {
	event = mask(r.concealed.now(), event)
	r.mu.Lock()
	defer r.mu.Unlock()
	essential := isEssential(event.Type)
	if r.dropping && !essential {
		return
	}
	if r.other > maxOther && !r.dropping {
		r.dropping = true
		r.write(pipeline.StageEvent{Type: pipeline.StageEventLog, Log: &pipeline.LogLine{
			Text: "The stage has reported more than is kept; further findings, sections and outputs are dropped.",
		}})
		if !essential {
			return
		}
	}
	r.other += int64(r.write(event))
	r.closed = r.closed || event.Type == pipeline.StageEventVerdict
}

// isEssential: without these a stage would not end, or not be what was approved.
func isEssential(t pipeline.StageEventType) bool {
	switch t {
	case pipeline.StageEventVerdict, pipeline.StageEventStep, pipeline.StageEventPart, pipeline.StageEventPrivate:
		return true
	default:
		return false
	}
}

// write appends one line in one write, so that a follower sees it at once and never a part of two.
func (r *recorder) write(event pipeline.StageEvent) int {
	if r.closed || r.err != nil {
		return 0
	}
	r.seq++
	event.Seq, event.Time = r.seq, r.clock.Now().UTC()
	r.line.Reset()
	encoder := json.NewEncoder(&r.line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(event); err != nil {
		r.err = fmt.Errorf("encode an event: %w", err)
		return 0
	}
	n, err := r.to.Write(r.line.Bytes())
	if err != nil {
		// Without its record a runner is lost, whatever its stage does; Main ends with this error.
		r.err = fmt.Errorf("record an event: %w", err)
	}
	return n
}

// failed is the first error of writing.
func (r *recorder) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}
