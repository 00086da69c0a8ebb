package artifact_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func newStore(t testing.TB, dir string) *artifact.Store {
	t.Helper()
	s, err := artifact.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// line has a text whose length depends on its number, up to the longest there is.
func line(seq int64) pipeline.StoredLine {
	text := strings.Repeat("ü<\u2028", int(seq*seq)%3000) + fmt.Sprint(seq)
	return pipeline.StoredLine{Seq: seq, Time: time.Unix(seq, 0).UTC(), LogLine: pipeline.LogLine{Step: "tests", Text: text}}
}

func numbered(from, to int64) []pipeline.StoredLine {
	var lines []pipeline.StoredLine
	for seq := from; seq <= to; seq++ {
		lines = append(lines, line(seq))
	}
	return lines
}

func appendLines(t *testing.T, s *artifact.Store, id int64, lines []pipeline.StoredLine) {
	t.Helper()
	if err := s.Append(t.Context(), id, lines); err != nil {
		t.Fatal(err)
	}
}

func wantLines(t *testing.T, s *artifact.Store, id, after int64, limit int, want []pipeline.StoredLine) {
	t.Helper()
	got, err := s.Lines(t.Context(), id, after, limit)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after %d, limit %d: %.500s", after, limit, diff)
	}
}

func TestLines(t *testing.T) {
	s := newStore(t, t.TempDir())
	wantLines(t, s, 7, 0, 0, nil)
	appendLines(t, s, 7, numbered(1, 3))
	wantLines(t, s, 7, 0, 0, numbered(1, 3)) // at once
	appendLines(t, s, 7, nil)
	appendLines(t, s, 7, numbered(2, 400)) // a replay that overlaps
	for _, after := range []int64{0, 1, 57, 200, 398, 399} {
		wantLines(t, s, 7, after, 5, numbered(after+1, min(after+5, 400)))
	}
	wantLines(t, s, 7, 400, 5, nil)
	wantLines(t, s, 7, 1000, 5, nil)
	wantLines(t, s, 8, 0, 0, nil)
}

func TestGapsInSeqStay(t *testing.T) {
	s := newStore(t, t.TempDir())
	appendLines(t, s, 1, []pipeline.StoredLine{line(5), line(9)}) // other events have the numbers between
	appendLines(t, s, 1, []pipeline.StoredLine{line(7), line(12)})
	wantLines(t, s, 1, 5, 0, []pipeline.StoredLine{line(9), line(12)})
}

func TestLogSurvivesARestartAndHalfALine(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	appendLines(t, s, 1234567, numbered(1, 300))
	path := filepath.Join(dir, "logs", "1234", "1234567.jsonl")
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"seq":301,"te`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	s = newStore(t, dir)
	wantLines(t, s, 1234567, 298, 0, numbered(299, 300))
	appendLines(t, s, 1234567, numbered(299, 305))
	wantLines(t, s, 1234567, 298, 0, numbered(299, 305))
}

// openBelow counts the open files in a folder, on Linux.
func openBelow(t *testing.T, dir string) int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	open := 0
	for _, link := range links {
		if file, err := os.Readlink(link); err == nil && strings.HasPrefix(file, dir) {
			open++
		}
	}
	return open
}

func TestManyLogsAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	var group sync.WaitGroup
	for id := range int64(200) {
		group.Go(func() {
			for seq := int64(1); seq <= 10; seq++ {
				if err := s.Append(t.Context(), id, numbered(seq, seq)); err != nil {
					t.Error(err)
				}
				if got, err := s.Lines(t.Context(), id, seq-1, 0); err != nil || len(got) != 1 {
					t.Errorf("%d: %d lines %v", id, len(got), err)
				}
			}
		})
	}
	group.Wait()
	if open := openBelow(t, dir); open > 64 {
		t.Errorf("%d logs are open", open)
	}
	for id := range int64(200) {
		wantLines(t, s, id, 0, 0, numbered(1, 10))
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	for id := int64(1); id <= 2; id++ {
		appendLines(t, s, id, numbered(1, 2))
		keep(t, s, id, "a", "x")
	}
	for range 2 {
		if err := s.Sweep(t.Context(), []int64{1, 99}); err != nil {
			t.Fatal(err)
		}
	}
	wantLines(t, s, 1, 0, 0, nil)
	wantLines(t, s, 2, 0, 0, numbered(1, 2))
	if got, err := s.List(t.Context(), 1); err != nil || got != nil {
		t.Errorf("%v %v", got, err)
	}
	if got, err := s.List(t.Context(), 2); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

func TestSweepUnknown(t *testing.T) {
	dir := t.TempDir()
	s := newStore(t, dir)
	old, limit := time.Now().Add(-100*24*time.Hour), time.Now().Add(-91*24*time.Hour)
	// 1: of a run that was removed, 2: of an old run that is still open, 1003: young, 4: only a log, 5: only artifacts.
	for _, id := range []int64{1, 2, 1003, 4} {
		appendLines(t, s, id, numbered(1, 2))
	}
	for _, id := range []int64{1, 2, 1003, 5} {
		keep(t, s, id, "a", "x")
	}
	for _, path := range []string{
		"logs/0/1.jsonl", "logs/0/2.jsonl", "logs/0/4.jsonl", "artifacts/0/1", "artifacts/0/2", "artifacts/0/5", "artifacts", "logs",
	} {
		if err := os.Chtimes(filepath.Join(dir, path), old, old); err != nil {
			t.Fatal(err)
		}
	}
	for _, foreign := range []string{"logs/0/notes.txt", "artifacts/README"} {
		if err := os.WriteFile(filepath.Join(dir, foreign), []byte("of the operator"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, foreign), old, old); err != nil {
			t.Fatal(err)
		}
	}
	var asked []int64
	known := func(_ context.Context, id int64) (bool, error) { asked = append(asked, id); return id == 2, nil }
	for _, want := range []int{3, 0} {
		if n, err := s.SweepUnknown(t.Context(), limit, known); err != nil || n != want {
			t.Fatalf("%d attempts, %v, want %d", n, err, want)
		}
	}
	if slices.Contains(asked, 1003) {
		t.Errorf("asked for what is young: %v", asked)
	}
	for id, want := range map[int64]int{1: 0, 2: 1, 1003: 1, 5: 0} {
		if got, err := s.List(t.Context(), id); err != nil || len(got) != want {
			t.Errorf("artifacts of %d: %v, %v", id, got, err)
		}
	}
	for id, want := range map[int64][]pipeline.StoredLine{1: nil, 2: numbered(1, 2), 1003: numbered(1, 2), 4: nil} {
		wantLines(t, s, id, 0, 0, want)
	}
	for _, foreign := range []string{"logs/0/notes.txt", "artifacts/README"} {
		if _, err := os.Stat(filepath.Join(dir, foreign)); err != nil {
			t.Error(err)
		}
	}
	// What cannot be told of is kept.
	away := errors.New("the database is away")
	if err := os.Chtimes(filepath.Join(dir, "artifacts/0/2"), old, old); err != nil {
		t.Fatal(err)
	}
	_, err := s.SweepUnknown(t.Context(), limit, func(context.Context, int64) (bool, error) { return false, away })
	if got, _ := s.List(t.Context(), 2); !errors.Is(err, away) || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := newStore(b, b.TempDir())
	n := int64(0)
	for b.Loop() {
		n++
		one := pipeline.StoredLine{Seq: n, Time: time.Unix(n, 0), LogLine: pipeline.LogLine{Step: "tests", Text: "tests/test_items.py::test_add PASSED"}}
		if err := s.Append(b.Context(), 1, []pipeline.StoredLine{one}); err != nil {
			b.Fatal(err)
		}
	}
}
