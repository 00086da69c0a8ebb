package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pipelinefile"
)

// checkout is a folder on a person's own machine, as `slipway run` sees it: in a git repository or not.
type checkout struct {
	dir string // absolute, without links
	// file is the pipeline file, relative to dir.
	file string
	// environment: only this one is considered; empty: the one that holds the branch.
	environment string
	// stage: only this one and the summary; empty: all.
	stage string
}

func openCheckout(dir, environment, stage string) (*checkout, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fmt.Errorf("there is no folder %s", dir)
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder", dir)
	}
	return &checkout{dir: abs, file: pipelinefile.Path, environment: environment, stage: stage}, nil
}

// Definition implements pipeline.Definitions from the files as they lie there.
func (c *checkout) Definition(context.Context, pipeline.Trigger) (pipeline.Definition, error) {
	definition, err := c.definition()
	if err != nil {
		return pipeline.Definition{}, err
	}
	if c.environment != "" {
		if err := only(&definition.Environments, c.environment, "environment", func(e pipeline.EnvironmentDefinition) string { return e.Name }); err != nil {
			return pipeline.Definition{}, err
		}
	}
	if c.stage != "" {
		if err := only(&definition.Stages, c.stage, "stage", func(s pipeline.StageDefinition) string { return s.ID }); err != nil {
			return pipeline.Definition{}, err
		}
		definition.Stages[0].Needs = nil // the person asked for this one, whatever it needs
	}
	// On one's own machine the run is asked for, whatever `on` says.
	every := &pipeline.BranchFilter{Match: func(string) bool { return true }}
	definition.On = pipeline.On{Push: every, PullRequest: every}
	return definition, nil
}

// problem is what keeps the checkout from being run at all. The problems of a pipeline file are a run that shows them.
func (c *checkout) problem(ctx context.Context) error {
	_, err := c.Definition(ctx, pipeline.Trigger{})
	if _, ok := errors.AsType[*pipeline.InvalidDefinitionError](err); ok {
		return nil
	}
	return err
}

func (c *checkout) definition() (pipeline.Definition, error) {
	root, err := os.OpenRoot(c.dir)
	if err != nil {
		return pipeline.Definition{}, err
	}
	defer root.Close() //nolint:errcheck // opened for reading
	data, err := root.ReadFile(c.file)
	if err == nil {
		return pipelinefile.Parse(c.file, data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pipeline.Definition{}, fmt.Errorf("read the pipeline file: %w", err)
	}
	paths, err := c.paths()
	if err != nil {
		return pipeline.Definition{}, err
	}
	definition, ok := pipelinefile.Infer(paths)
	if !ok {
		return pipeline.Definition{}, fmt.Errorf(
			"%s has no %s, and nothing in it tells what to run (requirements.txt, pyproject.toml, Dockerfile, infra/*.tf, k8s/*.yaml)", c.dir, c.file)
	}
	return definition, nil
}

// only keeps the one element of that name.
func only[T any](all *[]T, name, kind string, nameOf func(T) string) error {
	var names []string
	for _, one := range *all {
		if nameOf(one) == name {
			*all = []T{one}
			return nil
		}
		names = append(names, nameOf(one))
	}
	if len(names) == 0 {
		return usageError{fmt.Errorf("there is no %s %q: the pipeline file declares none", kind, name)}
	}
	return usageError{fmt.Errorf("there is no %s %q; there is %s", kind, name, strings.Join(names, ", "))}
}

// paths lists the files below the folder, without .git.
func (c *checkout) paths() ([]string, error) {
	var paths []string
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == ".git" {
			return fs.SkipDir
		}
		if rel, err := filepath.Rel(c.dir, path); err == nil && !entry.IsDir() {
			paths = append(paths, filepath.ToSlash(rel))
		}
		return nil
	})
	return paths, err
}

// Tree implements pipeline.Forge: a person who runs a checkout wants it run, so nothing is reused.
func (*checkout) Tree(context.Context, pipeline.Repository, string) (string, error) { return "", nil }

// GitToken implements pipeline.Forge: nothing is fetched.
func (*checkout) GitToken(context.Context, pipeline.Repository) (string, error) { return "", nil }

// ChangedPaths implements pipeline.Forge: what differs from the commit before, with what is not committed yet.
func (c *checkout) ChangedPaths(ctx context.Context, t pipeline.Trigger) ([]string, error) {
	if t.Before == "" {
		return c.paths()
	}
	out, err := c.git(ctx, "diff", "--name-only", "--relative", "-z", t.Before)
	if err != nil {
		return nil, err
	}
	untracked, err := c.git(ctx, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(out+"\x00"+untracked, func(r rune) bool { return r == 0 }), nil
}

// trigger describes the checkout as if it had been pushed.
func (c *checkout) trigger(ctx context.Context, event pipeline.Event, branch string) pipeline.Trigger {
	t := pipeline.Trigger{
		Event: event, Branch: branch, Fresh: true, Delivery: "local", Actor: os.Getenv("USER"),
		Repository: pipeline.Repository{ID: 1, Owner: "local", Name: filepath.Base(c.dir), DefaultBranch: "main"},
		ReceivedAt: pipeline.SystemClock{}.Now(),
	}
	// Outside a git repository there is no commit; the folder stands for itself.
	if sha, err := c.git(ctx, "rev-parse", "HEAD"); err == nil {
		t.SHA = strings.TrimSpace(sha)
		if title, err := c.git(ctx, "log", "-1", "--format=%s"); err == nil {
			t.Title = strings.TrimSpace(title)
		}
		if before, err := c.git(ctx, "rev-parse", "HEAD^"); err == nil {
			t.Before = strings.TrimSpace(before)
		}
		if name, err := c.git(ctx, "symbolic-ref", "--short", "HEAD"); err == nil && t.Branch == "" {
			t.Branch = strings.TrimSpace(name)
		}
	} else {
		sum := sha256.Sum256([]byte(c.dir))
		t.SHA = hex.EncodeToString(sum[:20])
	}
	if t.Branch == "" {
		t.Branch = "main"
	}
	t.Ref = "refs/heads/" + t.Branch
	if event == pipeline.EventPullRequest {
		t.Base, t.BaseSHA = t.Repository.DefaultBranch, t.Before
	}
	return t
}

func (c *checkout) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // arguments are ours
	cmd.Dir = c.dir
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return out.String(), nil
}
