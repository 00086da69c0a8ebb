package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one process of this machine and no later one that happens to get its number.
type process struct {
	PID int `json:"pid"`
	// Born counts ticks from the start of the machine.
	Born uint64 `json:"born"`
}

func identify(pid int) (process, error) {
	born, err := birth(pid)
	return process{PID: pid, Born: born}, err
}

// birth reads field 22 of proc_pid_stat(5); the second one, a name in brackets, may hold blanks and brackets.
func birth(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, fs.ErrNotExist // it has ended, and its parent has not looked yet
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

func (p process) alive() bool {
	born, err := birth(p.PID)
	return err == nil && born == p.Born
}

// end sends the signal and waits until the process is gone.
func (p process) end(ctx context.Context, signal syscall.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) || err == nil && !p.alive() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.PID, err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("end process %d: %w", p.PID, err)
	}
	for p.alive() {
		// The descriptor of a process becomes readable when the process ends.
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 1000); err != nil && !errors.Is(err, unix.EINTR) { //nolint:gosec // a descriptor
			return fmt.Errorf("wait for process %d: %w", p.PID, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("process %d does not end: %w", p.PID, context.Cause(ctx))
		}
	}
	return nil
}

// daemon starts a program that outlives this one; what it says goes to the file.
func daemon(log string, attributes *syscall.SysProcAttr, program string, args ...string) (*exec.Cmd, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // a file of ours
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()    // the daemon has its own descriptor
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // it lives on after this program
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes
	return cmd, cmd.Start()
}

// poll is how often a daemon that was started is asked whether it is ready.
const poll = 50 * time.Millisecond

// await asks until the answer is yes, or the context has ended.
func await(ctx context.Context, what string, ready func(context.Context) error) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", what, errors.Join(context.Cause(ctx), err))
		}
	}
}

// watch returns a context that ends with the process, whose log then says why.
func watch(ctx context.Context, cmd *exec.Cmd, what, log string) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	go func() {
		err := cmd.Wait()
		cancel(fmt.Errorf("%s ended (%w); its last words are in %s", what, errors.Join(errors.New("it should not"), err), log))
	}()
	return watched, func() { cancel(nil) }
}

// record keeps a value in a file that is there as a whole or not at all.
func record(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	return write(path, append(text, '\n'))
}

func write(path string, text []byte) error {
	half := path + ".half"
	if err := os.WriteFile(half, text, 0o600); err != nil { //nolint:gosec // a file of ours
		return err
	}
	return os.Rename(half, path)
}

// recorded reads what record kept; without a file there is none.
func recorded[T any](path string) (value T, found bool, err error) {
	text, err := os.ReadFile(path) //nolint:gosec // a file of ours
	if errors.Is(err, fs.ErrNotExist) {
		return value, false, nil
	}
	if err != nil {
		return value, false, err
	}
	if err := json.Unmarshal(text, &value); err != nil {
		return value, false, fmt.Errorf("%s: %w", path, err)
	}
	return value, true, nil
}
