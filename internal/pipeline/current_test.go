package pipeline

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf keeps releases of one repository.
type shelf struct {
	releases []Release
	// sealed are files whose key is lost.
	sealed []string
}

func (s shelf) Release(context.Context, int64, string, int64) (Release, error) {
	return Release{}, ErrNotFound
}

func (s shelf) Releases(_ context.Context, f ReleaseFilter) ([]Release, error) {
	var found []Release
	for _, r := range slices.Backward(s.releases) {
		if r.RepositoryID == f.RepositoryID && r.Environment == f.Environment && len(found) < f.Limit {
			found = append(found, r)
		}
	}
	return found, nil
}

func (s shelf) ReleaseFile(_ context.Context, _ int64, environment string, number int64, name string) ([]byte, error) {
	if slices.Contains(s.sealed, name) {
		return nil, ErrUnreadable
	}
	for _, r := range s.releases {
		if r.Environment == environment && r.Number == number && slices.Contains(r.Files, name) {
			return []byte(name + " of " + environment), nil
		}
	}
	return nil, ErrNotFound
}

// TestWhatTheEnvironmentRuns reaches the stage that takes its place, with its files; a preparation needs none of them.
func TestWhatTheEnvironmentRuns(t *testing.T) {
	e := &Engine{releases: shelf{releases: []Release{
		{RepositoryID: 1, Environment: "production", Number: 1, Files: []string{"release/a"}},
		{RepositoryID: 1, Environment: "production", Number: 2, Files: []string{"release/b"}},
		{RepositoryID: 1, Environment: "staging", Number: 7},
		{RepositoryID: 2, Environment: "production", Number: 9},
	}}}
	run := Run{Trigger: push("main")}
	s := StageRun{Spec: StageSpec{Key: "deploy (production)", Environment: "production"}, Phase: PhaseApply}
	current, err := e.currentRelease(t.Context(), run, s)
	if err != nil || current == nil || current.Number != 2 {
		t.Fatalf("%+v, %v", current, err)
	}
	files, err := e.taskFiles(t.Context(), run, s, current)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"current/release/b": []byte("release/b of production")}, files); diff != "" {
		t.Error(diff)
	}
	s.Phase = PhasePrepare
	if files, err = e.taskFiles(t.Context(), run, s, current); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", slices.Collect(maps.Keys(files)), err)
	}
	for _, environment := range []string{"", "preview"} {
		s.Spec.Environment = environment
		if current, err = e.currentRelease(t.Context(), run, s); err != nil || current != nil {
			t.Errorf("%q: %+v, %v", environment, current, err)
		}
	}
}

// TestReleasesThatCannotBeDecrypted: there is no way back to them, and the way ahead is free.
func TestReleasesThatCannotBeDecrypted(t *testing.T) {
	release := Release{RepositoryID: 1, Environment: "production", Number: 2, Commit: "abc", Files: []string{"release/a", "release/b"}}
	e := &Engine{releases: shelf{releases: []Release{release}, sealed: []string{"release/a"}}}
	run := Run{Trigger: push("main")}
	s := StageRun{Spec: StageSpec{Key: "deploy (production)", Environment: "production"}, Phase: PhaseApply}
	files, err := e.taskFiles(t.Context(), run, s, &release)
	if diff := cmp.Diff(map[string][]byte{"current/release/b": []byte("release/b of production")}, files); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	run.Restores = &release
	for _, s.Phase = range []Phase{PhasePrepare, PhaseApply} {
		_, verdict, err := e.taskSecrets(t.Context(), run, s, nil)
		if err != nil || verdict == nil || verdict.Infrastructure || verdict.Title != "release 2 cannot be brought back" {
			t.Errorf("%s: %+v, %v", s.Phase, verdict, err)
		}
	}
}
