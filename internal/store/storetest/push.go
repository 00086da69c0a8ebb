//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func pushed(sha, ref, by string, minute int) pipeline.PushRecord {
	return pipeline.PushRecord{
		RepositoryID: 1, SHA: sha, Ref: ref, Before: "before-" + sha, By: by, At: start.Add(time.Duration(minute) * time.Minute),
	}
}

func testPushes(t *testing.T, s Store) {
	const main, topic = "refs/heads/main", "refs/heads/topic"
	late := pushed("aaa", main, "alice", 5)
	late.Before = "told later"
	elsewhere := pushed("aaa", main, "mallory", 0)
	elsewhere.RepositoryID = 2
	for _, p := range []pipeline.PushRecord{
		late, pushed("aaa", main, "alice", 1), pushed("aaa", main, "ALICE", 7), pushed("aaa", topic, "alice", 2),
		pushed("aaa", main, "bob", 3), pushed("bbb", main, "alice", 4), elsewhere,
	} {
		no(t, s.SavePush(t.Context(), p))
	}
	back := pushed("aaa", main, "alice", 1) // it was there at minute 1, and, at the latest, at minute 7
	back.Again = start.Add(7 * time.Minute)
	want := []pipeline.PushRecord{back, pushed("aaa", main, "bob", 3), pushed("aaa", topic, "alice", 2)}
	got, err := s.Pushes(t.Context(), 1, "aaa")
	no(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pushes of aaa:\n%s", diff)
	}
	want = []pipeline.PushRecord{back, pushed("bbb", main, "alice", 4), pushed("aaa", main, "bob", 3)}
	for limit, n := range map[int]int{0: 3, 2: 2, 9: 3} {
		got, err = s.PushesTo(t.Context(), 1, main, limit)
		no(t, err)
		if diff := cmp.Diff(want[:n], got); diff != "" {
			t.Errorf("at most %d pushes to main:\n%s", limit, diff)
		}
	}
	if got, err = s.Pushes(t.Context(), 1, "' OR 1=1 --"); err != nil || len(got) != 0 {
		t.Errorf("of an unknown commit: %v, %v", got, err)
	}
}

func testPushSweep(t *testing.T, s Store) {
	end(t, s, create(t, s, push(1, "ended")))
	create(t, s, push(1, "open"))
	for i, sha := range []string{"ended", "open", "without"} {
		no(t, s.SavePush(t.Context(), pushed(sha, "refs/heads/main", "alice", i)))
	}
	no(t, s.SavePush(t.Context(), pushed("new", "refs/heads/main", "alice", 500)))
	later := start.Add(time.Hour)
	left := func(want ...string) {
		t.Helper()
		got, err := s.PushesTo(t.Context(), 1, "refs/heads/main", 0)
		no(t, err)
		var commits []string
		for _, p := range got {
			commits = append(commits, p.SHA)
		}
		if diff := cmp.Diff(want, commits); diff != "" {
			t.Errorf("left:\n%s", diff)
		}
	}
	if n, err := s.SweepPushes(t.Context(), later); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	left("new", "open", "ended")
	_, err := s.Sweep(t.Context(), later)
	no(t, err)
	if n, err := s.SweepPushes(t.Context(), later); n != 1 || err != nil {
		t.Errorf("swept %d after the run, %v", n, err)
	}
	left("new", "open")
	for i := range 2100 {
		p := pushed("many", "refs/heads/many", "alice", 0)
		p.SHA += time.Duration(i).String()
		no(t, s.SavePush(t.Context(), p))
	}
	if n, err := s.SweepPushes(t.Context(), later); n != 2100 || err != nil {
		t.Errorf("swept %d of 2100, %v", n, err)
	}
	left("new", "open")
}
