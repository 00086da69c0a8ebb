package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
)

// Service takes triggers and people's wishes and turns them into changes of runs.
type Service struct {
	store       Store
	definitions Definitions
	forge       Forge
	built       func(uses string) bool
	unavailable func(uses string) string
	releases    Releases
	closed      string
	observers   []Observer
	clock       Clock
	log         zerolog.Logger
}

// ServiceOptions are the parts of a Service; all are needed.
type ServiceOptions struct {
	Store       Store
	Definitions Definitions
	Forge       Forge
	// Built reports whether this program can carry out a stage kind.
	Built func(uses string) bool
	// Unavailable says why a stage kind cannot be carried out in these surroundings; empty: it can. nil: all can.
	Unavailable func(uses string) string
	// Releases are what rollbacks bring back.
	Releases Releases
	// Closed, where set, is why no environment can be entered from here.
	Closed    string
	Observers []Observer
	Clock     Clock
	Logger    zerolog.Logger
}

// NewService makes a Service.
func NewService(o ServiceOptions) *Service {
	return &Service{
		store: o.Store, definitions: o.Definitions, forge: o.Forge, built: o.Built, unavailable: o.Unavailable, releases: o.Releases,
		closed: o.Closed, observers: o.Observers, clock: o.Clock, log: o.Logger,
	}
}

// ErrNotWanted is returned by Submit when the pipeline file asks for no run on this trigger.
var ErrNotWanted = errors.New("the pipeline file asks for no run on this event")

// Submit makes the run of a trigger, or finds the one it already made. Older runs of the same ref are superseded.
// A pipeline file with problems makes a run of one failed stage that shows them.
func (s *Service) Submit(ctx context.Context, t Trigger) (Run, error) {
	existing, err := s.store.RunByKey(ctx, t.Key())
	if err == nil && t.askedAgain(existing) {
		t.Again = true // it has a key of its own, by its delivery
		existing, err = s.store.RunByKey(ctx, t.Key())
	}
	if err == nil {
		return existing, s.supersede(ctx, existing)
	}
	if !errors.Is(err, ErrNotFound) {
		return Run{}, fmt.Errorf("look up run %s: %w", t.Key(), err)
	}
	run, err := s.draft(ctx, t)
	if err != nil {
		return Run{}, err
	}
	if run.Released, err = s.wordFor(ctx, t); err != nil {
		return Run{}, err
	}
	stored, created, err := s.store.CreateRun(ctx, run, func(r *Run) ([]Job, error) {
		if len(r.Stages) == 1 && r.Stages[0].Spec.Uses == UsesDefinition {
			return nil, concludeProblems(r, s.clock.Now())
		}
		return r.Advance(s.clock.Now()), nil
	})
	if err != nil {
		return Run{}, fmt.Errorf("store run %s: %w", t.Key(), err)
	}
	if created {
		s.log.Info().Str("delivery", t.Delivery).Str("repository", t.Repository.FullName()).Int64("run", stored.Number).
			Str("sha", t.SHA).Str("event", string(t.Event)).Int("stages", len(stored.Stages)).Msg("run created")
		s.notify(stored)
	}
	return stored, s.supersede(ctx, stored)
}

func (s *Service) draft(ctx context.Context, t Trigger) (Run, error) {
	now := s.clock.Now()
	definition, err := s.definitions.Definition(ctx, t)
	if invalid, ok := errors.AsType[*InvalidDefinitionError](err); ok {
		return problemRun(t, invalid.Problems, now), nil
	}
	if errors.Is(err, ErrNothingToRun) {
		return Run{}, ErrNotWanted
	}
	if errors.Is(err, ErrNotFound) {
		err = errors.New(err.Error()) // to be asked again, and not to be taken for a run that is gone
	}
	if err != nil {
		return Run{}, fmt.Errorf("pipeline file of %s at %s: %w", t.Repository.FullName(), t.SHA, err)
	}
	if !Wanted(t, definition) {
		return Run{}, ErrNotWanted
	}
	facts := PlanFacts{Built: s.built, Unavailable: s.unavailable, Closed: s.closed}
	if facts.Restores, err = s.restores(ctx, t); err != nil {
		return Run{}, err
	}
	if NeedsChangedPaths(definition) && t.Skip == "" && t.Schedule == nil {
		if facts.ChangedPaths, err = s.forge.ChangedPaths(ctx, t); err != nil {
			return Run{}, fmt.Errorf("changed paths of %s: %w", t.SHA, err)
		}
	}
	plan, err := NewPlan(t, definition, facts)
	if err != nil {
		//nolint:nilerr // a condition that cannot be evaluated is the file's fault: it is shown, not returned
		return problemRun(t, []Problem{{File: definition.Source, Message: err.Error()}}, now), nil
	}
	if t.Schedule != nil && len(plan.Stages) == 0 {
		return Run{}, ErrNotWanted
	}
	return NewRun(t, plan, now), nil
}

// restores finds the release that a rollback brings back.
func (s *Service) restores(ctx context.Context, t Trigger) (*Release, error) {
	if t.Deploy == nil || t.Deploy.Action != ActionRollback {
		return nil, nil //nolint:nilnil // nothing is brought back
	}
	release, err := s.releases.Release(ctx, t.Repository.ID, t.Deploy.Environment, t.Deploy.Release)
	if err != nil {
		return nil, fmt.Errorf("release %d of %s in %s: %w", t.Deploy.Release, t.Repository.FullName(), t.Deploy.Environment, err)
	}
	return &release, nil
}

// Cancel ends a run: what waits is cancelled at once, what runs is interrupted. An ended run is left as it is.
func (s *Service) Cancel(ctx context.Context, runID int64, reason string) (Run, error) {
	return s.change(ctx, runID, func(r *Run) ([]Job, error) { return r.Cancel(reason, s.clock.Now()), nil })
}

// CancelGroup cancels every open run that the trigger's group holds: a closed pull request, a merge group that ended.
func (s *Service) CancelGroup(ctx context.Context, t Trigger, reason string) error {
	return s.cancelOpen(ctx, t, reason, func(Run) bool { return true })
}

// CancelWaiting cancels the runs of the trigger's group that only wait for a person, and for whom there is nothing left
// to decide; what works goes on.
func (s *Service) CancelWaiting(ctx context.Context, t Trigger, reason string) error {
	return s.cancelOpen(ctx, t, reason, func(r Run) bool { return r.Status == StatusWaiting })
}

func (s *Service) cancelOpen(ctx context.Context, t Trigger, reason string, wanted func(Run) bool) error {
	open, err := s.store.OpenRuns(ctx, t.Group())
	if err != nil {
		return fmt.Errorf("open runs of %s: %w", t.Ref, err)
	}
	for _, run := range open {
		if !wanted(run) || !t.At.IsZero() && run.Trigger.At.After(t.At) {
			continue // the delivery was overtaken: the run began after what it tells
		}
		if _, err := s.Cancel(ctx, run.ID, reason); err != nil {
			return err
		}
	}
	return nil
}

// Rerun runs the stage of an attempt again, with those that were skipped because of it. asker is the login of who wants it.
// One attempt is run again once: a wish that is told twice is one. An attempt of another repository than the one the
// asker was authorised for is ErrNotFound.
func (s *Service) Rerun(ctx context.Context, repositoryID, stageRunID int64, asker string) (Run, error) {
	run, err := s.store.RunOfStage(ctx, stageRunID)
	if err == nil && run.Trigger.Repository.ID != repositoryID {
		err = ErrNotFound
	}
	if err != nil {
		return Run{}, fmt.Errorf("run of stage attempt %d: %w", stageRunID, err)
	}
	asked := run.Stage(stageRunID)
	if asked.Superseded {
		return run, nil
	}
	key := asked.Spec.Key
	if asked.Spec.Uses == UsesDefinition {
		fresh := run.Trigger
		fresh.Fresh, fresh.Delivery = true, fmt.Sprintf("again-%d", stageRunID)
		return s.Submit(ctx, fresh)
	}
	return s.change(ctx, run.ID, func(r *Run) ([]Job, error) {
		if r.Stage(stageRunID).Superseded {
			return nil, nil // told twice at once
		}
		return r.Rerun(key, asker, "run again, asked by @"+asker, s.clock.Now())
	})
}

func (s *Service) change(ctx context.Context, runID int64, fn func(*Run) ([]Job, error)) (Run, error) {
	run, err := s.store.Change(ctx, runID, fn)
	if err != nil {
		return Run{}, fmt.Errorf("change run %d: %w", runID, err)
	}
	s.notify(run)
	return run, nil
}

func (s *Service) notify(run Run) {
	for _, o := range s.observers {
		o.RunChanged(run)
	}
}

// SystemClock tells the real time.
type SystemClock struct{}

// Now implements Clock.
func (SystemClock) Now() time.Time { return time.Now().UTC() }
