package environment

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Somebody who is named needs no answer about a team, wherever the name stands in the list.
func TestWhoIsNamedNeedsNoTeam(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.deaf["team"] = true
	list := []string{"@acme/platform", "@Carol"}
	if who, err := h.keeper.person(t.Context(), h.repo, list, "carol"); err != nil || !who.Allowed {
		t.Errorf("carol: %+v %v", who, err)
	}
	if who, err := h.keeper.person(t.Context(), h.repo, list, "dave"); err != nil || who.Allowed || !who.Unknown {
		t.Errorf("dave: %+v %v", who, err)
	}
}

// A decision is recorded once however often it is repeated; refused and then allowed are two.
func TestRefusedAndThenAllowedAreTwoRecords(t *testing.T) {
	h := newHouse(t, "dep run @production")
	id := h.submit(pushed("c1"))
	run := h.load(id)
	entry := *run.Entry("production")
	for _, r := range []pipeline.AuditRecord{
		{Action: "enter", Why: "frozen"}, {Action: "enter", Why: "frozen"},
		{Action: "enter", Why: "open", Allowed: true}, {Action: "enter", Why: "open", Allowed: true},
		{Action: "enter", Why: "moved", Fingerprint: "another"},
	} {
		h.must(h.keeper.record(t.Context(), run, entry, r))
	}
	h.wantAudit("#1 slipway enter production false: frozen", "#1 slipway enter production true: open", "#1 slipway enter production false: moved")
}

// Whether a run between two environments is superseded depends on what it has changed in the first.
func TestARunWaitsUntilItIsRecordedWhatItChanged(t *testing.T) {
	h := newHouse(t, "a run @staging", "b run @production <a")
	run := h.load(h.submit(pushed("c1")))
	before := run.Entry("staging")
	before.EnteredAt, before.State = h.Now(), pipeline.EntryLeaving
	var busy *BusyError
	if err := h.keeper.catchUp(t.Context(), run, "production"); !errors.As(err, &busy) || busy.Environment != "staging" || busy.After <= 0 {
		t.Errorf("error = %v", err)
	}
	before.State = pipeline.EntryDone
	if err := h.keeper.catchUp(t.Context(), run, "production"); err != nil {
		t.Error(err)
	}
}

func TestMovedList(t *testing.T) {
	for _, c := range []struct {
		moved int
		want  string
	}{{1, "m"}, {5, "m; m; m; m; m"}, {6, "m; m; m; m; m; and 1 more"}, {40, "m; m; m; m; m; and 35 more"}} {
		moved := strings.Split(strings.Repeat("m ", c.moved-1)+"m", " ")
		if got := movedList(moved); got != c.want {
			t.Errorf("%d: %q, want %q", c.moved, got, c.want)
		}
	}
}
