package sandbox_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/slipwayhq/slipway/internal/runner/process"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

func benchmarkPolicy(b *testing.B, mode string) sandbox.Policy {
	b.Helper()
	dir := b.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		b.Fatal(err)
	}
	return sandbox.Policy{
		Mode: mode, Network: sandbox.NetworkHost, Checkout: dir, Scratch: dir, Home: dir, Path: os.Getenv("PATH"),
	}
}

// BenchmarkNew is what each stage pays once.
func BenchmarkNew(b *testing.B) {
	policy := benchmarkPolicy(b, sandbox.ModeBubblewrap)
	for b.Loop() {
		if _, err := sandbox.New(policy); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommand is what each command pays.
func BenchmarkCommand(b *testing.B) {
	for _, mode := range []string{sandbox.ModeNone, sandbox.ModeBubblewrap} {
		b.Run(mode, func(b *testing.B) {
			policy := benchmarkPolicy(b, mode)
			box, err := sandbox.New(policy)
			if err != nil {
				b.Fatal(err)
			}
			reaper, err := process.NewReaper()
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				prepared, err := box.Prepare(sandbox.Command{Args: []string{"true"}, Env: os.Environ(), Dir: policy.Checkout})
				if err != nil {
					b.Fatal(err)
				}
				prepared.Spec.Stdout = os.Stderr
				if result, err := reaper.Run(b.Context(), prepared.Spec); err != nil || result.Code != 0 {
					b.Fatal(result, err)
				}
			}
		})
	}
}
