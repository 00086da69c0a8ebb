package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

// riverTime is how River's driver writes times; only this form compares rightly with what SQLite's functions give.
const riverTime = "2006-01-02 15:04:05.000"

// jobArgs say where their job goes.
type jobArgs interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
}

// addJob lets a job be inserted at the end of the transaction.
func (b *batch) addJob(args jobArgs, after time.Duration) {
	b.addJobTo(args.InsertOpts().Queue, args, after)
}

// addJobTo is addJob into a queue that is not the one the job's kind says.
func (b *batch) addJobTo(queue string, args jobArgs, after time.Duration) {
	opts := &river.InsertOpts{Queue: queue}
	if after > 0 {
		opts.ScheduledAt = b.w.db.now().Add(after)
		b.noteDue(opts.ScheduledAt)
	}
	b.jobs = append(b.jobs, river.InsertManyParams{Args: args, InsertOpts: opts})
}

func (b *batch) noteDue(at time.Time) {
	if b.dueAt.IsZero() || at.Before(b.dueAt) {
		b.dueAt = at
	}
}

func (b *batch) insertJobs() error {
	if len(b.jobs) == 0 {
		return nil
	}
	if _, err := b.w.db.jobs.InsertManyFastTx(b.ctx, b.tx, b.jobs); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	for _, j := range b.jobs {
		if j.InsertOpts.ScheduledAt.IsZero() {
			b.wake[j.InsertOpts.Queue] = struct{}{}
		}
	}
	return nil
}

// addRunJobs adds the jobs that a change of a run asks for.
func (b *batch) addRunJobs(run *pipeline.Run, jobs []pipeline.Job) error {
	for _, j := range jobs {
		switch j.Kind {
		case pipeline.JobStage:
			id, err := stageOfJob(run, j)
			if err != nil {
				return err
			}
			queue := store.QueueStages
			if j.Short {
				queue = store.QueueControl
			}
			b.addJobTo(queue, store.StageJob{StageRunID: id}, j.After)
		case pipeline.JobInterrupt:
			if j.RunID != run.ID && j.RunID != 0 {
				return fmt.Errorf("interrupt job of run %d comes from a change of run %d", j.RunID, run.ID)
			}
			b.addJob(store.InterruptJob{RunID: run.ID}, j.After)
		case pipeline.JobGate:
			b.addJob(store.GateJob{RunID: run.ID, Environment: j.Key}, j.After)
		case pipeline.JobAnnounce:
			b.addJob(store.AnnounceJob{RunID: run.ID, Environment: j.Key}, j.After)
		default:
			return fmt.Errorf("job of unknown kind %q", j.Kind)
		}
	}
	return nil
}

// stageOfJob finds the attempt a job is for: by its ID, or, where the attempt had none yet, by its key.
func stageOfJob(run *pipeline.Run, j pipeline.Job) (int64, error) {
	for i := range run.Stages {
		s := &run.Stages[i]
		if j.StageRunID == s.ID || j.StageRunID == 0 && !s.Superseded && j.Key == s.Spec.Key {
			return s.ID, nil
		}
	}
	return 0, fmt.Errorf("job for stage attempt %d (%q), which is none of run %d: %w",
		j.StageRunID, j.Key, run.ID, pipeline.ErrNotFound)
}

// AliveJobs lists the jobs that are not finished, oldest first.
func (db *DB) AliveJobs(ctx context.Context) ([]store.AliveJob, error) {
	var jobs []store.AliveJob
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT id, kind, queue, state, attempt, CAST(scheduled_at AS TEXT),
				coalesce(json_extract(args, '$.guid'), ''), coalesce(json_extract(args, '$.stage_run_id'), 0),
				coalesce(json_extract(args, '$.run_id'), 0), coalesce(json_extract(args, '$.environment'), '')
			FROM river_job WHERE state IN ('available', 'running', 'retryable', 'scheduled', 'pending') ORDER BY id`, nil,
			func(scan func(...any) error) error {
				var j store.AliveJob
				var due string
				err := scan(&j.ID, &j.Kind, &j.Queue, &j.State, &j.Attempt, &due, &j.GUID, &j.StageRunID, &j.RunID, &j.Environment)
				if err != nil {
					return err
				}
				j.DueAt, err = time.Parse(riverTime, due)
				jobs = append(jobs, j)
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}
