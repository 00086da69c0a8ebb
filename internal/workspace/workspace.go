package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Options of a workspace; the zero value is right for a server.
type Options struct {
	// Git is the git program; empty: the one on PATH.
	Git string
	// AllowFile admits clone addresses that are paths of this machine.
	AllowFile bool
	// KeepTrees is how many checkouts of a repository stay on disk for the next commit; 0: 4, negative: none.
	KeepTrees int
}

// defaultKeepTrees is about how many stages of a repository run at a time.
const defaultKeepTrees = 4

// Workspace hands out checkouts below one folder. Processes may share the folder.
type Workspace struct {
	dir  string
	git  git
	opts Options
}

// New prepares dir, which is made when it does not exist.
func New(dir string, opts Options) (*Workspace, error) {
	if opts.KeepTrees == 0 {
		opts.KeepTrees = defaultKeepTrees
	}
	if opts.Git == "" {
		opts.Git = "git"
	}
	program, err := exec.LookPath(opts.Git)
	if err != nil {
		return nil, fmt.Errorf("find git: %w; install git and put it on PATH", err)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("workspace folder: %w", err)
	}
	// Links are resolved once, so that the paths a sandbox is told are the real ones.
	for _, sub := range []string{"mirrors", "trees"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("workspace folder: %w", err)
		}
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("workspace folder: %w", err)
	}
	return &Workspace{dir: dir, git: git{program: program, allowFile: opts.AllowFile}, opts: opts}, nil
}

// Checkout is the files of one commit, or a copy of a folder, for one stage.
type Checkout struct {
	// Dir is the folder, absolute and free of links. The stage may do with its content what it likes.
	Dir string
	// ReadOnly are folders outside Dir that its .git reads objects from. A sandbox shows them at the same path,
	// read-only; without them git commands of the stage find no history.
	ReadOnly []string

	slot  *slot
	close func() error
}

// Close takes the folder back and cleans or removes it. Processes of the stage must have ended. A second Close does
// nothing.
func (c *Checkout) Close() error {
	if c.close == nil {
		return nil
	}
	closeOnce := c.close
	c.close = nil
	return closeOnce()
}

// Checkout provides the files of the task's source. token, where set, reads the one repository; it reaches git through
// its environment only. log, where set, is told in short lines what is done. Errors of a source are *Error.
func (w *Workspace) Checkout(ctx context.Context, task pipeline.Task, token string, log func(string)) (*Checkout, error) {
	if log == nil {
		log = func(string) {}
	}
	source := task.Source
	switch {
	case source.Git != nil && source.Directory == "":
		job, err := w.newGitJob(*source.Git, task.Trigger.Trusted(), token, log)
		if err != nil {
			return nil, err
		}
		return job.checkout(ctx)
	case source.Git == nil && source.Directory != "":
		return w.copyDirectory(ctx, source.Directory, log)
	default:
		return nil, errors.New("a task's source is a commit or a folder, one of the two")
	}
}
