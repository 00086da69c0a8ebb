package sqlite

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// loadedRun is a run with the rows it was read from.
type loadedRun struct {
	run  pipeline.Run
	rows []stageRow
	// document is the run's own.
	document string
}

// Run implements pipeline.Store.
func (db *DB) Run(ctx context.Context, id int64) (pipeline.Run, error) {
	loaded, err := db.load(ctx, "id = ?", id)
	if err != nil {
		return pipeline.Run{}, fmt.Errorf("run %d: %w", id, err)
	}
	return loaded.run, nil
}

// RunByKey implements pipeline.Store.
func (db *DB) RunByKey(ctx context.Context, key string) (pipeline.Run, error) {
	loaded, err := db.load(ctx, "key = ?", key)
	if err != nil {
		return pipeline.Run{}, fmt.Errorf("run of %s: %w", key, err)
	}
	return loaded.run, nil
}

// RunOfStage implements pipeline.Store.
func (db *DB) RunOfStage(ctx context.Context, stageRunID int64) (pipeline.Run, error) {
	loaded, err := db.load(ctx, "id = (SELECT run_id FROM stage_runs WHERE id = ?)", stageRunID)
	if err != nil {
		return pipeline.Run{}, fmt.Errorf("run of stage attempt %d: %w", stageRunID, err)
	}
	return loaded.run, nil
}

// RunByNumber finds a run by what its page is called; ErrNotFound. Case does not count, as on GitHub.
func (db *DB) RunByNumber(ctx context.Context, owner, name string, number int64) (pipeline.Run, error) {
	// Of two repositories that had the name one after the other, the one that has it now counts.
	loaded, err := db.load(ctx, `id = (SELECT runs.id FROM runs JOIN repositories AS r ON r.id = runs.repository_id
		WHERE r.owner = ? AND r.name = ? AND runs.number = ? ORDER BY r.listed DESC, r.updated_at DESC LIMIT 1)`, owner, name, number)
	if err != nil {
		return pipeline.Run{}, fmt.Errorf("run %s/%s #%d: %w", owner, name, number, err)
	}
	return loaded.run, nil
}

// OpenRuns implements pipeline.Store.
func (db *DB) OpenRuns(ctx context.Context, group string) ([]pipeline.Run, error) {
	var runs []pipeline.Run
	err := db.look(ctx, func(v view) error {
		var ids []int64
		err := v.all(`SELECT id FROM runs WHERE run_group = ? AND open = 1 ORDER BY id`, []any{group}, scanInto(&ids))
		for _, id := range ids {
			if err != nil {
				break
			}
			var loaded loadedRun
			loaded, err = v.load("id = ?", id)
			runs = append(runs, loaded.run)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open runs of %s: %w", group, err)
	}
	return runs, nil
}

// FindReusable implements pipeline.Store.
func (db *DB) FindReusable(ctx context.Context, repositoryID int64, inputKey string, trustedOnly bool) (pipeline.StageRun, pipeline.Run, error) {
	var run pipeline.Run
	var stageRunID int64
	err := db.look(ctx, func(v view) error {
		var runID int64
		err := v.one(`SELECT id, run_id FROM stage_runs
			WHERE repository_id = ? AND input_key = ? AND input_key <> '' AND status = 'success' AND reused = 0
				AND (trusted = 1 OR ? = 0)
			ORDER BY id DESC LIMIT 1`, []any{repositoryID, inputKey, trustedOnly}, &stageRunID, &runID)
		if err != nil {
			return err
		}
		loaded, err := v.load("id = ?", runID)
		run = loaded.run
		return err
	})
	if err != nil {
		return pipeline.StageRun{}, pipeline.Run{}, fmt.Errorf("passed stage of the same inputs: %w", err)
	}
	return *run.Stage(stageRunID), run, nil
}

func (db *DB) load(ctx context.Context, where string, args ...any) (loaded loadedRun, err error) {
	err = db.look(ctx, func(v view) error {
		loaded, err = v.load(where, args...)
		return err
	})
	return loaded, err
}

// load reads the one run that where holds for, with every attempt and its result.
func (v view) load(where string, args ...any) (loadedRun, error) {
	var l loadedRun
	if err := v.one("SELECT document FROM runs WHERE "+where, args, &l.document); err != nil {
		return l, err
	}
	var err error
	if l.run, err = decodeRun(l.document); err != nil {
		return l, err
	}
	err = v.all(`SELECT s.version, s.spec, s.document, coalesce(r.result, '')
		FROM stage_runs AS s LEFT JOIN stage_results AS r ON r.stage_run_id = s.id
		WHERE s.run_id = ? ORDER BY s.place, s.attempt`, []any{l.run.ID},
		func(scan func(...any) error) error {
			var row stageRow
			var version int64
			if err := scan(&version, &row.spec, &row.document, &row.result); err != nil {
				return err
			}
			s, err := decodeStage(row, version)
			l.run.Stages = append(l.run.Stages, s)
			l.rows = append(l.rows, row)
			return err
		})
	return l, err
}

// scanInto collects a column.
func scanInto[T any](into *[]T) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var value T
		err := scan(&value)
		*into = append(*into, value)
		return err
	}
}
