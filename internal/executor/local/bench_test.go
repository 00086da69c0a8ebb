package local_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// BenchmarkStage is a whole stage of one command, from Start to the verdict, beside the command alone.
func BenchmarkStage(b *testing.B) {
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("bash", "-euo", "pipefail", "-c", "true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, mode := range []string{sandbox.ModeNone, sandbox.ModeBubblewrap} {
		for _, commands := range []int{0, 1, 11} {
			b.Run(fmt.Sprintf("%s/%d", mode, commands), func(b *testing.B) { benchmarkStage(b, mode, commands) })
		}
	}
}

func benchmarkStage(b *testing.B, mode string, commands int) {
	b.Helper()
	self, err := filepath.Abs("/proc/self/exe")
	if err != nil {
		b.Fatal(err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	e, err := local.New(local.Options{
		Dir: filepath.Join(dir, "tasks"), Command: []string{self, "runner"}, Logger: zerolog.Nop(),
		Runner: runner.Options{
			WorkspaceDir: filepath.Join(dir, "workspaces"), CacheDir: filepath.Join(dir, "caches"), Sandbox: mode, Network: sandbox.NetworkHost,
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close() // the end of the benchmark
	task := pipeline.Task{Stage: pipeline.StageSpec{Key: "true", Uses: "run"}, Source: pipeline.Source{Directory: b.TempDir()}}
	for range commands {
		task.Stage.Run = append(task.Stage.Run, "true")
	}
	best := time.Hour // the mean tells of what else the machine does
	for i := 0; b.Loop(); i++ {
		begun := time.Now()
		task.ID = fmt.Sprintf("task-%d", i)
		if err := e.Start(b.Context(), task, pipeline.Secrets{}); err != nil {
			b.Fatal(err)
		}
		err := e.Events(b.Context(), task.ID, func(event pipeline.StageEvent) error {
			if event.Verdict != nil && event.Verdict.Status != pipeline.StatusSuccess {
				b.Errorf("verdict %+v", *event.Verdict)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		best = min(best, time.Since(begun))
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
}
