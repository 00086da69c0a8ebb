//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package executortest

import (
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// CancelWhen follows a task and cancels it when a line comes.
func CancelWhen(t *testing.T, h Harness, task pipeline.Task, line, reason string) Record {
	t.Helper()
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	record, err := Follow(t, h.Executor, task.ID, func(event pipeline.StageEvent) {
		if event.Log != nil && event.Log.Text == line {
			if err := h.Executor.Cancel(t.Context(), task.ID, reason); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if record.Verdict.Status != pipeline.StatusCancelled || !strings.Contains(record.Verdict.Title, reason) {
		t.Errorf("verdict %+v", record.Verdict)
	}
	return record
}

func cancels(t *testing.T, h Harness) {
	CancelWhen(t, h, NewTask(t, "wait"), waiting, "superseded by run #13")
	wind := NewTask(t, "wind")
	wind.ID = "r1-s3-a1"
	record := CancelWhen(t, h, wind, waiting, "no more")
	if cause := record.Verdict.Cause; !strings.HasSuffix(cause, ": no more. 2 of 3 changes were made.") {
		t.Errorf("cause %q", cause)
	}
	shell := NewTask(t, "run", `trap 'echo tidied up; exit 1' INT; sleep 1000 & echo ready; wait`)
	shell.ID = "r1-s2-a1"
	want(t, CancelWhen(t, h, shell, "ready", "a person asked for it"), pipeline.StatusCancelled, "tidied up")
}

func cancelsStubborn(t *testing.T, h Harness) {
	task := NewTask(t, "run", `trap '' INT TERM HUP; (trap '' INT TERM HUP; setsid sleep 1000) & echo ready; while :; do sleep 1000; done`)
	task.Grace = 100 * time.Millisecond
	CancelWhen(t, h, task, "ready", "enough")
}

func cancelsAfterEnd(t *testing.T, h Harness) {
	task := NewTask(t, "run", "true")
	Complete(t, h.Executor, task, pipeline.Secrets{})
	if err := h.Executor.Cancel(t.Context(), task.ID, "too late"); err != nil {
		t.Fatal(err)
	}
	record, err := Follow(t, h.Executor, task.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, record, pipeline.StatusSuccess, "")
}

func timesOut(t *testing.T, h Harness) {
	task := NewTask(t, "run", "echo begun; sleep 1000")
	task.Stage.Timeout = 2 * time.Second
	task.Grace = 100 * time.Millisecond
	record := Complete(t, h.Executor, task, pipeline.Secrets{})
	want(t, record, pipeline.StatusTimedOut, "begun")
	if record.Verdict.Title != "Timed out after 2s" {
		t.Errorf("title %q", record.Verdict.Title)
	}
}
