package pipeline

import (
	"errors"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func at(seconds int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(seconds) * time.Second)
}

// newRun builds a run from "name: need need?" lines; ? marks an optional need.
func newRun(lines ...string) *Run {
	var plan Plan
	for _, line := range lines {
		name, needs, _ := strings.Cut(line, ":")
		spec := StageSpec{Key: name, ID: name, Uses: "run"}
		if name == "summary" {
			spec.Uses = UsesSummary
		}
		for need := range strings.FieldsSeq(needs) {
			stage, optional := strings.CutSuffix(need, "?")
			spec.Needs = append(spec.Needs, Need{Stage: stage, Optional: optional})
		}
		plan.Stages = append(plan.Stages, spec)
	}
	run := NewRun(push("main"), plan, at(0))
	run.ID = 1
	for i := range run.Stages {
		run.Stages[i].ID, run.Stages[i].RunID = int64(i+1), 1
	}
	return &run
}

// finish walks the current attempt of a stage to an end and numbers what was appended.
func finish(t *testing.T, run *Run, key string, verdict Verdict) []Job {
	t.Helper()
	s := run.current(key)
	if s.Status == StatusReady {
		if err := s.Move(StatusRunning, at(1)); err != nil {
			t.Fatal(err)
		}
	}
	jobs, err := run.Conclude(s.ID, Result{Verdict: verdict}, at(2))
	if err != nil {
		t.Fatal(err)
	}
	for i := range run.Stages {
		run.Stages[i].ID, run.Stages[i].RunID = int64(i+1), 1
	}
	return jobs
}

func states(run *Run) string {
	var parts []string
	for _, s := range run.Current() {
		parts = append(parts, s.Spec.Key+"="+string(s.Status))
	}
	return strings.Join(parts, " ")
}

func TestAdvance(t *testing.T) {
	ok, bad := Verdict{Status: StatusSuccess}, Verdict{Status: StatusFailure}
	type step struct {
		key     string
		verdict Verdict
	}
	cases := []struct {
		name   string
		lines  []string
		steps  []step
		want   string
		status Status
	}{
		{"what needs nothing starts at once", []string{"a", "b", "c: a b"}, nil, "a=ready b=ready c=queued", StatusQueued},
		{"a need that passed", []string{"a", "b: a"}, []step{{"a", ok}}, "a=success b=ready", StatusRunning},
		{"neutral passes", []string{"a", "b: a"}, []step{{"a", Verdict{Status: StatusNeutral}}}, "a=neutral b=ready", StatusRunning},
		{"a need that failed", []string{"a", "b: a", "c: b"}, []step{{"a", bad}}, "a=failure b=skipped c=skipped", StatusFailure},
		{"optional: skipped counts as passed", []string{"a", "b: a", "c: b?"}, []step{{"a", bad}}, "a=failure b=skipped c=ready", StatusRunning},
		{"optional: failed does not", []string{"a", "b: a?"}, []step{{"a", bad}}, "a=failure b=skipped", StatusFailure},
		{"the summary waits for all", []string{"a", "b", "summary"}, []step{{"a", bad}}, "a=failure b=ready summary=queued", StatusRunning},
		{"the summary runs after a failure", []string{"a", "b: a", "summary"}, []step{{"a", bad}}, "a=failure b=skipped summary=ready", StatusRunning},
		{"the end", []string{"a", "summary"}, []step{{"a", ok}, {"summary", ok}}, "a=success summary=success", StatusSuccess},
		{"timed out is a failure", []string{"a"}, []step{{"a", Verdict{Status: StatusTimedOut}}}, "a=timed_out", StatusFailure},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			run := newRun(tc.lines...)
			run.Advance(at(0))
			for _, s := range tc.steps {
				finish(t, run, s.key, s.verdict)
			}
			if diff := cmp.Diff(tc.want, states(run)); diff != "" {
				t.Error(diff)
			}
			if run.Status != tc.status {
				t.Errorf("run is %s, not %s", run.Status, tc.status)
			}
			if run.Status.Final() == run.FinishedAt.IsZero() {
				t.Errorf("finished at %v as %s", run.FinishedAt, run.Status)
			}
		})
	}
}

func TestSkippedNamesTheNeed(t *testing.T) {
	run := newRun("a", "b: a")
	run.Advance(at(0))
	finish(t, run, "a", Verdict{Status: StatusFailure})
	if got := run.current("b").Reason; got != "it needs a, which failed" {
		t.Error(got)
	}
}

func TestRetryAndRepair(t *testing.T) {
	run := newRun("a")
	run.Stages[0].Spec.Retry = 1
	run.Advance(at(0))
	bad := Verdict{Status: StatusFailure, Title: "2 failed"}
	lost := Verdict{Status: StatusFailure, Title: "fetch failed", Infrastructure: true}
	var delays []time.Duration
	for _, v := range []Verdict{lost, lost, lost, bad, bad} {
		for _, job := range finish(t, run, "a", v) {
			delays = append(delays, job.After)
		}
	}
	if diff := cmp.Diff([]time.Duration{2e9, 10e9, 50e9, 0}, delays); diff != "" {
		t.Error(diff)
	}
	last := run.current("a")
	if last.Attempt != 5 || last.Status != StatusFailure || run.Status != StatusFailure {
		t.Errorf("attempt %d %s, run %s", last.Attempt, last.Status, run.Status)
	}
	if last.AttemptReason != "retry 1 of 1 after: 2 failed" {
		t.Error(last.AttemptReason)
	}
}

func TestContinueOnFailure(t *testing.T) {
	run := newRun("a", "b: a")
	run.Stages[0].Spec.ContinueOnFailure = true
	run.Advance(at(0))
	finish(t, run, "a", Verdict{Status: StatusFailure})
	if got := states(run); got != "a=neutral b=ready" {
		t.Error(got)
	}
}

func TestRerunBringsBackWhatWasSkippedBecauseOfIt(t *testing.T) {
	run := newRun("a", "b: a", "c: b", "other", "summary")
	run.Advance(at(0))
	finish(t, run, "other", Verdict{Status: StatusSuccess})
	finish(t, run, "a", Verdict{Status: StatusFailure})
	finish(t, run, "summary", Verdict{Status: StatusFailure})
	if run.Status != StatusFailure {
		t.Fatal(run.Status)
	}
	jobs, err := run.Rerun("a", "", "run again, asked by @alice", at(3))
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) != 1 || jobs[0].Key != "a" {
		t.Errorf("jobs %+v", jobs)
	}
	if diff := cmp.Diff("other=success a=ready b=queued c=queued summary=queued", states(run)); diff != "" {
		t.Error(diff)
	}
	if run.Status.Final() || !run.FinishedAt.IsZero() {
		t.Errorf("run is %s, finished %v", run.Status, run.FinishedAt)
	}
	again, err := run.Rerun("a", "", "twice", at(4))
	if err != nil || again != nil {
		t.Errorf("a second click: %v %v", again, err)
	}
	if _, err := run.Rerun("nothing", "", "", at(4)); err == nil {
		t.Error("unknown stage was accepted")
	}
}

func TestCancel(t *testing.T) {
	run := newRun("a", "b: a", "c", "summary")
	run.Advance(at(0))
	if err := run.current("a").Move(StatusRunning, at(1)); err != nil {
		t.Fatal(err)
	}
	jobs := run.Cancel("superseded by run #2", at(2))
	if len(jobs) != 1 || jobs[0].Kind != JobInterrupt {
		t.Errorf("jobs %+v", jobs)
	}
	if diff := cmp.Diff("a=running b=cancelled c=cancelled summary=queued", states(run)); diff != "" {
		t.Error(diff)
	}
	finish(t, run, "a", Verdict{Status: StatusCancelled})
	finish(t, run, "summary", Verdict{Status: StatusCancelled})
	if run.Status != StatusCancelled || run.current("a").Reason != "superseded by run #2" {
		t.Errorf("run %s, a: %s", run.Status, run.current("a").Reason)
	}
	if more := run.Cancel("again", at(5)); more != nil || run.Reason != "superseded by run #2" {
		t.Error("an ended run was cancelled again")
	}
}

// An interrupt from a terminal also reaches a runner that is just being started: the cancel is what ended the stage.
func TestWhatNeverBeganAndIsCancelledIsNoFailure(t *testing.T) {
	for _, cancelled := range []bool{true, false} {
		run := newRun("a", "summary")
		run.Advance(at(0))
		if err := run.current("a").Move(StatusRunning, at(1)); err != nil {
			t.Fatal(err)
		}
		if cancelled {
			run.Cancel("the demo was ended", at(2))
		}
		broken := Verdict{Status: StatusFailure, Infrastructure: true, Title: "the stage could not be started"}
		if _, err := run.ConcludeUnbegun(run.current("a").ID, Result{Verdict: broken}, at(3)); err != nil {
			t.Fatal(err)
		}
		first := run.Stages[0]
		if want := map[bool]Status{true: StatusCancelled, false: StatusFailure}[cancelled]; first.Status != want || cancelled && first.Result.Verdict.Title != "Cancelled: the demo was ended" {
			t.Errorf("cancelled %v: %s %q", cancelled, first.Status, first.Result.Verdict.Title)
		}
	}
}

func TestCancelBeforeAnythingRuns(t *testing.T) {
	run := newRun("a", "summary")
	run.Advance(at(0))
	jobs := run.Cancel("closed", at(1))
	if len(jobs) != 1 || jobs[0].Key != "summary" {
		t.Errorf("jobs %+v", jobs)
	}
}

// Whatever order stages end in, a run ends, and no state is left that the machine forbids.
func TestEveryRunEnds(t *testing.T) {
	ends := []Status{StatusSuccess, StatusFailure, StatusNeutral, StatusSkipped, StatusCancelled, StatusTimedOut}
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		run := newRun("a", "b: a", "c: a?", "d: b c", "e", "f: d? e", "summary")
		for i := range run.Stages {
			run.Stages[i].Spec.Retry = rng.IntN(2)
		}
		run.Advance(at(0))
		for range 100 {
			ready := slices.DeleteFunc(run.Current(), func(s StageRun) bool { return s.Status != StatusReady && s.Status != StatusRunning })
			if len(ready) == 0 {
				break
			}
			if rng.IntN(20) == 0 {
				run.Cancel("test", at(1))
				continue
			}
			pick := ready[rng.IntN(len(ready))]
			finish(t, run, pick.Spec.Key, Verdict{Status: ends[rng.IntN(len(ends))], Infrastructure: rng.IntN(5) == 0})
		}
		if !run.Status.Final() {
			t.Fatalf("seed %d: run is %s: %s", seed, run.Status, states(run))
		}
	}
}

func TestStatusCan(t *testing.T) {
	all := []Status{
		StatusQueued, StatusReady, StatusWaiting, StatusRunning, StatusSuccess, StatusFailure, StatusNeutral, StatusSkipped,
		StatusCancelled, StatusTimedOut,
	}
	for _, from := range all {
		if from.Can(from) {
			t.Errorf("%s can go to itself", from)
		}
		if from.Can(StatusQueued) && from != StatusWaiting && from != StatusRunning { // it was released, or has prepared, and waits for its needs
			t.Errorf("%s can go back to queued", from)
		}
		for _, to := range all {
			if from.Final() && from.Can(to) {
				t.Errorf("%s is final and can go to %s", from, to)
			}
		}
	}
	if StatusQueued.Can(StatusRunning) || StatusQueued.Can(StatusSuccess) {
		t.Error("a queued stage starts without a worker")
	}
	s := StageRun{Status: StatusQueued}
	var refused *MoveError
	if err := s.Move(StatusSuccess, at(0)); !errors.As(err, &refused) || s.Status != StatusQueued {
		t.Errorf("a forbidden move was made: %v, %s", err, s.Status)
	}
}

// drawn are the arrows of the diagram under a heading of docs/architecture.md.
func drawn(t *testing.T, heading string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/architecture.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	arrows := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^    ([a-z_]+) --> ([a-z_]+)`).FindAllStringSubmatch(section, -1) {
		arrows[m[1]+" --> "+m[2]] = true
	}
	return arrows
}

func arrows[S ~string](table map[S][]S) map[string]bool {
	holds := map[string]bool{}
	for from, nexts := range table {
		for _, to := range nexts {
			holds[string(from)+" --> "+string(to)] = true
		}
	}
	return holds
}

// docs/architecture.md shows the state machines; they must be the ones that hold.
func TestDiagramsAreTheStateMachines(t *testing.T) {
	if diff := cmp.Diff(arrows(transitions), drawn(t, "States of a stage attempt")); diff != "" {
		t.Errorf("the diagram of stages is not the table:\n%s", diff)
	}
	if diff := cmp.Diff(arrows(entryTransitions), drawn(t, "States of an entry into an environment")); diff != "" {
		t.Errorf("the diagram of entries is not the table:\n%s", diff)
	}
}

func TestEntryStates(t *testing.T) {
	for from, nexts := range entryTransitions {
		for _, to := range nexts {
			if !from.Can(to) || from.Can(from) {
				t.Errorf("%s: %v", from, nexts)
			}
			if _, known := entryTransitions[to]; !known {
				t.Errorf("%s leads to %s, which leads nowhere", from, to)
			}
		}
		if from.Final() != (len(nexts) == 1 && nexts[0] == EntryPreparing) {
			t.Errorf("%s is final: %v", from, from.Final())
		}
	}
	if EntryState("").Final() || EntryState("entered ").Can(EntryLeaving) {
		t.Error("what is no state is one")
	}
}

func TestWhatNeedsASummaryRunsAfterIt(t *testing.T) {
	run := newRun("a", "summary", "after: summary", "later: after")
	run.Advance(at(0))
	for _, key := range []string{"a", "summary", "after", "later"} {
		if got := run.current(key).Status; got != StatusReady {
			t.Fatalf("%s is %s: %s", key, got, states(run))
		}
		finish(t, run, key, Verdict{Status: StatusSuccess})
	}
	if run.Status != StatusSuccess {
		t.Error(run.Status)
	}
}

func TestRerunWhileTheSummaryWaitsForAWorker(t *testing.T) {
	for _, begun := range []bool{false, true} {
		run := newRun("a", "summary")
		run.Advance(at(0))
		finish(t, run, "a", Verdict{Status: StatusFailure})
		if begun {
			if err := run.current("summary").Move(StatusRunning, at(3)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := run.Rerun("a", "", "asked by @alice", at(3)); err != nil {
			t.Fatal(err)
		}
		if got := states(run); got != "a=ready summary=queued" {
			t.Errorf("the summary would tell of the attempt before: %s", got)
		}
		finish(t, run, "a", Verdict{Status: StatusSuccess})
		finish(t, run, "summary", Verdict{Status: StatusSuccess})
		if run.Status != StatusSuccess {
			t.Errorf("run is %s: %s", run.Status, states(run))
		}
	}
}

func TestRerunOfACancelledStageBringsBackWhatNeedsIt(t *testing.T) {
	run := newRun("a", "b: a", "c: b", "other", "summary")
	run.Advance(at(0))
	run.Cancel("superseded by run #2", at(1))
	finish(t, run, "summary", Verdict{Status: StatusSuccess})
	if _, err := run.Rerun("a", "", "asked by @alice", at(2)); err != nil {
		t.Fatal(err)
	}
	if got := states(run); got != "other=cancelled a=ready b=queued c=queued summary=queued" {
		t.Error(got)
	}
	if run.Reason != "" {
		t.Errorf("the run still says %q", run.Reason)
	}
}

func TestCancelledThoughNobodyAskedIsTriedAgain(t *testing.T) {
	run := newRun("a")
	run.Advance(at(0))
	jobs := finish(t, run, "a", Verdict{Status: StatusCancelled, Title: "Cancelled: the runner was told to end (terminated)"})
	if len(jobs) != 1 || run.current("a").Attempt != 2 || run.Status.Final() {
		t.Errorf("jobs %v, run %s: %s", jobs, run.Status, states(run))
	}
}

func TestAVerdictThatIsNoEndIsAFailure(t *testing.T) {
	for _, status := range []Status{"", StatusWaiting, StatusRunning, "strange"} {
		run := newRun("a")
		run.Stages[0].Repairs = MaxRepairs
		run.Advance(at(0))
		finish(t, run, "a", Verdict{Status: status})
		if run.Status != StatusFailure {
			t.Errorf("%q: run is %s", status, run.Status)
		}
	}
}

func TestRerunBringsBackWhatWasSkippedBecauseOfTheSummary(t *testing.T) {
	run := newRun("a", "summary", "after: summary")
	run.Advance(at(0))
	finish(t, run, "a", Verdict{Status: StatusFailure})
	finish(t, run, "summary", Verdict{Status: StatusFailure})
	if _, err := run.Rerun("a", "", "asked by @alice", at(3)); err != nil {
		t.Fatal(err)
	}
	if got := states(run); got != "a=ready summary=queued after=queued" {
		t.Error(got)
	}
}
