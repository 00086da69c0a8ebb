//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testDeployment(t *testing.T, s Store) {
	run := enters(t, s, 1, "aaa", "Production")
	shows := func(want pipeline.DeploymentMirror) {
		t.Helper()
		got, err := s.DeploymentMirror(t.Context(), want.RunID, want.Environment, want.Turn)
		no(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("deployment of turn %d:\n%s", want.Turn, diff)
		}
	}
	shows(pipeline.DeploymentMirror{RunID: run.ID, Environment: "Production"})
	var first pipeline.DeploymentMirror
	fill(reflect.ValueOf(&first).Elem())
	first.RunID, first.Environment, first.Turn = run.ID, "Production", 0
	no(t, s.SaveDeploymentMirror(t.Context(), first))
	second := pipeline.DeploymentMirror{RunID: run.ID, Environment: "Production", Turn: 1, Creating: true}
	no(t, s.SaveDeploymentMirror(t.Context(), second))
	shows(first)
	shows(second)
	second.Creating, second.DeploymentID, second.State = false, 1<<40, "pending"
	again := second
	again.Environment = "PRODUCTION" // the same, which keeps its spelling
	no(t, s.SaveDeploymentMirror(t.Context(), again))
	shows(first)
	shows(second)
	wantNotFound(t, "deployment of an unknown run", s.SaveDeploymentMirror(t.Context(), pipeline.DeploymentMirror{RunID: 9999}))
}

func testLastDeployment(t *testing.T, s Store) {
	first, second, other := enters(t, s, 1, "aaa", "production"), enters(t, s, 1, "bbb", "production"), enters(t, s, 2, "aaa", "production")
	save := func(run pipeline.Run, environment string, turn int, state string) {
		t.Helper()
		no(t, s.SaveDeploymentMirror(t.Context(), pipeline.DeploymentMirror{
			RunID: run.ID, Environment: environment, Turn: turn, DeploymentID: run.ID*10 + int64(turn), State: state,
		}))
	}
	last := func(why string, want int64) {
		t.Helper()
		got, err := s.LastDeployment(t.Context(), 1, "Production")
		if err != nil || got.DeploymentID != want {
			t.Errorf("%s: %+v, %v, want deployment %d", why, got, err, want)
		}
	}
	last("nothing was deployed", 0)
	save(first, "production", 0, "pending")
	save(second, "production", 0, "in_progress")
	save(other, "production", 0, "success")
	save(second, "staging", 0, "success")
	last("nothing has succeeded", 0)
	save(second, "production", 0, "success")
	last("the second succeeded", second.ID*10)
	save(first, "production", 0, "success")
	last("the first waited longer and succeeded later", first.ID*10)
	save(second, "production", 0, "success")
	last("a success that is saved again is not newer", first.ID*10)
	save(first, "production", 1, "failure")
	last("another turn failed", first.ID*10)
	save(first, "production", 1, "success")
	last("another turn succeeded", first.ID*10+1)
	save(first, "production", 1, "inactive")
	last("the newest is inactive", first.ID*10)
}

func testDeploymentSweep(t *testing.T, s Store) {
	old := end(t, s, enters(t, s, 1, "aaa", "production", "staging"))
	open := enters(t, s, 1, "bbb", "production")
	save := func(m pipeline.DeploymentMirror) {
		t.Helper()
		no(t, s.SaveDeploymentMirror(t.Context(), m))
	}
	current := pipeline.DeploymentMirror{RunID: old.ID, Environment: "production", DeploymentID: 1, State: "success"}
	save(current)
	save(pipeline.DeploymentMirror{RunID: old.ID, Environment: "staging", DeploymentID: 2, State: "failure"})
	save(pipeline.DeploymentMirror{RunID: open.ID, Environment: "production", DeploymentID: 3, State: "pending"})
	left := func(want ...int64) {
		t.Helper()
		_, err := s.Sweep(t.Context(), start.Add(24*time.Hour))
		no(t, err)
		var got []int64
		for _, m := range []pipeline.DeploymentMirror{current, {RunID: old.ID, Environment: "staging"}, {RunID: open.ID, Environment: "production"}} {
			found, err := s.DeploymentMirror(t.Context(), m.RunID, m.Environment, 0)
			no(t, err)
			if found.DeploymentID != 0 {
				got = append(got, found.DeploymentID)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("left after a sweep:\n%s", diff)
		}
	}
	left(1, 3)
	if last, err := s.LastDeployment(t.Context(), 1, "production"); err != nil || last != current {
		t.Errorf("the last deployment, of a swept run: %+v, %v", last, err)
	}
	current.State = "inactive" // what replaced it says so, though its run is gone
	save(current)
	left(3)
}

func testSticky(t *testing.T, s Store) {
	shows := func(want pipeline.Sticky) {
		t.Helper()
		got, err := s.Sticky(t.Context(), want.RepositoryID, want.PullRequest)
		if err != nil || got != want {
			t.Errorf("sticky %+v, %v, want %+v", got, err, want)
		}
	}
	shows(pipeline.Sticky{RepositoryID: 1, PullRequest: 7})
	for _, comment := range []pipeline.Sticky{
		{RepositoryID: 1, PullRequest: 7, CommentID: 1 << 40, Shown: "h1"}, {RepositoryID: 1, PullRequest: 7, CommentID: 2, Shown: "h2"},
		{RepositoryID: 1, PullRequest: 7},
	} {
		no(t, s.SaveSticky(t.Context(), comment))
		shows(comment)
	}
	shows(pipeline.Sticky{RepositoryID: 1, PullRequest: 8})
	shows(pipeline.Sticky{RepositoryID: 2, PullRequest: 7})
}
