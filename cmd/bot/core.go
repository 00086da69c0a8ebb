package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/diagnosis"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/queue"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/summary"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// intakeWorkers is how many deliveries are worked at a time: each mostly waits for an answer of GitHub.
const intakeWorkers = 32

// databaseName is the database's file in the data folder.
const databaseName = "slipway.db"

// retention is how long runs, logs and artifacts are kept.
const retention = 90 * 24 * time.Hour

// core is what every way of running pipelines shares: store, queue, engine, executor.
type core struct {
	db        *sqlite.DB
	artifacts *artifact.Store
	executor  *local.Executor
	service   *pipeline.Service
	engine    *pipeline.Engine
	queue     *queue.Queue
	sweeper   *sweeper
	log       zerolog.Logger
}

// coreOptions are what differs between serve, demo and run.
type coreOptions struct {
	// dataDir holds what must not be lost, cacheDir what can be made again.
	dataDir, cacheDir string
	concurrency       int
	runner            runner.Options
	definitions       pipeline.Definitions
	forge             pipeline.Forge
	secrets           pipeline.SecretSource
	source            func(pipeline.Trigger) pipeline.Source
	// observers are made once the store is there.
	observers func(*core) []pipeline.Observer
	// unavailable says why a stage kind cannot be carried out here; nil: all can.
	unavailable func(uses string) string
	// closed, where set, is why no environment can be entered.
	closed string
	// gate decides on entries into environments, announce shows them on GitHub.
	gate, announce func(ctx context.Context, runID int64, environment string) error
	// drift compares an environment with its configuration; nil: nothing asks for that here.
	drift func(ctx context.Context, job store.DriftJob) error
	// undecided is told of a decision that was given up; nil: none is made.
	undecided func(ctx context.Context, runID int64, environment string, cause error) error
	// deliver handles one webhook delivery.
	deliver func(ctx context.Context, guid string) error
	log     zerolog.Logger
}

func newCore(ctx context.Context, o coreOptions) (*core, error) {
	if err := os.MkdirAll(o.dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	db, err := sqlite.Open(ctx, filepath.Join(o.dataDir, databaseName), sqlite.Options{Logger: o.log})
	if err != nil {
		return nil, err
	}
	c := &core{db: db, log: o.log}
	if err := c.build(o); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *core) build(o coreOptions) error {
	var err error
	if c.artifacts, err = artifact.New(o.dataDir); err != nil {
		return err
	}
	if c.executor, err = newExecutor(o); err != nil {
		return err
	}
	observers := o.observers(c)
	c.service = pipeline.NewService(pipeline.ServiceOptions{
		Store: c.db, Definitions: o.definitions, Forge: o.forge, Built: isBuilt, Unavailable: o.unavailable, Releases: releases{c.db, c.artifacts}, Closed: o.closed, Observers: observers,
		Clock: pipeline.SystemClock{}, Logger: o.log,
	})
	c.engine = pipeline.NewEngine(pipeline.EngineOptions{
		Store: c.db, Executor: c.executor, Forge: o.forge, Secrets: o.secrets, Logs: c.artifacts, Artifacts: c.artifacts,
		Releases: releases{c.db, c.artifacts},
		Diagnose: diagnosis.Find, Inline: inlineKinds(), Source: o.source, Observers: observers,
		Clock: pipeline.SystemClock{}, Logger: o.log,
	})
	c.sweeper = &sweeper{
		runs: c.db, artifacts: c.artifacts, executor: c.executor, needed: c.engine.NeedsTask, workspaces: workspaces(o.cacheDir), log: o.log,
	}
	if o.drift == nil {
		o.drift = func(context.Context, store.DriftJob) error { return nil }
	}
	c.queue, err = queue.New(c.db, queue.Options{
		Handlers: queue.Handlers{
			Delivery: o.deliver, Stage: c.engine.Work, Interrupt: c.engine.Interrupt, Gate: o.gate, Announce: o.announce, Drift: o.drift,
			Discarded: func(ctx context.Context, d queue.Discarded) { c.discarded(ctx, d, o.undecided) },
		},
		Concurrency: o.concurrency, Intake: intakeWorkers, Logger: o.log,
	})
	return err
}

// workspaces is the folder of mirrors and checkouts.
func workspaces(cacheDir string) string { return filepath.Join(cacheDir, "workspaces") }

func newExecutor(o coreOptions) (*local.Executor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("path of this program: %w", err)
	}
	o.runner.WorkspaceDir = workspaces(o.cacheDir)
	o.runner.CacheDir = filepath.Join(o.cacheDir, "caches")
	o.runner.Hide = append(o.runner.Hide, o.dataDir)
	return local.New(local.Options{
		Dir: filepath.Join(o.dataDir, "tasks"), Command: []string{self, "runner"}, Runner: o.runner, Logger: o.log,
		Toolchain: toolchain(),
	})
}

// discarded ends what the queue has given up, so that nothing waits forever.
func (c *core) discarded(ctx context.Context, d queue.Discarded, undecided func(context.Context, int64, string, error) error) {
	log := c.log.Error().Err(d.Err).Str("job", d.Kind).Str("delivery", d.GUID).Int64("attempt", d.StageRunID)
	var err error
	switch {
	case d.GUID != "":
		err = c.db.DeliveryFailed(ctx, d.GUID, d.Err.Error())
	case d.StageRunID != 0:
		err = c.engine.GiveUp(ctx, d.StageRunID, d.Err)
	case d.Kind == (store.GateJob{}).Kind() && undecided != nil:
		err = undecided(ctx, d.RunID, d.Environment, d.Err)
	}
	if err != nil {
		log.AnErr("then", err)
	}
	log.Msg("work given up")
}

func (c *core) start(ctx context.Context) error {
	if err := c.queue.Start(ctx); err != nil {
		return err
	}
	c.sweeper.start(ctx)
	return nil
}

// stop lets short work end; running stages go on in their runners and are found again at the next start.
func (c *core) stop(ctx context.Context) error { return errors.Join(c.queue.Stop(ctx), c.close()) }

// close lets go of what was opened, as far as it was.
func (c *core) close() error {
	var problems []error
	if c.sweeper != nil {
		c.sweeper.stop()
	}
	if c.executor != nil {
		problems = append(problems, c.executor.Close())
	}
	if c.artifacts != nil {
		problems = append(problems, c.artifacts.Close())
	}
	return errors.Join(append(problems, c.db.Close())...)
}

// inlineKinds are the stage kinds that need no runner.
func inlineKinds() map[string]pipeline.Inline {
	return map[string]pipeline.Inline{pipeline.UsesSummary: summary.Summarise}
}

// isBuilt reports whether this program has a stage kind.
func isBuilt(uses string) bool {
	_, inline := inlineKinds()[uses]
	return inline || slices.Contains(runnerKindNames(), uses)
}
