package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/runner"
)

// clear removes folders whose making or removal was cut off.
func (e *Executor) clear() error {
	entries, err := os.ReadDir(e.options.Dir)
	if err != nil {
		return fmt.Errorf("look through the folder of tasks: %w", err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasPrefix(name, unfinishedPrefix) && !strings.HasPrefix(name, forgottenPrefix) {
			continue
		}
		if err := runner.RemoveAll(filepath.Join(e.options.Dir, name)); err != nil {
			return fmt.Errorf("remove what is left of a task: %w", err)
		}
	}
	return nil
}

// Sweep forgets the tasks that keep does not want: those of runs that are no longer kept, or given up. One that still
// runs is cancelled, and forgotten by a later sweep. keep is asked after a task was seen, so that a task that begins
// meanwhile is safe when keep knows of it by then. What cannot be removed does not keep the rest.
func (e *Executor) Sweep(ctx context.Context, keep func(taskID string) bool) error {
	entries, err := os.ReadDir(e.options.Dir)
	if err != nil {
		return fmt.Errorf("look through the folder of tasks: %w", err)
	}
	var problems []error
	for _, entry := range entries {
		if ctx.Err() != nil {
			return errors.Join(append(problems, context.Cause(ctx))...)
		}
		if id := entry.Name(); entry.IsDir() && taskID.MatchString(id) && !keep(id) {
			problems = append(problems, e.giveUp(ctx, id))
		}
	}
	return errors.Join(problems...)
}

// giveUp forgets a task whose end nobody waits for.
func (e *Executor) giveUp(ctx context.Context, id string) error {
	t := e.entry(id)
	p, err := t.process()
	if err != nil {
		return err
	}
	switch verdict := t.hasVerdict(); {
	case !verdict && !p.ended():
		return e.Cancel(ctx, id, "nothing waits for this stage any more")
	case !verdict && t.begun():
		t.clear.Do(func() { err = e.killLeftovers(ctx, t, p) })
	}
	return errors.Join(err, e.Forget(ctx, id))
}
