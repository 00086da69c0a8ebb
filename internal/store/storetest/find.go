//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testFindRuns(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	other := create(t, s, push(2, "bbb"))
	ctx := t.Context()
	for name, find := range map[string]func() (pipeline.Run, error){
		"by id":       func() (pipeline.Run, error) { return s.Run(ctx, run.ID) },
		"by key":      func() (pipeline.Run, error) { return s.RunByKey(ctx, run.Key) },
		"by stage":    func() (pipeline.Run, error) { return s.RunOfStage(ctx, run.Stages[1].ID) },
		"by number":   func() (pipeline.Run, error) { return s.RunByNumber(ctx, "acme", "shop-1", 1) },
		"by its case": func() (pipeline.Run, error) { return s.RunByNumber(ctx, "ACME", "Shop-1", 1) },
	} {
		found, err := find()
		if err != nil || found.ID != run.ID || len(found.Stages) != 2 {
			t.Errorf("%s: run %d with %d stages, error %v", name, found.ID, len(found.Stages), err)
		}
	}
	_, err := s.Run(ctx, other.ID+1)
	wantNotFound(t, "by id", err)
	_, err = s.RunByKey(ctx, "nothing")
	wantNotFound(t, "by key", err)
	_, err = s.RunOfStage(ctx, 9999)
	wantNotFound(t, "by stage", err)
	_, err = s.RunByNumber(ctx, "acme", "shop-1", 2)
	wantNotFound(t, "by number", err)
	_, err = s.RunByNumber(ctx, "acme", "' OR 1=1 --", 1)
	wantNotFound(t, "by a hostile name", err)
}

func testOpenRuns(t *testing.T, s Store) {
	first := create(t, s, push(1, "aaa"))
	ended := end(t, s, create(t, s, push(1, "bbb")))
	third := create(t, s, push(1, "ccc"))
	create(t, s, push(2, "aaa"))
	open, err := s.OpenRuns(t.Context(), first.Trigger.Group())
	no(t, err)
	if len(open) != 2 || open[0].ID != first.ID || open[1].ID != third.ID || len(open[0].Stages) != 2 {
		t.Errorf("open runs %v, want %d and %d", ids(open), first.ID, third.ID)
	}
	// One that is run again is open again.
	_, err = s.Change(t.Context(), ended.ID, func(r *pipeline.Run) ([]pipeline.Job, error) { return r.Rerun("test", "", "again", start) })
	no(t, err)
	open, err = s.OpenRuns(t.Context(), first.Trigger.Group())
	no(t, err)
	if want := []int64{first.ID, ended.ID, third.ID}; !slices.Equal(ids(open), want) {
		t.Errorf("open runs %v, want %v", ids(open), want)
	}
	open, err = s.OpenRuns(t.Context(), "nothing")
	if err != nil || len(open) != 0 {
		t.Errorf("of an unknown group: %v, %v", ids(open), err)
	}
}

func ids(runs []pipeline.Run) []int64 {
	list := make([]int64, len(runs))
	for i, r := range runs {
		list[i] = r.ID
	}
	return list
}

func testReuse(t *testing.T, s Store) {
	key := func(key string) func(*pipeline.StageRun) { return func(s *pipeline.StageRun) { s.InputKey = key } }
	passed := func(repo int64, sha, inputs string, and ...func(*pipeline.StageRun)) pipeline.Run {
		return conclude(t, s, create(t, s, push(repo, sha)), verdict(pipeline.StatusSuccess), append(and, key(inputs))...)
	}
	old := passed(1, "a1", "k")
	newest := passed(1, "a2", "k")
	passed(1, "a3", "k", func(s *pipeline.StageRun) { s.Reused = &pipeline.Reused{RunID: old.ID, StageID: old.Stages[0].ID} })
	conclude(t, s, create(t, s, push(1, "a4")), verdict(pipeline.StatusFailure), key("k"))
	conclude(t, s, create(t, s, push(1, "a5")), verdict(pipeline.StatusNeutral), key("k"))
	passed(2, "a6", "k")
	fork := push(1, "a7")
	fork.Fork = true
	untrusted := conclude(t, s, create(t, s, fork), verdict(pipeline.StatusSuccess), key("k"))
	passed(1, "a8", "")

	for _, c := range []struct {
		name    string
		repo    int64
		key     string
		trusted bool
		want    int64 // of the run; 0: not found
	}{
		{"trusted", 1, "k", true, newest.ID},
		{"anybody's", 1, "k", false, untrusted.ID},
		{"another repository", 3, "k", true, 0},
		{"another key", 1, "other", true, 0},
		{"without a key", 1, "", true, 0},
	} {
		stage, run, err := s.FindReusable(t.Context(), c.repo, c.key, c.trusted)
		if c.want == 0 {
			wantNotFound(t, c.name, err)
			continue
		}
		if err != nil || run.ID != c.want || stage.RunID != c.want || stage.Spec.Key != "test" || stage.Result.Verdict.Title == "" {
			t.Errorf("%s: attempt %d of run %d, error %v, want run %d", c.name, stage.ID, run.ID, err, c.want)
		}
	}
}

func testList(t *testing.T, s Store) {
	first := create(t, s, push(1, "aaa"))
	ended := end(t, s, create(t, s, push(1, "bbb")))
	pull := push(1, "ccc")
	pull.Event, pull.Ref, pull.Branch, pull.Base, pull.PullRequest = pipeline.EventPullRequest, "refs/pull/7/head", "topic", "main", 7
	third := create(t, s, pull)
	other := create(t, s, push(2, "aaa"))

	for _, c := range []struct {
		name   string
		filter pipeline.RunFilter
		want   []int64
	}{
		{"all", pipeline.RunFilter{}, []int64{other.ID, third.ID, ended.ID, first.ID}},
		{"repository", pipeline.RunFilter{RepositoryID: 1}, []int64{third.ID, ended.ID, first.ID}},
		{"name", pipeline.RunFilter{Owner: "Acme", Name: "shop-2"}, []int64{other.ID}},
		{"owner", pipeline.RunFilter{Owner: "acme"}, []int64{other.ID, third.ID, ended.ID, first.ID}},
		{"branch", pipeline.RunFilter{Branch: "topic"}, []int64{third.ID}},
		{"commit", pipeline.RunFilter{SHA: "aaa"}, []int64{other.ID, first.ID}},
		{"pull request", pipeline.RunFilter{RepositoryID: 1, PullRequest: 7}, []int64{third.ID}},
		{"event", pipeline.RunFilter{Event: pipeline.EventPush}, []int64{other.ID, ended.ID, first.ID}},
		{"event of a repository", pipeline.RunFilter{RepositoryID: 1, Event: pipeline.EventPullRequest}, []int64{third.ID}},
		{"no event", pipeline.RunFilter{Event: "' OR 1=1 --"}, nil},
		{"open", pipeline.RunFilter{OpenOnly: true}, []int64{other.ID, third.ID, first.ID}},
		{"failed", pipeline.RunFilter{Status: pipeline.StatusFailure}, []int64{ended.ID}},
		{"not begun", pipeline.RunFilter{Status: pipeline.StatusQueued, RepositoryID: 1}, []int64{third.ID, first.ID}},
		{"not begun, second page", pipeline.RunFilter{Status: pipeline.StatusQueued, Before: other.ID, Limit: 1}, []int64{third.ID}},
		{"no status", pipeline.RunFilter{Status: "' OR 1=1 --"}, nil},
		{"first page", pipeline.RunFilter{Limit: 2}, []int64{other.ID, third.ID}},
		{"second page", pipeline.RunFilter{Limit: 2, Before: third.ID}, []int64{ended.ID, first.ID}},
		{"hostile", pipeline.RunFilter{Branch: "' OR 1=1 --"}, nil},
		{"all of it", pipeline.RunFilter{
			RepositoryID: 1, Owner: "acme", Name: "shop-1", Branch: "main", SHA: "aaa", OpenOnly: true, Before: other.ID, Limit: 9,
		}, []int64{first.ID}},
	} {
		runs, err := s.Runs(t.Context(), c.filter)
		if err != nil || !slices.Equal(ids(runs), c.want) {
			t.Errorf("%s: %v, error %v, want %v", c.name, ids(runs), err, c.want)
		}
	}
	// A run that changes is found by what it is now.
	for _, run := range []pipeline.Run{first, third} {
		end(t, s, run)
	}
	runs, err := s.Runs(t.Context(), pipeline.RunFilter{Status: pipeline.StatusFailure})
	if want := []int64{third.ID, ended.ID, first.ID}; err != nil || !slices.Equal(ids(runs), want) {
		t.Errorf("failed later: %v, error %v, want %v", ids(runs), err, want)
	}
	for i := range 60 {
		create(t, s, push(3, string(rune('a'+i))))
	}
	runs, err = s.Runs(t.Context(), pipeline.RunFilter{})
	if err != nil || len(runs) != 50 {
		t.Errorf("%d runs without a limit, error %v, want 50", len(runs), err)
	}
}

func testListIsLight(t *testing.T, s Store) {
	result := verdict(pipeline.StatusFailure)
	result.LogTail, result.Sections = []string{"a", "b"}, []pipeline.Section{{Title: "Tests"}}
	run := conclude(t, s, create(t, s, push(1, "aaa")), result)
	runs, err := s.Runs(t.Context(), pipeline.RunFilter{})
	no(t, err)
	stage := runs[0].Stages[0]
	if stage.Result.Verdict != result.Verdict || stage.Status != pipeline.StatusFailure || stage.Spec.Key != "test" ||
		!stage.FinishedAt.Equal(start.Add(time.Minute)) || stage.Version != run.Stages[0].Version {
		t.Errorf("the list lacks what it shows: %+v", stage)
	}
	if stage.Result.LogTail != nil || stage.Result.Sections != nil {
		t.Error("the list carries logs and sections")
	}
}
