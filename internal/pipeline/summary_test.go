package pipeline

import "testing"

// What became of an entry is recorded by a job of its own, after the last stage: the summary comes after that.
func TestTheSummaryWaitsForTheOutcomeOfTheEntry(t *testing.T) {
	run := newRun("deploy:", "summary:")
	run.Stages[0].Spec.Environment, run.Stages[0].Spec.Enters = "production", true
	run.Entries = []Entry{{Environment: "production", Action: ActionDeploy, State: EntryPreparing}}
	run.Advance(at(0))
	if got := run.Entry("production").State; got != EntryDeciding {
		t.Fatalf("the entry is %s", got)
	}
	run.EnterEntry("production", Candidate{}, at(1))
	finish(t, run, "deploy", Verdict{Status: StatusSuccess})
	if got, state := run.current("summary").Status, run.Entry("production").State; got != StatusQueued || state != EntryLeaving {
		t.Errorf("the summary is %s while the entry is %s", got, state)
	}
	jobs := run.LeaveEntry("production", EntryDone, 5, "", at(3))
	if got := run.current("summary").Status; got != StatusReady || run.current("deploy").Release != 5 {
		t.Errorf("the summary is %s, release %d", got, run.current("deploy").Release)
	}
	if len(jobs) == 0 || jobs[0].Kind != JobStage || jobs[0].Key != "summary" {
		t.Errorf("jobs: %+v", jobs)
	}
}

// Nothing entered, nothing is to be recorded: it does not wait.
func TestTheSummaryDoesNotWaitForAnEntryThatEnds(t *testing.T) {
	run := newRun("deploy:", "summary:")
	run.Stages[0].Spec.Environment, run.Stages[0].Spec.Enters = "production", true
	run.Entries = []Entry{{Environment: "production", Action: ActionDeploy, State: EntryPreparing}}
	run.Advance(at(0))
	run.CloseEntry("production", EntryVoid, "Void: the commit moved", at(1))
	if got := run.current("summary").Status; got != StatusReady {
		t.Errorf("the summary is %s", got)
	}
}
