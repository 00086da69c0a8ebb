package local_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

func newOptions(t *testing.T, mode string) local.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return local.Options{
		Dir: filepath.Join(dir, "tasks"), Command: []string{self, "runner"}, Toolchain: "test 1", Logger: zerolog.New(zerolog.NewTestWriter(t)),
		Runner: runner.Options{
			WorkspaceDir: filepath.Join(dir, "workspaces"), CacheDir: filepath.Join(dir, "caches"), Sandbox: mode, Network: sandbox.NetworkHost,
		},
	}
}

func newExecutor(t *testing.T, options local.Options) *local.Executor {
	t.Helper()
	e, err := local.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func runnerPID(t *testing.T, options local.Options, id string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(options.Dir, id, runner.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	var state runner.State
	if err := json.Unmarshal(content, &state); err != nil {
		t.Fatal(err)
	}
	return state.PID
}

// needBubblewrap skips on a developer's machine that has none, and fails in CI.
func needBubblewrap(t *testing.T) {
	t.Helper()
	if mode, reason := sandbox.Detect(t.Context()); mode != sandbox.ModeBubblewrap {
		if os.Getenv("CI") == "true" {
			t.Fatalf("bubblewrap: %s", reason)
		}
		t.Skipf("bubblewrap: %s", reason)
	}
}

func suite(t *testing.T, mode string) {
	t.Helper()
	executortest.Run(t, func(t *testing.T) executortest.Harness {
		t.Helper()
		options := newOptions(t, mode)
		// A link is the program, so that it can be taken away and come back.
		program := filepath.Join(t.TempDir(), "runner")
		link := func(t *testing.T, target string) {
			t.Helper()
			if err := os.Remove(program); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if err := os.Symlink(target, program); err != nil {
				t.Fatal(err)
			}
		}
		self := options.Command[0]
		options.Command = []string{program, "runner"}
		link(t, self)
		return executortest.Harness{
			Executor: newExecutor(t, options),
			Restart: func(t *testing.T) executortest.Executor {
				t.Helper()
				link(t, self)
				return newExecutor(t, options)
			},
			Break: func(t *testing.T) { t.Helper(); link(t, "/bin/false") },
			Kill: func(t *testing.T, id string) {
				t.Helper()
				if err := syscall.Kill(runnerPID(t, options, id), syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

func TestExecutorWithoutSandbox(t *testing.T) {
	t.Parallel()
	suite(t, sandbox.ModeNone)
}

func TestExecutorInBubblewrap(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	suite(t, sandbox.ModeBubblewrap)
}
