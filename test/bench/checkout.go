package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/workspace"
)

// checkout compares the checkout of a second commit with a shallow clone, for a repository of 20,000 files.
func checkout(ctx context.Context, binary string) (figures []figure, err error) {
	const count = 20_000
	files := githubtest.Files{}
	for i := range count {
		files[fmt.Sprintf("d%03d/f%05d.txt", i/100, i)] = fmt.Sprintf("file %d\n", i)
	}
	s, err := newSite(ctx, binary, files)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	url := s.github.URLs().Clone + repo + ".git"
	w, err := workspace.New(filepath.Join(s.dir, "workspaces"), workspace.Options{})
	if err != nil {
		return nil, err
	}
	first, err := s.checkout(ctx, w, url, s.sha)
	if err != nil {
		return nil, err
	}
	second, err := s.github.As("alice").Push(ctx, repo, "main", githubtest.Files{"d000/f00000.txt": "changed\n"}, "second")
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	clone := exec.CommandContext(ctx, "git", "clone", "--quiet", "--depth", "1", url, filepath.Join(s.dir, "clone")) //nolint:gosec // our own addresses
	clone.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	if out, err := clone.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("git clone: %w: %s", err, out)
	}
	cloned := time.Since(begun)
	again, err := s.checkout(ctx, w, url, second)
	if err != nil {
		return nil, err
	}
	return []figure{
		{"checkout of a second commit / git clone --depth 1", fmt.Sprintf("%.2f (%s / %s)", again.Seconds()/cloned.Seconds(), ms(again), ms(cloned)), "0.2"},
		{"  the very first checkout", ms(first), ""},
	}, nil
}

func (*site) checkout(ctx context.Context, w *workspace.Workspace, url, sha string) (time.Duration, error) {
	begun := time.Now()
	c, err := w.Checkout(ctx, pipeline.Task{
		ID: "bench-" + sha[:7], Trigger: pipeline.Trigger{SHA: sha},
		Source: pipeline.Source{Git: &pipeline.GitSource{CloneURL: url, Ref: "refs/heads/main", SHA: sha}},
	}, "", nil)
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	return took, c.Close()
}
