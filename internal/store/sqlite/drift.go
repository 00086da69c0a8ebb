package sqlite

import (
	"context"
	"time"

	"github.com/slipwayhq/slipway/internal/store"
)

// KeepDriftJob keeps the job of a look at an environment for its time, unless the same one is kept already.
func (db *DB) KeepDriftJob(ctx context.Context, job store.DriftJob, at time.Time) error {
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		b.addJob(job, at.Sub(b.w.db.now()))
		return nil
	}), "job of the drift of "+job.Environment)
}
