package executortest

import (
	"context"
	"errors"
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
