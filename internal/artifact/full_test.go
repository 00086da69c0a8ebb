package artifact

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// /dev/full answers every write as a full disk does.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full: ", err)
	}
	dir := t.TempDir()
	s, err := New(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.logs[1] = &logFile{path: s.logPath(1), file: full}
	lines := []pipeline.StoredLine{{Seq: 1, LogLine: pipeline.LogLine{Text: "x"}}}
	err = s.Append(t.Context(), 1, lines)
	if err == nil || !strings.Contains(err.Error(), "the disk that holds "+dir+" is full: free some space there") {
		t.Fatalf("got %v", err)
	}
	if err := s.forgetLog(1); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), 1, lines); err != nil { // space again: the line comes with the retry
		t.Fatal(err)
	}
	if got, err := s.Lines(t.Context(), 1, 0, 0); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMoveToAnotherDisk(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	if err := os.WriteFile(from, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyThenRemove(from, to); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(to); err != nil || string(content) != "content" {
		t.Errorf("%q %v", content, err)
	}
	for _, dir := range []string{filepath.Dir(from), filepath.Dir(to)} {
		if entries, err := os.ReadDir(dir); err != nil || (dir == filepath.Dir(from)) != (len(entries) == 0) {
			t.Errorf("%s holds %v %v", dir, entries, err)
		}
	}
}
