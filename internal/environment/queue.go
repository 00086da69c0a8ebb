package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// sameName: GitHub takes names of environments that differ only in case for one.
func sameName(a, b string) bool { return strings.EqualFold(a, b) }

// entryInto finds a run's entry into an environment, however its name is spelled; nil: it has none.
func entryInto(run *pipeline.Run, environment string) *pipeline.Entry {
	for i := range run.Entries {
		if sameName(run.Entries[i].Environment, environment) {
			return &run.Entries[i]
		}
	}
	return nil
}

func inQueue(s pipeline.EnvironmentState, runID int64) bool {
	return slices.ContainsFunc(s.Queue, func(p pipeline.Place) bool { return p.RunID == runID })
}

func leaveQueue(s *pipeline.EnvironmentState, runID int64) {
	s.Queue = slices.DeleteFunc(slices.Clone(s.Queue), func(p pipeline.Place) bool { return p.RunID == runID })
}

// liveState is the state of an environment without places of runs that have ended, or are no longer before it: a bot that was
// killed, or gave up, may have left them.
func (k *Keeper) liveState(ctx context.Context, repositoryID int64, environment string) (pipeline.EnvironmentState, error) {
	state, err := k.store.EnvironmentState(ctx, repositoryID, environment)
	if err != nil {
		return state, fmt.Errorf("state of %s: %w", environment, err)
	}
	dead := make(map[int64]bool)
	for _, p := range state.Queue {
		if dead[p.RunID], err = k.gone(ctx, p, environment); err != nil {
			return state, err
		}
	}
	holderGone := false
	if state.Holder != nil {
		if holderGone, err = k.gone(ctx, *state.Holder, environment); err != nil {
			return state, err
		}
	}
	if !holderGone && !slices.ContainsFunc(state.Queue, func(p pipeline.Place) bool { return dead[p.RunID] }) {
		return state, nil
	}
	holder := state.Holder
	return k.store.ChangeEnvironment(ctx, repositoryID, environment, func(s *pipeline.EnvironmentState) error {
		if holderGone && s.Holder != nil && s.Holder.RunID == holder.RunID {
			s.Holder = nil
		}
		s.Queue = slices.DeleteFunc(slices.Clone(s.Queue), func(p pipeline.Place) bool { return dead[p.RunID] })
		return nil
	})
}

// gone reports whether a run has nothing to do any more with the environment that it has a place in or before.
func (k *Keeper) gone(ctx context.Context, p pipeline.Place, environment string) (bool, error) {
	run, err := k.store.Run(ctx, p.RunID)
	if errors.Is(err, pipeline.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("run %d before %s: %w", p.RunID, environment, err)
	}
	e := entryInto(&run, environment)
	return e == nil || e.State.Final() || e.State == pipeline.EntryPreparing, nil
}

// free gives up the run's place in or before the environment, and lets others look again.
func (k *Keeper) free(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	repo := run.Trigger.Repository.ID
	if _, err := k.store.ChangeEnvironment(ctx, repo, entry.Environment, func(s *pipeline.EnvironmentState) error {
		giveBack(s, run, entry)
		return nil
	}); err != nil {
		return fmt.Errorf("leave %s: %w", entry.Environment, err)
	}
	if err := k.Recheck(ctx, repo, entry.Environment); err != nil {
		return err
	}
	return k.resupersede(ctx, run.ID)
}

// giveUpPlace lets others go first: what would enter is not ready, whatever it was before.
func (k *Keeper) giveUpPlace(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	state, err := k.store.ChangeEnvironment(ctx, run.Trigger.Repository.ID, entry.Environment, func(s *pipeline.EnvironmentState) error {
		giveBack(s, run, entry)
		return nil
	})
	if err != nil {
		return fmt.Errorf("place before %s: %w", entry.Environment, err)
	}
	return k.askFirst(ctx, state, run.ID, entry.Environment)
}

// askFirst has whoever is first in the queue of a free environment look again: what it waited behind may have been this run,
// or one that is gone.
func (k *Keeper) askFirst(ctx context.Context, state pipeline.EnvironmentState, runID int64, environment string) error {
	if state.Holder != nil || len(state.Queue) == 0 || state.Queue[0].RunID == runID {
		return nil
	}
	return k.askGate(ctx, state.Queue[0].RunID, environment)
}

// Recheck has every run that waits before an environment decided on again.
func (k *Keeper) Recheck(ctx context.Context, repositoryID int64, environment string) error {
	return k.recheckRuns(ctx, pipeline.RunFilter{RepositoryID: repositoryID, Environment: environment}, func(e pipeline.Entry) bool {
		return e.State == pipeline.EntryWaiting && sameName(e.Environment, environment)
	})
}

// RecheckRepository has everything that waits in a repository decided on again: its rules may have changed.
func (k *Keeper) RecheckRepository(ctx context.Context, repositoryID int64) error {
	return k.recheckRuns(ctx, pipeline.RunFilter{RepositoryID: repositoryID}, waits)
}

// RecheckPull has everything that waits for a pull request decided on again: its head moved, or it was closed.
func (k *Keeper) RecheckPull(ctx context.Context, repositoryID int64, number int) error {
	return k.recheckRuns(ctx, pipeline.RunFilter{RepositoryID: repositoryID, PullRequest: number}, waits)
}

func waits(e pipeline.Entry) bool { return e.State == pipeline.EntryWaiting }

// Resume has every open entry looked at again: after a start, and now and then, whatever a killed bot or a job that was given
// up left undone is done.
func (k *Keeper) Resume(ctx context.Context) error {
	return k.recheckRuns(ctx, pipeline.RunFilter{}, func(e pipeline.Entry) bool {
		return e.State == pipeline.EntryDeciding || e.State == pipeline.EntryWaiting || e.State == pipeline.EntryLeaving
	})
}

// recheckRuns asks the gate for the entries of open runs, oldest run first, so that whoever came first is looked at first.
func (k *Keeper) recheckRuns(ctx context.Context, filter pipeline.RunFilter, wanted func(pipeline.Entry) bool) error {
	type place struct {
		run         int64
		environment string
	}
	var places []place
	for filter.OpenOnly = true; ; {
		runs, err := k.store.Runs(ctx, filter)
		if err != nil {
			return fmt.Errorf("open runs: %w", err)
		}
		if len(runs) == 0 {
			break
		}
		for _, run := range runs {
			for _, e := range run.Entries {
				if wanted(e) {
					places = append(places, place{run.ID, e.Environment})
				}
			}
			filter.Before = run.ID
		}
	}
	for _, p := range slices.Backward(places) {
		if err := k.askGate(ctx, p.run, p.environment); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keeper) askGate(ctx context.Context, runID int64, environment string) error {
	err := k.change(ctx, runID, func(r *pipeline.Run) []pipeline.Job {
		if e := entryInto(r, environment); e != nil {
			return []pipeline.Job{r.AskGate(e.Environment)}
		}
		return nil
	})
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // swept meanwhile
	}
	return err
}
