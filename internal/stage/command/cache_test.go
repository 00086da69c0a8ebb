package command

import (
	"archive/tar"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func cached(key string) pipeline.StageSpec {
	return pipeline.StageSpec{
		Run:   []string{"if [ -e deps/bin/tool ]; then echo kept; deps/bin/tool; else echo anew; mkdir -p deps/bin; printf '#!/bin/sh\\necho ran\\n' > deps/bin/tool; chmod +x deps/bin/tool; ln -s tool deps/bin/link; mkfifo deps/pipe; fi"},
		Cache: []pipeline.CacheDefinition{{Key: key, Paths: []string{"deps", "missing"}}},
	}
}

func TestCacheIsKeptByItsKey(t *testing.T) {
	root := t.TempDir()
	run := func(lock string, writable bool) *stagetest.Session {
		_, s := run(t, cached("deps-${{ hashFiles('*.lock', 'none') }}-v1"), stagetest.Options{
			Task: pipeline.Task{CacheWritable: writable}, CacheRoot: root, Files: map[string]string{"a.lock": lock},
		}, Options{})
		return s
	}
	for _, test := range []struct {
		lock     string
		writable bool
		log      string
		steps    int
	}{
		{"one", false, "anew", 2}, {"one", true, "anew", 3}, {"one", true, "kept\nran", 2}, {"two", true, "anew", 3}, {"one", false, "kept\nran", 2},
	} {
		s := run(test.lock, test.writable)
		if s.LogText() != test.log || len(s.Recorded.Steps) != test.steps {
			t.Fatalf("%+v: log %q, steps %+v", test, s.LogText(), s.Recorded.Steps)
		}
	}
	s := run("one", true)
	if target, err := os.Readlink(filepath.Join(s.Dir(), "deps/bin/link")); err != nil || target != "tool" {
		t.Errorf("link = %q, %v", target, err)
	}
}

func TestAFailedStageSavesNothing(t *testing.T) {
	root := t.TempDir()
	spec := cached("k")
	spec.Run = append(spec.Run, "false")
	run(t, spec, stagetest.Options{Task: pipeline.Task{CacheWritable: true}, CacheRoot: root}, Options{})
	if entries, err := os.ReadDir(filepath.Join(root, cacheFolder)); err != nil || len(entries) != 0 {
		t.Errorf("kept: %v, %v", entries, err)
	}
}

func TestExpandRefuses(t *testing.T) {
	s := stagetest.New(t, stagetest.Options{})
	for key, message := range map[string]string{
		"${{ hashFiles('a')":      "not closed",
		"${{ github.sha }}":       "the only function",
		"${{ hashFiles(a) }}":     "in quotes",
		"${{ hashFiles('') }}":    "in quotes",
		"${{ hashFiles('[a') }}":  "syntax error in pattern",
		"${{ hashFiles('../a')}}": "invalid argument",
	} {
		if _, err := expand(t.Context(), s.Root(), key); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v, want %q", key, err, message)
		}
	}
	spec := pipeline.StageSpec{Cache: []pipeline.CacheDefinition{{Key: "${{ x }}", Paths: []string{"a"}}}}
	var failure *runner.Failure
	_, err := New(Options{}).Run(t.Context(), stagetest.New(t, stagetest.Options{Task: pipeline.Task{Stage: spec}}))
	if !errors.As(err, &failure) || failure.Title != "The cache key cannot be worked out" {
		t.Errorf("error = %v", err)
	}
}

func TestUnpackStaysInTheCheckout(t *testing.T) {
	outside := t.TempDir()
	file := filepath.Join(t.TempDir(), "bad.tar")
	for name, headers := range map[string][]tar.Header{
		"a parent":         {{Name: "../x", Typeflag: tar.TypeReg, Mode: 0o644}},
		"an absolute path": {{Name: outside + "/x", Typeflag: tar.TypeReg, Mode: 0o644}},
		"through a link":   {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "l/x", Typeflag: tar.TypeReg, Mode: 0o644}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Create(file)
			if err != nil {
				t.Fatal(err)
			}
			w := tar.NewWriter(f)
			for _, header := range headers {
				if err := w.WriteHeader(&header); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Close(), f.Close()); err != nil {
				t.Fatal(err)
			}
			if _, err := unpack(t.Context(), file, stagetest.New(t, stagetest.Options{}).Root()); err == nil {
				t.Error("it was unpacked")
			}
			if _, err := os.Stat(filepath.Join(outside, "x")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("a file was written outside")
			}
		})
	}
}

func TestEvictKeepsTheNewest(t *testing.T) {
	dir := t.TempDir()
	for i := range keptEntries + 3 {
		name := filepath.Join(dir, strings.Repeat("a", i+1)+".tar")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := pipelineTime(i)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := evict(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != keptEntries || entries[0].Name() != "aaaa.tar" {
		t.Errorf("%d kept, first %v, %v", len(entries), entries[0], err)
	}
}
