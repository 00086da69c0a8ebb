package sqlite_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// releaseVariable makes the test program a process that releases until it is killed.
const releaseVariable = "SLIPWAY_TEST_RELEASE_UNTIL_KILLED"

// releaseForever lets runs enter environments and be released, from several sides, and tells of each release.
func releaseForever(path string) error {
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for side := range 8 {
		go func() {
			for i := 1; ; i++ {
				if err := releaseOne(db, int64(side+1), i); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

func releaseOne(db *sqlite.DB, repository int64, i int) error {
	ctx := context.Background()
	_, err := db.ChangeEnvironment(ctx, repository, "production", func(s *pipeline.EnvironmentState) error {
		s.Holder = &pipeline.Place{RunID: int64(i)}
		return nil
	})
	if err != nil {
		return err
	}
	r, created, err := db.CreateRelease(ctx, pipeline.Release{
		RepositoryID: repository, Environment: "production", RunID: repository*1_000_000 + int64(i), EnteredAt: time.Unix(int64(i), 0),
	}, []pipeline.ReleaseFile{{Name: "manifests", Content: pushPayload(i)}})
	if err != nil || !created {
		return fmt.Errorf("release %d: created %t, %w", i, created, err)
	}
	if err := db.Record(ctx, pipeline.AuditRecord{RepositoryID: repository, Action: "release", Release: r.Number}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "%d %d\n", repository, r.Number)
	return err
}

// TestNoReleaseIsLost kills a process with SIGKILL while it releases. What it told of is there, whole, and an environment
// runs the last release there is of it: the two are one change.
func TestNoReleaseIsLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	told := make(map[int64]int64)
	lines := untilKilled(t, releaseVariable+"="+path, 400)
	for _, line := range lines {
		var repository, number int64
		if _, err := fmt.Sscan(line, &repository, &number); err != nil {
			continue // the last line, cut off
		}
		told[repository] = max(told[repository], number)
	}
	db := open(t, path)
	for repository, last := range told {
		state, err := db.EnvironmentState(t.Context(), repository, "production")
		if err != nil || state.Release < last || state.Holder == nil {
			t.Fatalf("repository %d: release %d was told of; its state is %+v, %v", repository, last, state, err)
		}
		for n := int64(1); n <= state.Release; n++ {
			if content, err := db.ReleaseFile(t.Context(), repository, "production", n, "manifests"); err != nil || string(content) != string(pushPayload(int(n))) {
				t.Errorf("file of release %d of repository %d: %d bytes, %v", n, repository, len(content), err)
			}
		}
		if newest, err := db.Releases(t.Context(), pipeline.ReleaseFilter{RepositoryID: repository, Environment: "production", Limit: 1}); err != nil || newest[0].Number != state.Release {
			t.Errorf("the newest release of repository %d is %+v, %v; the environment runs %d", repository, newest, err, state.Release)
		}
		records, err := db.Records(t.Context(), pipeline.AuditFilter{RepositoryID: repository, Limit: -1})
		if err != nil || int64(len(records)) < last {
			t.Errorf("%d records of %d releases of repository %d, %v", len(records), last, repository, err)
		}
	}
}

// untilKilled runs this test program with a variable set, kills it after so many lines, and returns them.
func untilKilled(t *testing.T, variable string, n int) []string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), variable)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var told []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if told = append(told, lines.Text()); len(told) == n {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process ended by itself: %v", err)
	}
	if len(told) < n {
		t.Fatalf("only %d answers", len(told))
	}
	return told
}

// TestWhatNeverChanges: releases and the audit cannot be altered, by whatever mistake of ours.
func TestWhatNeverChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	db := open(t, path)
	_, _, err := db.CreateRelease(t.Context(), pipeline.Release{RepositoryID: 1, Environment: "production"}, []pipeline.ReleaseFile{{Name: "a"}})
	if err == nil {
		err = db.Record(t.Context(), record("one"))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"UPDATE releases SET document = '{}'", "DELETE FROM releases", "UPDATE release_files SET content = 'x'", "DELETE FROM release_files",
		"UPDATE audit SET document = '{}'", "DELETE FROM audit",
	} {
		if err := sqliteExec(path, query); err == nil || !strings.Contains(err.Error(), "never") && !strings.Contains(err.Error(), "only added to") {
			t.Errorf("%s: error %v", query, err)
		}
	}
	wantRecords(t, db, "one")
}

// TestFromTheVersionBefore opens a database whose runs were made before they were found by their event.
func TestFromTheVersionBefore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"0001_initial.sql", "0002_runs_status.sql"} {
		text, err := os.ReadFile(filepath.Join("migrations", file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Exec(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	const run = `{"id":1,"number":1,"key":"k","trigger":{"event":"merge_group","repository":{"id":1}},"status":"success","stages":null}`
	for _, query := range []string{
		`INSERT INTO repositories (id, owner, name, default_branch, installation_id, private, clone_url, updated_at) VALUES (1, 'acme', 'shop', 'main', 1, 0, '', 0)`,
		`INSERT INTO runs (id, repository_id, number, key, run_group, status, open, branch, sha, pull_request, created_at, finished_at, document)
			VALUES (1, 1, 1, 'k', 'g', 'success', 0, 'main', 'a', 0, 1, 1, '` + run + `')`,
		`PRAGMA user_version = 2`,
	} {
		if _, err := raw.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.OpenReadOnly(t.Context(), path); err == nil || !strings.Contains(err.Error(), "start the server of this version once") {
		t.Errorf("to read tables of an older version: %v", err)
	}
	db := open(t, path)
	for event, want := range map[pipeline.Event]int{pipeline.EventMergeGroup: 1, pipeline.EventPush: 0} {
		if runs, err := db.Runs(t.Context(), pipeline.RunFilter{RepositoryID: 1, Event: event}); err != nil || len(runs) != want {
			t.Errorf("%s: %d runs, %v, want %d", event, len(runs), err, want)
		}
	}
}
