package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

func openReadOnly(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func record(why string) pipeline.AuditRecord {
	return pipeline.AuditRecord{RepositoryID: 1, Action: "deploy", Actor: "alice", Why: why}
}

func wantRecords(t *testing.T, db *sqlite.DB, want ...string) {
	t.Helper()
	var got []string
	err := db.EachRecord(t.Context(), pipeline.AuditFilter{}, func(r pipeline.AuditRecord) error { got = append(got, r.Why); return nil })
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records %v, error %v, want %v", got, err, want)
	}
}

// TestReadOnly reads beside a server, sees what it writes, and can change nothing.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "it's 100% #1?.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	run, _, err := db.CreateRun(t.Context(), benchRun(1, 1), advance)
	if err == nil {
		err = db.Record(t.Context(), record("one"))
	}
	if err != nil {
		t.Fatal(err)
	}
	reader := openReadOnly(t, path)
	wantRecords(t, reader, "one")
	if err := db.Record(t.Context(), record("two")); err != nil {
		t.Errorf("the server is held up by a reader: %v", err)
	}
	wantRecords(t, reader, "one", "two")
	mustNotWrite(t, reader, run.ID)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, reader, "one", "two")
	wantRecords(t, openReadOnly(t, path), "one", "two") // without a server
	wantRecords(t, open(t, path), "one", "two")         // a server starts beside readers
}

func mustNotWrite(t *testing.T, db *sqlite.DB, runID int64) {
	t.Helper()
	ctx := t.Context()
	for name, change := range map[string]func() error{
		"record": func() error { return db.Record(ctx, record("three")) },
		"accept": func() error {
			_, err := db.Accept(ctx, store.Delivery{GUID: "g", Payload: pushPayload(1)})
			return err
		},
		"change of a run": func() error {
			_, err := db.Change(ctx, runID, func(r *pipeline.Run) ([]pipeline.Job, error) { r.Reason = "x"; return nil, nil })
			return err
		},
		"change of an environment": func() error {
			_, err := db.ChangeEnvironment(ctx, 1, "production", func(s *pipeline.EnvironmentState) error { s.Release = 1; return nil })
			return err
		},
		"release": func() error {
			_, _, err := db.CreateRelease(ctx, pipeline.Release{Environment: "production"}, []pipeline.ReleaseFile{{Name: "a", Content: pushPayload(1)}})
			return err
		},
		"jobs of the last process": func() error { return db.ReleaseJobs(ctx) },
	} {
		if err := change(); err == nil || !strings.Contains(err.Error(), "read only") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestReadOnlyAfterAKill: a server that was killed leaves a log that no index leads into.
func TestReadOnlyAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "slipway.db"))
	if err := db.Record(t.Context(), record("in the log alone")); err != nil {
		t.Fatal(err)
	}
	killed := filepath.Join(t.TempDir(), "killed.db")
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(filepath.Join(dir, "slipway.db"+suffix))
		if err == nil {
			err = os.WriteFile(killed+suffix, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wantRecords(t, openReadOnly(t, killed), "in the log alone")
}

func TestReadOnlyRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing, empty, newer, text := filepath.Join(dir, "missing.db"), filepath.Join(dir, "empty.db"), filepath.Join(dir, "newer.db"), filepath.Join(dir, "text.db")
	err := errors.Join(os.WriteFile(empty, nil, 0o600), sqliteExec(newer, "PRAGMA user_version = 99"),
		os.WriteFile(text, []byte(strings.Repeat("no database\n", 1000)), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		missing: "there is no database", empty: "start the server of this version once", newer: "used by a newer Slipway", text: "not a database",
	} {
		db, err := sqlite.OpenReadOnly(t.Context(), path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want one with %q", path, err, want)
		}
		if db != nil {
			t.Errorf("%s: a database beside an error", path)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a database was made")
	}
	if content, err := os.ReadFile(empty); err != nil || len(content) != 0 {
		t.Errorf("an empty file was written to: %d bytes, %v", len(content), err)
	}
}

// TestReadOnlyAsRoot: what root reads stays the server's own, side files included, or the server could not start again.
func TestReadOnlyAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "slipway.db")
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err == nil {
		err = errors.Join(db.Record(t.Context(), record("one")), db.Close())
	}
	const somebody = 65534
	if err = errors.Join(err, os.Chown(dir, somebody, somebody), os.Chown(path, somebody, somebody)); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, openReadOnly(t, path), "one")
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v: the database and its side files are expected", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; file != path+".lock" && owner != somebody {
			t.Errorf("%s belongs to user %d", file, owner)
		}
	}
}
