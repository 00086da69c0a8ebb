package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Engine carries out stage attempts: one call of Work an attempt. It decides and records; repositories' code runs where
// the executor puts it. Every step can be repeated: what is recorded is not done twice.
type Engine struct {
	store     Store
	executor  Executor
	forge     Forge
	secrets   SecretSource
	logs      LogStore
	artifacts ArtifactStore
	releases  Releases
	diagnose  Diagnose
	inline    map[string]Inline
	source    func(Trigger) Source
	observers []Observer
	clock     Clock
	log       zerolog.Logger
}

// EngineOptions are the parts of an Engine; all are needed.
type EngineOptions struct {
	Store     Store
	Executor  Executor
	Forge     Forge
	Secrets   SecretSource
	Logs      LogStore
	Artifacts ArtifactStore
	Releases  Releases
	Diagnose  Diagnose
	// Inline are the kinds that need no runner.
	Inline map[string]Inline
	// Source says where a trigger's files come from.
	Source    func(Trigger) Source
	Observers []Observer
	Clock     Clock
	Logger    zerolog.Logger
}

// NewEngine makes an Engine.
func NewEngine(o EngineOptions) *Engine {
	return &Engine{
		store: o.Store, executor: o.Executor, forge: o.Forge, secrets: o.Secrets, logs: o.Logs, artifacts: o.Artifacts, releases: o.Releases,
		diagnose: o.Diagnose, inline: o.Inline, source: o.Source, observers: o.Observers, clock: o.Clock, log: o.Logger,
	}
}

// GitSourceOf is the Source of a trigger whose commit is fetched.
func GitSourceOf(t Trigger) Source {
	base := t.BaseSHA
	if base == "" {
		base = t.Before
	}
	return Source{Git: &GitSource{CloneURL: t.Repository.CloneURL, Ref: t.Ref, SHA: t.SHA, BaseSHA: base}}
}

// Work carries out a stage attempt that is ready, or goes on with one that a killed bot left running. It returns nil
// when the attempt has ended, however it ended; an error means that it is to be called again.
func (e *Engine) Work(ctx context.Context, stageRunID int64) error {
	run, err := e.store.RunOfStage(ctx, stageRunID)
	if errors.Is(err, ErrNotFound) {
		return nil // swept meanwhile
	}
	if err != nil {
		return fmt.Errorf("run of stage attempt %d: %w", stageRunID, err)
	}
	if run.Stage(stageRunID).Status == StatusReady {
		if run, err = e.begin(ctx, run, stageRunID); err != nil {
			return err
		}
	}
	s := run.Stage(stageRunID)
	switch {
	case s.Status.Final():
		return e.forget(ctx, run, *s) // a bot may have been killed between the end and the clean-up
	case s.Status != StatusRunning:
		return nil
	}
	if inline, ok := e.inline[s.Spec.Uses]; ok {
		return e.concludeInline(ctx, run.ID, stageRunID, inline)
	}
	return e.execute(ctx, run, *s)
}

// Interrupt asks the executor to stop the running attempts of a run that carry a reason to.
func (e *Engine) Interrupt(ctx context.Context, runID int64) error {
	run, err := e.store.Run(ctx, runID)
	if errors.Is(err, ErrNotFound) {
		return nil // swept meanwhile
	}
	if err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	var errs []error
	for _, s := range run.Stages {
		if s.Status == StatusRunning && s.Cancel != "" {
			errs = append(errs, e.executor.Cancel(ctx, taskID(s), s.Cancel))
		}
	}
	return errors.Join(errs...)
}

// begin moves a ready attempt to running, or straight to success where a passed one of the same inputs is found.
func (e *Engine) begin(ctx context.Context, run Run, stageRunID int64) (Run, error) {
	s := run.Stage(stageRunID)
	key := e.inputKey(ctx, run, *s)
	reused, origin := e.reusable(ctx, run, key, *s)
	return e.change(ctx, run.ID, func(r *Run) ([]Job, error) {
		s := r.Stage(stageRunID)
		if s.Status != StatusReady {
			return nil, nil // cancelled in between
		}
		now := e.clock.Now()
		s.InputKey = key
		if s.toPrepare() {
			s.Phase = PhasePrepare
		}
		if err := s.Move(StatusRunning, now); err != nil {
			return nil, err
		}
		if reused == nil {
			r.settle(now)
			return nil, nil
		}
		s.Reused = &Reused{
			RunID: origin.ID, RunNumber: origin.Number, StageID: reused.ID, Duration: reused.Duration(now),
		}
		return r.Conclude(stageRunID, reused.Result, now)
	})
}

func (e *Engine) inputKey(ctx context.Context, run Run, s StageRun) string {
	if s.Spec.Environment != "" || s.Spec.Uses == UsesSummary || s.Spec.Steps != OneStep {
		return ""
	}
	tree, err := e.forge.Tree(ctx, run.Trigger.Repository, run.Trigger.SHA)
	if err != nil {
		// Reuse is an economy: without the tree the stage simply runs.
		e.logger(run, s).Warn().Err(err).Msg("tree of the commit is unknown: nothing is reused")
		return ""
	}
	return inputKey(tree, e.executor.Toolchain(), s.Spec, run.Trigger.Trusted(), neededOutputs(run, s.Spec))
}

func (e *Engine) reusable(ctx context.Context, run Run, key string, s StageRun) (*StageRun, Run) {
	if key == "" || run.Trigger.Fresh || s.Attempt > 1 {
		return nil, Run{}
	}
	found, origin, err := e.store.FindReusable(ctx, run.Trigger.Repository.ID, key, run.Trigger.Trusted())
	if errors.Is(err, ErrNotFound) {
		return nil, Run{}
	}
	if err != nil {
		e.logger(run, s).Warn().Err(err).Msg("look-up of a passed stage to reuse")
		return nil, Run{}
	}
	return &found, origin
}

func (e *Engine) concludeInline(ctx context.Context, runID, stageRunID int64, inline Inline) error {
	_, err := e.change(ctx, runID, func(r *Run) ([]Job, error) {
		s, now := *r.Stage(stageRunID), e.clock.Now()
		if s.Status != StatusRunning {
			return nil, nil // a re-run has put another attempt in its place
		}
		return r.Conclude(stageRunID, e.inlineResult(inline, *r, s, now), now)
	})
	return err
}

// inlineResult makes a panic the stage's failure: it would panic the next time as well.
func (e *Engine) inlineResult(inline Inline, run Run, s StageRun, now time.Time) (result Result) {
	defer func() {
		if p := recover(); p != nil {
			e.logger(run, s).Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("inline stage panicked")
			result = Result{Verdict: Verdict{
				Status: StatusFailure, Title: "Slipway could not carry out this stage",
				Cause: "This is a mistake in Slipway; the operator's log has the details.",
			}}
		}
	}()
	return inline(run, s, now)
}

func (e *Engine) change(ctx context.Context, runID int64, fn func(*Run) ([]Job, error)) (Run, error) {
	run, err := e.store.Change(ctx, runID, fn)
	if err != nil {
		return Run{}, fmt.Errorf("change run %d: %w", runID, err)
	}
	for _, o := range e.observers {
		o.RunChanged(run)
	}
	return run, nil
}

func (e *Engine) logger(run Run, s StageRun) *zerolog.Logger {
	l := e.log.With().Str("delivery", run.Trigger.Delivery).Str("repository", run.Trigger.Repository.FullName()).
		Int64("run", run.Number).Str("stage", s.Spec.Key).Int("attempt", s.Attempt).Logger()
	return &l
}

// progressEvery bounds how often a running stage is written to the store.
const progressEvery = time.Second

// GiveUp concludes an attempt that Slipway itself could not carry out however often it tried: every check ends.
func (e *Engine) GiveUp(ctx context.Context, stageRunID int64, cause error) error {
	run, err := e.store.RunOfStage(ctx, stageRunID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run of stage attempt %d: %w", stageRunID, err)
	}
	why, _, _ := strings.Cut(cause.Error(), "\n") // a stack is for the log
	_, err = e.change(ctx, run.ID, func(r *Run) ([]Job, error) {
		s, now := r.Stage(stageRunID), e.clock.Now()
		if s.Status == StatusReady {
			if err := s.Move(StatusRunning, now); err != nil {
				return nil, err
			}
		}
		if s.Status != StatusRunning {
			return nil, nil
		}
		return r.Conclude(stageRunID, Result{Verdict: Verdict{
			Status: StatusFailure, Title: "Slipway could not carry out this stage",
			Cause: fmt.Sprintf("Slipway tried many times and gave up: %s. The operator's log has the details.", why),
		}}, now)
	})
	if err != nil {
		return err
	}
	return e.executor.Cancel(ctx, taskID(*run.Stage(stageRunID)), "Slipway gave up on this stage") // nobody follows it any more
}
