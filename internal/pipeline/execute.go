package pipeline

import (
	"context"
	"errors"
	"fmt"
)

// execute starts the attempt's runner, or finds it again, follows it to its verdict and records the end.
func (e *Engine) execute(ctx context.Context, run Run, s StageRun) error {
	task := newTask(run, s, e.source(run.Trigger))
	log := e.logger(run, s)
	known, err := e.executor.Known(ctx, task.ID)
	if err != nil {
		return fmt.Errorf("look for task %s: %w", task.ID, err)
	}
	if !known {
		secrets, verdict, err := e.taskSecrets(ctx, run, s)
		if err != nil {
			return err
		}
		if verdict != nil {
			return e.conclude(ctx, run, s, Result{Verdict: *verdict})
		}
		if err := e.executor.Start(ctx, task, secrets); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			log.Error().Err(err).Msg("start of the runner")
			return e.conclude(ctx, run, s, Result{Verdict: Verdict{
				Status: StatusFailure, Infrastructure: true, Title: "the stage could not be started",
				Cause: "The runner of this stage could not be started: " + err.Error(),
			}})
		}
		log.Info().Str("task", task.ID).Msg("stage started")
		if err := e.Interrupt(ctx, run.ID); err != nil { // a cancel may have come before there was a runner
			log.Warn().Err(err).Msg("interrupt")
		}
	}
	result, err := e.follow(ctx, run, s, task.ID)
	if err != nil {
		return err
	}
	if err := e.conclude(ctx, run, s, result); err != nil {
		return err
	}
	if err := e.executor.Forget(ctx, task.ID); err != nil {
		log.Warn().Err(err).Str("task", task.ID).Msg("clean-up after a task")
	}
	return nil
}

// follow collects the task's events until its verdict.
func (e *Engine) follow(ctx context.Context, run Run, s StageRun, task string) (Result, error) {
	c := newCollector(e, run, s)
	err := c.drain(ctx, task)
	if lost, ok := errors.AsType[*LostError](err); ok {
		c.result.Verdict = lostVerdict(*lost)
		return c.result, nil
	}
	if err != nil {
		return Result{}, fmt.Errorf("follow task %s: %w", task, err)
	}
	return c.result, nil
}

func lostVerdict(lost LostError) Verdict {
	return Verdict{
		Status: StatusFailure, Infrastructure: true, Title: "the stage was interrupted",
		Cause: "The process that carried out this stage ended without a result (" + lost.Detail + ").",
	}
}

// taskSecrets looks up what the stage names; a secret nobody has set is the verdict, not an error.
func (e *Engine) taskSecrets(ctx context.Context, run Run, s StageRun) (Secrets, *Verdict, error) {
	secrets := Secrets{Env: make(map[string]string, len(s.Spec.Secrets))}
	if run.Trigger.Trusted() {
		for _, name := range s.Spec.Secrets {
			value, err := e.secrets.Secret(ctx, run.Trigger.Repository, s.Spec.Environment, name)
			if err != nil {
				return Secrets{}, secretVerdict(run, s, name, err), nil
			}
			secrets.Env[name] = value
		}
	}
	token, err := e.forge.GitToken(ctx, run.Trigger.Repository)
	if err != nil {
		return Secrets{}, nil, fmt.Errorf("token to fetch %s: %w", run.Trigger.Repository.FullName(), err)
	}
	secrets.GitToken = token
	return secrets, nil, nil
}

func secretVerdict(run Run, s StageRun, name string, err error) *Verdict {
	places := run.Trigger.Repository.FullName() + " or " + run.Trigger.Repository.Owner
	if s.Spec.Environment != "" {
		places = "the environment " + s.Spec.Environment + " of " + places
	}
	v := &Verdict{
		Status: StatusFailure, Title: "secret " + name + " is not set",
		Cause: fmt.Sprintf("The stage names the secret %s, and no one has set it for %s.", name, places),
	}
	if !errors.Is(err, ErrNotFound) {
		v.Title = "secret " + name + " cannot be used"
		v.Cause = fmt.Sprintf("The stage names the secret %s, which cannot be used: %v.", name, err)
	}
	return v
}

// conclude keeps what the attempt left and records its end.
func (e *Engine) conclude(ctx context.Context, run Run, s StageRun, result Result) error {
	log := e.logger(run, s)
	for i, a := range result.Artifacts {
		if err := e.artifacts.Keep(ctx, s.ID, a); err != nil {
			return fmt.Errorf("keep artifact %s: %w", a.Name, err)
		}
		result.Artifacts[i].Path = ""
	}
	if !result.Verdict.Status.Passed() {
		result.Diagnosis = e.diagnose(s.Spec, result.Verdict, result.LogTail)
	}
	if _, err := e.change(ctx, run.ID, func(r *Run) ([]Job, error) {
		if r.Stage(s.ID).Status.Final() {
			return nil, nil // recorded before a restart
		}
		return r.Conclude(s.ID, result, e.clock.Now())
	}); err != nil {
		return err
	}
	log.Info().Str("status", string(result.Verdict.Status)).Str("title", result.Verdict.Title).Msg("stage ended")
	return nil
}
