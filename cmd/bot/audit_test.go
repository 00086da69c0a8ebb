package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// audited is a data folder with an audit, kept open as a running server does.
func audited(t *testing.T, records ...pipeline.AuditRecord) (dir string, db *sqlite.DB) {
	t.Helper()
	dir = t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, databaseName), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for id, name := range map[int64]string{1: "shop", 2: "site"} {
		if err := db.SaveRepository(t.Context(), pipeline.Repository{ID: id, Owner: "acme", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range records {
		if err := db.Record(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	return dir, db
}

func decision(at time.Time, repository int64, environment, why string) pipeline.AuditRecord {
	return pipeline.AuditRecord{
		At: at, RepositoryID: repository, Repository: "acme/shop", Environment: environment, Actor: "alice", Action: "deploy", Why: why,
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	hostile := decision(day.Add(24*time.Hour), 1, "production", "\x1b[31m<b>\n\u2028")
	hostile.Allowed, hostile.Via, hostile.PullRequest, hostile.Cause = true, "comment", 7, "comment-1"
	dir, _ := audited(t,
		decision(day, 1, "production", "first"), hostile, decision(day.Add(25*time.Hour), 2, "production", "of another repository"),
		decision(time.Now().Add(-time.Hour), 1, "staging", "just now"),
	)
	writeFile(t, filepath.Join(dir, "settings.yml"), "SLIPWAY_DATA_DIR: "+dir+"\n")
	const first = `{"id":1,"at":"2026-03-01T09:00:00Z","repository":"acme/shop","repository_id":1,"environment":"production",` +
		`"actor":"alice","action":"deploy","allowed":false,"why":"first"}` + "\n"
	const second = `{"id":2,"at":"2026-03-02T09:00:00Z","repository":"acme/shop","repository_id":1,"environment":"production",` +
		`"actor":"alice","action":"deploy","allowed":true,"why":"\u001b[31m<b>\n\u2028","via":"comment","pull_request":7,"cause":"comment-1"}` + "\n"
	for _, test := range []struct {
		args   string
		env    string
		stdout string // the whole; … stands for anything at the end
		ids    string // of all lines
		stderr string
	}{
		{args: "--config " + dir + "/settings.yml", stdout: first + second + "…", ids: "1 2 3 4"},
		{env: "SLIPWAY_DATA_DIR=" + dir, ids: "1 2 3 4", stdout: "…"},
		{args: "--repository ACME/shop --environment Production", env: "SLIPWAY_DATA_DIR=" + dir, stdout: first + second, ids: "1 2"},
		{args: "--since 2026-03-02", env: "SLIPWAY_DATA_DIR=" + dir, stdout: second + "…", ids: "2 3 4"},
		{args: "--since 2026-03-02T12:00:00+02:00", env: "SLIPWAY_DATA_DIR=" + dir, stdout: "…", ids: "3 4"},
		{args: "--since 2h", env: "SLIPWAY_DATA_DIR=" + dir, stdout: "…", ids: "4"},
		{args: "--environment nowhere", env: "SLIPWAY_DATA_DIR=" + dir, stderr: "slipway: nothing is recorded of what was asked for\n"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			r := call(t, t.TempDir(), []string{test.env}, append([]string{"audit"}, strings.Fields(test.args)...)...)
			var ids []string
			for line := range strings.Lines(r.stdout) {
				id, _, _ := strings.Cut(strings.TrimPrefix(line, `{"id":`), ",")
				ids = append(ids, id)
			}
			if r.code != exitOK || !fits(r.stdout, test.stdout) || strings.Join(ids, " ") != test.ids || r.stderr != test.stderr {
				t.Errorf("exit code %d, records %v, want %s\n%s%s", r.code, ids, test.ids, r.stdout, r.stderr)
			}
		})
	}
}

func TestAuditRefuses(t *testing.T) {
	t.Parallel()
	dir, _ := audited(t)
	empty := t.TempDir()
	const since = `cannot be read: it is a day (2026-03-01, which begins in UTC), a time (2026-03-01T09:30:00Z), or how long ago (36h, 30d)` + "\n" + help
	for _, test := range []struct {
		args, dir, stderr string
		code              int
	}{
		{"--since yesterday", dir, `slipway: --since: "yesterday" ` + since, exitUsage},
		{"--since -3h", dir, `slipway: --since: "-3h" ` + since, exitUsage},
		{"--since 999999999d", dir, `slipway: --since: "999999999d" ` + since, exitUsage},
		{"--repository shop", dir, `slipway: --repository is owner/name, not "shop"` + "\n" + help, exitUsage},
		{"--repository a/b/c", dir, `slipway: --repository is owner/name, not "a/b/c"` + "\n" + help, exitUsage},
		{"--repository acme/other", dir, "slipway: this server knows no repository acme/other: it is to be named as GitHub calls it now\n", exitFailed},
		{"", empty, "slipway: there is no database " + empty + "/slipway.db: the first start of the server with this data folder makes it; " +
			"if it is another one, name it with --config or SLIPWAY_DATA_DIR\n", exitFailed},
		{"all", dir, "slipway: slipway audit takes at most 0 argument(s), not 1\n" + help, exitUsage},
		{"--config missing.yml", dir, "slipway: the settings have 1 problem:\n  - open missing.yml: no such file or directory\n", exitFailed},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			r := call(t, t.TempDir(), []string{"SLIPWAY_DATA_DIR=" + test.dir}, append([]string{"audit"}, strings.Fields(test.args)...)...)
			if r.code != test.code || r.stdout != "" || r.stderr != test.stderr {
				t.Errorf("exit code %d, want %d\n%s%s", r.code, test.code, r.stdout, r.stderr)
			}
		})
	}
}

// closedPipe takes some bytes and then no more.
type closedPipe struct{ room int }

var errPipe = errors.New("nobody reads any more")

func (p *closedPipe) Write(b []byte) (int, error) {
	if p.room -= len(b); p.room < 0 {
		return 0, errPipe
	}
	return len(b), nil
}

// TestAuditIsAStream: what was read is written before the rest is read, and nothing is read for nobody.
func TestAuditIsAStream(t *testing.T) {
	t.Parallel()
	records := make([]pipeline.AuditRecord, 1500)
	for i := range records {
		records[i] = decision(time.Unix(int64(i), 0), 1, "production", strings.Repeat("why ", 50))
	}
	_, db := audited(t, records...)
	n, err := printRecords(t.Context(), db, pipeline.AuditFilter{}, &closedPipe{room: 64 << 10})
	if !errors.Is(err, errPipe) || n == 0 || n > 500 {
		t.Errorf("%d records read, %v", n, err)
	}
}
