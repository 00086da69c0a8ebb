package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// swept is a store that lost some runs, and then its disk.
type swept struct {
	removed []int64
	known   []int64
	problem error
	before  []time.Time
}

func (s *swept) Sweep(_ context.Context, before time.Time) ([]int64, error) {
	s.before = append(s.before, before)
	return s.removed, s.problem
}

func (s *swept) SweepDeliveries(_ context.Context, before time.Time) (int, error) {
	s.before = append(s.before, before)
	return 0, nil
}

func (s *swept) SweepPushes(_ context.Context, before time.Time) (int, error) {
	s.before = append(s.before, before)
	return 0, nil
}

func (s *swept) SweepSettings(context.Context, string, string) (int, error) { return 0, nil }

func (s *swept) RunOfStage(_ context.Context, id int64) (pipeline.Run, error) {
	if slices.Contains(s.known, id) {
		return pipeline.Run{}, nil
	}
	return pipeline.Run{}, pipeline.ErrNotFound
}

func newTestSweeper(t *testing.T, runs *swept, needed func(context.Context, string) (bool, error)) (*sweeper, string) {
	t.Helper()
	dir := t.TempDir()
	artifacts, err := artifact.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	executor, err := local.New(local.Options{Dir: filepath.Join(dir, "tasks"), Command: []string{"/bin/false"}, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(executor.Close(), artifacts.Close()); err != nil {
			t.Error(err)
		}
	})
	return &sweeper{
		runs: runs, artifacts: artifacts, executor: executor, needed: needed, workspaces: filepath.Join(dir, "workspaces"), log: zerolog.Nop(),
	}, dir
}

// left lists what is there of the files that a sweep is about.
func left(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"artifacts/0/*", "logs/0/*", "private/0/*", "tasks/*", "workspaces/trees/*/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			name, err := filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func TestSweep(t *testing.T) {
	t.Parallel()
	broken, away := errors.New("the disk is full"), errors.New("the database is away")
	runs := &swept{removed: []int64{1}, known: []int64{3}, problem: broken}
	s, dir := newTestSweeper(t, runs, func(_ context.Context, id string) (bool, error) {
		if id == "r1-s5-a1" {
			return false, away
		}
		return id == "r1-s3-a1", nil
	})
	now := time.Now()
	old := now.Add(-orphanAge - time.Hour)
	for path, at := range map[string]time.Time{
		"artifacts/0/1": now, "artifacts/0/2": old, "artifacts/0/3": old, "artifacts/0/4": now.Add(-retention - time.Hour), "logs/0/2.jsonl": old, "logs/0/3.jsonl": old,
		"private/0/1": now, "private/0/2": old, "private/0/3": old,
	} {
		path = filepath.Join(dir, path)
		if filepath.Ext(path) == "" {
			writeFile(t, filepath.Join(path, "index.jsonl"), "")
		} else {
			writeFile(t, path, "")
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"r1-s2-a1", "r1-s3-a1", "r1-s5-a1"} {
		writeFile(t, filepath.Join(dir, "tasks", id, "task.json"), "{}")
	}
	err := s.sweep(t.Context(), now)
	if !errors.Is(err, broken) || !errors.Is(err, away) {
		t.Errorf("error %v", err)
	}
	const want = "artifacts/0/3 artifacts/0/4 logs/0/3.jsonl private/0/3 tasks/r1-s3-a1 tasks/r1-s5-a1"
	if got := left(t, dir); got != want {
		t.Errorf("left: %s\nwant: %s", got, want)
	}
	for _, before := range runs.before {
		if !before.Equal(now.Add(-retention)) {
			t.Errorf("swept before %s", before)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "workspaces", "trees")); err != nil {
		t.Errorf("the workspaces were not looked through: %v", err)
	}
}

func TestASweeperThatWasNeverStartedStops(t *testing.T) {
	t.Parallel()
	s, _ := newTestSweeper(t, &swept{}, nil)
	s.stop()
}
