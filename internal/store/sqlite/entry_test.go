package sqlite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

// entering makes a run whose entry is in that state, without any job.
func entering(t *testing.T, db *DB, n int, state pipeline.EntryState, until time.Time) pipeline.Run {
	t.Helper()
	plan := pipeline.Plan{Entries: []pipeline.Entry{{Environment: "production", State: state, Hold: &pipeline.Hold{Until: until}}}}
	trigger := pipeline.Trigger{
		Event: pipeline.EventPush, SHA: fmt.Sprintf("%040x", n), Ref: "refs/heads/main", Branch: "main",
		Repository: pipeline.Repository{ID: 1, Owner: "acme", Name: "shop"},
	}
	run, _, err := db.CreateRun(t.Context(), pipeline.NewRun(trigger, plan, time.Now()), func(*pipeline.Run) ([]pipeline.Job, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func gateJobs(t *testing.T, db *DB) (runs []int64) {
	t.Helper()
	jobs, err := db.AliveJobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Kind == (store.GateJob{}).Kind() {
			runs = append(runs, j.RunID)
		}
	}
	return runs
}

// TestEntriesWithoutAJob: what the gate is to look at gets a job once, what waits for a person or has ended gets none.
func TestEntriesWithoutAJob(t *testing.T) {
	t.Parallel()
	db := openAt(t, &clock{now: time.Now()})
	var want []int64
	for i, c := range []struct {
		state pipeline.EntryState
		until time.Time
		gate  bool
	}{
		{state: pipeline.EntryPreparing}, {state: pipeline.EntryDeciding, gate: true}, {state: pipeline.EntryWaiting},
		{state: pipeline.EntryWaiting, until: time.Now(), gate: true}, {state: pipeline.EntryEntered},
		{state: pipeline.EntryLeaving, gate: true}, {state: pipeline.EntryDone}, {state: pipeline.EntryFailed, until: time.Now()},
	} {
		run := entering(t, db, i, c.state, c.until)
		if c.gate {
			want = append(want, run.ID)
		}
	}
	for range 2 { // those that have a job get no second one
		if err := db.adoptEntries(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := gateJobs(t, db); !slices.Equal(got, want) {
			t.Errorf("gate jobs of runs %v, want %v", got, want)
		}
	}
	// What a run was before does not count.
	last := want[len(want)-1]
	if _, err := db.Change(t.Context(), last, func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Entries[0].State = pipeline.EntryDone
		return nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	db.sql(t, `DELETE FROM river_job`)
	if err := db.ReleaseJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := gateJobs(t, db); !slices.Equal(got, want[:len(want)-1]) {
		t.Errorf("gate jobs after the start: %v, want %v", got, want[:len(want)-1])
	}
}

// TestTheAlarmKnowsEveryQueue: a delayed job of whatever queue is released in time after a start.
func TestTheAlarmKnowsEveryQueue(t *testing.T) {
	t.Parallel()
	for _, queue := range store.Queues() {
		c := &clock{now: time.Now()}
		db := openAt(t, c)
		acceptAll(t, db, "delayed")
		db.sql(t, `UPDATE river_job SET queue = ?, state = 'retryable', scheduled_at = ?`, queue, c.Now().Add(time.Hour).UTC().Format(riverTime))
		if err := db.releaseDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		db.alarm.mu.Lock()
		at := db.alarm.at
		db.alarm.mu.Unlock()
		if at.Sub(c.Now()).Round(time.Minute) != time.Hour {
			t.Errorf("queue %s: the alarm is set to %v", queue, at)
		}
	}
}
