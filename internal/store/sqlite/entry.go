package sqlite

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

// entryRow is what is kept of an entry beside its run's document, so that the run is found by it.
type entryRow struct {
	environment string
	// gate: the gate is to look at it by itself, so that there must be a job for that.
	gate bool
}

func entriesOf(run pipeline.Run) []entryRow {
	rows := make([]entryRow, 0, len(run.Entries))
	for _, e := range run.Entries {
		timed := e.State == pipeline.EntryWaiting && e.Hold != nil && !e.Hold.Until.IsZero()
		rows = append(rows, entryRow{
			environment: e.Environment, gate: timed || e.State == pipeline.EntryDeciding || e.State == pipeline.EntryLeaving,
		})
	}
	return rows
}

func (b *batch) putEntries(run pipeline.Run) error {
	if _, err := b.exec(`DELETE FROM run_entries WHERE run_id = ?`, run.ID); err != nil {
		return fmt.Errorf("entries of run #%d: %w", run.Number, err)
	}
	for _, e := range entriesOf(run) {
		_, err := b.exec(`INSERT INTO run_entries (run_id, environment, repository_id, gate) VALUES (?, ?, ?, ?)
			ON CONFLICT (run_id, environment) DO UPDATE SET gate = max(gate, excluded.gate)`,
			run.ID, e.environment, run.Trigger.Repository.ID, e.gate)
		if err != nil {
			return fmt.Errorf("entry of run #%d into %s: %w", run.Number, e.environment, err)
		}
	}
	return nil
}

// adoptEntries gives a job to every entry that the gate is to look at and that has none: its job was given up, and a run
// that leaves an environment without a job would keep it closed to all others.
func (db *DB) adoptEntries(ctx context.Context) error {
	var jobs []store.GateJob
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT e.run_id, e.environment FROM run_entries AS e WHERE e.gate = 1 AND NOT EXISTS (
				SELECT 1 FROM river_job WHERE kind = 'gate' AND state IN ('available', 'running', 'retryable', 'scheduled', 'pending')
					AND json_extract(args, '$.run_id') = e.run_id AND json_extract(args, '$.environment') = e.environment)`,
			nil, func(scan func(...any) error) error {
				var j store.GateJob
				err := scan(&j.RunID, &j.Environment)
				jobs = append(jobs, j)
				return err
			})
	})
	if err != nil || len(jobs) == 0 {
		return wrap(err, "entries without a job")
	}
	db.log.Warn().Int("entries", len(jobs)).Msg("entries into environments that are to be decided on had no job: they are looked at again")
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		for _, j := range jobs {
			b.addJob(j, 0)
		}
		return nil
	}), "jobs for entries")
}
