package artifact

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestPrivateFilesComeBackAndAreNotReadable(t *testing.T) {
	dir := t.TempDir()
	s, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	secret := []byte("the plan's password is hunter22")
	from := filepath.Join(t.TempDir(), "plan")
	if err := os.WriteFile(from, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	a := pipeline.Artifact{Name: "plan.tfplan", Path: from}
	if err := s.KeepPrivate(t.Context(), 7, a); err != nil {
		t.Fatal(err)
	}
	if err := s.KeepPrivate(t.Context(), 7, a); err != nil {
		t.Errorf("a replay: %v", err)
	}
	if got, err := s.Private(t.Context(), 7, "plan.tfplan"); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("%q %v", got, err)
	}
	raw, err := os.ReadFile(s.privatePath(7, "plan.tfplan"))
	if err != nil || bytes.Contains(raw, []byte("hunter22")) {
		t.Errorf("the file is not encrypted: %v", err)
	}
	if _, err := s.Private(t.Context(), 8, "plan.tfplan"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("another attempt: %v", err)
	}

	if err := os.MkdirAll(filepath.Dir(s.privatePath(8, "plan.tfplan")), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.privatePath(8, "plan.tfplan"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Private(t.Context(), 8, "plan.tfplan"); err == nil {
		t.Error("a file is taken for that of another attempt")
	}
	raw[len(raw)-1] ^= 1
	if err := os.WriteFile(s.privatePath(7, "plan.tfplan"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Private(t.Context(), 7, "plan.tfplan"); err == nil {
		t.Error("an altered file is read")
	}
	if err := s.Sweep(t.Context(), []int64{7}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Private(t.Context(), 7, "plan.tfplan"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("after a sweep: %v", err)
	}
}

// TestALostKeyIsNotReplacedByReading: its return from a backup must not find another one in its place.
func TestALostKeyIsNotReplacedByReading(t *testing.T) {
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sealed, err := s.Seal([]byte("manifests"), "a")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(s.keyPath())
	if err != nil {
		t.Fatal(err)
	}
	unreadable := func(sealed []byte, as, what string) {
		t.Helper()
		if _, err := s.Unseal(sealed, as); !errors.Is(err, pipeline.ErrUnreadable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	unreadable(sealed, "b", "bound to something else")
	unreadable(sealed[:5], "a", "cut short")
	if err := os.WriteFile(s.keyPath(), key[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	unreadable(sealed, "a", "a damaged key")
	if err := os.Remove(s.keyPath()); err != nil {
		t.Fatal(err)
	}
	unreadable(sealed, "a", "no key")
	if _, err := os.Stat(s.keyPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a key: %v", err)
	}
	if err := os.WriteFile(s.keyPath(), key, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Unseal(sealed, "a"); err != nil || string(got) != "manifests" {
		t.Errorf("%q, %v", got, err)
	}
}
