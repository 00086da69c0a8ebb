package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/store"
)

// Handlers do the work. An error makes the job be tried again later, and so does a panic. They are called again for
// work that a killed process left behind, so they look at what is recorded before they act.
type Handlers struct {
	Delivery  func(ctx context.Context, guid string) error
	Stage     func(ctx context.Context, stageRunID int64) error
	Interrupt func(ctx context.Context, runID int64) error
	// Gate decides on a run's entry into an environment; Announce shows GitHub how it is.
	Gate     func(ctx context.Context, runID int64, environment string) error
	Announce func(ctx context.Context, runID int64, environment string) error
	// Drift compares an environment with its configuration; it is called for as long as it returns Snooze.
	Drift func(ctx context.Context, job store.DriftJob) error
	// Discarded is told of a job that is given up after its last attempt.
	Discarded func(ctx context.Context, d Discarded)
}

func (h Handlers) complete() bool {
	return h.Delivery != nil && h.Stage != nil && h.Interrupt != nil && h.Gate != nil && h.Announce != nil && h.Drift != nil && h.Discarded != nil
}

// Discarded is a job that was given up. One of GUID, StageRunID and RunID is set.
type Discarded struct {
	Kind       string
	GUID       string
	StageRunID int64
	RunID      int64
	// Environment comes with RunID for gate and announce, and alone for drift.
	Environment string
	Attempts    int
	Err         error
}

// Options of a Queue. Handlers are needed, all of them; the rest has good defaults.
type Options struct {
	Handlers Handlers
	// Concurrency is how many stages run at a time, never under 2; 0: the number of cores.
	Concurrency int
	// Intake is how many deliveries are worked at a time (16). As many payloads are in memory.
	Intake int
	// DeliveryTimeout bounds one attempt at a delivery (10 min).
	DeliveryTimeout time.Duration
	// Drain is how long Stop waits before it cancels what is being worked (5 s).
	Drain time.Duration
	// Backoff is the wait after a failed attempt (from 1) at a job of that kind; nil: over hours for deliveries, within
	// minutes for the rest.
	Backoff func(kind string, attempt int) time.Duration
	Logger  zerolog.Logger
}

// Database is where the jobs are.
type Database[TTx any] interface {
	RiverDriver() riverdriver.Driver[TTx]
	// Alone reports that no other process can work these jobs. Then River elects no leader and Upkeep does its work.
	Alone() bool
	// ReleaseJobs makes available again what a killed process left running. It is called before anything is worked.
	ReleaseJobs(ctx context.Context) error
	// Upkeep keeps the jobs in order until ctx ends.
	Upkeep(ctx context.Context)
}

// ErrStopping is the cause of the contexts that Stop cancels.
var ErrStopping = errors.New("slipway is stopping")

const (
	// fetchCooldown is the least time between two looks for jobs, and the least River allows. The first look after a
	// pause comes at once.
	fetchCooldown = time.Millisecond
	// backstop is how often jobs are looked for without a wake-up. None is known to get lost.
	backstop = 10 * time.Second
	// controlWorkers are few: what they do is short.
	controlWorkers = 4
	// gateWorkers mostly wait for GitHub, too: what is short must not wait for that.
	gateWorkers = 8
	// announceWorkers mostly wait for GitHub.
	announceWorkers = 8
)

// Queue works jobs between Start and Stop.
type Queue struct {
	o      Options
	log    zerolog.Logger
	client client
	db     upkeeper
	stages coalescer

	stopping context.Context //nolint:containedctx // the lifetime of a started queue, cancelled by Stop
	stop     context.CancelCauseFunc
	upkeep   sync.WaitGroup
}

// client is what is used of a river.Client, without its type of transaction.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

type upkeeper interface {
	ReleaseJobs(ctx context.Context) error
	Upkeep(ctx context.Context)
}

// New makes a queue; Start starts it.
func New[TTx any](db Database[TTx], o Options) (*Queue, error) {
	if !o.Handlers.complete() {
		return nil, errors.New("queue: every handler is needed")
	}
	o.Concurrency = max(2, cmp.Or(o.Concurrency, runtime.NumCPU()))
	o.Intake = cmp.Or(o.Intake, 16)
	o.DeliveryTimeout = cmp.Or(o.DeliveryTimeout, 10*time.Minute)
	o.Drain = cmp.Or(o.Drain, 5*time.Second)
	if o.Backoff == nil {
		o.Backoff = backoff
	}
	q := &Queue{o: o, log: o.Logger, db: db}
	q.stopping, q.stop = context.WithCancelCause(context.Background())
	workers, err := q.workers()
	if err != nil {
		return nil, err
	}
	// River's own words are about its inner life; what happens to jobs is logged here.
	level := max(o.Logger.GetLevel(), zerolog.WarnLevel)
	c, err := river.NewClient(db.RiverDriver(), &river.Config{
		Workers: workers,
		Queues: map[string]river.QueueConfig{
			store.QueueIntake:   {MaxWorkers: o.Intake},
			store.QueueStages:   {MaxWorkers: o.Concurrency},
			store.QueueControl:  {MaxWorkers: controlWorkers},
			store.QueueGate:     {MaxWorkers: gateWorkers},
			store.QueueAnnounce: {MaxWorkers: announceWorkers},
		},
		FetchCooldown:          fetchCooldown,
		FetchPollInterval:      backstop,
		JobTimeout:             -1, // the workers say their own
		LeaderElectionDisabled: db.Alone(),
		Logger:                 slog.New(zerolog.NewSlogHandler(o.Logger.Level(level))),
	})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	q.client = c
	return q, nil
}

// Start takes up what the last process left and begins to work. It returns at once; ctx bounds only the beginning.
func (q *Queue) Start(ctx context.Context) error {
	if err := q.db.ReleaseJobs(ctx); err != nil {
		return fmt.Errorf("start the queue: %w", err)
	}
	q.upkeep.Go(func() { q.db.Upkeep(q.stopping) })
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		q.stop(ErrStopping)
		q.upkeep.Wait()
		return fmt.Errorf("start the queue: %w", err)
	}
	return nil
}

// Stop takes no more jobs, lets those that are worked end for as long as Options.Drain, then cancels their contexts
// with ErrStopping; what has not ended by itself is worked again after the next start. When ctx ends first, its error is
// returned and jobs may still be at work.
func (q *Queue) Stop(ctx context.Context) error {
	drain, cancel := context.WithTimeout(ctx, q.o.Drain)
	defer cancel()
	err := q.client.Stop(drain)
	q.stop(ErrStopping)
	if err != nil {
		err = q.client.StopAndCancel(ctx)
	}
	q.upkeep.Wait()
	if err != nil {
		return fmt.Errorf("stop the queue: %w", err)
	}
	return nil
}
