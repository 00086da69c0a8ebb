package checks

import (
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestStepOf(t *testing.T) {
	t.Parallel()
	entered := noon.Add(time.Minute)
	c := candidate()
	hold := func(title string, rules ...string) *pipeline.Hold {
		h := &pipeline.Hold{Title: title}
		for _, rule := range rules {
			h.Missing = append(h.Missing, pipeline.Missing{Rule: rule})
		}
		return h
	}
	for name, test := range map[string]struct {
		entry   pipeline.Entry
		release int64
		want    step
	}{
		"preparing":     {pipeline.Entry{State: pipeline.EntryPreparing}, 0, step{}},
		"deciding":      {pipeline.Entry{State: pipeline.EntryDeciding}, 0, step{}},
		"decided again": {pipeline.Entry{State: pipeline.EntryDeciding, Candidate: &c}, 0, step{state: "pending", says: "It is decided whether it may enter"}},
		"held": {
			pipeline.Entry{State: pipeline.EntryWaiting, Candidate: &c, Hold: hold("Waiting for 1 approval of bob", "approvals")}, 0,
			step{state: "pending", says: "Waiting for 1 approval of bob", worthCreating: true},
		},
		"in the queue": {
			pipeline.Entry{State: pipeline.EntryWaiting, Candidate: &c, Hold: hold("Waits for its turn", "turn")}, 0,
			step{state: "queued", says: "Waits for its turn", worthCreating: true},
		},
		"in the queue and held": {
			pipeline.Entry{State: pipeline.EntryWaiting, Candidate: &c, Hold: hold("locked", "lock", "turn")}, 0,
			step{state: "pending", says: "locked", worthCreating: true},
		},
		"entered": {
			pipeline.Entry{State: pipeline.EntryEntered, EnteredAt: entered}, 0, step{state: "in_progress", says: "Run #12 changes production", worthCreating: true},
		},
		"a stage is tried again": {
			pipeline.Entry{State: pipeline.EntryWaiting, EnteredAt: entered, Candidate: &c, Hold: hold("x", "approvals")}, 0,
			step{state: "in_progress", says: "Run #12 changes production", worthCreating: true},
		},
		"leaving": {
			pipeline.Entry{State: pipeline.EntryLeaving, EnteredAt: entered}, 0, step{state: "in_progress", says: "Run #12 changes production", worthCreating: true},
		},
		"released": {
			pipeline.Entry{State: pipeline.EntryDone, EnteredAt: entered, Release: 5}, 5,
			step{state: "success", says: "Release 5 of production", worthCreating: true, replaces: true},
		},
		"released, and replaced since": {
			pipeline.Entry{State: pipeline.EntryDone, EnteredAt: entered, Release: 5}, 7,
			step{state: "inactive", says: "Release 5, replaced by release 7", worthCreating: true},
		},
		"released, and taken down since": {
			pipeline.Entry{State: pipeline.EntryDone, EnteredAt: entered, Release: 5}, 0, step{state: "inactive", says: "Release 5, taken down", worthCreating: true},
		},
		"destroyed": {
			pipeline.Entry{State: pipeline.EntryDone, Action: pipeline.ActionDestroy, EnteredAt: entered}, 0,
			step{state: "inactive", says: "Destroyed by run #12", worthCreating: true, replaces: true},
		},
		"destroyed, and deployed since": {
			pipeline.Entry{State: pipeline.EntryDone, Action: pipeline.ActionDestroy, EnteredAt: entered}, 8,
			step{state: "inactive", says: "Destroyed by run #12", worthCreating: true},
		},
		"failed in it":          {pipeline.Entry{State: pipeline.EntryFailed, EnteredAt: entered, Reason: "x"}, 0, step{state: "failure", says: "x", worthCreating: true}},
		"failed before":         {pipeline.Entry{State: pipeline.EntryFailed, Reason: "x"}, 0, step{state: "failure", says: "x"}},
		"cut off":               {pipeline.Entry{State: pipeline.EntryCancelled, EnteredAt: entered, Reason: "x"}, 0, step{state: "error", says: "Cut off: x", worthCreating: true}},
		"cancelled before":      {pipeline.Entry{State: pipeline.EntryCancelled, Reason: "x"}, 0, step{state: "inactive", says: "Not entered: x"}},
		"rejected":              {pipeline.Entry{State: pipeline.EntryRejected, Reason: "Rejected by bob"}, 0, step{state: "inactive", says: "Rejected by bob"}},
		"void":                  {pipeline.Entry{State: pipeline.EntryVoid, Reason: "Void: the commit moved"}, 0, step{state: "inactive", says: "Void: the commit moved"}},
		"nothing was to do":     {pipeline.Entry{State: pipeline.EntrySkipped, Reason: "x"}, 0, step{state: "inactive", says: "Nothing was to be done: x"}},
		"a state of the future": {pipeline.Entry{State: "hovering"}, 0, step{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.entry.Environment = "production"
			if got := stepOf(pipeline.Run{Number: 12}, test.entry, pipeline.EnvironmentState{Release: test.release}); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// A deployment only goes up.
func TestRanks(t *testing.T) {
	t.Parallel()
	order := []string{"", "pending", "queued", "in_progress", "success", "inactive"}
	for i := range order[1:] {
		if rank(order[i]) >= rank(order[i+1]) {
			t.Errorf("%q is not before %q", order[i], order[i+1])
		}
	}
	if rank("failure") != rank("success") || rank("error") != rank("success") {
		t.Error("an end is before another")
	}
}

func TestIsProduction(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"production": true, "Production": true, "prod": true, "prod-eu": true, "eu_production": true, "live": true,
		"staging": false, "pre-production": false, "non-prod": false, "reproduction": false, "": false, "dev": false, "test-live": false,
	} {
		if got := isProduction(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
