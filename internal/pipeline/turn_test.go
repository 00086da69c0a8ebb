package pipeline

import "testing"

// TestAnEntryThatIsOpenedAgainHasAnotherTurn: what GitHub shows of an entry is kept by its turn.
func TestAnEntryThatIsOpenedAgainHasAnotherTurn(t *testing.T) {
	plan := Plan{
		Stages:  []StageSpec{{Key: "deploy (production)", ID: "deploy", Uses: "run", Environment: "production", Enters: true}},
		Entries: []Entry{{Environment: "production", State: EntryPreparing, Askers: []string{"alice"}}},
	}
	run := NewRun(push("main"), plan, at(0))
	run.ID, run.Stages[0].ID, run.Stages[0].RunID = 1, 1, 1
	run.Advance(at(0))
	for turn := range 3 {
		entry := run.Entry("production")
		if entry.Turn != turn || entry.State.Final() {
			t.Fatalf("turn %d, %s, want an open turn %d", entry.Turn, entry.State, turn)
		}
		entry.EnteredAt = at(1) // whether it entered or not
		run.current("deploy (production)").Status = StatusFailure
		entry.State = EntryFailed
		if _, err := run.Rerun("deploy (production)", "bob", "asked by @bob", at(2)); err != nil {
			t.Fatal(err)
		}
		if run.reopen("production", "bob"); run.Entry("production").Turn != turn+1 {
			t.Errorf("an open entry was opened again: turn %d", run.Entry("production").Turn)
		}
	}
}
