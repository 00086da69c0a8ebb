// Package executortest is the suite that every executor passes: what pipeline.Executor promises, tried with real runners.
//
//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package executortest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Executor is what is tried.
type Executor interface {
	pipeline.Executor
	// Sweep forgets the tasks that keep does not want, and cancels those of them that still run: a later sweep forgets them.
	Sweep(ctx context.Context, keep func(taskID string) bool) error
}

// Harness is one fresh executor whose runners have Deps.
type Harness struct {
	Executor Executor
	// Restart returns a new executor that takes over from the one before, as after a restart of the bot.
	Restart func(t *testing.T) Executor
	// Break makes the executor's next runners end before they have begun, until it is restarted.
	Break func(t *testing.T)
	// Kill ends the runner of a task with SIGKILL.
	Kill func(t *testing.T, taskID string)
}

// patience bounds every wait of the suite. It is never used up where all is well.
const patience = 60 * time.Second

// Run runs the suite.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	tests := map[string]func(*testing.T, Harness){
		"a task runs to its verdict":                  runsToVerdict,
		"the first event is replayed to every caller": replays,
		"a second start finds the first":              startsOnce,
		"unknown tasks":                               unknownTasks,
		"forgotten tasks are unknown":                 forgets,
		"every kind of end is a verdict":              ends,
		"a cancel interrupts":                         cancels,
		"a command that ignores the cancel is killed": cancelsStubborn,
		"a cancel after the end changes nothing":      cancelsAfterEnd,
		"a limit ends the stage":                      timesOut,
		"a restart of the bot changes nothing":        restarts,
		"a task that ended while the bot was away":    endsWhileAway,
		"a killed runner is lost":                     loses,
		"a start that was cut off is not known":       startsAgain,
		"a sweep forgets what nobody wants":           sweeps,
		"a sweep ends what nobody waits for":          sweepsRunning,
		"a hundred thousand lines":                    manyLogLines,
		"no secret comes out":                         masks,
		"what is made of a secret is masked":          masksWhatIsMade,
		"a short secret is refused":                   refusesShortSecret,
		"a command sees nothing of the bot":           sealed,
		"outputs, summary and artifacts":              collects,
		"the caller's error ends the events":          yieldFails,
		"the caller's context ends the events":        contextEnds,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newHarness(t))
		})
	}
}

// NewTask is a task that runs shell commands in a copy of an empty folder.
func NewTask(t *testing.T, uses string, commands ...string) pipeline.Task {
	t.Helper()
	return pipeline.Task{
		ID: "r1-s1-a1", Attempt: 1, Grace: 5 * time.Second, MaxLogBytes: 16 << 20,
		Stage:  pipeline.StageSpec{Key: "test", ID: "test", Uses: uses, Run: commands, Timeout: patience},
		Source: pipeline.Source{Directory: t.TempDir()},
		Env:    map[string]string{"CI": "true"},
	}
}

// Record is what came of a task.
type Record struct {
	Events  []pipeline.StageEvent
	Verdict pipeline.Verdict
}

// Log is the text of all log lines.
func (r Record) Log() string {
	var log strings.Builder
	for _, event := range r.Events {
		if event.Log != nil {
			log.WriteString(event.Log.Text + "\n")
		}
	}
	return log.String()
}

// Follow reads a task's events to the end and checks what holds for every task. until, where set, is told each event.
func Follow(t *testing.T, e pipeline.Executor, id string, until func(pipeline.StageEvent)) (Record, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var record Record
	err := e.Events(ctx, id, func(event pipeline.StageEvent) error {
		if event.Seq != int64(len(record.Events))+1 {
			t.Errorf("event %d has the number %d", len(record.Events)+1, event.Seq)
		}
		if record.Verdict.Status != "" {
			t.Errorf("%s event after the verdict", event.Type)
		}
		if event.Verdict != nil {
			record.Verdict = *event.Verdict
		}
		record.Events = append(record.Events, event)
		if until != nil {
			until(event)
		}
		return nil
	})
	if err == nil && !record.Verdict.Status.Final() {
		t.Errorf("the events ended without a verdict")
	}
	return record, err
}

// Complete starts a task and follows it to its verdict.
func Complete(t *testing.T, e pipeline.Executor, task pipeline.Task, secrets pipeline.Secrets) Record {
	t.Helper()
	if err := e.Start(t.Context(), task, secrets); err != nil {
		t.Fatal(err)
	}
	record, err := Follow(t, e, task.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func want(t *testing.T, record Record, status pipeline.Status, log string) {
	t.Helper()
	if record.Verdict.Status != status || !strings.Contains(record.Log(), log) {
		t.Fatalf("verdict %+v, want %s; log, which should have %q:\n%s", record.Verdict, status, log, record.Log())
	}
}

func runsToVerdict(t *testing.T, h Harness) {
	if h.Executor.Toolchain() == "" {
		t.Error("an executor tells its toolchain")
	}
	record := Complete(t, h.Executor, NewTask(t, "run", "echo hello", "echo again >&2"), pipeline.Secrets{})
	want(t, record, pipeline.StatusSuccess, "hello\nagain\n")
	first := record.Events[0]
	if first.Step == nil || first.Step.Name != "checkout" || first.Step.Status != pipeline.StatusRunning {
		t.Errorf("the first event is %+v", first)
	}
}

func replays(t *testing.T, h Harness) {
	task := NewTask(t, "run", "echo hello")
	first := Complete(t, h.Executor, task, pipeline.Secrets{})
	second, err := Follow(t, h.Executor, task.ID, nil)
	if err != nil || len(second.Events) != len(first.Events) {
		t.Fatalf("%d events, then %d (%v)", len(first.Events), len(second.Events), err)
	}
}

func startsOnce(t *testing.T, h Harness) {
	task := NewTask(t, "run", "echo once")
	started := make(chan error, 5)
	for range cap(started) {
		go func() { started <- h.Executor.Start(t.Context(), task, pipeline.Secrets{}) }()
	}
	for range cap(started) {
		if err := <-started; err != nil {
			t.Error(err)
		}
	}
	record := Complete(t, h.Executor, task, pipeline.Secrets{})
	if n := strings.Count(record.Log(), "once"); n != 1 {
		t.Fatalf("the task ran %d times", n)
	}
	// Also after its end.
	if err := h.Executor.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	if again, err := Follow(t, h.Executor, task.ID, nil); err != nil || len(again.Events) != len(record.Events) {
		t.Fatalf("%d events, want %d (%v)", len(again.Events), len(record.Events), err)
	}
}

func unknownTasks(t *testing.T, h Harness) {
	ctx := t.Context()
	if known, err := h.Executor.Known(ctx, "r9-s9-a9"); known || err != nil {
		t.Errorf("known: %v, %v", known, err)
	}
	if _, err := Follow(t, h.Executor, "r9-s9-a9", nil); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("events: %v", err)
	}
	if err := h.Executor.Cancel(ctx, "r9-s9-a9", "no reason"); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if err := h.Executor.Forget(ctx, "r9-s9-a9"); err != nil {
		t.Errorf("forget: %v", err)
	}
}

func forgets(t *testing.T, h Harness) {
	task := NewTask(t, "run", "chmod 000 . || true; mkdir -p $HOME/locked/x; chmod 000 $HOME/locked")
	Complete(t, h.Executor, task, pipeline.Secrets{})
	if known, err := h.Executor.Known(t.Context(), task.ID); !known || err != nil {
		t.Fatalf("known: %v, %v", known, err)
	}
	if err := h.Executor.Forget(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
	if known, err := h.Executor.Known(t.Context(), task.ID); known || err != nil {
		t.Fatalf("known: %v, %v", known, err)
	}
	if _, err := Follow(t, h.Executor, task.ID, nil); !errors.Is(err, pipeline.ErrNotFound) {
		t.Fatalf("events: %v", err)
	}
}

func ends(t *testing.T, h Harness) {
	vanished := NewTask(t, "run", "true")
	vanished.Source.Directory = VanishedSource
	tests := []struct {
		task           pipeline.Task
		status         pipeline.Status
		infrastructure bool
		title, cause   string
		code           int
		signal         string
	}{
		{task: NewTask(t, "run", "exit 7"), status: pipeline.StatusFailure, title: "Failed", code: 7},
		{task: NewTask(t, "run", "kill -SEGV $$"), status: pipeline.StatusFailure, title: "Failed", code: 139, signal: "segmentation fault"},
		{task: NewTask(t, "error"), status: pipeline.StatusFailure, infrastructure: true, cause: "the registry is away"},
		{task: NewTask(t, "failure"), status: pipeline.StatusFailure, title: "Nothing to test", cause: "The folder tests is missing."},
		{task: NewTask(t, "panic"), status: pipeline.StatusFailure, infrastructure: true, cause: "a nil map, as usual"},
		{task: NewTask(t, "undecided"), status: pipeline.StatusFailure, infrastructure: true, cause: "without a verdict"},
		{task: NewTask(t, "no-such-kind"), status: pipeline.StatusFailure, cause: "no-such-kind"},
		{task: vanished, status: pipeline.StatusFailure, infrastructure: true, cause: "the commit has vanished"},
	}
	for i, test := range tests {
		test.task.ID = fmt.Sprintf("r1-s%d-a1", i)
		got := Complete(t, h.Executor, test.task, pipeline.Secrets{}).Verdict
		if got.Status != test.status || got.Infrastructure != test.infrastructure || !strings.Contains(got.Title, test.title) ||
			!strings.Contains(got.Cause, test.cause) || got.ExitCode != test.code || got.Signal != test.signal {
			t.Errorf("%s %q: verdict %+v", test.task.Stage.Uses, test.task.Stage.Run, got)
		}
	}
}
