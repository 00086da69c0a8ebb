package sandbox_test

import (
	"testing"

	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

func TestDetectTriesBubblewrap(t *testing.T) {
	mode, reason := sandbox.Detect(t.Context())
	if reason == "" || mode != sandbox.ModeBubblewrap && mode != sandbox.ModeNone {
		t.Fatalf("mode %q, reason %q", mode, reason)
	}
	t.Log(mode, reason)
}

func TestDetectWithoutBubblewrap(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if mode, reason := sandbox.Detect(t.Context()); mode != sandbox.ModeNone {
		t.Fatalf("mode %q, reason %q", mode, reason)
	}
}
