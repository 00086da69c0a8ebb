package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"
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
		if task.Current, err = e.currentRelease(ctx, run, s); err != nil {
			return err
		}
		giveInfrastructure(&task, run)
		if task.Running, err = e.runningImages(ctx, run, s); err != nil {
			return err
		}
		verdict, err := e.launch(ctx, run, s, task)
		if err != nil {
			return err
		}
		if verdict != nil {
			return e.end(ctx, run, s, Result{Verdict: *verdict}, (*Run).ConcludeUnbegun)
		}
		log.Info().Str("task", task.ID).Msg("stage started")
	}
	if err := e.interruptLate(ctx, run.ID, s.ID); err != nil {
		return err
	}
	result, err := e.follow(ctx, run, s, task.ID)
	if err != nil {
		return err
	}
	return e.end(ctx, run, s, result, (*Run).Conclude)
}

// interruptLate carries out a cancel that came before there was a runner, perhaps to a bot that was killed since.
func (e *Engine) interruptLate(ctx context.Context, runID, stageRunID int64) error {
	run, err := e.store.Run(ctx, runID)
	if err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	s := run.Stage(stageRunID)
	if s.Cancel == "" {
		return nil
	}
	if err := e.executor.Cancel(ctx, taskID(*s), s.Cancel); err != nil {
		return fmt.Errorf("interrupt task %s: %w", taskID(*s), err)
	}
	return nil
}

// launch starts the attempt's runner. A verdict is why there is nothing to start.
func (e *Engine) launch(ctx context.Context, run Run, s StageRun, task Task) (*Verdict, error) {
	if s.Cancel != "" {
		v := s.cancelledBefore()
		return &v, nil
	}
	secrets, verdict, err := e.taskSecrets(ctx, run, s, task.Current)
	if err != nil || verdict != nil {
		return verdict, err
	}
	err = e.executor.Start(ctx, task, secrets)
	if err == nil {
		return nil, nil //nolint:nilnil // it runs: neither a verdict nor an error
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	e.logger(run, s).Error().Err(err).Msg("start of the runner")
	return &Verdict{
		Status: StatusFailure, Infrastructure: true, Title: "the stage could not be started",
		Cause: "The runner of this stage could not be started: " + err.Error(),
	}, nil
}

// concluder is Run.Conclude or Run.ConcludeUnbegun.
type concluder func(run *Run, stageRunID int64, result Result, now time.Time) ([]Job, error)

// end records the attempt's end and clears up after it.
func (e *Engine) end(ctx context.Context, run Run, s StageRun, result Result, conclude concluder) error {
	if err := e.conclude(ctx, run, s, result, conclude); err != nil {
		return err
	}
	return e.forget(ctx, run, s)
}

// forget lets the executor clear up. What fails is left on the disk, not held against the stage; what is cut off by the
// end of the bot is done after the next start.
func (e *Engine) forget(ctx context.Context, run Run, s StageRun) error {
	err := e.executor.Forget(ctx, taskID(s))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.logger(run, s).Warn().Err(err).Str("task", taskID(s)).Msg("clean-up after a task")
	return nil
}

// follow collects the task's events until its verdict.
func (e *Engine) follow(ctx context.Context, run Run, s StageRun, task string) (Result, error) {
	c := newCollector(e, run, s)
	err := c.drain(ctx, task)
	if lost, ok := errors.AsType[*LostError](err); ok {
		c.result.Verdict = lostVerdict(*lost)
		c.close()
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
func (e *Engine) taskSecrets(ctx context.Context, run Run, s StageRun, current *Release) (Secrets, *Verdict, error) {
	secrets := Secrets{Env: make(map[string]string, len(s.Spec.Secrets))}
	if run.Trigger.Trusted() {
		for _, name := range s.Spec.Secrets {
			value, err := e.secrets.Secret(ctx, run.Trigger.Repository, s.Spec.Environment, name)
			if ctx.Err() != nil {
				return Secrets{}, nil, context.Cause(ctx)
			}
			if err != nil {
				return Secrets{}, secretVerdict(run, s, name, err), nil
			}
			secrets.Env[name] = value
		}
		for _, name := range s.Spec.OptionalSecrets {
			value, err := e.secrets.Secret(ctx, run.Trigger.Repository, s.Spec.Environment, name)
			switch {
			case err == nil:
				secrets.Env[name] = value
			case ctx.Err() != nil:
				return Secrets{}, nil, context.Cause(ctx)
			case !errors.Is(err, ErrNotFound):
				return Secrets{}, secretVerdict(run, s, name, err), nil
			}
		}
	}
	files, err := e.taskFiles(ctx, run, s, current)
	if verdict := filesVerdict(err); verdict != nil {
		return Secrets{}, verdict, nil
	}
	if err != nil {
		return Secrets{}, nil, err
	}
	secrets.Files = files
	token, err := e.forge.GitToken(ctx, run.Trigger.Repository)
	if err != nil {
		return Secrets{}, nil, fmt.Errorf("token to fetch %s: %w", run.Trigger.Repository.FullName(), err)
	}
	secrets.GitToken = token
	return secrets, nil, nil
}

// currentRelease is the release that the stage's environment runs now; nil: none of ours.
func (e *Engine) currentRelease(ctx context.Context, run Run, s StageRun) (*Release, error) {
	if s.Spec.Environment == "" {
		return nil, nil //nolint:nilnil // the stage has no environment
	}
	newest, err := e.releases.Releases(ctx, ReleaseFilter{RepositoryID: run.Trigger.Repository.ID, Environment: s.Spec.Environment, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("current release of %s: %w", s.Spec.Environment, err)
	}
	if len(newest) == 0 {
		return nil, nil //nolint:nilnil // nothing of ours runs there
	}
	return &newest[0], nil
}

// runningImages are, for a stage that builds one, the images of it that the run's environments have now.
func (e *Engine) runningImages(ctx context.Context, run Run, s StageRun) (map[string]string, error) {
	if s.Spec.Uses != "image" || e.releases == nil {
		return nil, nil //nolint:nilnil // there is nothing to compare with
	}
	images := map[string]string{}
	for _, environment := range run.Environments {
		newest, err := e.releases.Releases(ctx, ReleaseFilter{RepositoryID: run.Trigger.Repository.ID, Environment: environment.Name, Limit: 1})
		if err != nil {
			return nil, fmt.Errorf("current release of %s: %w", environment.Name, err)
		}
		if len(newest) > 0 {
			if image := newest[0].Images()[s.Spec.ID]; image != "" {
				images[environment.Name] = image
			}
		}
	}
	return images, nil
}

// taskFiles are what the attempt's preparation kept, the files of the release that a rollback brings back, and, for a
// stage that applies, those of the release it takes the place of.
func (e *Engine) taskFiles(ctx context.Context, run Run, s StageRun, current *Release) (map[string][]byte, error) {
	files := make(map[string][]byte)
	if run.Restores != nil && s.Spec.Environment != "" {
		for _, name := range run.Restores.Files {
			content, err := e.releaseFile(ctx, *run.Restores, name)
			if errors.Is(err, ErrUnreadable) {
				return nil, &lostReleaseError{*run.Restores, err}
			}
			if err != nil {
				return nil, err
			}
			files[name] = content
		}
	}
	if current != nil && (s.Phase == PhaseApply || s.Phase == PhaseRestore) {
		for _, name := range current.Files {
			content, err := e.releaseFile(ctx, *current, name)
			if errors.Is(err, ErrUnreadable) {
				// There is no way back to it; that must not bar the way ahead.
				e.logger(run, s).Error().Err(err).Msg("the current release cannot be brought back")
				continue
			}
			if err != nil {
				return nil, err
			}
			files[CurrentFiles+name] = content
		}
	}
	if s.Phase != PhaseApply {
		return files, nil
	}
	for _, a := range s.Result.Private {
		content, err := e.artifacts.Private(ctx, s.ID, a.Name)
		if err != nil {
			return nil, fmt.Errorf("what stage %s prepared: %w", s.Spec.Key, err)
		}
		files[a.Name] = content
	}
	return files, nil
}

func (e *Engine) releaseFile(ctx context.Context, r Release, name string) ([]byte, error) {
	content, err := e.releases.ReleaseFile(ctx, r.RepositoryID, r.Environment, r.Number, name)
	if err != nil {
		return nil, fmt.Errorf("file %s of release %d of %s: %w", name, r.Number, r.Environment, err)
	}
	return content, nil
}

// lostReleaseError is a release to bring back whose files cannot be read, however often that is tried.
type lostReleaseError struct {
	release Release
	err     error
}

func (e *lostReleaseError) Error() string { return e.err.Error() }
func (e *lostReleaseError) Unwrap() error { return e.err }

// filesVerdict is the end of an attempt whose files are not there; nil: err is none of that.
func filesVerdict(err error) *Verdict {
	if lost, is := errors.AsType[*lostReleaseError](err); is {
		return &Verdict{
			Status: StatusFailure, Title: fmt.Sprintf("release %d cannot be brought back", lost.release.Number),
			Cause: fmt.Sprintf("What release %d of %s recorded cannot be decrypted: it is damaged, or its key, private.key of the data folder, was lost. Restore the key from a backup, or deploy the commit %s again.",
				lost.release.Number, lost.release.Environment, lost.release.Commit),
		}
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnreadable) {
		return goneVerdict(err)
	}
	return nil
}

// goneVerdict: nothing is applied that is not what was prepared. Another attempt prepares it again.
func goneVerdict(err error) *Verdict {
	return &Verdict{
		Status: StatusFailure, Infrastructure: true, Title: "what it needs is no longer kept",
		Cause: fmt.Sprintf("Files that this stage needs are gone: %v. What was prepared may have waited too long.", err),
	}
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
		passing, tells := errors.AsType[interface {
			error
			Temporary() bool
		}](err)
		v.Infrastructure = tells && passing.Temporary() // the source was away: it is asked again with the next attempt
	}
	return v
}

// conclude keeps what the attempt left and records its end.
func (e *Engine) conclude(ctx context.Context, run Run, s StageRun, result Result, conclude concluder) error {
	log := e.logger(run, s)
	if err := e.keep(ctx, log, s.ID, &result); err != nil {
		return err
	}
	if !result.Verdict.Status.Passed() {
		result.Diagnosis = e.diagnose(s.Spec, result.Verdict, result.LogTail)
	}
	changed, err := e.change(ctx, run.ID, func(r *Run) ([]Job, error) {
		if now := r.Stage(s.ID); now.Status.Final() || now.Phase != s.Phase {
			return nil, nil // recorded before a restart
		}
		return conclude(r, s.ID, result, e.clock.Now())
	})
	if err != nil {
		return err
	}
	recorded, what := changed.Stage(s.ID), "stage ended"
	if !recorded.Status.Final() {
		what = "stage prepared"
	}
	log.Info().Str("status", string(recorded.Status)).Str("title", recorded.Result.Verdict.Title).Msg(what)
	return nil
}

// keep takes over the artifacts. One that cannot be kept is told in the summary: the stage's end must not wait for it.
func (e *Engine) keep(ctx context.Context, log *zerolog.Logger, stageRunID int64, result *Result) error {
	var kept []Artifact
	var lost []string
	for _, a := range result.Artifacts {
		err := e.artifacts.Keep(ctx, stageRunID, a)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			log.Error().Err(err).Msg("artifact is not kept")
			lost = append(lost, a.Name)
			continue
		}
		a.Path = ""
		kept = append(kept, a)
	}
	result.Artifacts = kept
	for i, a := range result.Private {
		if err := e.artifacts.KeepPrivate(ctx, stageRunID, a); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			log.Error().Err(err).Msg("what a stage prepared is not kept")
			result.Verdict = Verdict{
				Status: StatusFailure, Infrastructure: true, Title: "what was prepared could not be kept",
				Cause: "The stage prepared " + a.Name + ", which could not be kept for its second step. The operator's log says why.",
			}
		}
		result.Private[i].Path = ""
	}
	if len(lost) > 0 {
		const told = 20
		result.Sections = append(result.Sections, Section{
			Title: "Artifacts that were not kept",
			Text:  fmt.Sprintf("%d files could not be kept; the operator's log says why.", len(lost)),
			Code:  strings.Join(lost[:min(len(lost), told)], "\n"),
		})
	}
	return nil
}
