package environment

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func inQueue(s pipeline.EnvironmentState, runID int64) bool {
	return slices.ContainsFunc(s.Queue, func(p pipeline.Place) bool { return p.RunID == runID })
}

func leaveQueue(s *pipeline.EnvironmentState, runID int64) {
	s.Queue = slices.DeleteFunc(slices.Clone(s.Queue), func(p pipeline.Place) bool { return p.RunID == runID })
}

// sameHold reports whether an entry waits for exactly this already: nothing is to be written then.
func sameHold(e pipeline.Entry, candidate pipeline.Candidate, hold pipeline.Hold) bool {
	return e.State == pipeline.EntryWaiting && e.Hold != nil && e.Candidate != nil &&
		e.Candidate.Fingerprint() == candidate.Fingerprint() && reflect.DeepEqual(*e.Hold, hold)
}

// liveState is the state of an environment without places of runs that have ended: a bot that was killed, or gave up, may
// have left them.
func (k *Keeper) liveState(ctx context.Context, repositoryID int64, environment string) (pipeline.EnvironmentState, error) {
	state, err := k.store.EnvironmentState(ctx, repositoryID, environment)
	if err != nil {
		return state, fmt.Errorf("state of %s: %w", environment, err)
	}
	places := slices.Clone(state.Queue)
	if state.Holder != nil {
		places = append(places, *state.Holder)
	}
	dead := make(map[int64]bool)
	for _, p := range places {
		run, err := k.store.Run(ctx, p.RunID)
		if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
			return state, fmt.Errorf("run %d before %s: %w", p.RunID, environment, err)
		}
		if e := run.Entry(environment); err != nil || e == nil || e.State.Final() {
			dead[p.RunID] = true
		}
	}
	if len(dead) == 0 {
		return state, nil
	}
	return k.store.ChangeEnvironment(ctx, repositoryID, environment, func(s *pipeline.EnvironmentState) error {
		if s.Holder != nil && dead[s.Holder.RunID] {
			s.Holder = nil
		}
		for id := range dead {
			leaveQueue(s, id)
		}
		return nil
	})
}

// free gives up the run's place in or before the environment, and lets others look again.
func (k *Keeper) free(ctx context.Context, run pipeline.Run, environment string) error {
	repo := run.Trigger.Repository.ID
	state, err := k.store.EnvironmentState(ctx, repo, environment)
	if err != nil {
		return fmt.Errorf("state of %s: %w", environment, err)
	}
	held := state.Holder != nil && state.Holder.RunID == run.ID
	if held || inQueue(state, run.ID) {
		if _, err := k.store.ChangeEnvironment(ctx, repo, environment, func(s *pipeline.EnvironmentState) error {
			if s.Holder != nil && s.Holder.RunID == run.ID {
				s.Holder = nil
			}
			leaveQueue(s, run.ID)
			return nil
		}); err != nil {
			return fmt.Errorf("leave %s: %w", environment, err)
		}
	}
	if err := k.Recheck(ctx, repo, environment); err != nil {
		return err
	}
	if err := k.superseder.Resupersede(ctx, run.ID); err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return err
	}
	return nil
}

// recheckNext lets the others look again after a run gave up a place that they waited behind.
func (k *Keeper) recheckNext(ctx context.Context, run pipeline.Run, environment string) error {
	state, err := k.store.EnvironmentState(ctx, run.Trigger.Repository.ID, environment)
	if err != nil {
		return fmt.Errorf("state of %s: %w", environment, err)
	}
	if state.Holder != nil || len(state.Queue) == 0 {
		return nil
	}
	return k.askGate(ctx, state.Queue[0].RunID, environment)
}

// Recheck has every run that waits before an environment decided on again.
func (k *Keeper) Recheck(ctx context.Context, repositoryID int64, environment string) error {
	for before := int64(0); ; {
		runs, err := k.store.Runs(ctx, pipeline.RunFilter{RepositoryID: repositoryID, Environment: environment, OpenOnly: true, Before: before})
		if err != nil {
			return fmt.Errorf("runs that wait for %s: %w", environment, err)
		}
		if len(runs) == 0 {
			return nil
		}
		// Oldest first, so that the first one of a page comes to its turn first.
		for _, run := range slices.Backward(runs) {
			if e := run.Entry(environment); e == nil || e.State != pipeline.EntryWaiting {
				continue
			}
			if err := k.askGate(ctx, run.ID, environment); err != nil {
				return err
			}
		}
		before = runs[len(runs)-1].ID
	}
}

func (k *Keeper) askGate(ctx context.Context, runID int64, environment string) error {
	err := k.change(ctx, runID, func(r *pipeline.Run) []pipeline.Job {
		return []pipeline.Job{r.AskGate(environment)}
	})
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // swept meanwhile
	}
	return err
}

// Resume has every open entry looked at again: after a start, whatever a killed bot left undone is done.
func (k *Keeper) Resume(ctx context.Context) error {
	for before := int64(0); ; {
		runs, err := k.store.Runs(ctx, pipeline.RunFilter{OpenOnly: true, Before: before})
		if err != nil {
			return fmt.Errorf("open runs: %w", err)
		}
		if len(runs) == 0 {
			return nil
		}
		for _, run := range runs {
			for _, e := range run.Entries {
				if e.State.Final() || e.State == pipeline.EntryPreparing || e.State == pipeline.EntryEntered {
					continue
				}
				if err := k.askGate(ctx, run.ID, e.Environment); err != nil {
					return err
				}
			}
			before = run.ID
		}
	}
}
