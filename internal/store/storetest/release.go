//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// release is what a run released in production, which it entered at that minute.
func release(repo, runID int64, minute int) pipeline.Release {
	return pipeline.Release{
		RepositoryID: repo, Environment: "production", Action: pipeline.ActionDeploy, RunID: runID, RunNumber: runID,
		Commit: "aaa", Ref: "refs/heads/main", Branch: "main", Actor: "alice", Configuration: "c", Fingerprint: "f",
		EnteredAt: start.Add(time.Duration(minute) * time.Minute), At: start.Add(time.Hour),
	}
}

func createRelease(t *testing.T, s Store, r pipeline.Release, files ...pipeline.ReleaseFile) pipeline.Release {
	t.Helper()
	stored, created, err := s.CreateRelease(t.Context(), r, files)
	no(t, err)
	if !created {
		t.Fatalf("a release of run %d at %s exists", r.RunID, r.EnteredAt)
	}
	return stored
}

func testRelease(t *testing.T, s Store) {
	var want pipeline.Release
	fill(reflect.ValueOf(&want).Elem())
	want.RepositoryID, want.Environment = 1, "Production"
	files := []pipeline.ReleaseFile{
		{Name: "release/web.manifests.yaml", Content: bytes.Repeat([]byte("kind: Deployment\n"), 10_000)},
		{Name: "release/short", Content: []byte{0, 255}},
		{Name: "release/empty"},
	}
	_, err := s.ChangeEnvironment(t.Context(), 1, "production", func(e *pipeline.EnvironmentState) error {
		e.Holder = &pipeline.Place{RunID: want.RunID, Since: start}
		return nil
	})
	no(t, err)
	stored := createRelease(t, s, want, files...)
	want.Number, want.Files = 1, []string{"release/web.manifests.yaml", "release/short", "release/empty"}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("what CreateRelease returned:\n%s", diff)
	}
	got, err := s.Release(t.Context(), 1, "production", 1)
	no(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lost or altered on the way:\n%s", diff)
	}
	for _, f := range files {
		content, err := s.ReleaseFile(t.Context(), 1, "PRODUCTION", 1, f.Name)
		if err != nil || !bytes.Equal(content, f.Content) {
			t.Errorf("%s: %d bytes, %v, want %d", f.Name, len(content), err, len(f.Content))
		}
	}
	state, err := s.EnvironmentState(t.Context(), 1, "production")
	no(t, err)
	if state.Release != 1 || state.Holder == nil || state.Name != "production" {
		t.Errorf("the environment is %+v: its release must be 1, and the rest as it was", state)
	}
	_, err = s.Release(t.Context(), 1, "production", 2)
	wantNotFound(t, "unknown number", err)
	_, err = s.Release(t.Context(), 1, "staging", 1)
	wantNotFound(t, "another environment", err)
	_, err = s.Release(t.Context(), 2, "production", 1)
	wantNotFound(t, "another repository", err)
	_, err = s.ReleaseFile(t.Context(), 1, "production", 1, "release/other")
	wantNotFound(t, "unknown file", err)
	_, err = s.ReleaseFile(t.Context(), 1, "production", 2, "release/short")
	wantNotFound(t, "file of an unknown release", err)
}

func testReleaseOnce(t *testing.T, s Store) {
	first := createRelease(t, s, release(1, 7, 0), pipeline.ReleaseFile{Name: "a", Content: []byte("first")})
	second := createRelease(t, s, release(1, 7, 5)) // of the same run, entered again
	again := release(1, 7, 0)
	again.Actor, again.Environment = "mallory", "PRODUCTION"
	stored, created, err := s.CreateRelease(t.Context(), again, []pipeline.ReleaseFile{{Name: "a", Content: []byte("second")}})
	if err != nil || created {
		t.Errorf("the same release again: created %t, %v", created, err)
	}
	if diff := cmp.Diff(first, stored); diff != "" {
		t.Errorf("another release than the one stored:\n%s", diff)
	}
	content, err := s.ReleaseFile(t.Context(), 1, "production", first.Number, "a")
	if err != nil || string(content) != "first" {
		t.Errorf("its file is now %q, %v", content, err)
	}
	state, err := s.EnvironmentState(t.Context(), 1, "production")
	if err != nil || state.Release != second.Number {
		t.Errorf("the environment went back to release %d, %v", state.Release, err)
	}
	other := release(1, 7, 0)
	other.Environment = "staging"
	if r := createRelease(t, s, other); r.Number != 1 {
		t.Errorf("the first release of another environment has number %d", r.Number)
	}
	if r := createRelease(t, s, release(2, 8, 0)); r.Number != 1 {
		t.Errorf("the first release of another repository has number %d", r.Number)
	}
}

func testReleaseFails(t *testing.T, s Store) {
	file := pipeline.ReleaseFile{Name: "a", Content: []byte("a")}
	_, _, err := s.CreateRelease(t.Context(), release(1, 7, 0), []pipeline.ReleaseFile{file, file})
	wantError(t, err, "name a")
	state, err := s.EnvironmentState(t.Context(), 1, "production")
	if err != nil || state.Release != 0 {
		t.Errorf("a release that failed: %+v, %v", state, err)
	}
	if r := createRelease(t, s, release(1, 7, 0), file); r.Number != 1 {
		t.Errorf("number %d: a release that failed used one up", r.Number)
	}
}

func testReleaseList(t *testing.T, s Store) {
	for i := range 60 {
		createRelease(t, s, release(1, int64(i+1), 0))
	}
	staging := release(1, 1, 0)
	staging.Environment = "staging"
	createRelease(t, s, staging)
	createRelease(t, s, release(2, 99, 0))
	for _, c := range []struct {
		name        string
		filter      pipeline.ReleaseFilter
		first, last int64
		n           int
	}{
		{"without a limit", pipeline.ReleaseFilter{RepositoryID: 1, Environment: "Production"}, 60, 11, 50},
		{"next page", pipeline.ReleaseFilter{RepositoryID: 1, Environment: "production", Before: 11}, 10, 1, 10},
		{"limit", pipeline.ReleaseFilter{RepositoryID: 1, Environment: "production", Limit: 2}, 60, 59, 2},
		{"of all environments", pipeline.ReleaseFilter{RepositoryID: 1, Limit: 2}, 1, 60, 2},
		{"of another environment", pipeline.ReleaseFilter{RepositoryID: 1, Environment: "staging"}, 1, 1, 1},
	} {
		found, err := s.Releases(t.Context(), c.filter)
		if err != nil || len(found) != c.n || found[0].Number != c.first || found[len(found)-1].Number != c.last {
			t.Errorf("%s: %d releases, %v", c.name, len(found), err)
		}
	}
	if found, err := s.Releases(t.Context(), pipeline.ReleaseFilter{RepositoryID: 3}); err != nil || len(found) != 0 {
		t.Errorf("of an unknown repository: %v, %v", found, err)
	}
	_, err := s.Releases(t.Context(), pipeline.ReleaseFilter{RepositoryID: 1, Before: 5})
	wantError(t, err, "environment")
}

func testReleaseOutlivesItsRun(t *testing.T, s Store) {
	run := end(t, s, enters(t, s, 1, "aaa", "production"))
	createRelease(t, s, release(1, run.ID, 0), pipeline.ReleaseFile{Name: "a", Content: []byte("a")})
	swept, err := s.Sweep(t.Context(), start.Add(1000*time.Hour))
	if err != nil || len(swept) != len(run.Stages) {
		t.Fatalf("swept %v, %v", swept, err)
	}
	if r, err := s.Release(t.Context(), 1, "production", 1); err != nil || r.RunID != run.ID {
		t.Errorf("the release of a swept run: %+v, %v", r, err)
	}
	if content, err := s.ReleaseFile(t.Context(), 1, "production", 1, "a"); err != nil || string(content) != "a" {
		t.Errorf("its file: %q, %v", content, err)
	}
	if stored, created, err := s.CreateRelease(t.Context(), release(1, run.ID, 0), nil); err != nil || created || stored.Number != 1 {
		t.Errorf("the same again: %+v, created %t, %v", stored, created, err)
	}
	if next := create(t, s, push(1, "bbb")); next.ID <= run.ID {
		t.Errorf("run %d has the identifier of a run with a release", next.ID)
	}
}

// testConcurrentReleases: numbers have neither a gap nor a double, and the environment runs the last one.
func testConcurrentReleases(t *testing.T, s Store) {
	var mu sync.Mutex
	var numbers []int64
	together(t, func(caller int) error {
		for i := range 5 {
			r := release(1, int64(caller*5+i+1), 0)
			for range 2 { // and each of them twice
				stored, created, err := s.CreateRelease(t.Context(), r, nil)
				if err != nil {
					return err
				}
				if created {
					mu.Lock()
					numbers = append(numbers, stored.Number)
					mu.Unlock()
				}
			}
			_, err := s.ChangeEnvironment(t.Context(), 1, "production", func(e *pipeline.EnvironmentState) error {
				e.Queue = append(e.Queue, pipeline.Place{RunID: r.RunID})
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(numbers)
	for i, n := range numbers {
		if n != int64(i+1) {
			t.Fatalf("numbers %v", numbers)
		}
	}
	state, err := s.EnvironmentState(t.Context(), 1, "production")
	no(t, err)
	if got, want := fmt.Sprint(len(numbers), state.Release, len(state.Queue)), fmt.Sprint(callers*5, callers*5, callers*5); got != want {
		t.Errorf("releases, the environment's release, changes: %s, want %s", got, want)
	}
}
