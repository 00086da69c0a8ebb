package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Change implements pipeline.Store. The run is read, changed and encoded in the caller's goroutine, under a lock of
// the run's own that every change of it takes; only what differs goes through the writer. change must not change the
// same run again.
func (db *DB) Change(
	ctx context.Context, runID int64, change func(*pipeline.Run) ([]pipeline.Job, error),
) (pipeline.Run, error) {
	unlock, err := db.runs.lock(ctx, runID)
	if err != nil {
		return pipeline.Run{}, err
	}
	defer unlock()
	before, err := db.load(ctx, "id = ?", runID)
	if err != nil {
		return pipeline.Run{}, fmt.Errorf("run %d: %w", runID, err)
	}
	run := before.run
	run.Stages = slices.Clone(before.run.Stages)
	was, entered := identities(run), entriesOf(run)
	jobs, err := change(&run)
	if err != nil {
		return pipeline.Run{}, err
	}
	if err := was.check(run); err != nil {
		return pipeline.Run{}, err
	}
	d, err := db.diff(before, &run)
	if err != nil {
		return pipeline.Run{}, err
	}
	d.jobs = jobs
	d.entries = !slices.Equal(entered, entriesOf(run))
	if d.empty() {
		return run, nil
	}
	if err := db.writer.apply(ctx, durable, func(b *batch) error { return b.store(d) }); err != nil {
		return pipeline.Run{}, fmt.Errorf("store run %d: %w", runID, err)
	}
	return run, nil
}

// difference is what a change altered.
type difference struct {
	run *pipeline.Run
	// document is empty where the run itself is as it was.
	document string
	// entries: what is kept of them to find the run by is another.
	entries           bool
	altered, appended []stageChange
	jobs              []pipeline.Job
}

type stageChange struct {
	stage pipeline.StageRun
	row   stageRow
	// result: it changed, too.
	result bool
}

func (d difference) empty() bool {
	return d.document == "" && len(d.altered)+len(d.appended)+len(d.jobs) == 0
}

// diff compares by what would be stored, so that a change through a shared slice or map is seen as well. It gives
// appended attempts their identifiers, altered ones their version, and puts all in order.
func (db *DB) diff(before loadedRun, run *pipeline.Run) (difference, error) {
	d := difference{run: run}
	rows := make(map[int64]stageRow, len(before.rows))
	versions := make(map[int64]int64, len(before.rows))
	for i, s := range before.run.Stages {
		rows[s.ID], versions[s.ID] = before.rows[i], s.Version
	}
	for i := range run.Stages {
		s := &run.Stages[i]
		isNew := s.ID == 0
		if isNew {
			db.adopt(run, s)
		}
		row, err := encodeStage(*s)
		if err != nil {
			return d, err
		}
		if isNew {
			d.appended = append(d.appended, stageChange{stage: *s, row: row})
			continue
		}
		was := rows[s.ID]
		if row.spec != was.spec {
			return d, fmt.Errorf("the change alters what stage %s of run %d is to do", s.Spec.Key, run.ID)
		}
		s.Version = versions[s.ID]
		if row != was {
			s.Version++
			d.altered = append(d.altered, stageChange{stage: *s, row: row, result: row.result != was.result})
		}
	}
	slices.SortStableFunc(run.Stages, func(a, b pipeline.StageRun) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Attempt, b.Attempt))
	})
	document, err := encodeRun(*run)
	if document != before.document {
		d.document = document
	}
	return d, err
}

// adopt gives an appended attempt what the store gives: its identifier, its place, its count.
func (db *DB) adopt(run *pipeline.Run, s *pipeline.StageRun) {
	place, attempt, found := 0, 0, false
	for _, other := range run.Stages {
		if other.ID == 0 {
			continue
		}
		if other.Spec.Key == s.Spec.Key {
			place, attempt, found = other.Index, max(attempt, other.Attempt), true
		} else if !found {
			place = max(place, other.Index+1)
		}
	}
	s.ID, s.RunID, s.Index, s.Version = db.lastStageRunID.Add(1), run.ID, place, 1
	if s.Attempt <= attempt {
		s.Attempt = attempt + 1
	}
}

func (b *batch) store(d difference) error {
	if d.document != "" {
		n, err := b.exec(`UPDATE runs SET status = ?, open = ?, finished_at = ?, document = ? WHERE id = ?`,
			string(d.run.Status), !d.run.Status.Final(), nanos(d.run.FinishedAt), d.document, d.run.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return pipeline.ErrNotFound // swept meanwhile
		}
	}
	if d.entries {
		if err := b.putEntries(*d.run); err != nil {
			return err
		}
	}
	for _, c := range d.altered {
		if err := b.updateStage(c); err != nil {
			return fmt.Errorf("stage attempt %d: %w", c.stage.ID, err)
		}
	}
	for _, c := range d.appended {
		if err := b.insertStage(*d.run, c.stage, c.row); err != nil {
			return err
		}
	}
	return b.addRunJobs(d.run, d.jobs)
}

func (b *batch) updateStage(c stageChange) error {
	s := c.stage
	n, err := b.exec(`UPDATE stage_runs SET status = ?, reused = ?, input_key = ?, version = ?, document = ? WHERE id = ?`,
		string(s.Status), s.Reused != nil, s.InputKey, s.Version, c.row.document, s.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return pipeline.ErrNotFound
	}
	if !c.result {
		return nil
	}
	return b.putResult(s.ID, c.row.result)
}
