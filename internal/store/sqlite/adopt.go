package sqlite

import (
	"context"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

// adoptStages gives a job to every attempt that is to be worked and has none: its job was given up and the database
// could not take the attempt's end, for want of disk space for instance. No state is left that nothing leads out of.
func (db *DB) adoptStages(ctx context.Context) error {
	var ids []int64
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT s.id FROM runs AS r JOIN stage_runs AS s ON s.run_id = r.id
			WHERE r.open = 1 AND s.status IN (?, ?)
				AND s.id NOT IN (SELECT json_extract(args, '$.stage_run_id') FROM river_job
					WHERE kind = 'stage' AND state IN ('available', 'running', 'retryable', 'scheduled', 'pending'))`,
			[]any{string(pipeline.StatusReady), string(pipeline.StatusRunning)}, scanInto(&ids))
	})
	if err != nil || len(ids) == 0 {
		return wrap(err, "stages without a job")
	}
	db.log.Warn().Ints64("attempts", ids).Msg("stages that are to be worked had no job: they are worked again")
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		for _, id := range ids {
			b.addJob(store.StageJob{StageRunID: id}, 0)
		}
		return nil
	}), "jobs for stages")
}
