package queue_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// waiting makes a run whose one stage is ready.
func waiting(tb testing.TB, db interface {
	CreateRun(context.Context, pipeline.Run, func(*pipeline.Run) ([]pipeline.Job, error)) (pipeline.Run, bool, error)
}, sha string, uses string,
) pipeline.StageRun {
	tb.Helper()
	trigger := pipeline.Trigger{Event: pipeline.EventPush, SHA: sha, Ref: "refs/heads/main", Repository: pipeline.Repository{ID: 1}}
	plan := pipeline.Plan{Stages: []pipeline.StageSpec{{Key: "test", Uses: uses}}}
	r, _, err := db.CreateRun(context.Background(), pipeline.NewRun(trigger, plan, time.Now()),
		func(r *pipeline.Run) ([]pipeline.Job, error) { return r.Advance(time.Now()), nil })
	if err != nil {
		tb.Fatal(err)
	}
	return r.Stages[0]
}

func TestWhatRunsIsFollowedBeforeMoreIsBegun(t *testing.T) {
	t.Parallel()
	db, o, begun := open(t, filepath.Join(t.TempDir(), "slipway.db")), options(t), make(chan int64, 10)
	o.Concurrency, o.Drain = 2, time.Millisecond
	o.Handlers.Stage = func(ctx context.Context, id int64) error {
		begun <- id
		<-ctx.Done()
		return context.Cause(ctx)
	}
	var first []int64
	for _, sha := range []string{"a", "b", "c", "d"} {
		first = append(first, waiting(t, db, sha, "run").ID)
	}
	q := begin(t, db, o)
	running := map[int64]bool{soon(t, "first", begun): true, soon(t, "second", begun): true}
	for id := range running {
		_, err := db.Change(t.Context(), id, func(r *pipeline.Run) ([]pipeline.Job, error) { // run and attempt have the same number here
			return nil, r.Stages[0].Move(pipeline.StatusRunning, time.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	stop(t, q) // the runners go on
	begin(t, db, o)
	for range 2 {
		if id := soon(t, "a running stage", begun); !running[id] {
			t.Errorf("of %v, %d is begun before %v are followed again", first, id, running)
		}
	}
}

func TestWhatIsShortDoesNotWaitBehindStages(t *testing.T) {
	t.Parallel()
	db, o, begun := fresh(t), options(t), make(chan int64, 10)
	release := make(chan struct{})
	o.Concurrency = 2
	o.Handlers.Stage = func(_ context.Context, id int64) error {
		begun <- id
		if id <= 2 {
			<-release
		}
		return nil
	}
	waiting(t, db, "a", "run")
	waiting(t, db, "b", "run")
	begin(t, db, o)
	soon(t, "first", begun)
	soon(t, "second", begun)
	summary := waiting(t, db, "c", pipeline.UsesSummary)
	if id := soon(t, "the summary", begun); id != summary.ID {
		t.Errorf("attempt %d", id)
	}
	close(release)
}

// A job that was given up while the database could not take the stage's end leaves a stage that nothing would work.
func TestAStageWithoutAJobIsWorkedAfterAStart(t *testing.T) {
	t.Parallel()
	db, o, begun := fresh(t), options(t), make(chan int64, 10)
	o.Handlers.Stage = func(_ context.Context, id int64) error { begun <- id; return nil }
	r := run(t, db, "a", func(r *pipeline.Run) []pipeline.Job {
		r.Advance(time.Now()) // its jobs are lost
		return nil
	})
	begin(t, db, o)
	if id := soon(t, "the stage", begun); id != r.Stages[0].ID {
		t.Errorf("attempt %d", id)
	}
}
