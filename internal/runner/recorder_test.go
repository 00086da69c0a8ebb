package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// lineWriter fails on anything but one whole line.
type lineWriter struct {
	t      *testing.T
	events []pipeline.StageEvent
}

func (w *lineWriter) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, '\n') != len(p)-1 {
		w.t.Errorf("a write that is not one line: %q", p)
	}
	var event pipeline.StageEvent
	if err := json.Unmarshal(p, &event); err != nil {
		w.t.Error(err)
	}
	w.events = append(w.events, event)
	return len(p), nil
}

func TestRecorderBoundsTheLog(t *testing.T) {
	w := &lineWriter{t: t}
	r := newRecorder(w, systemClock{}, 30)
	for range 10 {
		r.log("step", "ten bytes!")
	}
	if len(w.events) != 3 || !strings.Contains(w.events[2].Log.Text, "limit") || !r.full() {
		t.Fatalf("%d events: %+v", len(w.events), w.events)
	}
}

func TestRecorderBoundsEverythingElseButNotTheVerdict(t *testing.T) {
	w := &lineWriter{t: t}
	r := newRecorder(w, systemClock{}, 30)
	big := pipeline.Section{Text: strings.Repeat("x", maxText)}
	for range maxOther/maxText + 50 {
		r.emit(pipeline.StageEvent{Type: pipeline.StageEventSection, Section: &big})
	}
	r.emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &pipeline.Step{Name: "last"}})
	r.emit(pipeline.StageEvent{Type: pipeline.StageEventVerdict, Verdict: &pipeline.Verdict{Status: pipeline.StatusSuccess}})
	r.log("", "after the verdict")
	r.emit(pipeline.StageEvent{Type: pipeline.StageEventVerdict, Verdict: &pipeline.Verdict{Status: pipeline.StatusFailure}})
	n := len(w.events)
	if n > maxOther/maxText+10 || w.events[n-1].Type != pipeline.StageEventVerdict || w.events[n-2].Type != pipeline.StageEventStep ||
		!strings.Contains(w.events[n-3].Log.Text, "dropped") || w.events[n-1].Seq != int64(n) {
		t.Fatalf("%d events, the last: %+v", n, w.events[n-1])
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestRecorderKeepsItsFirstError(t *testing.T) {
	r := newRecorder(brokenWriter{}, systemClock{}, 1000)
	r.log("", "one")
	r.log("", "two")
	if err := r.failed(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Fatal(err)
	}
}
