package main

import (
	"context"
	"errors"
	"time"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/queue"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// newWatch builds what looks at environments for drift.
func newWatch(b *bot) *environment.Watch {
	return environment.NewWatch(environment.WatchOptions{
		Looks: looks{b.db}, Installed: b.forge.installedRepositories, Rules: b.rules, Forge: b.forge, Service: b.service, Clock: pipeline.SystemClock{}, Logger: b.log,
	})
}

// looks keeps them as jobs.
type looks struct{ *sqlite.DB }

// KeepLook implements environment.Looks.
func (l looks) KeepLook(ctx context.Context, look environment.Look, at time.Time) error {
	return l.KeepDriftJob(ctx, store.DriftJob{
		RepositoryID: look.RepositoryID, Environment: look.Environment, Schedule: look.Schedule, TimeZone: look.TimeZone,
	}, at)
}

// drift works a look; the same job comes again for the next one.
func (b *bot) drift(ctx context.Context, job store.DriftJob) error {
	err := b.watch.Work(ctx, environment.Look{
		RepositoryID: job.RepositoryID, Environment: job.Environment,
		DriftSchedule: pipeline.DriftSchedule{Schedule: job.Schedule, TimeZone: job.TimeZone},
	})
	if later, ok := errors.AsType[*environment.LaterError](err); ok {
		return queue.Snooze(later.After)
	}
	return err
}
