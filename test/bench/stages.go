package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/examples"
	"github.com/slipwayhq/slipway/internal/githubtest"
)

// stagesFile is the example's first half. What asks servers on the internet (Codecov, the vulnerability database) is
// off: it would measure the network.
const stagesFile = `name: bench
on: {push: {}}
stages:
  build-and-test:
    uses: python
    with: {python: "3.13", requirements: [requirements.txt], tests: tests/, coverage-min: 80}
  security-and-linting:
    uses: python-security
    needs: [build-and-test]
    with: {dependencies: false}
  deployment-summary:
    uses: summary
`

// script does by hand what the stages do, with the same parallelism, on a ready checkout with ready environments.
const script = `set -eu
PYTHONDONTWRITEBYTECODE=1 "$TESTS/bin/pytest" --junitxml="$OUT/junit.xml" -o console_output_style=count --cov \
  --cov-report=term "--cov-report=xml:$OUT/coverage.xml" "--cov-report=html:$OUT/html" tests/
"$LINT/bin/flake8" . & style=$!
"$LINT/bin/bandit" --recursive --format json --output "$OUT/bandit.json" --exit-zero --exclude ./tests . & code=$!
wait $style; wait $code
`

const stageRounds = 5

// stages compares the example's stages with the script, and a second run of one tree with the first.
func stages(ctx context.Context, binary string) (figures []figure, err error) {
	files, err := examples.Files()
	if err != nil {
		return nil, err
	}
	files[".github/slipway.yml"] = stagesFile
	s, err := newSite(ctx, binary, files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	cold, err := s.wholeRun(ctx, "main")
	if err != nil {
		return nil, err
	}
	var ours, theirs []time.Duration
	for i := range stageRounds {
		change := githubtest.Files{"README.md": fmt.Sprint("round ", i)}
		if s.sha, err = s.github.As("alice").Push(ctx, repo, "main", change, "round"); err != nil {
			return nil, err
		}
		took, err := s.wholeRun(ctx, "main")
		if err != nil {
			return nil, err
		}
		byHand, err := s.byHand(ctx, i, files)
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, took), append(theirs, byHand)
	}
	again, err := s.wholeRun(ctx, "other")
	if err != nil {
		return nil, err
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	a, b := ours[stageRounds/2], theirs[stageRounds/2]
	return []figure{
		{"example's stages / a shell script, medians of 5", fmt.Sprintf("%.2f (%s / %s)", a.Seconds()/b.Seconds(), ms(a), ms(b)), "1.05"},
		{"  the very first run, nothing cached", fmt.Sprintf("%.1f s", cold.Seconds()), ""},
		{"second run of the same tree / the first", fmt.Sprintf("%.3f (%s)", again.Seconds()/a.Seconds(), ms(again)), "0.05"},
	}, nil
}

// wholeRun delivers a push of the current commit and waits for the end of its run.
func (s *site) wholeRun(ctx context.Context, branch string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	before := len(s.github.CheckRuns(repo, s.sha))
	begun := time.Now()
	if _, err := s.deliver(ctx, fmt.Sprint("run-", begun.UnixNano()), "push", s.push(branch)); err != nil {
		return 0, err
	}
	err := s.github.Wait(ctx, func() bool {
		runs := s.github.CheckRuns(repo, s.sha)
		return len(runs) == before+3 && !slices.ContainsFunc(runs, func(r githubtest.CheckRun) bool { return r.Status != "completed" })
	})
	took := time.Since(begun)
	for _, r := range s.github.CheckRuns(repo, s.sha) {
		if r.Status == "completed" && r.Conclusion != "success" {
			return 0, fmt.Errorf("%s: %s: %s\n%s", r.Name, r.Conclusion, r.Title, r.Text)
		}
	}
	return took, err
}

// byHand runs the script with the environments the bot has made.
func (s *site) byHand(ctx context.Context, round int, files githubtest.Files) (time.Duration, error) {
	dir := filepath.Join(s.dir, fmt.Sprint("by-hand-", round))
	for path, content := range files {
		full := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil { //nolint:gosec // in the benchmark's own temporary folder
			return 0, err
		}
		if err := os.WriteFile(full, []byte(content), 0o600); err != nil { //nolint:gosec // in the benchmark's own temporary folder
			return 0, err
		}
	}
	out := filepath.Join(s.dir, fmt.Sprint("out-", round))
	if err := os.Mkdir(out, 0o750); err != nil { //nolint:gosec // in the benchmark's own temporary folder
		return 0, err
	}
	tests, err := s.environmentWith("pytest")
	if err != nil {
		return 0, err
	}
	lint, err := s.environmentWith("flake8")
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TESTS="+tests, "LINT="+lint, "OUT="+out, "COVERAGE_FILE="+filepath.Join(out, ".coverage"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("the script: %w: %s", err, said.String())
	}
	return time.Since(begun), nil
}

// environmentWith finds the virtual environment that has a tool among the bot's caches.
func (s *site) environmentWith(tool string) (string, error) {
	var found string
	err := filepath.WalkDir(filepath.Join(s.dir, "data", "cache", "caches"), func(path string, entry fs.DirEntry, err error) error { //nolint:gosec // in the benchmark's own temporary folder
		if err == nil && !entry.IsDir() && entry.Name() == tool && filepath.Base(filepath.Dir(path)) == "bin" {
			found = filepath.Dir(filepath.Dir(path))
			return fs.SkipAll
		}
		return err
	})
	if err == nil && found == "" {
		err = fmt.Errorf("no environment with %s", tool)
	}
	return found, err
}
