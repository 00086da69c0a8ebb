package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const defaultLimit = 50

// Runs lists runs, newest first. It is for lists: stages have their spec, state and verdict, but of the rest of the
// result (steps, sections, findings, outputs, artifacts, log) nothing. Run gives all of one run.
func (db *DB) Runs(ctx context.Context, f pipeline.RunFilter) ([]pipeline.Run, error) {
	var runs []pipeline.Run
	err := db.look(ctx, func(v view) error {
		query, args := runQuery(f)
		var documents []string
		if err := v.all(query, args, scanInto(&documents)); err != nil {
			return err
		}
		for _, d := range documents {
			run, err := decodeRun(d)
			if err != nil {
				return err
			}
			if run.Stages, err = v.lightStages(run.ID); err != nil {
				return err
			}
			runs = append(runs, run)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return runs, nil
}

func (v view) lightStages(runID int64) (stages []pipeline.StageRun, err error) {
	err = v.all(`SELECT version, spec, document FROM stage_runs WHERE run_id = ? ORDER BY place, attempt`, []any{runID},
		func(scan func(...any) error) error {
			var row stageRow
			var version int64
			if err := scan(&version, &row.spec, &row.document); err != nil {
				return err
			}
			s, err := decodeStage(row, version)
			stages = append(stages, s)
			return err
		})
	return stages, err
}

// runQuery makes the SELECT. Only placeholders take values: names of branches and owners are anybody's.
func runQuery(f pipeline.RunFilter) (string, []any) {
	var where []string
	var args []any
	add := func(wanted bool, condition string, values ...any) {
		if wanted {
			where, args = append(where, condition), append(args, values...)
		}
	}
	from, id, repository := "runs", "runs.id", "runs.repository_id"
	if f.Environment != "" && !f.OpenOnly {
		// The entries into one environment lie in order: the newest are found without a look at what else there is.
		from, id, repository = "run_entries AS e CROSS JOIN runs ON runs.id = e.run_id", "e.run_id", "e.repository_id"
		add(true, "e.environment = ?", f.Environment)
	}
	add(f.RepositoryID != 0, repository+" = ?", f.RepositoryID)
	add(f.Owner != "" && f.Name != "", repository+" IN (SELECT id FROM repositories WHERE owner = ? AND name = ?)", f.Owner, f.Name)
	add(f.Owner != "" && f.Name == "", repository+" IN (SELECT id FROM repositories WHERE owner = ?)", f.Owner)
	add(f.Owner == "" && f.Name != "", repository+" IN (SELECT id FROM repositories WHERE name = ?)", f.Name)
	add(f.Branch != "", "branch = ?", f.Branch)
	add(f.SHA != "", "sha = ?", f.SHA)
	add(f.PullRequest != 0, "pull_request = ? AND pull_request > 0", f.PullRequest)
	add(f.Event != "", "event = ?", string(f.Event))
	add(f.Status != "", "status = ?", string(f.Status))
	add(f.OpenOnly, "open = 1")
	// Open runs are few: each is asked for its entry.
	add(f.Environment != "" && f.OpenOnly,
		"EXISTS (SELECT 1 FROM run_entries AS e WHERE e.run_id = runs.id AND e.environment = ?)", f.Environment)
	add(f.Before != 0, id+" < ?", f.Before)
	text := "SELECT document FROM " + from
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	return text + " ORDER BY " + id + " DESC LIMIT ?", append(args, limit)
}
