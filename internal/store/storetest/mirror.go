//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testMirror(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	mirrors, err := s.Mirrors(t.Context(), run.ID)
	no(t, err)
	want := map[int64]pipeline.Mirror{
		run.Stages[0].ID: {StageRunID: run.Stages[0].ID}, run.Stages[1].ID: {StageRunID: run.Stages[1].ID},
	}
	if diff := cmp.Diff(want, mirrors); diff != "" {
		t.Errorf("before anything was shown:\n%s", diff)
	}
	m := pipeline.Mirror{StageRunID: run.Stages[0].ID, CheckRunID: 1 << 40, Creating: true, Version: 3, Annotations: 50, GaveUp: "404"}
	no(t, s.SaveMirror(t.Context(), m))
	want[m.StageRunID] = m
	mirrors, err = s.Mirrors(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(want, mirrors); diff != "" {
		t.Errorf("after saving one:\n%s", diff)
	}
	m.Creating, m.GaveUp, m.Version = false, "", 4
	no(t, s.SaveMirror(t.Context(), m))
	// A change of the attempt leaves alone what GitHub shows.
	conclude(t, s, run, verdict(pipeline.StatusSuccess))
	mirrors, err = s.Mirrors(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(m, mirrors[m.StageRunID]); diff != "" {
		t.Errorf("after a change:\n%s", diff)
	}
	wantNotFound(t, "mirror of an unknown attempt", s.SaveMirror(t.Context(), pipeline.Mirror{StageRunID: 9999}))
	if mirrors, err = s.Mirrors(t.Context(), 9999); err != nil || len(mirrors) != 0 {
		t.Errorf("mirrors of an unknown run: %v, %v", mirrors, err)
	}
}

func testDirtyRuns(t *testing.T, s Store) {
	dirty := func(want ...int64) {
		t.Helper()
		got, err := s.DirtyRuns(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("dirty runs %v, error %v, want %v", got, err, want)
		}
	}
	show := func(run pipeline.Run, gaveUp string) {
		t.Helper()
		for _, stage := range run.Stages {
			m := pipeline.Mirror{StageRunID: stage.ID, CheckRunID: 1, Version: stage.Version, GaveUp: gaveUp}
			if gaveUp != "" {
				m.Version = 0
			}
			no(t, s.SaveMirror(t.Context(), m))
		}
	}
	dirty()
	a, b := create(t, s, push(1, "aaa")), create(t, s, push(1, "bbb"))
	dirty(a.ID, b.ID)
	show(a, "")
	dirty(b.ID)
	a = conclude(t, s, a, verdict(pipeline.StatusSuccess))
	dirty(a.ID, b.ID)
	show(b, "repository is gone")
	dirty(a.ID)
	conclude(t, s, b, verdict(pipeline.StatusSuccess))
	dirty(a.ID)
	show(a, "")
	dirty()
}

func testRepositories(t *testing.T, s Store) {
	b, a := repository(2), repository(1)
	no(t, s.SaveRepository(t.Context(), b))
	no(t, s.SaveRepository(t.Context(), a))
	create(t, s, push(3, "aaa")) // a run alone does not list its repository
	list := func(want ...pipeline.Repository) {
		t.Helper()
		got, err := s.Repositories(t.Context())
		no(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("repositories:\n%s", diff)
		}
	}
	list(a, b)
	run := create(t, s, push(1, "aaa"))
	a.Name, a.Private = "renamed", false
	no(t, s.SaveRepository(t.Context(), a))
	list(a, b)
	found, err := s.RunByNumber(t.Context(), "acme", "renamed", 1)
	if err != nil || found.ID != run.ID {
		t.Errorf("a run by the new name: %d, %v", found.ID, err)
	}
	no(t, s.RemoveRepository(t.Context(), a.ID))
	no(t, s.RemoveRepository(t.Context(), 9999))
	list(b)
	if _, err := s.Run(t.Context(), run.ID); err != nil {
		t.Errorf("a run of a removed repository: %v", err)
	}
	no(t, s.SaveRepository(t.Context(), a))
	list(a, b)
	if again := create(t, s, push(1, "bbb")); again.Number != 2 {
		t.Errorf("number %d after the repository came back, want 2", again.Number)
	}
	// A new repository takes the old name: its runs are the ones meant by it.
	c := repository(4)
	c.Name = "renamed"
	no(t, s.RemoveRepository(t.Context(), a.ID))
	no(t, s.SaveRepository(t.Context(), c))
	newer := create(t, s, push(4, "aaa"))
	for _, spelled := range []string{"renamed", "RENAMED"} {
		if r, err := s.RepositoryNamed(t.Context(), "Acme", spelled); err != nil || r != c {
			t.Errorf("%s: %+v, %v", spelled, r, err)
		}
	}
	if r, err := s.RepositoryNamed(t.Context(), "acme", "shop-3"); err != nil || r.ID != 3 {
		t.Errorf("one that is not listed: %+v, %v", r, err)
	}
	_, err = s.RepositoryNamed(t.Context(), "acme", "shop-1")
	wantNotFound(t, "a name of before", err)
	found, err = s.RunByNumber(t.Context(), "acme", "renamed", 1)
	if err != nil || found.ID != newer.ID {
		t.Errorf("run #1 of a name used twice: %d, %v, want %d", found.ID, err, newer.ID)
	}
}

// testRepository: what is known of a repository is the newest, and stays when it is no longer listed.
func testRepository(t *testing.T, s Store) {
	known := func(want pipeline.Repository) {
		t.Helper()
		got, err := s.Repository(t.Context(), want.ID)
		no(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("repository %d:\n%s", want.ID, diff)
		}
	}
	a := repository(1)
	_, err := s.Repository(t.Context(), a.ID)
	wantNotFound(t, "repository", err)
	create(t, s, push(1, "aaa"))
	known(a)
	a.Name, a.Private, a.InstallationID = "renamed", false, 8
	no(t, s.SaveRepository(t.Context(), a))
	known(a)
	no(t, s.RemoveRepository(t.Context(), a.ID))
	known(a)
}

func testSettings(t *testing.T, s Store) {
	_, err := s.Setting(t.Context(), "checkpoint")
	wantNotFound(t, "setting", err)
	for _, value := range []string{"one", "two", "a\x00b", "\xff\xfe", "'; DROP TABLE runs; --", ""} {
		no(t, s.SetSetting(t.Context(), "checkpoint", value))
		if got, err := s.Setting(t.Context(), "checkpoint"); err != nil || got != value {
			t.Errorf("setting %q, %v, want %q", got, err, value)
		}
	}
	for _, key := range []string{"a/", "a/1", "a/2", "a/3", "b"} {
		no(t, s.SetSetting(t.Context(), key, "x"))
	}
	if n, err := s.SweepSettings(t.Context(), "a/", "a/2"); n != 2 || err != nil {
		t.Errorf("swept %d settings, %v, want 2", n, err)
	}
	for key, swept := range map[string]bool{"a/": true, "a/1": true, "a/2": false, "a/3": false, "b": false, "checkpoint": false} {
		if _, err := s.Setting(t.Context(), key); (err != nil) != swept {
			t.Errorf("setting %s after the sweep: %v", key, err)
		}
	}
}

func testSweep(t *testing.T, s Store) {
	old := end(t, s, create(t, s, push(1, "aaa")))
	open := create(t, s, push(1, "bbb"))
	var want []int64
	for _, stage := range old.Stages {
		want = append(want, stage.ID)
	}
	swept, err := s.Sweep(t.Context(), start)
	if err != nil || len(swept) != 0 {
		t.Errorf("nothing is that old: swept %v, %v", swept, err)
	}
	swept, err = s.Sweep(t.Context(), start.Add(24*time.Hour))
	slices.Sort(swept)
	if err != nil || !slices.Equal(swept, want) {
		t.Errorf("swept %v, %v, want %v", swept, err, want)
	}
	_, err = s.Run(t.Context(), old.ID)
	wantNotFound(t, "swept run", err)
	_, err = s.RunOfStage(t.Context(), want[0])
	wantNotFound(t, "swept stage attempt", err)
	_, err = s.Change(t.Context(), old.ID, func(*pipeline.Run) ([]pipeline.Job, error) { return nil, nil })
	wantNotFound(t, "change of a swept run", err)
	if _, err := s.Run(t.Context(), open.ID); err != nil {
		t.Errorf("an open run was swept: %v", err)
	}
	// What was used once is not used again.
	if next := create(t, s, push(1, "ccc")); next.Number != 3 || next.ID <= open.ID || next.Stages[0].ID <= open.Stages[1].ID {
		t.Errorf("run %d #%d after a sweep", next.ID, next.Number)
	}
	for i := range 120 {
		end(t, s, create(t, s, push(5, string(rune('a'+i)))))
	}
	if swept, err = s.Sweep(t.Context(), start.Add(24*time.Hour)); err != nil || len(swept) != 240 {
		t.Errorf("swept %d attempts, %v, want 240", len(swept), err)
	}
}
