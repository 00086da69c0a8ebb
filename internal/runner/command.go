package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/slipwayhq/slipway/internal/runner/process"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// Command runs a tool in the sandbox. When ctx ends first, the error is its cause and the Exit is still true.
func (s *session) Command(ctx context.Context, c Command) (Exit, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return Exit{}, &Failure{"Nothing to run", "A command of the stage names no program."}
	}
	if c.Dir != "" && !filepath.IsLocal(c.Dir) {
		return Exit{}, &Failure{"A folder outside the checkout", fmt.Sprintf("The stage wants to work in %q, which is outside the checkout.", c.Dir)}
	}
	files := s.newCommandFiles()
	env, err := s.environment(c, files)
	if err != nil {
		return Exit{}, err
	}
	inside := sandbox.Command{Args: c.Args, Env: env, Dir: filepath.Join(s.dir, c.Dir), Writable: s.cacheDirs(), ReadOnly: c.Shown}
	var exit Exit
	if c.Image != "" {
		exit, err = s.inContainer(ctx, c, inside)
	} else {
		exit, err = s.inSandbox(ctx, c, inside)
	}
	if err != nil {
		return exit, fmt.Errorf("run %s: %w", filepath.Base(c.Args[0]), err)
	}
	return exit, s.collect(ctx, files)
}

func (s *session) inSandbox(ctx context.Context, c Command, inside sandbox.Command) (Exit, error) {
	prepared, err := s.sandbox.Prepare(inside)
	if err != nil {
		return Exit{}, err
	}
	return s.execute(ctx, c, prepared)
}

func (s *session) inContainer(ctx context.Context, c Command, inside sandbox.Command) (Exit, error) {
	containers, name, err := s.engine(ctx, c.Image)
	if err != nil {
		return Exit{}, err
	}
	container, err := containers.Prepare(inside, c.Image, name, c.Stdin != nil)
	if err != nil {
		return Exit{}, err
	}
	exit, err := s.execute(ctx, c, container.Prepared)
	outOfMemory, removeErr := container.Remove(ctx)
	exit.OutOfMemory = exit.OutOfMemory || outOfMemory
	if err == nil {
		err = removeErr
	}
	return exit, err
}

// engine asks for the container engine once, and names the next container.
func (s *session) engine(ctx context.Context, image string) (*sandbox.Containers, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.containers == nil {
		containers, err := sandbox.NewContainers(ctx, s.policy, s.reaper, filepath.Dir(s.scratch), image)
		if err != nil {
			return nil, "", err
		}
		s.containers = containers
	}
	return s.containers, fmt.Sprintf("slipway-%s-%d-%d", s.task.ID, os.Getpid(), s.commands), nil
}

// execute runs what is prepared and streams its output into the log.
func (s *session) execute(ctx context.Context, c Command, prepared sandbox.Prepared) (Exit, error) {
	spec := prepared.Spec
	spec.Stdin, spec.Grace = c.Stdin, s.task.Grace
	logged := s.newOutput(stepName(ctx, s), c.Line)
	spec.Stdout = logged
	captured := &capture{}
	var stdout *output
	switch {
	case c.Stdout != nil:
		spec.Stdout, spec.Stderr = c.Stdout, logged
	case c.Quiet:
		spec.Stdout, spec.Stderr = captured, logged
	case c.Capture:
		stdout = s.newOutput(stepName(ctx, s), c.Line)
		spec.Stdout, spec.Stderr = io.MultiWriter(captured, stdout), logged
	}
	before := process.CountMemoryKills()
	result, err := s.reaper.Run(ctx, spec)
	logged.close()
	if stdout != nil {
		stdout.close()
	}
	if err == nil {
		err = prepared.Check(result)
	}
	exit := exitOf(result)
	exit.OutOfMemory = !result.Stopped && process.CountMemoryKills().Since(before, result.Code)
	if c.Capture {
		exit.Stdout = captured.Bytes()
	}
	if result.Stopped {
		return exit, context.Cause(ctx)
	}
	return exit, err
}

func stepName(ctx context.Context, s *session) string {
	if name := stepOf(ctx); name != "" {
		return name
	}
	return s.currentStep()
}

// fatal are the signals whose exit codes, 128 and their number, shells and sandboxes report for a program they ended.
var fatal = []syscall.Signal{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE,
	syscall.SIGKILL, syscall.SIGSEGV, syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTERM, syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGSYS,
}

// exitOf names the signal also where the sandbox or a shell in between turned it into an exit code.
func exitOf(result process.Result) Exit {
	exit := Exit{Code: result.Code}
	if signal := syscall.Signal(result.Code - 128); slices.Contains(fatal, signal) {
		exit.Signal = signal.String()
	}
	return exit
}

// output is the way of one stream into the log: masked, then cut into lines.
type output struct {
	recorder *recorder
	masked   io.WriteCloser
	lines    *process.Lines
}

func (s *session) newOutput(step string, line func(string)) *output {
	lines := process.NewLines(func(text string) {
		s.recorder.log(step, text)
		if line != nil {
			line(text)
		}
	})
	return &output{recorder: s.recorder, masked: s.recorder.concealed.now().NewWriter(lines), lines: lines}
}

// Write drops everything once the log is full: a gigabyte of output must not cost the work of masking it.
func (o *output) Write(p []byte) (int, error) {
	if o.recorder.full() {
		return len(p), nil
	}
	return o.masked.Write(p)
}

func (o *output) close() {
	// Neither fails: they end in the recorder, which keeps its own error.
	_ = o.masked.Close() // see above
	_ = o.lines.Close()  // see above
}

// capture keeps the first MaxCapture bytes.
type capture struct{ bytes.Buffer }

func (c *capture) Write(p []byte) (int, error) {
	if room := MaxCapture - c.Len(); room > 0 {
		c.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}
