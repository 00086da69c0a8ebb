package stagetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slipwayhq/slipway/internal/runner"
)

// Command runs a process in its own group, interrupts it when ctx ends, and kills what is left.
func (s *Session) Command(ctx context.Context, c runner.Command) (runner.Exit, error) {
	if len(c.Args) == 0 {
		return runner.Exit{}, errors.New("a command without arguments")
	}
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // what the stage under test asks for
	cmd.Env = s.environment(c)
	cmd.Dir = filepath.Join(s.dir, c.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = max(s.task.Grace, 5*time.Second)
	if c.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	var stdout bytes.Buffer
	lines := &lineWriter{each: func(line string) { s.line(c, line) }}
	cmd.Stderr = lines
	switch {
	case c.Stdout != nil:
		cmd.Stdout = c.Stdout
	case c.Quiet:
		cmd.Stdout = &stdout
	case c.Capture:
		cmd.Stdout = io.MultiWriter(&stdout, lines)
	default:
		cmd.Stdout = lines
	}
	s.mu.Lock()
	s.Recorded.Commands = append(s.Recorded.Commands, c.Args)
	s.mu.Unlock()
	err := cmd.Run()
	if cmd.Process != nil {
		// What a shell was about to start when it was interrupted may live on: the sandbox ends such, too.
		if left := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); left != nil && !errors.Is(left, syscall.ESRCH) {
			err = errors.Join(err, fmt.Errorf("end what %s has left: %w", c.Args[0], left))
		}
	}
	lines.flush()
	return exitOf(ctx, cmd, stdout.Bytes(), err)
}

func exitOf(ctx context.Context, cmd *exec.Cmd, stdout []byte, err error) (runner.Exit, error) {
	var failed *exec.ExitError
	if err != nil && ctx.Err() == nil && !errors.As(err, &failed) {
		return runner.Exit{}, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	if cmd.ProcessState == nil {
		return runner.Exit{}, context.Cause(ctx) // it was never started
	}
	exit := runner.Exit{Code: cmd.ProcessState.ExitCode(), Stdout: stdout}
	if err = nil; ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		exit.Signal = status.Signal().String()
	}
	return exit, err
}

func (s *Session) environment(c runner.Command) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(s.scratch, "home"), "LANG=C.UTF-8", "TMPDIR=" + s.scratch}
	env = append(env, s.env...)
	for _, variables := range []map[string]string{s.task.Env, s.task.Stage.Env} {
		for _, name := range slices.Sorted(maps.Keys(variables)) {
			env = append(env, name+"="+variables[name])
		}
	}
	env = append(env, c.Env...)
	for _, name := range c.Secrets {
		if value, ok := s.secrets[name]; ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (s *Session) line(c runner.Command, line string) {
	line = s.mask(line)
	s.Log(line)
	if c.Line != nil {
		c.Line(line)
	}
}

// lineWriter cuts output into lines as they come.
type lineWriter struct {
	mu   sync.Mutex
	each func(string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		advance, line, err := bufio.ScanLines(w.rest, false)
		if err != nil || advance == 0 {
			return len(p), err
		}
		w.each(strings.ToValidUTF8(string(line), "\uFFFD"))
		w.rest = w.rest[advance:]
	}
}

func (w *lineWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.rest) > 0 {
		w.each(strings.ToValidUTF8(string(w.rest), "\uFFFD"))
		w.rest = nil
	}
}
