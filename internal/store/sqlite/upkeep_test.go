package sqlite

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/store"
)

// clock is set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func openAt(t *testing.T, c *clock) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"), Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// sql changes the database behind the store's back.
func (db *DB) sql(t *testing.T, query string, args ...any) {
	t.Helper()
	if err := db.writer.apply(t.Context(), lazy, func(b *batch) error { _, err := b.exec(query, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

func states(t *testing.T, db *DB) map[string]string {
	t.Helper()
	jobs, err := db.AliveJobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[string]string)
	for _, j := range jobs {
		states[j.GUID] = j.State
	}
	return states
}

func acceptAll(t *testing.T, db *DB, guids ...string) {
	t.Helper()
	for _, guid := range guids {
		if _, err := db.Accept(t.Context(), store.Delivery{GUID: guid, Event: "push"}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReleaseJobs(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	db := openAt(t, c)
	acceptAll(t, db, "running", "waiting", "without a job", "done without a job")
	db.sql(t, `UPDATE river_job SET state = 'running', attempt = 1 WHERE json_extract(args, '$.guid') = 'running'`)
	db.sql(t, `DELETE FROM river_job WHERE json_extract(args, '$.guid') LIKE '%without a job'`)
	if err := db.DeliveryDone(t.Context(), "done without a job"); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Second)
	if err := db.ReleaseJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := states(t, db)
	if len(got) != 3 || got["running"] != "available" || got["waiting"] != "available" || got["without a job"] != "available" {
		t.Errorf("jobs %v", got)
	}
}

func TestReleaseDue(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	db := openAt(t, c)
	acceptAll(t, db, "soon", "later", "now")
	c.advance(time.Minute) // SQLite's own clock, which says when a job was inserted, is not the test's
	in := func(d time.Duration) string { return c.Now().Add(d).UTC().Format(riverTime) }
	db.sql(t, `UPDATE river_job SET state = 'retryable', scheduled_at = ? WHERE json_extract(args, '$.guid') = 'soon'`, in(time.Minute))
	db.sql(t, `UPDATE river_job SET state = 'scheduled', scheduled_at = ? WHERE json_extract(args, '$.guid') = 'later'`, in(time.Hour))
	for _, step := range []struct {
		advance     time.Duration
		soon, later string
		next        time.Duration // from now to the alarm; 0: none
	}{
		{0, "retryable", "scheduled", time.Minute},
		{time.Minute + time.Millisecond, "available", "scheduled", 59 * time.Minute},
		{time.Hour, "available", "available", 0},
	} {
		c.advance(step.advance)
		db.alarm.stop()
		if err := db.releaseDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := states(t, db)
		if got["soon"] != step.soon || got["later"] != step.later || got["now"] != "available" {
			t.Errorf("after %s: jobs %v", step.advance, got)
		}
		db.alarm.mu.Lock()
		at := db.alarm.at
		db.alarm.mu.Unlock()
		if step.next == 0 && !at.IsZero() || step.next != 0 && at.Sub(c.Now()).Round(time.Second) != step.next {
			t.Errorf("after %s: the alarm is set to %v, in %s, want %s", step.advance, at, at.Sub(c.Now()), step.next)
		}
	}
}

func TestCleanJobs(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	db := openAt(t, c)
	acceptAll(t, db, "completed", "discarded", "alive")
	for _, state := range []string{"completed", "discarded"} {
		db.sql(t, `UPDATE river_job SET state = ?, finalized_at = ? WHERE json_extract(args, '$.guid') = ?`,
			state, c.Now().UTC().Format(riverTime), state)
	}
	for _, step := range []struct {
		advance time.Duration
		want    int
	}{{0, 3}, {keepCompleted + time.Second, 2}, {keepDiscarded, 1}} {
		c.advance(step.advance)
		if err := db.cleanJobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.look(t.Context(), func(v view) error { return v.one(`SELECT count(*) FROM river_job`, nil, &n) }); err != nil {
			t.Fatal(err)
		}
		if n != step.want {
			t.Errorf("after %s: %d jobs, want %d", step.advance, n, step.want)
		}
	}
}

func TestAlarm(t *testing.T) {
	t.Parallel()
	a := newAlarm(time.Now)
	a.set(time.Now().Add(time.Hour))
	a.set(time.Now()) // earlier wins
	<-a.rings
	a.set(time.Now().Add(time.Millisecond))
	a.set(time.Now().Add(time.Hour)) // later does not
	<-a.rings
	a.stop()
}

// TestUpkeep: it goes with its context, and what is due is released while it runs.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	db := openAt(t, c)
	acceptAll(t, db, "due")
	db.sql(t, `UPDATE river_job SET state = 'scheduled', scheduled_at = '2020-01-01 00:00:00.000'`)
	l := db.bell.listener()
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { db.Upkeep(ctx); close(ended) }()
	if _, err := l.WaitForNotification(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := states(t, db); got["due"] != "available" {
		t.Errorf("jobs %v", got)
	}
	cancel()
	<-ended
}

// TestBell: a queue that is rung often before it is heard is heard once, and none is missed.
func TestBell(t *testing.T) {
	t.Parallel()
	b := newBell()
	l := b.listener()
	if err := l.Ping(t.Context()); err == nil {
		t.Error("it is healthy before it is connected")
	}
	if err := l.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b.ring(map[string]struct{}{"a": {}, "b": {}})
	}
	heard := make(map[string]int)
	for range 2 {
		n, err := l.WaitForNotification(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heard[n.Payload]++
	}
	if heard[`{"queue":"a"}`] != 1 || heard[`{"queue":"b"}`] != 1 {
		t.Errorf("heard %v", heard)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := l.WaitForNotification(ctx); err == nil {
		t.Errorf("heard %v of nothing", n)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.ring(map[string]struct{}{"a": {}}) // nobody listens: nothing happens
}
