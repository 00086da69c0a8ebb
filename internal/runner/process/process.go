// Package process runs a command in a group of its own, streams its output, stops it in earnest and leaves none of its
// descendants behind.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// pipeDelay is how long output may still come after everything of a command is dead. It is never needed unless
// something outlived its SIGKILL, such as a process in uninterruptible sleep.
const pipeDelay = 5 * time.Second

// Spec is one command to run.
type Spec struct {
	// Args is the argument list; Args[0] is the path of the program.
	Args []string
	Env  []string
	Dir  string
	// Stdin is what the command reads; nil: nothing.
	Stdin []byte
	// Stdout receives standard output; Stderr, where nil, shares its pipe, so that both keep their order.
	// Each is written by one goroutine.
	Stdout io.Writer
	Stderr io.Writer
	// Files become descriptors 3, 4, …; Run closes them.
	Files []*os.File
	// Grace is how long the command has between the interrupt and the kill.
	Grace time.Duration
	// Interrupt asks the command with this process ID to end; nil: SIGINT to its group.
	Interrupt func(pid int)
}

// Result is how a command ended.
type Result struct {
	// Code is the exit code, 128 + n when signal n ended the program.
	Code int
	// Signal ended the program; 0: none did.
	Signal syscall.Signal
	// Stopped: the context ended before the command did.
	Stopped bool
}

// Run starts the command and returns when it and everything it left behind are gone. An error means that it did not
// start, or that its output could not be read to the end.
func (r *Reaper) Run(ctx context.Context, spec Spec) (Result, error) {
	defer closeAll(spec.Files)
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	cmd := &exec.Cmd{
		Path: spec.Args[0], Args: spec.Args, Env: spec.Env, Dir: spec.Dir, ExtraFiles: spec.Files,
		// The parent-death signal ends the command with a runner that is killed. It fires when the starting thread
		// ends; Go ends none that no goroutine has locked.
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	streams, err := connect(cmd, spec)
	if err != nil {
		return Result{}, err
	}
	if err := r.start(cmd); err != nil {
		streams.abandon()
		return Result{}, err
	}
	streams.begin(spec.Stdin)
	result := r.supervise(ctx, cmd, spec)
	if err := r.sweep(ownGroup); err != nil {
		return result, errors.Join(err, streams.finish())
	}
	return result, streams.finish()
}

// supervise waits for the command, stopping it when ctx ends.
func (r *Reaper) supervise(ctx context.Context, cmd *exec.Cmd, spec Spec) Result {
	ended := make(chan struct{})
	stopped := make(chan bool, 1)
	go func() {
		select {
		case <-ended:
			stopped <- false
			return
		case <-ctx.Done():
			stopped <- true
		}
		stop(cmd.Process.Pid, spec, ended)
	}()
	// The exit status is in ProcessState; an error of Wait is about that status.
	_ = cmd.Wait() // see above: told by ProcessState
	// Descendants that share the group die with the command, whatever mode it ran in.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // no such group: nobody was left
	close(ended)
	r.forget(cmd.Process.Pid)
	result := resultOf(cmd.ProcessState)
	result.Stopped = <-stopped
	return result
}

func stop(pid int, spec Spec, ended <-chan struct{}) {
	if spec.Interrupt != nil {
		spec.Interrupt(pid)
	} else {
		_ = syscall.Kill(-pid, syscall.SIGINT) // gone already: what was wanted
	}
	grace := time.NewTimer(spec.Grace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		_ = syscall.Kill(-pid, syscall.SIGKILL) // gone already: what was wanted
	}
}

func resultOf(state *os.ProcessState) Result {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return Result{Code: 128 + int(status.Signal()), Signal: status.Signal()}
	}
	return Result{Code: state.ExitCode()}
}

// streams are the pipes of one command.
type streams struct {
	child   []*os.File // ends that belong to the command
	input   *os.File
	readers []reader
	wait    sync.WaitGroup
	errs    chan error
}

type reader struct {
	from *os.File
	to   io.Writer
}

func connect(cmd *exec.Cmd, spec Spec) (*streams, error) {
	s := &streams{errs: make(chan error, 2)}
	out, err := s.output(spec.Stdout)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	if spec.Stderr != nil {
		if cmd.Stderr, err = s.output(spec.Stderr); err != nil {
			s.abandon()
			return nil, err
		}
	}
	if spec.Stdin != nil {
		read, write, err := os.Pipe()
		if err != nil {
			s.abandon()
			return nil, fmt.Errorf("pipe for standard input: %w", err)
		}
		s.child, s.input, cmd.Stdin = append(s.child, read), write, read
	}
	return s, nil
}

func (s *streams) output(to io.Writer) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for output: %w", err)
	}
	s.child = append(s.child, write)
	s.readers = append(s.readers, reader{read, to})
	return write, nil
}

// begin moves data once the command runs.
func (s *streams) begin(input []byte) {
	closeAll(s.child)
	for _, r := range s.readers {
		s.wait.Go(func() {
			if _, err := io.CopyBuffer(onlyWriter{r.to}, r.from, make([]byte, 64<<10)); err != nil {
				s.errs <- err
			}
		})
	}
	if s.input != nil {
		go func() {
			// A command need not read what it is given: EPIPE is no trouble of ours.
			_, _ = s.input.Write(input) // see above
			_ = s.input.Close()         // the command sees the end either way
		}()
	}
}

// finish waits for the end of the output. Everything that could write is dead by now.
func (s *streams) finish() error {
	done := make(chan struct{})
	go func() { s.wait.Wait(); close(done) }()
	late := time.NewTimer(pipeDelay)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		for _, r := range s.readers {
			_ = r.from.SetReadDeadline(time.Unix(1, 0)) // pipes take deadlines
		}
		<-done
	}
	for _, r := range s.readers {
		_ = r.from.Close() // a pipe that was read to its end
	}
	close(s.errs)
	for err := range s.errs {
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read the output: %w", err)
		}
	}
	return nil
}

func (s *streams) abandon() {
	closeAll(s.child)
	for _, r := range s.readers {
		_ = r.from.Close() // unused
	}
	if s.input != nil {
		_ = s.input.Close() // unused
	}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // our copy of what the command got
	}
}

// onlyWriter hides ReadFrom, so that the buffer is used.
type onlyWriter struct{ io.Writer }
