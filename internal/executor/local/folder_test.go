package local_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRecords(t *testing.T) {
	t.Parallel()
	const first = `{"seq":1,"type":"log","log":{"text":"one"}}` + "\n"
	const verdict = `{"seq":2,"type":"verdict","verdict":{"status":"success","title":"Passed"}}`
	for name, test := range map[string]struct {
		events string
		lost   string // part of the detail; empty: a verdict is found
		count  int
	}{
		"whole":                           {first + verdict + "\n", "", 2},
		"cut off in a line":               {first + verdict[:30], "nobody watched", 1},
		"last line without end":           {first + verdict, "nobody watched", 1},
		"nothing":                         {"", "nobody watched", 0},
		"not JSON":                        {first + "<<<<\n" + verdict + "\n", "damaged after event 1", 1},
		"a number is missing":             {first + strings.Replace(verdict, `"seq":2`, `"seq":3`, 1) + "\n", "event 3 follows event 1", 1},
		"zeros, as after a loss of power": {first + "\x00\x00\x00\n", "damaged", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := newOptions(t, sandbox.ModeNone)
			folder := filepath.Join(options.Dir, "task")
			write(t, filepath.Join(folder, runner.EventsFile), test.events)
			write(t, filepath.Join(folder, runner.TaskFile), "{}")
			record, err := executortest.Follow(t, newExecutor(t, options), "task", nil)
			var lost *pipeline.LostError
			if errors.As(err, &lost) != (test.lost != "") || test.lost != "" && !strings.Contains(lost.Detail, test.lost) || len(record.Events) != test.count {
				t.Fatalf("%d events, %v", len(record.Events), err)
			}
		})
	}
}

func TestLeftoversOfAnEarlierBotAreSwept(t *testing.T) {
	t.Parallel()
	options := newOptions(t, sandbox.ModeNone)
	for _, name := range []string{".new-r1-s1-a1/task.json", ".gone-r1-s2-a1/scratch/deep/file", "kept/task.json"} {
		write(t, filepath.Join(options.Dir, name), "{}")
	}
	if err := os.Chmod(filepath.Join(options.Dir, ".gone-r1-s2-a1/scratch"), 0); err != nil {
		t.Fatal(err)
	}
	newExecutor(t, options)
	left, err := os.ReadDir(options.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != "kept" {
		t.Fatalf("left: %v, %v", left, err)
	}
}

func TestAStartThatWasCutOffIsDoneAgain(t *testing.T) {
	t.Parallel()
	options := newOptions(t, sandbox.ModeNone)
	task := executortest.NewTask(t, "run", "echo ran")
	broken := options
	broken.Command = []string{"/bin/false"}
	err := newExecutor(t, broken).Start(t.Context(), task, pipeline.Secrets{})
	if err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Fatal(err)
	}
	// The bot died before its runner had the secrets; the next one finds the folder.
	record := executortest.Complete(t, newExecutor(t, options), task, pipeline.Secrets{})
	if record.Verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("verdict %+v", record.Verdict)
	}
}

// A bot killed between the folder and the launch leaves a folder in which nothing ever ran.
func TestAFolderWithoutARunnerIsNoTask(t *testing.T) {
	t.Parallel()
	options := newOptions(t, sandbox.ModeNone)
	write(t, filepath.Join(options.Dir, "task", runner.TaskFile), "{}")
	e := newExecutor(t, options)
	if known, err := e.Known(t.Context(), "task"); known || err != nil {
		t.Errorf("known: %v, %v", known, err)
	}
	if err := e.Events(t.Context(), "task", func(pipeline.StageEvent) error { return nil }); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("events: %v", err)
	}
	if err := e.Forget(t.Context(), "task"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(options.Dir, "task")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// A runner that an earlier bot has just launched holds its lock before it begins its record.
func TestARunnerThatIsJustBeginningIsFollowed(t *testing.T) {
	t.Parallel()
	for name, begins := range map[string]bool{"it begins": true, "it ends": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := newOptions(t, sandbox.ModeNone)
			folder := filepath.Join(options.Dir, "task")
			write(t, filepath.Join(folder, runner.TaskFile), "{}")
			write(t, filepath.Join(folder, runner.LockFile), "{}")
			lock, err := os.OpenFile(filepath.Join(folder, runner.LockFile), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			e := newExecutor(t, options)
			if known, err := e.Known(t.Context(), "task"); !known || err != nil {
				t.Errorf("known: %v, %v", known, err)
			}
			followed := make(chan error, 1)
			go func() {
				followed <- e.Events(t.Context(), "task", func(pipeline.StageEvent) error { return nil })
			}()
			if begins {
				write(t, filepath.Join(folder, runner.EventsFile), `{"seq":1,"type":"verdict","verdict":{"status":"success"}}`+"\n")
				if err := <-followed; err != nil {
					t.Error(err)
				}
			}
			if err := lock.Close(); err != nil {
				t.Fatal(err)
			}
			if !begins {
				if err := <-followed; !errors.Is(err, pipeline.ErrNotFound) {
					t.Errorf("events: %v", err)
				}
			}
		})
	}
}

func TestASweepLeavesWhatIsNoTask(t *testing.T) {
	t.Parallel()
	options := newOptions(t, sandbox.ModeNone)
	write(t, filepath.Join(options.Dir, "README"), "of the operator")
	write(t, filepath.Join(options.Dir, ".hidden", "file"), "of the operator")
	e := newExecutor(t, options)
	if err := e.Sweep(t.Context(), func(id string) bool { t.Errorf("asked for %s", id); return false }); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(options.Dir); err != nil || len(left) != 2 {
		t.Fatalf("left: %v, %v", left, err)
	}
}

func TestACancelBeforeTheStartCounts(t *testing.T) {
	t.Parallel()
	options := newOptions(t, sandbox.ModeNone)
	task := executortest.NewTask(t, "run", "echo ran")
	broken := options
	broken.Command = []string{"/bin/false"}
	e := newExecutor(t, broken)
	if err := e.Start(t.Context(), task, pipeline.Secrets{}); err == nil {
		t.Fatal("started")
	}
	if err := e.Cancel(t.Context(), task.ID, "superseded by run #2"); err != nil {
		t.Fatal(err)
	}
	record := executortest.Complete(t, newExecutor(t, options), task, pipeline.Secrets{})
	if record.Verdict.Status != pipeline.StatusCancelled || record.Verdict.Title != "Cancelled: superseded by run #2" {
		t.Fatalf("verdict %+v", record.Verdict)
	}
}

func TestARunningTaskIsNotForgotten(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, newOptions(t, sandbox.ModeNone))
	task := executortest.NewTask(t, "wait")
	executortest.CancelWhen(t, executortest.Harness{Executor: forgetful{t, e}}, task, "I wait", "enough")
	if err := e.Forget(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
}

// forgetful tries to forget a task before it cancels it.
type forgetful struct {
	t *testing.T
	*local.Executor
}

func (f forgetful) Cancel(ctx context.Context, id, reason string) error {
	if err := f.Forget(ctx, id); err == nil || !strings.Contains(err.Error(), "still running") {
		f.t.Errorf("forget: %v", err)
	}
	return f.Executor.Cancel(ctx, id, reason)
}

func TestTaskIDsStayInTheirFolder(t *testing.T) {
	t.Parallel()
	e := newExecutor(t, newOptions(t, sandbox.ModeNone))
	for _, id := range []string{"", ".", "..", "../x", "a/b", ".new-x", "a\x00b", strings.Repeat("x", 300)} {
		task := executortest.NewTask(t, "run", "true")
		task.ID = id
		if err := e.Start(t.Context(), task, pipeline.Secrets{}); err == nil {
			t.Errorf("%q was started", id)
		}
		if known, err := e.Known(t.Context(), id); known || err != nil {
			t.Errorf("%q is known: %v", id, err)
		}
	}
}
