package sqlite

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Mirrors returns what GitHub is known to show of the attempts of a run, by attempt; every attempt has an entry.
func (db *DB) Mirrors(ctx context.Context, runID int64) (map[int64]pipeline.Mirror, error) {
	mirrors := make(map[int64]pipeline.Mirror)
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT id, mirror_check_run_id, mirror_creating, mirror_version, mirror_annotations, mirror_gave_up
			FROM stage_runs WHERE run_id = ?`, []any{runID},
			func(scan func(...any) error) error {
				var m pipeline.Mirror
				err := scan(&m.StageRunID, &m.CheckRunID, &m.Creating, &m.Version, &m.Annotations, &m.GaveUp)
				mirrors[m.StageRunID] = m
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("mirrors of run %d: %w", runID, err)
	}
	return mirrors, nil
}

// SaveMirror notes what GitHub shows of an attempt; ErrNotFound for an attempt that was swept. That a create was begun
// is on the disk before it returns. What GitHub has already shown may be forgotten in a power cut: to tell it again
// does no harm.
func (db *DB) SaveMirror(ctx context.Context, m pipeline.Mirror) error {
	d := lazy
	if m.Creating {
		d = durable
	}
	return wrap(db.writer.apply(ctx, d, func(b *batch) error {
		n, err := b.exec(`UPDATE stage_runs SET mirror_check_run_id = ?, mirror_creating = ?, mirror_version = ?,
				mirror_annotations = ?, mirror_gave_up = ? WHERE id = ?`,
			m.CheckRunID, m.Creating, m.Version, m.Annotations, m.GaveUp, m.StageRunID)
		if err == nil && n == 0 {
			return pipeline.ErrNotFound
		}
		return err
	}), fmt.Sprintf("mirror of stage attempt %d", m.StageRunID))
}

// DirtyRuns returns the runs of which GitHub does not show the newest state, oldest first.
func (db *DB) DirtyRuns(ctx context.Context) ([]int64, error) {
	var ids []int64
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT DISTINCT run_id FROM stage_runs WHERE version > mirror_version AND mirror_gave_up = '' ORDER BY run_id`,
			nil, scanInto(&ids))
	})
	return ids, wrap(err, "runs that GitHub does not show as they are")
}
