package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "slipway.db")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	db := open(t, path)
	if err := db.SetSetting(t.Context(), "a", "b"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 4 {
		t.Errorf("%v, want the database, its log, its index and the lock", entries)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
}

func TestOnlyOneProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	first, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
	var locked *sqlite.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("second open: %v", err)
	} else if want := fmt.Sprintf("the database %s is in use by process %d", path, os.Getpid()); !strings.Contains(err.Error(), want) {
		t.Errorf("it says %q, want %q in it", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "it's 100% #1?.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := db.CreateRun(t.Context(), benchRun(1, 1), advance)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := db.SetSetting(t.Context(), "a", "b"); err == nil {
		t.Error("a closed database took a setting")
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file is not where it was asked for: %v", err)
	}
	db = open(t, path)
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := db.Run(t.Context(), run.ID); err != nil {
		t.Errorf("the run is lost: %v", err)
	}
	next, _, err := db.CreateRun(t.Context(), benchRun(1, 2), advance)
	if err != nil || next.ID <= run.ID || next.Number != 2 || next.Stages[0].ID <= run.Stages[2].ID {
		t.Errorf("after reopening: run %d #%d, error %v", next.ID, next.Number, err)
	}
}

func TestNewerTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	if err := sqliteExec(path, "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil || !strings.Contains(err.Error(), "used by a newer Slipway") {
		t.Errorf("error %v", err)
	}
}

func sqliteExec(path, query string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.Exec(query)
	return errors.Join(err, db.Close())
}

// TestQueryPlans holds the questions that are asked all the time to their indexes: they must not slow down with age.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for query, index := range map[string]string{
		`SELECT DISTINCT run_id FROM stage_runs WHERE version > mirror_version AND mirror_gave_up = '' ORDER BY run_id`: "stage_runs_unmirrored",
		`SELECT id, run_id FROM stage_runs WHERE repository_id = 1 AND input_key = 'k' AND input_key <> '' AND status = 'success'
			AND reused = 0 AND (trusted = 1 OR 0 = 0) ORDER BY id DESC LIMIT 1`: "stage_runs_reusable",
		`SELECT id FROM runs WHERE run_group = 'g' AND open = 1 ORDER BY id`:                                                       "runs_open_group",
		`SELECT document FROM runs WHERE open = 1 ORDER BY id DESC LIMIT 50`:                                                       "runs_open",
		`SELECT document FROM runs WHERE status = 'failure' ORDER BY id DESC LIMIT 31`:                                             "runs_status",
		`SELECT document FROM runs WHERE repository_id = 1 AND status = 'failure' AND id < 9 ORDER BY id DESC LIMIT 31`:            "runs_repository_status",
		`SELECT document FROM runs WHERE sha = 'x' ORDER BY id DESC LIMIT 50`:                                                      "runs_sha",
		`SELECT document FROM runs WHERE repository_id = 1 AND branch = 'x' ORDER BY id DESC LIMIT 50`:                             "runs_repository",
		`SELECT document FROM runs WHERE repository_id = 1 AND pull_request = 1 AND pull_request > 0 ORDER BY id DESC LIMIT 5`:     "runs_pull_request",
		`SELECT version FROM stage_runs WHERE run_id = 1`:                                                                          "sqlite_autoindex_stage_runs_1",
		`SELECT id FROM runs WHERE created_at < 1 AND finished_at < 1 AND open = 0 ORDER BY created_at LIMIT 5`:                    "runs_created",
		`SELECT guid FROM deliveries WHERE received_at >= 0 AND state = 'failed' AND state <> 'done' ORDER BY received_at DESC`:    "deliveries_unfinished",
		`SELECT guid FROM deliveries WHERE received_at >= 0 ORDER BY received_at DESC LIMIT 100`:                                   "deliveries_received",
		`SELECT document FROM runs WHERE runs.repository_id = 1 AND event = 'push' AND runs.id < 9 ORDER BY runs.id DESC LIMIT 50`: "runs_repository_event",
		`SELECT document FROM runs WHERE event = 'push' ORDER BY runs.id DESC LIMIT 50`:                                            "runs_event",
		`SELECT document FROM run_entries AS e CROSS JOIN runs ON runs.id = e.run_id WHERE e.environment = 'p' AND e.repository_id = 1
			AND e.run_id < 9 ORDER BY e.run_id DESC LIMIT 50`: "run_entries_environment",
		`SELECT document FROM runs WHERE runs.repository_id = 1 AND open = 1
			AND EXISTS (SELECT 1 FROM run_entries AS e WHERE e.run_id = runs.id AND e.environment = 'p') ORDER BY runs.id DESC LIMIT 50`: "USING PRIMARY KEY (run_id=? AND environment=?)",
		`SELECT document FROM releases WHERE repository_id = 1 AND environment = 'p' AND number < 9 ORDER BY number DESC LIMIT 50`:       "(repository_id=? AND environment=? AND number<?)",
		`SELECT document FROM releases WHERE repository_id = 1 ORDER BY id DESC LIMIT 50`:                                                "releases_repository",
		`SELECT document FROM releases WHERE run_id = 1 AND environment = 'p' AND entered_at = 1`:                                        "(run_id=? AND environment=? AND entered_at=?)",
		`SELECT coalesce(max(number), 0) + 1 FROM releases WHERE repository_id = 1 AND environment = 'p'`:                                "(repository_id=? AND environment=?)",
		`SELECT id, document FROM audit WHERE repository_id = 1 AND environment = 'p' AND at >= 1 AND id < 9 ORDER BY id DESC LIMIT 100`: "audit_environment",
		`SELECT id, document FROM audit WHERE repository_id = 1 AND id > 9 ORDER BY id LIMIT 500`:                                        "audit_repository",
		`SELECT sha FROM pushes WHERE repository_id = 1 AND ref = 'r' ORDER BY at DESC LIMIT 50`:                                         "pushes_ref",
		`SELECT sha FROM pushes AS p WHERE at < 1 AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.sha = p.sha AND runs.repository_id = p.repository_id)
			ORDER BY at LIMIT 1000`: "pushes_at",
		`SELECT state FROM deployments WHERE repository_id = 1 AND environment = 'p' AND state = 'success' ORDER BY succeeded DESC LIMIT 1`:            "deployments_succeeded",
		`SELECT min(scheduled_at) FROM river_job WHERE state IN ('available', 'retryable') AND queue IN ('a') AND priority = 1 AND scheduled_at > 'x'`: "river_job_prioritized_fetching_index",
	} {
		if plan := explain(t, raw, query); !strings.Contains(plan, index) || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s\n\tdoes not use %s:\n%s", query, index, plan)
		}
	}
}

func explain(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan.WriteString("\t\t" + detail + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// TestFailureBesideOthers: a change that fails beside others in one transaction takes nothing of them along.
func TestFailureBesideOthers(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "slipway.db"))
	done := make(chan error)
	const n = 50
	for i := range n {
		go func() {
			_, err := db.Accept(t.Context(), store.Delivery{GUID: fmt.Sprintf("g%d", i), Event: "push"})
			done <- err
		}()
		go func() {
			_, _, err := db.CreateRun(t.Context(), benchRun(1, int64(i)), func(*pipeline.Run) ([]pipeline.Job, error) { panic("boom") })
			if err == nil {
				done <- errors.New("a panic was taken for a success")
				return
			}
			done <- nil
		}()
	}
	for range 2 * n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	jobs, err := db.AliveJobs(t.Context())
	if err != nil || len(jobs) != n {
		t.Errorf("%d jobs, error %v, want %d", len(jobs), err, n)
	}
}

// TestFewReaders: with one connection to read, callers wait for each other and for nothing else.
func TestFewReaders(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"), sqlite.Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	run, _, err := db.CreateRun(t.Context(), benchRun(1, 1), advance)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 50 {
		go func() {
			_, err := db.OpenRuns(t.Context(), run.Trigger.Group())
			_, _, reusable := db.FindReusable(t.Context(), 1, "key", true)
			if !errors.Is(reusable, pipeline.ErrNotFound) {
				err = errors.Join(err, reusable)
			}
			done <- err
		}()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
