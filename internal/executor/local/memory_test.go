package local_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// memoryGroup makes a control group of 64 MiB, of either version, or skips where it may not.
func memoryGroup(t *testing.T) (procs string) {
	t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	parent, limit := "", ""
	for line := range strings.Lines(string(own)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case fields[1] == "memory":
			parent, limit = filepath.Join("/sys/fs/cgroup/memory", fields[2]), "memory.limit_in_bytes"
		case fields[1] == "" && parent == "":
			parent, limit = filepath.Join("/sys/fs/cgroup", fields[2]), "memory.max"
		}
	}
	group := filepath.Join(parent, "slipway-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("a control group of the test's own: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(group, limit), []byte("67108864"), 0o600); err != nil {
		t.Skipf("a control group of the test's own: %v", err)
	}
	return filepath.Join(group, "cgroup.procs")
}

func TestOutOfMemoryIsTold(t *testing.T) {
	procs := memoryGroup(t)
	for _, mode := range []string{sandbox.ModeNone, sandbox.ModeBubblewrap} {
		t.Run(mode, func(t *testing.T) {
			if mode == sandbox.ModeBubblewrap {
				needBubblewrap(t)
			}
			options := newOptions(t, mode)
			options.Command = append([]string{"/bin/sh", "-c", `echo $$ > "$0"; exec "$@"`, procs}, options.Command...)
			e := newExecutor(t, options)
			// tail keeps a line without an end in memory.
			task := executortest.NewTask(t, "run", "head -c 300M /dev/zero | tail")
			verdict := executortest.Complete(t, e, task, pipeline.Secrets{}).Verdict
			if verdict.Status != pipeline.StatusFailure || !strings.Contains(verdict.Cause, "killed for memory") || verdict.Signal != "killed" {
				t.Errorf("verdict %+v", verdict)
			}
			if err := e.Forget(t.Context(), task.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMemoryIsBound(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{sandbox.ModeNone, sandbox.ModeBubblewrap} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			if mode == sandbox.ModeBubblewrap {
				needBubblewrap(t)
			}
			options := newOptions(t, mode)
			options.Runner.MemoryBytes = 1 << 30
			record := executortest.Complete(t, newExecutor(t, options), executortest.NewTask(t, "run", "ulimit -v"), pipeline.Secrets{})
			passed(t, record)
			if !strings.Contains(record.Log(), "1048576\n") {
				t.Errorf("log:\n%s", record.Log())
			}
		})
	}
}
