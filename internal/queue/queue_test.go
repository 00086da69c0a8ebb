package queue_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/queue"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

func open(tb testing.TB, path string) *sqlite.DB {
	tb.Helper()
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	return db
}

func fresh(tb testing.TB) *sqlite.DB {
	tb.Helper()
	return open(tb, filepath.Join(tb.TempDir(), "slipway.db"))
}

// at once makes failed jobs come again without a wait.
func atOnce(string, int) time.Duration { return time.Millisecond }

// options have handlers that complain; a test sets those it expects.
func options(tb testing.TB) queue.Options {
	return queue.Options{Backoff: atOnce, Drain: 10 * time.Second, Handlers: queue.Handlers{
		Delivery:  func(_ context.Context, guid string) error { tb.Errorf("delivery %s", guid); return nil },
		Stage:     func(_ context.Context, id int64) error { tb.Errorf("stage %d", id); return nil },
		Gate:      func(context.Context, int64, string) error { return nil },
		Announce:  func(context.Context, int64, string) error { return nil },
		Drift:     func(context.Context, store.DriftJob) error { return nil },
		Interrupt: func(_ context.Context, id int64) error { tb.Errorf("interrupt %d", id); return nil },
		Discarded: func(_ context.Context, d queue.Discarded) { tb.Errorf("discarded %+v", d) },
	}}
}

// begin starts a queue that is stopped at the end of the test, before the database closes.
func begin(tb testing.TB, db *sqlite.DB, o queue.Options) *queue.Queue {
	tb.Helper()
	q, err := queue.New(db, o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := q.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { stop(tb, q) })
	return q
}

func stop(tb testing.TB, q *queue.Queue) {
	tb.Helper()
	if err := q.Stop(context.Background()); err != nil {
		tb.Error(err)
	}
}

func accept(tb testing.TB, db *sqlite.DB, guid string) {
	tb.Helper()
	if _, err := db.Accept(context.Background(), store.Delivery{GUID: guid, Event: "push", Payload: []byte("{}")}); err != nil {
		tb.Error(err)
	}
}

// run creates a run whose prepare asks for the jobs that make gives it.
func run(tb testing.TB, db *sqlite.DB, sha string, ask func(*pipeline.Run) []pipeline.Job) pipeline.Run {
	tb.Helper()
	trigger := pipeline.Trigger{Event: pipeline.EventPush, SHA: sha, Ref: "refs/heads/main", Repository: pipeline.Repository{ID: 1}}
	plan := pipeline.Plan{Stages: []pipeline.StageSpec{{Key: "test"}}}
	r, _, err := db.CreateRun(context.Background(), pipeline.NewRun(trigger, plan, time.Now()),
		func(r *pipeline.Run) ([]pipeline.Job, error) { return ask(r), nil })
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func stageJob(r *pipeline.Run) []pipeline.Job {
	return []pipeline.Job{{Kind: pipeline.JobStage, StageRunID: r.Stages[0].ID}}
}

// soon waits for something that must come well before the back-stop would bring it.
func soon[T any](tb testing.TB, what string, c <-chan T) T {
	tb.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(2 * time.Minute):
		tb.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

func TestEveryKind(t *testing.T) {
	t.Parallel()
	db, o, worked := fresh(t), options(t), make(chan string, 10)
	o.Handlers.Delivery = func(_ context.Context, guid string) error { worked <- "delivery " + guid; return nil }
	o.Handlers.Stage = func(_ context.Context, id int64) error { worked <- fmt.Sprint("stage ", id); return nil }
	o.Handlers.Interrupt = func(_ context.Context, id int64) error { worked <- fmt.Sprint("interrupt ", id); return nil }
	accept(t, db, "before the start")
	begin(t, db, o)
	if got := soon(t, "what was there before", worked); got != "delivery before the start" {
		t.Error(got)
	}
	accept(t, db, "g1")
	if got := soon(t, "delivery", worked); got != "delivery g1" {
		t.Error(got)
	}
	r := run(t, db, "a", stageJob)
	if got := soon(t, "stage", worked); got != fmt.Sprint("stage ", r.Stages[0].ID) {
		t.Error(got)
	}
	r = run(t, db, "b", func(r *pipeline.Run) []pipeline.Job {
		return []pipeline.Job{{Kind: pipeline.JobInterrupt, RunID: r.ID}}
	})
	if got := soon(t, "interrupt", worked); got != fmt.Sprint("interrupt ", r.ID) {
		t.Error(got)
	}
	begun := time.Now()
	run(t, db, "c", func(r *pipeline.Run) []pipeline.Job {
		return []pipeline.Job{{Kind: pipeline.JobStage, StageRunID: r.Stages[0].ID, After: 100 * time.Millisecond}}
	})
	soon(t, "delayed stage", worked)
	if waited := time.Since(begun); waited < 100*time.Millisecond {
		t.Errorf("a job delayed by 100 ms was worked after %s", waited)
	}
}

func TestPanicIsTriedAgain(t *testing.T) {
	t.Parallel()
	db, o, worked := fresh(t), options(t), make(chan int64, 10)
	var attempts atomic.Int64
	o.Handlers.Delivery = func(context.Context, string) error {
		n := attempts.Add(1)
		worked <- n
		if n == 1 {
			panic("in a handler")
		}
		return nil
	}
	begin(t, db, o)
	accept(t, db, "g1")
	soon(t, "first attempt", worked)
	soon(t, "second attempt", worked)
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	db, o, given := fresh(t), options(t), make(chan queue.Discarded, 1)
	broken := errors.New("broken")
	var attempts atomic.Int64
	o.Handlers.Delivery = func(context.Context, string) error { attempts.Add(1); return broken }
	o.Handlers.Discarded = func(ctx context.Context, d queue.Discarded) {
		if err := db.DeliveryFailed(ctx, d.GUID, d.Err.Error()); err != nil {
			t.Error(err)
		}
		given <- d
	}
	begin(t, db, o)
	accept(t, db, "g1")
	d := soon(t, "end of the attempts", given)
	if d.Kind != "delivery" || d.GUID != "g1" || d.Attempts != store.DeliveryAttempts || !errors.Is(d.Err, broken) {
		t.Errorf("discarded %+v", d)
	}
	if attempts.Load() != store.DeliveryAttempts {
		t.Errorf("%d attempts", attempts.Load())
	}
	failed, err := db.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryFailed})
	if err != nil || len(failed) != 1 || failed[0].Reason != "broken" {
		t.Errorf("failed deliveries %+v, %v", failed, err)
	}
}

func TestSnooze(t *testing.T) {
	t.Parallel()
	db, o, worked := fresh(t), options(t), make(chan int64, 10)
	var attempts atomic.Int64
	o.Handlers.Stage = func(context.Context, int64) error {
		n := attempts.Add(1)
		worked <- n
		if n < 3 {
			return fmt.Errorf("not yet: %w", queue.Snooze(20*time.Millisecond))
		}
		return nil
	}
	begin(t, db, o)
	run(t, db, "a", stageJob)
	for range 3 {
		soon(t, "snoozed job", worked)
	}
}

// A look at an environment is one job, which comes again for as long as it is snoozed, also after a restart.
func TestDriftJobComesAgain(t *testing.T) {
	t.Parallel()
	db, o, worked := fresh(t), options(t), make(chan store.DriftJob, 10)
	var attempts atomic.Int64
	o.Handlers.Drift = func(_ context.Context, job store.DriftJob) error {
		worked <- job
		if attempts.Add(1) < 3 {
			return queue.Snooze(20 * time.Millisecond)
		}
		return nil
	}
	job := store.DriftJob{RepositoryID: 5, Environment: "production", Schedule: "0 6 * * *"}
	for range 3 {
		if err := db.KeepDriftJob(t.Context(), job, time.Now().Add(50*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	other := job
	other.Schedule = "0 7 * * *"
	if err := db.KeepDriftJob(t.Context(), other, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	alive, err := db.AliveJobs(t.Context())
	if err != nil || len(alive) != 2 || alive[0].Kind != "drift" || alive[0].Environment != "production" {
		t.Fatalf("%+v, %v", alive, err)
	}
	begin(t, db, o)
	for range 3 {
		if got := soon(t, "the look", worked); got != job {
			t.Errorf("%+v", got)
		}
	}
}

// TestOneAtATime: of many jobs of one attempt no two are worked at the same time, and after the last wish for work
// there is a beginning of work.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	db, o := fresh(t), options(t)
	o.Concurrency = 8
	entered, leave := make(chan struct{}, 100), make(chan struct{})
	var atWork, wished, seen atomic.Int64
	o.Handlers.Stage = func(context.Context, int64) error {
		if atWork.Add(1) > 1 {
			t.Error("worked twice at the same time")
		}
		defer atWork.Add(-1)
		seen.Store(wished.Load())
		entered <- struct{}{}
		<-leave
		return nil
	}
	begin(t, db, o)
	r := run(t, db, "a", stageJob)
	soon(t, "first job", entered)
	for range 5 {
		wished.Add(1)
		_, err := db.Change(t.Context(), r.ID, func(r *pipeline.Run) ([]pipeline.Job, error) { return stageJob(r), nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	for seen.Load() != 5 {
		leave <- struct{}{}
		soon(t, "work after the last wish", entered)
	}
	close(leave)
}

// TestFloodsDoNotHoldUpOthers: with every worker of a queue taken, the others go on.
func TestFloodsDoNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	db, o, worked, leave := fresh(t), options(t), make(chan string, 100), make(chan struct{})
	o.Concurrency, o.Intake = 2, 2
	var atWork, most atomic.Int64
	o.Handlers.Stage = func(context.Context, int64) error {
		n := atWork.Add(1)
		defer atWork.Add(-1)
		most.Store(max(most.Load(), n))
		worked <- "stage"
		<-leave
		return nil
	}
	o.Handlers.Delivery = func(_ context.Context, guid string) error { worked <- guid; return nil }
	begin(t, db, o)
	for i := range 10 {
		run(t, db, fmt.Sprint(i), stageJob)
	}
	soon(t, "stage", worked)
	soon(t, "stage", worked)
	accept(t, db, "g1")
	if got := soon(t, "delivery behind stages", worked); got != "g1" {
		t.Error(got)
	}
	close(leave)
	for range 8 {
		soon(t, "the other stages", worked)
	}
	if most.Load() > 2 {
		t.Errorf("%d stages at a time, want 2", most.Load())
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Drain = 50 * time.Millisecond
	entered, cause := make(chan struct{}, 1), make(chan error, 1)
	o.Handlers.Stage = func(ctx context.Context, _ int64) error {
		entered <- struct{}{}
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return fmt.Errorf("follow the runner: %w", ctx.Err())
	}
	q, err := queue.New(db, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := run(t, db, "a", stageJob)
	soon(t, "stage", entered)
	stop(t, q)
	if err := soon(t, "end of the context", cause); !errors.Is(err, queue.ErrStopping) {
		t.Errorf("cause %v", err)
	}
	jobs, err := db.AliveJobs(t.Context())
	if err != nil || len(jobs) != 1 || jobs[0].State != "available" || jobs[0].Attempt != 0 {
		t.Errorf("jobs %+v, %v: want one that is available, no attempt counted", jobs, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	db, o = open(t, path), options(t)
	again := make(chan int64, 1)
	o.Handlers.Stage = func(_ context.Context, id int64) error { again <- id; return nil }
	begin(t, db, o)
	if id := soon(t, "stage after the restart", again); id != r.Stages[0].ID {
		t.Errorf("stage %d", id)
	}
}

// TestStopDrains: what is nearly done may end.
func TestStopDrains(t *testing.T) {
	t.Parallel()
	db, o := fresh(t), options(t)
	entered, leave, result := make(chan struct{}, 1), make(chan struct{}), make(chan error, 1)
	o.Handlers.Delivery = func(ctx context.Context, _ string) error {
		entered <- struct{}{}
		<-leave
		result <- ctx.Err()
		return nil
	}
	q, err := queue.New(db, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	accept(t, db, "g1")
	soon(t, "delivery", entered)
	var stopped sync.WaitGroup
	stopped.Go(func() { stop(t, q) })
	close(leave)
	stopped.Wait()
	if err := soon(t, "end of the delivery", result); err != nil {
		t.Errorf("its context ended: %v", err)
	}
	if jobs, err := db.AliveJobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Errorf("jobs %+v, %v: want none", jobs, err)
	}
}
