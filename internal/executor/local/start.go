package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Start implements pipeline.Executor. It returns when the runner lives and has its secrets.
func (e *Executor) Start(ctx context.Context, spec pipeline.Task, secrets pipeline.Secrets) error {
	if !taskID.MatchString(spec.ID) {
		return fmt.Errorf("start a task: %q is no task ID", spec.ID)
	}
	t := e.entry(spec.ID)
	t.starting.Lock()
	defer t.starting.Unlock()
	if err := e.makeFolder(t, spec); err != nil {
		return fmt.Errorf("start %s: %w", spec.ID, err)
	}
	running, err := t.locked()
	if err != nil {
		return err
	}
	if running || t.begun() {
		e.options.Logger.Debug().Str("task", t.id).Bool("running", running).Msg("task found again")
		return nil
	}
	if err := e.launch(ctx, t, secrets); err != nil {
		return fmt.Errorf("start %s: %w", spec.ID, err)
	}
	e.options.Logger.Debug().Str("task", t.id).Msg("runner started")
	return nil
}

// makeFolder makes the task's folder appear whole or not at all.
func (e *Executor) makeFolder(t *task, spec pipeline.Task) error {
	if _, err := os.Stat(t.folder); err == nil {
		return nil
	}
	unfinished := filepath.Join(e.options.Dir, unfinishedPrefix+t.id)
	if err := runner.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return err
	}
	if err := writeNew(filepath.Join(unfinished, runner.TaskFile), spec); err != nil {
		return err
	}
	if err := writeNew(filepath.Join(unfinished, runner.OptionsFile), e.options.Runner); err != nil {
		return err
	}
	return os.Rename(unfinished, t.folder)
}

func writeNew(file string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// launch starts a runner that is nobody's child for long: in a session of its own, so that neither the bot's terminal nor
// the end of the bot reaches it.
func (e *Executor) launch(ctx context.Context, t *task, secrets pipeline.Secrets) error {
	content, err := json.Marshal(secrets)
	if err != nil {
		return fmt.Errorf("encode the secrets: %w", err)
	}
	secretsRead, secretsWrite, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("pipe for the secrets: %w", err)
	}
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("pipe for the runner: %w", err), secretsRead.Close(), secretsWrite.Close())
	}
	defer readyRead.Close() //nolint:errcheck // read to its end
	p, err := e.spawn(t, secretsRead, readyWrite)
	closed := errors.Join(secretsRead.Close(), readyWrite.Close())
	if err := errors.Join(err, closed); err != nil {
		return errors.Join(err, secretsWrite.Close())
	}
	go func() {
		// A runner that died reads nothing; that is told by what it did not answer.
		_, _ = secretsWrite.Write(content) // see above
		_ = secretsWrite.Close()           // see above
	}()
	return awaitReady(ctx, t, p, readyRead)
}

// awaitReady waits until the runner says that it has begun, or ends.
func awaitReady(ctx context.Context, t *task, p *process, from *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = from.Close() }) // to end the read below
	defer stop()
	answer, err := io.ReadAll(from)
	switch {
	case string(answer) == runner.Ready:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("wait for the runner: %w", err)
	}
	<-p.gone
	if t.begunByAnother(p.pid) {
		return nil
	}
	return fmt.Errorf("the runner ended before it began (%s): %s", p.detail(), t.lastWords())
}

// begunByAnother reports that the runner of a bot that died while it started it was faster, and lets go of ours.
func (t *task) begunByAnother(pid int) bool {
	running, err := t.locked()
	if err != nil || !running && !t.begun() {
		return false
	}
	if state, err := t.state(); err != nil || state.PID == pid {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner = nil
	return true
}

func (e *Executor) spawn(t *task, secrets, ready *os.File) (*process, error) {
	log, err := os.OpenFile(t.path(runnerLog), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the runner's log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the runner has its own descriptor
	args := append(append([]string{}, e.options.Command...), t.folder)
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx,gosec // it outlives the caller's context; the command line comes from the options
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.folder, log, log
	cmd.Env = runner.OwnEnv(os.Environ(), e.options.Runner.PassEnv)
	cmd.ExtraFiles = []*os.File{secrets, ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the runner: %w", err)
	}
	p := watchChild(cmd)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runner = p
	return p, nil
}

// lastWords is the end of what the runner itself said, outside its events.
func (t *task) lastWords() string {
	const enough = 2000
	text, err := os.ReadFile(t.path(runnerLog))
	if err != nil {
		return "it left no log"
	}
	said := strings.TrimSpace(string(text[max(0, len(text)-enough):]))
	if said == "" {
		return "it said nothing"
	}
	return said
}
