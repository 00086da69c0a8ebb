package pipeline

import (
	"testing"
	"time"
)

func TestSupersedes(t *testing.T) {
	run := func(id int64, sha, before string, seconds int) Run {
		r := Run{ID: id, Trigger: push("main")}
		r.Trigger.SHA, r.Trigger.Before = sha, before
		if seconds > 0 {
			r.Trigger.At = at(seconds)
		}
		return r
	}
	fresh := func(r Run) Run {
		r.Trigger.Fresh = true
		return r
	}
	cases := []struct {
		name        string
		a, b        Run
		forth, back bool
	}{
		{"the later run", run(2, "bb", "", 0), run(1, "aa", "", 0), true, false},
		{"an older push whose delivery came late", run(2, "aa", "", 1), run(1, "bb", "", 2), false, true},
		{"within one second: what was pushed on top", run(1, "bb", "aa", 5), run(2, "aa", "00", 5), true, false},
		{"the branch goes back and forth within one second", run(2, "aa", "bb", 5), run(1, "bb", "aa", 5), true, false},
		{"the same commit again", fresh(run(3, "aa", "", 1)), run(1, "aa", "", 1), true, false},
		{"an old commit is looked at again", fresh(run(3, "aa", "", 1)), run(2, "bb", "aa", 2), false, false},
		{"a push after an old commit is looked at again", run(4, "cc", "bb", 3), fresh(run(3, "aa", "", 1)), true, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.a.supersedes(tc.b); got != tc.forth {
				t.Errorf("a supersedes b: %v", got)
			}
			if got := tc.b.supersedes(tc.a); got != tc.back {
				t.Errorf("b supersedes a: %v", got)
			}
		})
	}
}

func TestKeyOfACommitThatCameBack(t *testing.T) {
	first := push("main")
	first.Delivery = "one"
	run := NewRun(first, Plan{}, time.Time{})
	again := first
	again.Delivery = "two"
	if again.askedAgain(run) {
		t.Error("another delivery of the same push made another run")
	}
	run.Reason = "superseded by run #2"
	if first.askedAgain(run) {
		t.Error("a delivery that is worked again made another run")
	}
	if !again.askedAgain(run) {
		t.Error("a commit that came back after its run was cancelled is not run")
	}
	again.Again = true
	if again.Key() == first.Key() {
		t.Error("both runs have the key " + first.Key())
	}
}
