//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testAudit(t *testing.T, s Store) {
	var want pipeline.AuditRecord
	fill(reflect.ValueOf(&want).Elem())
	no(t, s.Record(t.Context(), want))
	got, err := s.Records(t.Context(), pipeline.AuditFilter{})
	no(t, err)
	if len(got) != 1 || got[0].ID == 0 {
		t.Fatalf("records %+v", got)
	}
	want.ID = got[0].ID
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("lost or altered on the way:\n%s", diff)
	}
	// It is kept, whatever is swept.
	end(t, s, create(t, s, push(1, "aaa")))
	_, err = s.Sweep(t.Context(), start.Add(1000*time.Hour))
	no(t, err)
	if got, err := s.Records(t.Context(), pipeline.AuditFilter{}); err != nil || len(got) != 1 {
		t.Errorf("after a sweep: %d records, %v", len(got), err)
	}
}

func testAuditOnce(t *testing.T, s Store) {
	record := func(repo int64, cause, action, environment, why string) {
		t.Helper()
		no(t, s.Record(t.Context(), pipeline.AuditRecord{
			At: start, RepositoryID: repo, Cause: cause, Action: action, Environment: environment, Why: why, Actor: "alice",
		}))
	}
	record(1, "comment-1", "deploy", "production", "first")
	record(1, "comment-1", "deploy", "Production", "second") // the same
	record(1, "comment-1", "approve", "production", "another action")
	record(1, "comment-1", "deploy", "staging", "another environment")
	record(1, "comment-2", "deploy", "production", "another cause")
	record(2, "comment-1", "deploy", "production", "another repository")
	record(1, "", "enter", "production", "without a cause")
	record(1, "", "enter", "production", "without a cause, again")
	got, err := s.Records(t.Context(), pipeline.AuditFilter{})
	no(t, err)
	want := []string{
		"without a cause, again", "without a cause", "another repository", "another cause", "another environment", "another action", "first",
	}
	if diff := cmp.Diff(want, whys(got)); diff != "" {
		t.Errorf("records:\n%s", diff)
	}
}

func whys(records []pipeline.AuditRecord) (all []string) {
	for _, r := range records {
		all = append(all, r.Why)
	}
	return all
}

// recordMany adds records of two repositories and two environments in turn, a minute apart.
func recordMany(t *testing.T, s Store, n int) {
	t.Helper()
	for i := range n {
		r := pipeline.AuditRecord{
			At: start.Add(time.Duration(i) * time.Minute), RepositoryID: int64(i%2 + 1), Repository: fmt.Sprintf("acme/shop-%d", i%2+1),
			Environment: []string{"production", "staging"}[i/2%2], Action: "enter", Actor: "slipway", Why: fmt.Sprint(i),
		}
		no(t, s.Record(t.Context(), r))
	}
}

func testAuditList(t *testing.T, s Store) {
	recordMany(t, s, 120)
	all, err := s.Records(t.Context(), pipeline.AuditFilter{Limit: -1})
	no(t, err)
	for _, c := range []struct {
		name   string
		filter pipeline.AuditFilter
		n      int
		first  string
	}{
		{"without a limit", pipeline.AuditFilter{}, 100, "119"},
		{"all", pipeline.AuditFilter{Limit: -1}, 120, "119"},
		{"of a repository", pipeline.AuditFilter{RepositoryID: 1, Limit: -1}, 60, "118"},
		{"of an environment", pipeline.AuditFilter{RepositoryID: 1, Environment: "PRODUCTION", Limit: -1}, 30, "116"},
		{"of an environment of any repository", pipeline.AuditFilter{Environment: "staging", Limit: -1}, 60, "119"},
		{"since", pipeline.AuditFilter{Since: start.Add(110 * time.Minute)}, 10, "119"},
		{"since, of a repository", pipeline.AuditFilter{RepositoryID: 2, Since: start.Add(110 * time.Minute)}, 5, "119"},
		{"next page", pipeline.AuditFilter{Before: all[99].ID}, 20, "19"},
		{"limit", pipeline.AuditFilter{Limit: 3}, 3, "119"},
		{"hostile", pipeline.AuditFilter{Environment: "' OR 1=1 --"}, 0, ""},
	} {
		got, err := s.Records(t.Context(), c.filter)
		if err != nil || len(got) != c.n || c.n > 0 && got[0].Why != c.first {
			t.Errorf("%s: %d records from %v, error %v, want %d from %s", c.name, len(got), got, err, c.n, c.first)
		}
	}
}

func testAuditInOrder(t *testing.T, s Store) {
	const n = 1203 // more than one page, and not whole ones
	recordMany(t, s, n)
	each := func(f pipeline.AuditFilter) (got []pipeline.AuditRecord) {
		t.Helper()
		no(t, s.EachRecord(t.Context(), f, func(r pipeline.AuditRecord) error { got = append(got, r); return nil }))
		return got
	}
	all, err := s.Records(t.Context(), pipeline.AuditFilter{Limit: -1})
	no(t, err)
	slices.Reverse(all)
	if diff := cmp.Diff(all, each(pipeline.AuditFilter{})); diff != "" || len(all) != n {
		t.Errorf("%d records, oldest first:\n%s", len(all), diff)
	}
	some := each(pipeline.AuditFilter{RepositoryID: 2, Environment: "Staging", Since: start.Add(1000 * time.Minute), Limit: 1})
	if len(some) != 50 || some[0].Why != "1003" || some[49].Why != "1199" {
		t.Errorf("selected: %d records: %v", len(some), whys(some))
	}
	enough := errors.New("enough")
	seen := 0
	err = s.EachRecord(t.Context(), pipeline.AuditFilter{}, func(pipeline.AuditRecord) error {
		if seen++; seen == 700 {
			return enough
		}
		return nil
	})
	if seen != 700 || err != enough { //nolint:errorlint // it must come back as it is
		t.Errorf("stopped after %d records with %v", seen, err)
	}
}
