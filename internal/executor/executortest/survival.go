//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package executortest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func restarts(t *testing.T, h Harness) {
	task := NewTask(t, "wait")
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("the bot stops")
	err := h.Executor.Events(t.Context(), task.ID, func(event pipeline.StageEvent) error {
		if event.Log != nil && event.Log.Text == waiting {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	h.Executor = h.Restart(t)
	if known, err := h.Executor.Known(t.Context(), task.ID); !known || err != nil {
		t.Fatalf("known: %v, %v", known, err)
	}
	record := CancelWhen(t, h, task, waiting, "seen again")
	if n := strings.Count(record.Log(), waiting); n != 1 {
		t.Fatalf("the task ran %d times", n)
	}
	if err := h.Executor.Forget(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
}

func endsWhileAway(t *testing.T, h Harness) {
	task := NewTask(t, "run", "echo done")
	Complete(t, h.Executor, task, pipeline.Secrets{})
	again := h.Restart(t)
	want(t, Complete(t, again, task, pipeline.Secrets{}), pipeline.StatusSuccess, "done")
}

func loses(t *testing.T, h Harness) {
	task := NewTask(t, "run", `(setsid sleep 1000 &); echo ready; sleep 1000`)
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	_, err := Follow(t, h.Executor, task.ID, func(event pipeline.StageEvent) {
		if event.Log != nil && event.Log.Text == "ready" {
			h.Kill(t, task.ID)
		}
	})
	var lost *pipeline.LostError
	if !errors.As(err, &lost) || lost.TaskID != task.ID || !strings.Contains(lost.Detail, "killed") {
		t.Fatalf("%v", err)
	}
	again := h.Restart(t)
	if _, err := Follow(t, again, task.ID, nil); !errors.As(err, &lost) {
		t.Fatalf("after a restart: %v", err)
	}
	if err := again.Forget(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
}

// startsAgain: what a bot killed in the midst of a start left behind is neither a running task nor a lost one.
func startsAgain(t *testing.T, h Harness) {
	task := NewTask(t, "run", "echo ran")
	h.Break(t)
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err == nil {
		t.Fatal("started")
	}
	h.Executor = h.Restart(t)
	if known, err := h.Executor.Known(t.Context(), task.ID); known || err != nil {
		t.Fatalf("known: %v, %v", known, err)
	}
	if _, err := Follow(t, h.Executor, task.ID, nil); !errors.Is(err, pipeline.ErrNotFound) {
		t.Fatalf("events: %v", err)
	}
	want(t, Complete(t, h.Executor, task, pipeline.Secrets{}), pipeline.StatusSuccess, "ran")
	if known, err := h.Executor.Known(t.Context(), task.ID); !known || err != nil {
		t.Fatalf("known after its end: %v, %v", known, err)
	}
}

func sweeps(t *testing.T, h Harness) {
	const kept = "r1-s2-a1"
	for _, id := range []string{"r1-s1-a1", kept} {
		task := NewTask(t, "run", "echo done")
		task.ID = id
		Complete(t, h.Executor, task, pipeline.Secrets{})
	}
	h.Break(t)
	cutOff := NewTask(t, "run", "true")
	cutOff.ID = "r1-s3-a1"
	if err := h.Executor.Start(t.Context(), cutOff, pipeline.Secrets{}); err == nil {
		t.Fatal("started")
	}
	lost := NewTask(t, "run", "echo ready; sleep 1000")
	lost.ID = "r1-s4-a1"
	h.Executor = h.Restart(t)
	if err := h.Executor.Start(t.Context(), lost, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	_, err := Follow(t, h.Executor, lost.ID, func(event pipeline.StageEvent) {
		if event.Log != nil && event.Log.Text == "ready" {
			h.Kill(t, lost.ID)
		}
	})
	if _, ok := errors.AsType[*pipeline.LostError](err); !ok {
		t.Fatal(err)
	}
	for range 2 { // a sweep may be repeated
		var asked []string
		keep := func(id string) bool { asked = append(asked, id); return id == kept }
		h.Executor = h.Restart(t)
		if err := h.Executor.Sweep(t.Context(), keep); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"r1-s1-a1", kept, cutOff.ID, lost.ID} {
			known, err := h.Executor.Known(t.Context(), id)
			if known != (id == kept) || err != nil {
				t.Errorf("%s is known: %v, %v", id, known, err)
			}
		}
		if !slices.Contains(asked, kept) {
			t.Errorf("asked for %q", asked)
		}
	}
	if record, err := Follow(t, h.Executor, kept, nil); err != nil || !strings.Contains(record.Log(), "done") {
		t.Errorf("what was kept: %v", err)
	}
}

func sweepsRunning(t *testing.T, h Harness) {
	task := NewTask(t, "wait")
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	none := func(string) bool { return false }
	h.Executor = h.Restart(t)
	record, err := Follow(t, h.Executor, task.ID, func(event pipeline.StageEvent) {
		if event.Log != nil && event.Log.Text == waiting {
			if err := h.Executor.Sweep(t.Context(), none); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil || record.Verdict.Status != pipeline.StatusCancelled {
		t.Fatalf("verdict %+v, %v", record.Verdict, err)
	}
	if err := h.Executor.Sweep(t.Context(), none); err != nil {
		t.Fatal(err)
	}
	if known, err := h.Executor.Known(t.Context(), task.ID); known || err != nil {
		t.Fatalf("known: %v, %v", known, err)
	}
}

func yieldFails(t *testing.T, h Harness) {
	task := NewTask(t, "run", "true")
	Complete(t, h.Executor, task, pipeline.Secrets{})
	full := errors.New("the database is full")
	if err := h.Executor.Events(t.Context(), task.ID, func(pipeline.StageEvent) error { return full }); !errors.Is(err, full) {
		t.Fatal(err)
	}
}

func contextEnds(t *testing.T, h Harness) {
	task := NewTask(t, "wait")
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("shutdown")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := h.Executor.Events(ctx, task.ID, func(event pipeline.StageEvent) error {
		if event.Log != nil && event.Log.Text == waiting {
			cancel(cause)
		}
		return nil
	})
	if !errors.Is(err, cause) {
		t.Fatal(err)
	}
	CancelWhen(t, h, task, waiting, "the test is over")
}
