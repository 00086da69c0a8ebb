package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/store"
)

// interruptTimeout bounds one attempt to stop runners, which an executor does without waiting for their end.
const interruptTimeout = 5 * time.Minute

// gateTimeout bounds one decision or announcement, which may wait for GitHub's patience.
const gateTimeout = 10 * time.Minute

// worker works one kind of job.
type worker[A river.JobArgs] struct {
	river.WorkerDefaults[A]
	q       *Queue
	timeout time.Duration // of one attempt; 0: none
	handle  func(ctx context.Context, args A) error
	// describe fills in what the job is about.
	describe func(d *Discarded, args A)
}

func (q *Queue) workers() (*river.Workers, error) {
	workers := river.NewWorkers()
	delivery := &worker[store.DeliveryJob]{
		q: q, timeout: q.o.DeliveryTimeout,
		handle:   func(ctx context.Context, a store.DeliveryJob) error { return q.o.Handlers.Delivery(ctx, a.GUID) },
		describe: func(d *Discarded, a store.DeliveryJob) { d.GUID = a.GUID },
	}
	stage := &worker[store.StageJob]{
		q: q, // no timeout: a stage has its own time limit, kept by its runner
		handle: func(ctx context.Context, a store.StageJob) error {
			return q.stages.work(a.StageRunID, func() error { return q.call(ctx, a) })
		},
		describe: func(d *Discarded, a store.StageJob) { d.StageRunID = a.StageRunID },
	}
	interrupt := &worker[store.InterruptJob]{
		q: q, timeout: interruptTimeout,
		handle:   func(ctx context.Context, a store.InterruptJob) error { return q.o.Handlers.Interrupt(ctx, a.RunID) },
		describe: func(d *Discarded, a store.InterruptJob) { d.RunID = a.RunID },
	}
	gate := &worker[store.GateJob]{
		q: q, timeout: gateTimeout,
		handle: func(ctx context.Context, a store.GateJob) error {
			return q.o.Handlers.Gate(ctx, a.RunID, a.Environment)
		},
		describe: func(d *Discarded, a store.GateJob) { d.RunID, d.Environment = a.RunID, a.Environment },
	}
	announce := &worker[store.AnnounceJob]{
		q: q, timeout: gateTimeout,
		handle: func(ctx context.Context, a store.AnnounceJob) error {
			return q.o.Handlers.Announce(ctx, a.RunID, a.Environment)
		},
		describe: func(d *Discarded, a store.AnnounceJob) { d.RunID, d.Environment = a.RunID, a.Environment },
	}
	drift := &worker[store.DriftJob]{
		q: q, timeout: gateTimeout,
		handle:   func(ctx context.Context, a store.DriftJob) error { return q.o.Handlers.Drift(ctx, a) },
		describe: func(d *Discarded, a store.DriftJob) { d.Environment = a.Environment },
	}
	err := errors.Join(
		river.AddWorkerSafely(workers, delivery), river.AddWorkerSafely(workers, stage), river.AddWorkerSafely(workers, interrupt),
		river.AddWorkerSafely(workers, gate), river.AddWorkerSafely(workers, announce), river.AddWorkerSafely(workers, drift))
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return workers, nil
}

// call runs the handler of a stage. A panic must not skip what work does after it.
func (q *Queue) call(ctx context.Context, a store.StageJob) error {
	return protect(func() error { return q.o.Handlers.Stage(ctx, a.StageRunID) })
}

// NextRetry implements river.Worker.
func (w *worker[A]) NextRetry(job *river.Job[A]) time.Time {
	return time.Now().Add(w.q.o.Backoff(job.Kind, job.Attempt))
}

// Work implements river.Worker.
func (w *worker[A]) Work(ctx context.Context, job *river.Job[A]) error {
	ctx, cancel := w.context(ctx)
	defer cancel()

	err := errKilled(job.JobRow)
	if err == nil {
		err = protect(func() error { return w.handle(ctx, job.Args) })
	}
	var snooze *snoozeError
	switch {
	case err == nil:
		return nil
	case w.q.stopping.Err() != nil:
		return river.JobSnooze(0) // available for the next process, and no attempt is counted
	case errors.As(err, &snooze):
		return river.JobSnooze(snooze.d)
	}
	d := Discarded{Kind: job.Kind, Attempts: job.Attempt, Err: err}
	w.describe(&d, job.Args)
	w.tell(ctx, job.JobRow, d)
	return err
}

// context ends with Stop, for a reason the handler can know: River's own is private to it.
func (w *worker[A]) context(river context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(river))
	unhook := context.AfterFunc(river, func() {
		if w.q.stopping.Err() != nil {
			cancel(ErrStopping)
			return
		}
		cancel(context.Cause(river))
	})
	stop := func() { cancel(nil) }
	if w.timeout > 0 {
		ctx, stop = context.WithTimeout(ctx, w.timeout)
	}
	return ctx, func() { unhook(); stop(); cancel(nil) }
}

// tell logs a failed attempt and passes the last one on.
func (w *worker[A]) tell(ctx context.Context, job *rivertype.JobRow, d Discarded) {
	log := d.logger(w.q.log)
	if job.Attempt < job.MaxAttempts {
		log.Warn().Err(d.Err).Msg("job failed and is tried again")
		return
	}
	log.Error().Err(d.Err).Msg("job failed for the last time")
	if err := protect(func() error { w.q.o.Handlers.Discarded(context.WithoutCancel(ctx), d); return nil }); err != nil {
		log.Error().Err(err).Msg("after the last attempt")
	}
}

func (d Discarded) logger(parent zerolog.Logger) zerolog.Logger {
	with := parent.With().Str("job", d.Kind).Int("attempt", d.Attempts)
	switch {
	case d.GUID != "":
		with = with.Str("delivery", d.GUID)
	case d.StageRunID != 0:
		with = with.Int64("stage_run", d.StageRunID)
	case d.RunID != 0:
		with = with.Int64("run_id", d.RunID).Str("environment", d.Environment)
	}
	return with.Logger()
}

// errKilled gives up a job whose last attempts ended with the process: it would do so again.
func errKilled(job *rivertype.JobRow) error {
	if job.Attempt <= job.MaxAttempts {
		return nil
	}
	return fmt.Errorf("the process ended while this was worked, at the last of %d attempts", job.MaxAttempts)
}

// protect makes an error of a panic.
func protect(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}

// Snooze is returned by a handler to have the job worked again after d. It does not count as an attempt.
func Snooze(d time.Duration) error { return &snoozeError{d: max(0, d)} }

type snoozeError struct{ d time.Duration }

func (e *snoozeError) Error() string { return "to be worked again in " + e.d.String() }
