package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// idleTree is how long a clean checkout waits for a next commit.
const idleTree = 7 * 24 * time.Hour

// Sweep removes checkouts that dead processes left and clean ones nobody came back to. Those in use are not touched.
func (w *Workspace) Sweep(ctx context.Context) error {
	repositories, err := os.ReadDir(filepath.Join(w.dir, "trees"))
	if err != nil {
		return fmt.Errorf("sweep checkouts: %w", err)
	}
	var problems []error
	for _, r := range repositories {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if r.IsDir() {
			problems = append(problems, w.prune(filepath.Join(w.dir, "trees", r.Name())))
		}
	}
	return errors.Join(problems...)
}

// prune looks at the free slots of one repository and keeps the clean ones it is allowed.
func (w *Workspace) prune(dir string) error {
	numbers, err := slotNumbers(dir)
	if err != nil {
		return fmt.Errorf("sweep checkouts: %w", err)
	}
	var problems []error
	kept := 0
	for _, n := range numbers {
		// Asked without the lock: nobody who wants a clean slot shall find it held.
		if kept < w.opts.KeepTrees && (&slot{dir: slotDir(dir, n)}).freshlyClean() {
			kept++
			continue
		}
		s, err := trySlot(dir, n)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if s == nil {
			continue
		}
		problems = append(problems, s.remove(), s.free())
	}
	return errors.Join(problems...)
}

func (s *slot) freshlyClean() bool {
	info, err := os.Stat(s.marker())
	return err == nil && s.cleanAt() != "" && time.Since(info.ModTime()) < idleTree
}
