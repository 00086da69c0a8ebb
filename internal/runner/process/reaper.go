package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sweepFor bounds the fight against processes that fork faster than they are killed.
const sweepFor = 20 * time.Second

// Reaper runs commands and kills what they leave behind. Orphans of its commands become children of this process
// (PR_SET_CHILD_SUBREAPER), however often they forked and whatever session they moved to; every child it did not start
// itself is such an orphan. A program that uses a Reaper starts other children in its own process group alone: those are
// spared while commands run, and only then.
type Reaper struct {
	mu    sync.Mutex
	known map[int]struct{}
}

// NewReaper makes this process the one that orphans fall to.
func NewReaper() (*Reaper, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become the reaper of orphaned processes: %w", err)
	}
	return &Reaper{known: map[int]struct{}{}}, nil
}

// start holds the lock from fork to registration, so that no sweep takes a new command for an orphan.
func (r *Reaper) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.known[cmd.Process.Pid] = struct{}{}
	return nil
}

// Command runs a tool of our own, such as the command line of a container engine, so that no sweep takes it for an orphan.
func (r *Reaper) Command(cmd *exec.Cmd) error {
	if err := r.start(cmd); err != nil {
		return err
	}
	defer r.forget(cmd.Process.Pid)
	return cmd.Wait()
}

func (r *Reaper) forget(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, pid)
}

// Sweep kills every child that is no command, when nothing else is to run any more.
func (r *Reaper) Sweep() error { return r.sweep(func(int) bool { return false }) }

// ownGroup spares children that were started beside the commands (git, for the changed lines). A command's descendants
// are in other groups; one that joins ours, which takes the lack of a sandbox, lives until the last sweep.
func ownGroup(pid int) bool {
	group, err := syscall.Getpgid(pid)
	return err == nil && group == syscall.Getpgrp()
}

// sweep kills orphans until there are none: each that dies may leave its own children to us.
func (r *Reaper) sweep(spare func(pid int) bool) error {
	deadline := time.Now().Add(sweepFor)
	for {
		left, err := r.sweepOnce(spare)
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes that a command left behind cannot be killed", left)
		}
	}
}

func (r *Reaper) sweepOnce(spare func(pid int) bool) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	children, err := children()
	if err != nil {
		return 0, err
	}
	var orphans []int
	for _, pid := range children {
		if _, ours := r.known[pid]; !ours && !spare(pid) {
			orphans = append(orphans, pid)
		}
	}
	// All get the signal before the first is waited for, so that they cannot replace each other.
	for _, pid := range orphans {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it is ours to reap, so the number is still its own
	}
	for _, pid := range orphans {
		if err := reap(pid); err != nil {
			return 0, err
		}
	}
	return len(orphans), nil
}

func reap(pid int) error {
	for {
		_, err := syscall.Wait4(pid, nil, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err == nil, errors.Is(err, syscall.ECHILD):
			return nil
		default:
			return fmt.Errorf("reap process %d: %w", pid, err)
		}
	}
}

// children lists the direct children of all threads of this process.
func children() ([]int, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(lists) == 0 {
		return nil, fmt.Errorf("list child processes: /proc/self/task/*/children is missing (%w)", errors.Join(err, os.ErrNotExist))
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:gosec // a file of /proc
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread ended
		}
		if err != nil {
			return nil, fmt.Errorf("list child processes: %w", err)
		}
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return nil, fmt.Errorf("list child processes: %w", err)
			}
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
