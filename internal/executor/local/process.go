package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/runner"
)

// clearFor is how long a runner may take to clear up after its verdict.
const clearFor = time.Minute

// process is a runner, as a child of ours or found again.
type process struct {
	gone   chan struct{} // closed when the runner has ended
	signal func(unix.Signal) error

	// The rest is set before gone is closed.
	status   string
	observed bool // its end was seen, so its process ID is not somebody else's
	pid      int
}

// watchChild waits for a runner this process started.
func watchChild(cmd *exec.Cmd) *process {
	p := &process{gone: make(chan struct{}), pid: cmd.Process.Pid, observed: true}
	p.signal = func(s unix.Signal) error {
		if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		return nil
	}
	go func() {
		defer close(p.gone)
		_ = cmd.Wait() // told by ProcessState
		p.status = cmd.ProcessState.String()
	}()
	return p
}

// adopt watches a runner that an earlier bot started: its lock is free when it has ended.
func adopt(t *task) (*process, error) {
	p := &process{gone: make(chan struct{}), status: "it ended while nobody watched"}
	running, err := t.locked()
	if err != nil {
		return nil, err
	}
	p.signal = func(s unix.Signal) error { return signalRunner(t, s) }
	if state, err := t.state(); err == nil {
		p.pid = state.PID
	}
	if !running {
		close(p.gone)
		return p, nil
	}
	p.observed = true
	lock, err := os.OpenFile(t.path(runner.LockFile), os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("watch the runner of %s: %w", t.id, err)
	}
	go func() {
		defer close(p.gone)
		defer lock.Close() //nolint:errcheck // nothing was written
		for {
			// Blocks a thread, not a processor, for as long as the runner lives.
			if err := unix.Flock(int(lock.Fd()), unix.LOCK_SH); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return p, nil
}

// process returns the task's runner, found again where this process did not start it.
func (t *task) process() (*process, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runner != nil {
		return t.runner, nil
	}
	p, err := adopt(t)
	if err != nil {
		return nil, err
	}
	// Before its task has begun there may yet come a runner.
	if !p.ended() || t.begun() {
		t.runner = p
	}
	return p, nil
}

func (t *task) state() (runner.State, error) {
	var state runner.State
	content, err := os.ReadFile(t.path(runner.LockFile))
	if err != nil {
		return state, fmt.Errorf("read the state of the runner of %s: %w", t.id, err)
	}
	if err := json.Unmarshal(content, &state); err != nil {
		return state, fmt.Errorf("read the state of the runner of %s: %w", t.id, err)
	}
	return state, nil
}

// signalRunner signals a runner that is no child of ours. A lock that is held after the process was opened proves that
// its number had not passed to another.
func signalRunner(t *task, s unix.Signal) error {
	state, err := t.state()
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(state.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", state.PID, err)
	}
	defer unix.Close(fd) //nolint:errcheck // only signalled through
	if running, err := t.locked(); err != nil || !running {
		return err
	}
	if err := unix.PidfdSendSignal(fd, s, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", state.PID, err)
	}
	return nil
}

func (p *process) ended() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

func (p *process) interrupt() error {
	if p.ended() {
		return nil
	}
	return p.signal(unix.SIGTERM)
}

// waitClear waits for a runner that has given its verdict, and ends one that clears up for ever.
func (p *process) waitClear(ctx context.Context) error {
	late := time.NewTimer(clearFor)
	defer late.Stop()
	for {
		select {
		case <-p.gone:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			if err := p.signal(unix.SIGKILL); err != nil {
				return err
			}
		}
	}
}

// detail is how the runner ended, once it has.
func (p *process) detail() string { return p.status }
