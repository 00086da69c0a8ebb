package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/dashboard"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/workspace"
)

// sweeper removes what is older than the retention and what nothing needs any more, at the start and every day.
type sweeper struct {
	runs      sweptRuns
	artifacts *artifact.Store
	executor  *local.Executor
	// needed tells of a task whether its stage goes on.
	needed     func(ctx context.Context, taskID string) (bool, error)
	workspaces string
	log        zerolog.Logger

	end  context.CancelFunc // nil until it is started
	done sync.WaitGroup
}

// sweptRuns is what a sweep needs of the store.
type sweptRuns interface {
	// Sweep returns the attempts of the runs it removed; after an error those returned are gone all the same.
	Sweep(ctx context.Context, before time.Time) (stageRunIDs []int64, err error)
	SweepDeliveries(ctx context.Context, before time.Time) (int, error)
	SweepSettings(ctx context.Context, from, to string) (int, error)
	// SweepPushes is for after Sweep: pushes of commits that have a run stay.
	SweepPushes(ctx context.Context, before time.Time) (int, error)
	RunOfStage(ctx context.Context, stageRunID int64) (pipeline.Run, error)
}

const (
	sweepEvery = 24 * time.Hour
	// orphanAge is how long files are kept that no run knows: longer than those of any run that has ended.
	orphanAge = retention + 24*time.Hour
)

// start returns at once; stop ends the work, not the end of ctx.
func (s *sweeper) start(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.end = cancel
	s.done.Go(func() {
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			if err := s.sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
				s.log.Error().Err(err).Msg("sweep of what is no longer needed")
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// stop may be called without start.
func (s *sweeper) stop() {
	if s.end != nil {
		s.end()
	}
	s.done.Wait()
}

// sweep does each part, whatever became of the others.
func (s *sweeper) sweep(ctx context.Context, now time.Time) error {
	return errors.Join(s.sweepRuns(ctx, now.Add(-retention)), s.sweepSessions(ctx, now), s.sweepOrphans(ctx, now.Add(-orphanAge)), s.sweepTasks(ctx), s.sweepWorkspaces(ctx))
}

// sweepRuns removes runs and what is known of comments and pushes, then logs and artifacts. Those of a run that is gone go,
// whatever stopped the rest. Releases and the audit stay.
func (s *sweeper) sweepRuns(ctx context.Context, before time.Time) error {
	ids, err := s.runs.Sweep(ctx, before)
	err = errors.Join(err, s.artifacts.Sweep(ctx, ids))
	deliveries, problem := s.runs.SweepDeliveries(ctx, before)
	from, to := chatops.OldRecords(before)
	_, forgetful := s.runs.SweepSettings(ctx, from, to)
	pushes, stubborn := s.runs.SweepPushes(ctx, before)
	if len(ids) > 0 || deliveries > 0 || pushes > 0 {
		s.log.Info().Int("attempts", len(ids)).Int("deliveries", deliveries).Int("pushes", pushes).Msg("old runs swept")
	}
	return errors.Join(err, problem, forgetful, stubborn)
}

// sweepSessions removes what is known of sign-ins that are long over.
func (s *sweeper) sweepSessions(ctx context.Context, now time.Time) error {
	from, to := dashboard.OldSessions(now)
	_, err := s.runs.SweepSettings(ctx, from, to)
	return err
}

// sweepOrphans removes the files of runs that were removed by a bot that did not live to remove them too.
func (s *sweeper) sweepOrphans(ctx context.Context, before time.Time) error {
	n, err := s.artifacts.SweepUnknown(ctx, before, func(ctx context.Context, stageRunID int64) (bool, error) {
		_, err := s.runs.RunOfStage(ctx, stageRunID)
		if errors.Is(err, pipeline.ErrNotFound) {
			return false, nil
		}
		return true, err
	})
	if n > 0 {
		s.log.Info().Int("attempts", n).Msg("files without a run swept")
	}
	return err
}

// sweepTasks ends and removes the tasks of stages that have ended without it. One of which nothing can be told stays.
func (s *sweeper) sweepTasks(ctx context.Context) error {
	var problems []error
	err := s.executor.Sweep(ctx, func(taskID string) bool {
		needed, err := s.needed(ctx, taskID)
		problems = append(problems, err)
		return needed || err != nil
	})
	return errors.Join(append(problems, err)...)
}

func (s *sweeper) sweepWorkspaces(ctx context.Context) error {
	w, err := workspace.New(s.workspaces, workspace.Options{})
	if err != nil {
		return err
	}
	return w.Sweep(ctx)
}
