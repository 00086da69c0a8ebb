package sqlite

import (
	"context"
	"fmt"
	"time"
)

// sweepBatch bounds how long a sweep keeps other changes waiting.
const sweepBatch = 50

// Sweep removes runs that ended before that time and returns their stage attempts, whose logs and artifacts can go.
// Runs that are still open stay, however old, and so do releases and the audit. After an error those returned are gone all the same.
func (db *DB) Sweep(ctx context.Context, before time.Time) (stageRunIDs []int64, err error) {
	for {
		var runs, stages []int64
		err := db.look(ctx, func(v view) error {
			return v.all(`SELECT id FROM runs WHERE created_at < ? AND finished_at < ? AND open = 0 ORDER BY created_at LIMIT ?`,
				[]any{nanos(before), nanos(before), sweepBatch}, scanInto(&runs))
		})
		if err != nil {
			return stageRunIDs, fmt.Errorf("runs to sweep: %w", err)
		}
		for _, id := range runs {
			swept, err := db.sweepRun(ctx, id)
			if err != nil {
				return append(stageRunIDs, stages...), fmt.Errorf("sweep run %d: %w", id, err)
			}
			stages = append(stages, swept...)
		}
		stageRunIDs = append(stageRunIDs, stages...)
		if len(runs) < sweepBatch {
			return stageRunIDs, db.sweepDeployments(ctx)
		}
	}
}

// sweepRun removes one run. Its commit is lazy: after a power cut it would be swept again.
func (db *DB) sweepRun(ctx context.Context, runID int64) (stages []int64, err error) {
	unlock, err := db.runs.lock(ctx, runID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	loaded, err := db.load(ctx, "id = ?", runID)
	if err != nil {
		return nil, err
	}
	if !loaded.run.Status.Final() {
		return nil, nil // run again meanwhile
	}
	for _, s := range loaded.run.Stages {
		stages = append(stages, s.ID)
	}
	err = db.writer.apply(ctx, lazy, func(b *batch) error {
		_, err := b.exec(`DELETE FROM runs WHERE id = ?`, runID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return stages, nil
}

// SweepDeliveries removes finished deliveries received before that time and returns how many.
func (db *DB) SweepDeliveries(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		var n int64
		err := db.writer.apply(ctx, lazy, func(b *batch) error {
			var err error
			n, err = b.exec(`DELETE FROM deliveries WHERE guid IN (
				SELECT guid FROM deliveries WHERE received_at < ? AND state IN ('done', 'failed') LIMIT 1000)`, nanos(before))
			return err
		})
		if err != nil {
			return total, fmt.Errorf("sweep deliveries: %w", err)
		}
		total += int(n)
		if n < 1000 {
			return total, nil
		}
	}
}
