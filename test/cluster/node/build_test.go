package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

func TestKey(t *testing.T) {
	source := t.TempDir()
	file := filepath.Join(source, "build", "tool", "go.mod")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	w, m := workshop{place: place.Place(t.TempDir()), source: source}, module{name: "tool"}
	key := func() string {
		t.Helper()
		key, err := w.key(m)
		if err != nil || len(key) != 12 {
			t.Fatalf("%q, %v", key, err)
		}
		return key
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("require tool v1.0.0")
	first := key()
	if key() != first {
		t.Error("the same files have two keys")
	}
	write("require tool v1.0.1")
	if key() == first {
		t.Error("another version has the same key")
	}
	write("require tool v1.0.0")
	m.link = "-X version=2"
	if key() == first {
		t.Error("other flags have the same key")
	}
}

// The modules of the checkout hold what the list says is built from them.
func TestModules(t *testing.T) {
	for _, m := range modules() {
		for _, file := range []string{"go.mod", "go.sum"} {
			if _, err := os.Stat(filepath.Join("..", "build", m.name, file)); err != nil {
				t.Error(err)
			}
		}
		if len(m.packages) == 0 {
			t.Errorf("nothing is built from %s", m.name)
		}
	}
}

// What programs are told of their version is the version that is pinned.
func TestVersions(t *testing.T) {
	for _, m := range modules() {
		text, err := os.ReadFile(filepath.Join("..", "build", m.name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		_, version, ok := strings.Cut(m.link, "gitVersion=")
		for _, generated := range m.generated {
			version, ok = strings.TrimSpace(generated), true
		}
		if ok && !strings.Contains(string(text), " "+version+"\n") {
			t.Errorf("%s says it is %s, which its go.mod does not require", m.name, version)
		}
	}
}
