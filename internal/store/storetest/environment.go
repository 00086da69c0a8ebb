//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testEnvironment(t *testing.T, s Store) {
	state, err := s.EnvironmentState(t.Context(), 1, "Production")
	no(t, err)
	if diff := cmp.Diff(pipeline.EnvironmentState{RepositoryID: 1, Name: "Production"}, state); diff != "" {
		t.Errorf("of an environment of which nothing is known:\n%s", diff)
	}
	var want pipeline.EnvironmentState
	fill(reflect.ValueOf(&want).Elem())
	want.RepositoryID, want.Name = 1, "Production"
	changed, err := s.ChangeEnvironment(t.Context(), 1, "Production", func(e *pipeline.EnvironmentState) error {
		if diff := cmp.Diff(state, *e); diff != "" {
			t.Errorf("the first change sees:\n%s", diff)
		}
		*e = want
		return nil
	})
	no(t, err)
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("what the change returned:\n%s", diff)
	}
	// A name is the same however it is spelled; what it was stored as stays.
	for _, spelled := range []string{"Production", "production", "PRODUCTION"} {
		got, err := s.EnvironmentState(t.Context(), 1, spelled)
		no(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, lost or altered on the way:\n%s", spelled, diff)
		}
	}
	changed, err = s.ChangeEnvironment(t.Context(), 1, "production", func(e *pipeline.EnvironmentState) error {
		e.Holder, e.Queue, e.Lock = nil, e.Queue[:1], nil
		return nil
	})
	no(t, err)
	want.Holder, want.Queue, want.Lock = nil, want.Queue[:1], nil
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("after another change:\n%s", diff)
	}
	for name, other := range map[string]struct {
		repository int64
		name       string
	}{"another repository": {2, "Production"}, "another name": {1, "production "}} {
		got, err := s.EnvironmentState(t.Context(), other.repository, other.name)
		no(t, err)
		if diff := cmp.Diff(pipeline.EnvironmentState{RepositoryID: other.repository, Name: other.name}, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func testEnvironmentChangeFails(t *testing.T, s Store) {
	lock := func(e *pipeline.EnvironmentState) error {
		e.Lock = &pipeline.Lock{By: "alice", At: start}
		return nil
	}
	before, err := s.ChangeEnvironment(t.Context(), 1, "production", lock)
	no(t, err)
	broken := errors.New("broken")
	for name, change := range map[string]func(*pipeline.EnvironmentState) error{
		"its own error":      func(e *pipeline.EnvironmentState) error { e.Lock.By = "mallory"; e.Release = 7; return broken },
		"another name":       func(e *pipeline.EnvironmentState) error { e.Name = "staging"; return nil },
		"another spelling":   func(e *pipeline.EnvironmentState) error { e.Name = "PRODUCTION"; return nil },
		"another repository": func(e *pipeline.EnvironmentState) error { e.RepositoryID = 2; return nil },
	} {
		_, err := s.ChangeEnvironment(t.Context(), 1, "production", change)
		if err == nil || name == "its own error" && err != broken { //nolint:errorlint // it must come back as it is
			t.Errorf("%s: error %v", name, err)
		}
	}
	after, err := s.EnvironmentState(t.Context(), 1, "production")
	no(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("something of a failed change stayed:\n%s", diff)
	}
	states, err := s.EnvironmentStates(t.Context(), 2)
	if err != nil || len(states) != 0 {
		t.Errorf("environments of the other repository: %v, %v", states, err)
	}
}

func testEnvironments(t *testing.T, s Store) {
	list := func(want ...string) {
		t.Helper()
		states, err := s.EnvironmentStates(t.Context(), 1)
		no(t, err)
		var got []string
		for _, state := range states {
			got = append(got, state.Name)
			if state.Lock == nil {
				t.Errorf("%s lacks its lock", state.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("environments:\n%s", diff)
		}
	}
	// To look, and to change nothing, makes none.
	_, err := s.ChangeEnvironment(t.Context(), 1, "production", func(*pipeline.EnvironmentState) error { return nil })
	no(t, err)
	list()
	for _, name := range []string{"staging", "Production", "' OR 1=1 --"} {
		_, err := s.ChangeEnvironment(t.Context(), 1, name, func(e *pipeline.EnvironmentState) error {
			e.Lock = &pipeline.Lock{By: "alice", At: start}
			return nil
		})
		no(t, err)
	}
	_, err = s.ChangeEnvironment(t.Context(), 2, "other", func(e *pipeline.EnvironmentState) error { e.Release = 1; return nil })
	no(t, err)
	list("' OR 1=1 --", "Production", "staging")
}

// testConcurrentEnvironments counts in one environment from many sides, spelled in two ways: a change that is lost shows.
func testConcurrentEnvironments(t *testing.T, s Store) {
	const each = 10
	together(t, func(caller int) error {
		name := "production"
		if caller%2 == 0 {
			name = "PRODUCTION"
		}
		for range each {
			_, err := s.ChangeEnvironment(t.Context(), 1, name, func(e *pipeline.EnvironmentState) error {
				e.Queue = append(e.Queue, pipeline.Place{RunID: int64(caller), RunNumber: e.Release, Since: start})
				e.Release++
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	got, err := s.EnvironmentState(t.Context(), 1, "production")
	no(t, err)
	if len(got.Queue) != callers*each || got.Release != callers*each {
		t.Errorf("%d places and release %d, want %d of both", len(got.Queue), got.Release, callers*each)
	}
	for i, place := range got.Queue {
		if place.RunNumber != int64(i) {
			t.Fatalf("place %d was taken as number %d", i, place.RunNumber)
		}
	}
}

// enters is a push whose run has entries into environments.
func enters(t *testing.T, s Store, repo int64, sha string, environments ...string) pipeline.Run {
	t.Helper()
	p := plan()
	p.Stages = p.Stages[:1]
	for _, e := range environments {
		p.Stages = append(p.Stages, pipeline.StageSpec{
			Key: "deploy (" + e + ")", ID: "deploy", Uses: "run", Environment: e, Enters: true, Needs: []pipeline.Need{{Stage: "test"}},
		})
		p.Entries = append(p.Entries, pipeline.Entry{
			Environment: e, Action: pipeline.ActionDeploy, State: pipeline.EntryPreparing, Askers: []string{"alice"},
		})
	}
	run, created, err := s.CreateRun(t.Context(), pipeline.NewRun(push(repo, sha), p, start), advance)
	no(t, err)
	if !created || len(run.Entries) != len(environments) {
		t.Fatalf("created %t with %d entries", created, len(run.Entries))
	}
	return run
}

func testListByEnvironment(t *testing.T, s Store) {
	both := enters(t, s, 1, "aaa", "production", "staging")
	open := enters(t, s, 1, "bbb", "Production")
	enters(t, s, 1, "ccc")
	other := enters(t, s, 2, "aaa", "production")
	late := enters(t, s, 1, "ddd")
	both = end(t, s, both)
	for _, c := range []struct {
		name   string
		filter pipeline.RunFilter
		want   []int64
	}{
		{"of a repository", pipeline.RunFilter{RepositoryID: 1, Environment: "production"}, []int64{open.ID, both.ID}},
		{"by another spelling", pipeline.RunFilter{RepositoryID: 1, Environment: "STAGING"}, []int64{both.ID}},
		{"of a name", pipeline.RunFilter{Owner: "acme", Name: "shop-1", Environment: "production"}, []int64{open.ID, both.ID}},
		{"of all", pipeline.RunFilter{Environment: "production"}, []int64{other.ID, open.ID, both.ID}},
		{"open", pipeline.RunFilter{RepositoryID: 1, Environment: "production", OpenOnly: true}, []int64{open.ID}},
		{"open, second page", pipeline.RunFilter{Environment: "production", OpenOnly: true, Before: other.ID}, []int64{open.ID}},
		{"first page", pipeline.RunFilter{Environment: "production", Limit: 2}, []int64{other.ID, open.ID}},
		{"second page", pipeline.RunFilter{Environment: "production", Limit: 2, Before: open.ID}, []int64{both.ID}},
		{"failed", pipeline.RunFilter{RepositoryID: 1, Environment: "production", Status: pipeline.StatusFailure}, []int64{both.ID}},
		{"of an event", pipeline.RunFilter{RepositoryID: 1, Environment: "production", Event: pipeline.EventDeploy}, nil},
		{"unknown", pipeline.RunFilter{RepositoryID: 1, Environment: "' OR 1=1 --"}, nil},
	} {
		runs, err := s.Runs(t.Context(), c.filter)
		if err != nil || !cmp.Equal(c.want, ids(runs), cmp.Comparer(sameIDs)) {
			t.Errorf("%s: %v, error %v, want %v", c.name, ids(runs), err, c.want)
		}
	}
	// An entry that comes later counts, one that is gone does not.
	_, err := s.Change(t.Context(), late.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Entries = []pipeline.Entry{{Environment: "production"}}
		return nil, nil
	})
	no(t, err)
	_, err = s.Change(t.Context(), both.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Entries = r.Entries[1:]
		return nil, nil
	})
	no(t, err)
	runs, err := s.Runs(t.Context(), pipeline.RunFilter{RepositoryID: 1, Environment: "production"})
	no(t, err)
	if want := []int64{late.ID, open.ID}; !sameIDs(want, ids(runs)) {
		t.Errorf("after a change: %v, want %v", ids(runs), want)
	}
	if _, err = s.Sweep(t.Context(), start.Add(24*time.Hour)); err != nil {
		t.Error(err)
	}
	if runs, err = s.Runs(t.Context(), pipeline.RunFilter{Environment: "staging"}); err != nil || len(runs) != 0 {
		t.Errorf("after a sweep: %v, %v", ids(runs), err)
	}
}

func sameIDs(a, b []int64) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

func testGateJobs(t *testing.T, s Store) {
	run := enters(t, s, 1, "aaa", "production")
	before := time.Now()
	_, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		return []pipeline.Job{
			{Kind: pipeline.JobGate, RunID: r.ID, Key: "production"}, {Kind: pipeline.JobAnnounce, RunID: r.ID, Key: "production"},
			{Kind: pipeline.JobGate, RunID: r.ID, Key: "production", After: time.Hour},
		}, nil
	})
	no(t, err)
	gates, announces := jobs(t, s, "gate"), jobs(t, s, "announce")
	if len(gates) != 2 || len(announces) != 1 {
		t.Fatalf("%d gate jobs, %d to announce, want 2 and 1", len(gates), len(announces))
	}
	if g := gates[0]; g.RunID != run.ID || g.Environment != "production" || g.Queue != "gate" || g.State != "available" {
		t.Errorf("gate job %+v", g)
	}
	if g := gates[1]; g.State != "scheduled" || g.DueAt.Before(before.Add(time.Hour-time.Second)) {
		t.Errorf("delayed gate job %+v", g)
	}
	if a := announces[0]; a.RunID != run.ID || a.Environment != "production" || a.Queue != "announce" {
		t.Errorf("announce job %+v", a)
	}
}
