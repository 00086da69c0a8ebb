package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/riverqueue/river/riverdriver"

	"github.com/slipwayhq/slipway/internal/store"
)

const (
	// cleanEvery is how often finished jobs are removed and work without a job is looked for.
	cleanEvery = 5 * time.Minute
	// keepCompleted and keepDiscarded are how long finished jobs stay, for a person who asks what happened.
	keepCompleted, keepDiscarded = time.Hour, 7 * 24 * time.Hour
	// maxScheduled is how many due jobs are released at a time.
	maxScheduled = 1000
)

// Alone reports that no other process works these jobs, so that no leader is elected and Upkeep does a leader's work.
func (*DB) Alone() bool { return true }

// ReleaseJobs makes available what a process that is gone left running, and gives deliveries, stages and entries that
// wait without a job a new one. It is for the start, before anything is worked.
func (db *DB) ReleaseJobs(ctx context.Context) error {
	err := db.writer.apply(ctx, durable, func(b *batch) error {
		// An attempt at a stage that ended with the process is not counted: restarts are not the stage's fault. That of
		// a delivery is: one that kills the process must come to an end (package queue gives it up).
		_, err := b.exec(`UPDATE river_job SET state = 'available',
			attempt = CASE WHEN kind = 'delivery' THEN attempt ELSE max(attempt - 1, 0) END
			WHERE state = 'running'`)
		if err != nil {
			return err
		}
		// A stage that runs already is followed before another is begun, or its end would be noted when everything that
		// waited has had its turn, and more would run at a time than there are workers.
		_, err = b.exec(`UPDATE river_job SET scheduled_at = ? WHERE kind = 'stage' AND state = 'available'
				AND json_extract(args, '$.stage_run_id') IN (SELECT s.id FROM runs AS r JOIN stage_runs AS s ON s.run_id = r.id
					WHERE r.open = 1 AND s.status = 'running')`, time.Unix(0, 0).UTC().Format(riverTime))
		for _, q := range store.Queues() {
			b.wake[q] = struct{}{}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("release the jobs of the last process: %w", err)
	}
	return errors.Join(db.adoptDeliveries(ctx, db.now()), db.adoptStages(ctx), db.adoptEntries(ctx))
}

// Upkeep releases delayed jobs when they are due and removes old ones, until ctx ends.
func (db *DB) Upkeep(ctx context.Context) {
	defer db.alarm.stop()
	db.alarm.set(db.now()) // what became due while nobody looked
	clean := time.NewTicker(cleanEvery)
	defer clean.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-db.alarm.rings:
			if err = db.releaseDue(ctx); err != nil {
				db.alarm.set(db.now().Add(time.Second))
			}
		case <-clean.C:
			err = errors.Join(db.cleanJobs(ctx), db.adoptDeliveries(ctx, db.now().Add(-cleanEvery)), db.adoptStages(ctx), db.adoptEntries(ctx))
		}
		if err != nil && ctx.Err() == nil {
			db.log.Error().Err(err).Msg("upkeep of the queue")
		}
	}
}

// releaseDue moves the jobs that are due to available, wakes the workers, and sets the alarm for the next ones.
func (db *DB) releaseDue(ctx context.Context) error {
	now := db.now()
	released, err := db.driver.GetExecutor().JobSchedule(ctx, &riverdriver.JobScheduleParams{Max: maxScheduled, Now: &now})
	if err != nil {
		return fmt.Errorf("release due jobs: %w", err)
	}
	if len(released) == maxScheduled {
		db.alarm.set(now)
	}
	// River makes a job that is to be repeated within seconds available with a time in the future: no release tells of it.
	queues := make(map[string]struct{})
	for _, q := range store.Queues() {
		queues[q] = struct{}{}
	}
	db.bell.ring(queues)
	return db.setAlarm(ctx, now)
}

func (db *DB) setAlarm(ctx context.Context, now time.Time) error {
	queues := store.Queues()
	var args []any
	for _, q := range queues {
		args = append(args, q)
	}
	var next sql.NullString
	err := db.look(ctx, func(v view) error {
		return v.one(`SELECT CAST(min(scheduled_at) AS TEXT) FROM river_job WHERE state IN ('available', 'retryable', 'scheduled')
				AND queue IN (?`+strings.Repeat(", ?", len(queues)-1)+`) AND priority = 1 AND scheduled_at > ?`,
			append(args, now.UTC().Format(riverTime)), &next)
	})
	if err != nil {
		return fmt.Errorf("next due job: %w", err)
	}
	if !next.Valid {
		return nil
	}
	at, err := time.Parse(riverTime, next.String)
	if err != nil {
		return fmt.Errorf("next due job: %w", err)
	}
	// River compares whole milliseconds.
	db.alarm.set(at.Add(time.Millisecond))
	return nil
}

func (db *DB) cleanJobs(ctx context.Context) error {
	now := db.now()
	_, err := db.driver.GetExecutor().JobDeleteBefore(ctx, &riverdriver.JobDeleteBeforeParams{
		CancelledDoDelete: true, CancelledFinalizedAtHorizon: now.Add(-keepDiscarded),
		CompletedDoDelete: true, CompletedFinalizedAtHorizon: now.Add(-keepCompleted),
		DiscardedDoDelete: true, DiscardedFinalizedAtHorizon: now.Add(-keepDiscarded),
		Max: 10_000,
	})
	if err != nil {
		return fmt.Errorf("remove finished jobs: %w", err)
	}
	return nil
}

// adoptDeliveries gives a job to every unfinished delivery received before that time that has none. A job is unique
// while it is alive: where there is one, nothing happens. It closes the gap between a job that is given up and a
// redelivery that comes in that very moment.
func (db *DB) adoptDeliveries(ctx context.Context, before time.Time) error {
	var guids []string
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT guid FROM deliveries WHERE state = 'received' AND state <> 'done' AND received_at < ?
				AND guid NOT IN (SELECT json_extract(args, '$.guid') FROM river_job
					WHERE kind = 'delivery' AND state IN ('available', 'running', 'retryable', 'scheduled', 'pending'))`,
			[]any{nanos(before)}, func(scan func(...any) error) error {
				var guid string
				err := scan(&guid)
				guids = append(guids, guid)
				return err
			})
	})
	if err != nil || len(guids) == 0 {
		return wrap(err, "unfinished deliveries")
	}
	db.log.Warn().Int("deliveries", len(guids)).Msg("unfinished deliveries had no job: they are worked again")
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		for _, guid := range guids {
			b.addJob(store.DeliveryJob{GUID: guid}, 0)
		}
		return nil
	}), "jobs for unfinished deliveries")
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
