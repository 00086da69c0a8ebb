package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	memory "github.com/slipwayhq/slipway/internal/runner/process"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// lost tells what is known of a runner that ended without a verdict, after whatever it left behind is dead.
func (e *Executor) lost(ctx context.Context, t *task, p *process, damage error) error {
	if !p.ended() {
		// Only with a damaged record: nothing it still does can be followed.
		if err := p.signal(unix.SIGKILL); err != nil {
			return err
		}
		<-p.gone
	}
	var err error
	t.clear.Do(func() { err = e.killLeftovers(ctx, t, p) })
	if err != nil {
		e.options.Logger.Warn().Err(err).Str("task", t.id).Msg("a lost runner left processes behind")
	}
	detail := p.detail()
	if damage != nil {
		detail = damage.Error()
	}
	if state, err := t.state(); err == nil {
		if kills := memory.CountMemoryKills().Machine - state.MemoryKills; kills > 0 {
			detail += fmt.Sprintf(" (the kernel killed %d processes for want of memory since it began)", kills)
		}
	}
	if said := t.lastWords(); strings.Contains(said, "\n") || strings.Contains(said, "panic") {
		e.options.Logger.Error().Str("task", t.id).Str("log", said).Msg("a runner ended without a verdict")
	}
	return &pipeline.LostError{TaskID: t.id, Detail: detail}
}

// killLeftovers ends every process of a runner that could not end them itself.
func (e *Executor) killLeftovers(ctx context.Context, t *task, p *process) error {
	const passes = 20 // each may find what the processes of the pass before had just forked
	for range passes {
		killed, err := killProcesses(t.leftover(p))
		if err != nil {
			return err
		}
		if killed == 0 {
			break
		}
	}
	spec, err := os.ReadFile(t.path(runner.TaskFile))
	if err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	if !bytes.Contains(spec, []byte(`"image":`)) {
		return nil
	}
	return sandbox.RemoveContainers(ctx, t.folder)
}

// leftover recognises processes of the task: they carry a path within its folder in their environment, or are in the
// session of the runner. The latter only when its end was seen just now: later the number may be another session's.
func (t *task) leftover(p *process) func(pid int) bool {
	mark := []byte("SLIPWAY_OUTPUT=" + t.folder + string(filepath.Separator))
	return func(pid int) bool {
		if p.observed && p.pid != 0 && sessionOf(pid) == p.pid {
			return true
		}
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		return err == nil && (bytes.HasPrefix(environ, mark) || bytes.Contains(environ, append([]byte{0}, mark...)))
	}
}

// sessionOf is the sixth field of stat; the second, a name in parentheses, may hold anything.
func sessionOf(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 4 || fields[0] == "Z" {
		return 0
	}
	session, err := strconv.Atoi(fields[3])
	if err != nil {
		return 0
	}
	return session
}

// killProcesses kills what matches. A process is opened before it is looked at, so that the signal cannot reach another.
func killProcesses(match func(pid int) bool) (killed int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		switch err := killOne(pid, match); {
		case err == nil:
			killed++
		case !errors.Is(err, errOther):
			return killed, err
		}
	}
	return killed, nil
}

var errOther = errors.New("not one of them")

func killOne(pid int, match func(pid int) bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return errOther // gone meanwhile
	}
	defer unix.Close(fd) //nolint:errcheck // only signalled through
	if !match(pid) {
		return errOther
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}
