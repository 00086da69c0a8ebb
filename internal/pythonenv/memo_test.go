package pythonenv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func TestAnInterpreterIsAskedOnce(t *testing.T) {
	bin, asked := t.TempDir(), filepath.Join(t.TempDir(), "asked")
	write := func(version string) {
		t.Helper()
		script := "#!/bin/sh\necho x >> " + asked + "\necho slipway-python " + version + "\n"
		if err := os.WriteFile(filepath.Join(bin, "python3.13"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()
	find := func(want string) int {
		t.Helper()
		s := stagetest.New(t, stagetest.Options{CacheRoot: cache})
		request, err := ParseRequest("3.13", "the test")
		if err != nil {
			t.Fatal(err)
		}
		found, err := Find(t.Context(), s, Machine{Path: bin}, request)
		if err != nil || found.Version.String() != want {
			t.Fatalf("%v, %v", found, err)
		}
		log, err := os.ReadFile(asked)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), "x")
	}
	write("3.13.1")
	if times := find("3.13.1"); times != 1 {
		t.Errorf("asked %d times", times)
	}
	if times := find("3.13.1"); times != 1 {
		t.Errorf("the same file was asked again: %d times", times)
	}
	write("3.13.22")
	if times := find("3.13.22"); times != 2 {
		t.Errorf("a new interpreter was not asked: %d times", times)
	}
}
