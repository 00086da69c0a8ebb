package artifact_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func keep(t *testing.T, s *artifact.Store, id int64, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "left")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), id, pipeline.Artifact{Name: name, Path: path}); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, s *artifact.Store, id int64, name string) string {
	t.Helper()
	file, size, err := s.Open(t.Context(), id, name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil || int64(len(content)) != size {
		t.Fatalf("%d of %d bytes: %v", len(content), size, err)
	}
	return string(content)
}

func TestKeepListOpen(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	path := keep(t, s, 1, "reports/junit.xml", "<xml/>")
	keep(t, s, 1, "ü name", "")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file was not taken over: %v", err)
	}
	// A bot that was killed before it recorded the event does it again.
	if err := s.Keep(t.Context(), 1, pipeline.Artifact{Name: "reports/junit.xml", Path: path}); err != nil {
		t.Errorf("replay: %v", err)
	}
	s = newStore(t, dir)
	got, err := s.List(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := []pipeline.Artifact{{Name: "reports/junit.xml", Bytes: 6}, {Name: "ü name"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := read(t, s, 1, "reports/junit.xml"); got != "<xml/>" {
		t.Errorf("content %q", got)
	}
	keep(t, s, 1, "reports/junit.xml", "longer than before")
	if got := read(t, s, 1, "reports/junit.xml"); got != "longer than before" {
		t.Errorf("content %q", got)
	}
	if got, err := s.List(t.Context(), 1); err != nil || len(got) != 2 || got[0].Bytes != 18 {
		t.Errorf("%v %v", got, err)
	}
	if _, _, err := s.Open(t.Context(), 2, "reports/junit.xml"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("of another attempt: %v", err)
	}
}

func TestHostileNames(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	keep(t, s, 1, "index.jsonl", "not the index") // a name like ours is only a name
	for _, name := range []string{"", ".", "..", "../x", "/etc/passwd", "a/../b", "a//b", "a\x00b", "a\nb", "a\x1b[31m", "a\u202eb", "\xff", strings.Repeat("x", 1025)} {
		path := filepath.Join(t.TempDir(), "left")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Keep(t.Context(), 1, pipeline.Artifact{Name: name, Path: path}); err == nil {
			t.Errorf("%q was kept", name)
		}
		if _, _, err := s.Open(t.Context(), 1, name); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if got, err := s.List(t.Context(), 1); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

func TestOnlyOrdinaryFilesAreKept(t *testing.T) {
	s := newStore(t, t.TempDir())
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc/passwd", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, dir, filepath.Join(dir, "missing")} {
		if err := s.Keep(t.Context(), 1, pipeline.Artifact{Name: "x", Path: path}); err == nil {
			t.Errorf("%s was kept", path)
		}
	}
}

func TestIndexCutShort(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	keep(t, s, 1, "a", "1")
	file, err := os.OpenFile(filepath.Join(dir, "artifacts", "0", "1", "index.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"name":"b","by`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	keep(t, s, 1, "b", "22")
	got, err := s.List(t.Context(), 1)
	if diff := cmp.Diff([]pipeline.Artifact{{Name: "a", Bytes: 1}, {Name: "b", Bytes: 2}}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
