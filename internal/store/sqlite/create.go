package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// CreateRun implements pipeline.Store. prepare runs in the writer's goroutine: it may read the store, and must not
// change it otherwise than through its run.
func (db *DB) CreateRun(
	ctx context.Context, run pipeline.Run, prepare func(*pipeline.Run) ([]pipeline.Job, error),
) (stored pipeline.Run, created bool, err error) {
	run.Stages = slices.Clone(run.Stages)
	existing := int64(0)
	err = db.writer.apply(ctx, durable, func(b *batch) error {
		err := b.one(`SELECT id FROM runs WHERE key = ?`, []any{run.Key}, &existing)
		if err == nil {
			return nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return b.createRun(&run, prepare)
	})
	if err != nil {
		return pipeline.Run{}, false, err
	}
	if existing != 0 {
		stored, err = db.Run(ctx, existing)
		return stored, false, err
	}
	return run, true, nil
}

func (b *batch) createRun(run *pipeline.Run, prepare func(*pipeline.Run) ([]pipeline.Job, error)) error {
	if err := b.number(run); err != nil {
		return fmt.Errorf("number of the run: %w", err)
	}
	run.ID = b.w.db.lastRunID.Add(1)
	for i := range run.Stages {
		s := &run.Stages[i]
		s.ID, s.RunID, s.Index, s.Version = b.w.db.lastStageRunID.Add(1), run.ID, i, 1
		s.Attempt = max(s.Attempt, 1)
	}
	given := identities(*run)
	jobs, err := prepare(run)
	if err != nil {
		return err
	}
	if err := given.check(*run); err != nil {
		return err
	}
	if err := b.insertRun(*run); err != nil {
		return err
	}
	for i := range run.Stages {
		run.Stages[i].Version = 1
		row, err := encodeStage(run.Stages[i])
		if err != nil {
			return err
		}
		if err := b.insertStage(*run, run.Stages[i], row); err != nil {
			return err
		}
	}
	return b.addRunJobs(run, jobs)
}

// number gives the run the next number of its repository, which becomes known with its first run.
func (b *batch) number(run *pipeline.Run) error {
	r := run.Trigger.Repository
	return b.one(`INSERT INTO repositories (id, owner, name, default_branch, installation_id, private, clone_url, last_number, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)
		ON CONFLICT (id) DO UPDATE SET last_number = last_number + 1 RETURNING last_number`,
		[]any{r.ID, r.Owner, r.Name, r.DefaultBranch, r.InstallationID, r.Private, r.CloneURL, nanos(b.w.db.now())}, &run.Number)
}

func (b *batch) insertRun(run pipeline.Run) error {
	document, err := encodeRun(run)
	if err != nil {
		return err
	}
	t := run.Trigger
	_, err = b.exec(`INSERT INTO runs (id, repository_id, number, key, run_group, status, open, event, branch, sha, pull_request,
			created_at, finished_at, document)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		run.ID, t.Repository.ID, run.Number, run.Key, t.Group(), string(run.Status), !run.Status.Final(), string(t.Event), t.Branch,
		t.SHA, t.PullRequest, nanos(run.CreatedAt), nanos(run.FinishedAt), document)
	if err != nil {
		return fmt.Errorf("store run #%d: %w", run.Number, err)
	}
	return b.putEntries(run)
}

func (b *batch) insertStage(run pipeline.Run, s pipeline.StageRun, row stageRow) error {
	_, err := b.exec(`INSERT INTO stage_runs (id, run_id, repository_id, place, key, attempt, status, trusted, reused, input_key,
			version, spec, document)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.ID, run.ID, run.Trigger.Repository.ID, s.Index, s.Spec.Key, s.Attempt, string(s.Status), run.Trigger.Trusted(),
		s.Reused != nil, s.InputKey, s.Version, row.spec, row.document)
	if err != nil {
		return fmt.Errorf("store stage %s: %w", s.Spec.Key, err)
	}
	if row.result == "" {
		return nil
	}
	return b.putResult(s.ID, row.result)
}

func (b *batch) putResult(stageRunID int64, result string) error {
	query, args := `INSERT INTO stage_results (stage_run_id, result) VALUES (?, ?)
		ON CONFLICT (stage_run_id) DO UPDATE SET result = excluded.result`, []any{stageRunID, result}
	if result == "" {
		query, args = `DELETE FROM stage_results WHERE stage_run_id = ?`, args[:1]
	}
	if _, err := b.exec(query, args...); err != nil {
		return fmt.Errorf("store result of stage attempt %d: %w", stageRunID, err)
	}
	return nil
}
