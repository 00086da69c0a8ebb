// Package local runs stages as processes of this machine that outlive the bot: a task is a folder, its record a file
// that is followed.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Options are what an executor needs to know.
type Options struct {
	// Dir holds a folder for each task. A new executor on the same Dir finds the tasks of the one before.
	Dir string
	// Command is the argument list that starts a runner; the task's folder is appended.
	Command []string
	// Runner is handed to every runner.
	Runner runner.Options
	// Toolchain is what Toolchain returns.
	Toolchain string
	Logger    zerolog.Logger
}

// Executor is a pipeline.Executor.
type Executor struct {
	options Options
	hub     *hub

	mu    sync.Mutex
	tasks map[string]*task
}

var _ pipeline.Executor = (*Executor)(nil)

// task is what this process knows of a task; the folder is the truth.
type task struct {
	id     string
	folder string
	// starting is held while a runner is being launched.
	starting sync.Mutex

	mu     sync.Mutex
	runner *process
	clear  sync.Once
}

// Names of folders that are not tasks begin with a dot, which no task ID does.
const (
	unfinishedPrefix = ".new-"
	forgottenPrefix  = ".gone-"
	runnerLog        = "runner.log"
)

var taskID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

// New takes over a folder and removes what an earlier executor left half made or half removed in it.
func New(options Options) (*Executor, error) {
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder of tasks: %w", err)
	}
	if len(options.Command) == 0 {
		return nil, errors.New("the executor is not told how to start a runner")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of tasks: %w", err)
	}
	// Commands see paths without links.
	if options.Dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, fmt.Errorf("folder of tasks: %w", err)
	}
	hub, err := newHub(options.Logger)
	if err != nil {
		return nil, err
	}
	e := &Executor{options: options, hub: hub, tasks: map[string]*task{}}
	if err := e.clear(); err != nil {
		return nil, errors.Join(err, hub.close())
	}
	return e, nil
}

// Close stops following. Runners go on.
func (e *Executor) Close() error { return e.hub.close() }

// Toolchain implements pipeline.Executor.
func (e *Executor) Toolchain() string { return e.options.Toolchain }

// Known implements pipeline.Executor. A folder in which no runner ever began is what a bot left that was killed in the
// midst of a start: such a task can be started.
func (e *Executor) Known(_ context.Context, id string) (bool, error) {
	t, err := e.find(id)
	if errors.Is(err, pipeline.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if t.begun() {
		return true, nil
	}
	t.starting.Lock() // a look at the lock must not be in the way of a runner that takes it
	defer t.starting.Unlock()
	running, err := t.locked()
	return running || t.begun(), err
}

// find returns the task of a folder, or pipeline.ErrNotFound.
func (e *Executor) find(id string) (*task, error) {
	missing := fmt.Errorf("task %s: %w", id, pipeline.ErrNotFound)
	if !taskID.MatchString(id) {
		return nil, missing
	}
	_, err := os.Stat(filepath.Join(e.options.Dir, id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, missing
	}
	if err != nil {
		return nil, fmt.Errorf("look for task %s: %w", id, err)
	}
	return e.entry(id), nil
}

func (e *Executor) entry(id string) *task {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, found := e.tasks[id]
	if !found {
		t = &task{id: id, folder: filepath.Join(e.options.Dir, id)}
		e.tasks[id] = t
	}
	return t
}

func (e *Executor) drop(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.tasks, id)
}

func (t *task) path(name string) string { return filepath.Join(t.folder, name) }

// begun reports whether a runner has ever started to record the task.
func (t *task) begun() bool {
	_, err := os.Stat(t.path(runner.EventsFile))
	return err == nil
}

// locked reports whether a runner lives.
func (t *task) locked() (bool, error) {
	lock, err := os.OpenFile(t.path(runner.LockFile), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the runner of %s: %w", t.id, err)
	}
	defer lock.Close() //nolint:errcheck // nothing was written
	err = unix.Flock(int(lock.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the runner of %s: %w", t.id, err)
	}
	return false, nil
}

// Cancel implements pipeline.Executor. The reason is written before the signal, which makes the runner read it.
func (e *Executor) Cancel(_ context.Context, id, reason string) error {
	t, err := e.find(id)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t.starting.Lock() // a runner that is just starting could not take the signal yet
	defer t.starting.Unlock()
	if err := writeWhole(t.path(runner.CancelFile), []byte(reason)); err != nil {
		return fmt.Errorf("cancel %s: %w", id, err)
	}
	p, err := t.process()
	if err != nil {
		return err
	}
	if err := p.interrupt(); err != nil {
		return fmt.Errorf("cancel %s: %w", id, err)
	}
	return nil
}

// Forget implements pipeline.Executor. It waits for a runner that has given its verdict and is clearing up.
func (e *Executor) Forget(ctx context.Context, id string) error {
	t, err := e.find(id)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := t.process()
	if err != nil {
		return err
	}
	if !p.ended() && !t.hasVerdict() {
		return fmt.Errorf("task %s is still running: cancel it before it is forgotten", id)
	}
	if err := p.waitClear(ctx); err != nil {
		return fmt.Errorf("forget %s: %w", id, err)
	}
	if err := e.remove(t); err != nil {
		return fmt.Errorf("forget %s: %w", id, err)
	}
	return nil
}

// remove makes a task's folder disappear at once, so that it is never there in parts. Who comes second finds nothing to do.
func (e *Executor) remove(t *task) error {
	gone := filepath.Join(e.options.Dir, forgottenPrefix+t.id)
	err := os.Rename(t.folder, gone)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) { // a removal that was cut off
		if err := runner.RemoveAll(gone); err != nil {
			return err
		}
		err = os.Rename(t.folder, gone)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e.drop(t.id)
	return runner.RemoveAll(gone)
}

// writeWhole replaces a file at once.
func writeWhole(file string, content []byte) error {
	temporary := file + ".new"
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
