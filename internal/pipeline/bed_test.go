package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// bed walks a run as engine, gate and queue walk it, and looks after every step whether what must always hold does.
type bed struct {
	testing.TB
	run  *Run
	now  time.Time
	jobs []dueJob
	// moved are the steps that entries took.
	moved map[[2]EntryState]bool
	told  []string // what was done, for the words of a failure
}

type dueJob struct {
	Job
	at time.Time
}

// define reads stages: "plan terraform @production <build <lint? retry=1 lax x2". < names a need, ? makes it optional, lax is
// continue-on-failure, x2 a matrix of two legs.
func define(lines ...string) Definition {
	d := Definition{Name: "test"}
	for _, line := range lines {
		words := strings.Fields(line)
		def := StageDefinition{ID: words[0], Uses: words[1], Timeout: time.Minute}
		for _, w := range words[2:] {
			switch {
			case w[0] == '@':
				def.Environment = w[1:]
			case w[0] == '<':
				need, optional := strings.CutSuffix(w[1:], "?")
				def.Needs = append(def.Needs, Need{Stage: need, Optional: optional})
			case w == "lax":
				def.ContinueOnFailure = true
			case strings.HasPrefix(w, "retry="):
				def.Retry, _ = strconv.Atoi(w[len("retry="):])
			case w == "never":
				def.If = fixed{}
			case w[0] == 'x':
				legs, _ := strconv.Atoi(w[1:])
				for i := range legs {
					def.Matrix = append(def.Matrix, MatrixLeg{{"v", strconv.Itoa(i + 1)}})
				}
			default:
				panic(w)
			}
		}
		d.Stages = append(d.Stages, def)
	}
	for _, name := range []string{"staging", "production"} {
		d.Environments = append(d.Environments, EnvironmentDefinition{
			Name: name, Branches: []string{"main"}, MatchBranch: only("main"), AutoDeploy: true, PullRequests: true,
		})
	}
	return d
}

func everyKind(string) bool { return true }

func walk(t testing.TB, trigger Trigger, d Definition) *bed {
	t.Helper()
	plan, err := NewPlan(trigger, d, PlanFacts{Built: everyKind, Restores: restoresOf(trigger)})
	if err != nil {
		t.Fatal(err)
	}
	run := NewRun(trigger, plan, at(0))
	run.ID, run.Number = 1, 7
	for i := range run.Stages {
		run.Stages[i].ID, run.Stages[i].RunID = int64(i+1), 1
	}
	b := &bed{TB: t, run: &run, now: at(0), moved: make(map[[2]EntryState]bool)}
	b.do("begin", func(r *Run) ([]Job, error) { return r.Advance(b.now), nil })
	return b
}

func restoresOf(t Trigger) *Release {
	if t.Deploy == nil || t.Deploy.Action != ActionRollback {
		return nil
	}
	return &Release{Environment: t.Deploy.Environment, Number: t.Deploy.Release, Parts: []Part{
		{Kind: PartImage, Name: "image", Value: "r/x@sha256:old"},
		{Kind: PartPlan, Name: "tf (production)", Value: "oldplan", ExtraApproval: "the plan destroys 2 resources"},
		{Kind: PartManifests, Name: "k8s (production)", Value: "oldmanifests"},
	}}
}

func deploy(environment string, action Action) Trigger {
	t := push("main")
	t.Event, t.Actor = EventDeploy, "alice"
	t.Deploy = &Deploy{Environment: environment, Action: action, Release: 3}
	return t
}

// do is one change of the stored run.
func (b *bed) do(what string, fn func(*Run) ([]Job, error)) {
	b.Helper()
	b.told = append(b.told, what)
	before := *b.run
	before.Stages, before.Entries = slices.Clone(b.run.Stages), slices.Clone(b.run.Entries)
	jobs, err := fn(b.run)
	if err != nil {
		b.Fatalf("%s: %v", what, err)
	}
	for i := range b.run.Stages {
		if s := &b.run.Stages[i]; s.ID == 0 {
			s.ID, s.RunID = int64(i+1), 1
		}
	}
	slices.SortStableFunc(b.run.Stages, func(a, b StageRun) int { return cmp.Or(a.Index-b.Index, a.Attempt-b.Attempt) }) // as the store does
	for _, j := range jobs {
		if j.Kind == JobStage && j.StageRunID == 0 {
			j.StageRunID = b.run.current(j.Key).ID
		}
		if j.After < 0 {
			b.faultf("a job that was due before: %+v", j)
		}
		b.jobs = append(b.jobs, dueJob{Job: j, at: b.now.Add(j.After)})
	}
	b.check(before)
}

func (b *bed) faultf(format string, args ...any) {
	b.Helper()
	b.Fatalf("%s\nafter %s\n%s", fmt.Sprintf(format, args...), strings.Join(b.told, "; "), b)
}

func (b *bed) String() string {
	var parts []string
	for _, s := range b.run.Current() {
		parts = append(parts, fmt.Sprintf("%s=%s", s.Spec.Key, shownStatus(s)))
	}
	for _, e := range b.run.Entries {
		parts = append(parts, fmt.Sprintf("[%s=%s]", e.Environment, e.State))
	}
	return strings.Join(append(parts, "run="+string(b.run.Status)), " ")
}

// shownStatus marks an open attempt that has prepared with *.
func shownStatus(s StageRun) string {
	if s.Phase == PhaseApply && !s.Status.Final() {
		return string(s.Status) + "*"
	}
	return string(s.Status)
}

func (b *bed) want(want string) {
	b.Helper()
	if diff := gocmp.Diff(strings.Fields(want), strings.Fields(b.String())); diff != "" {
		b.Errorf("after %s:\n%s", strings.Join(b.told, "; "), diff)
	}
}

// begin is what the engine does with a ready attempt.
func (b *bed) begin(key string) {
	b.Helper()
	b.do("begin "+key, func(r *Run) ([]Job, error) {
		s := r.current(key)
		if s.toPrepare() {
			s.Phase = PhasePrepare
		}
		err := s.Move(StatusRunning, b.now)
		r.settle(b.now)
		return nil, err
	})
}

// end lets the current attempt of a stage come to an end; it begins it where that has not happened.
func (b *bed) end(key string, v Verdict, parts ...Part) {
	b.Helper()
	if b.run.current(key).Status == StatusReady {
		b.begin(key)
	}
	b.do(fmt.Sprintf("%s ends %s", key, v.Status), func(r *Run) ([]Job, error) {
		return r.Conclude(r.current(key).ID, Result{Verdict: v, Parts: parts}, b.now)
	})
}

func (b *bed) pass(keys ...string) {
	b.Helper()
	for _, key := range keys {
		b.end(key, Verdict{Status: StatusSuccess, Title: "done"})
	}
}

func (b *bed) fail(key string) {
	b.Helper()
	b.end(key, Verdict{Status: StatusFailure, Title: "no"})
}

func (b *bed) candidate(environment string) Candidate {
	return b.run.CandidateOf(environment, EnvironmentDefinition{Name: environment}, "")
}

func (b *bed) enter(environment string) {
	b.Helper()
	b.do("enter "+environment, func(r *Run) ([]Job, error) {
		return r.EnterEntry(environment, b.candidate(environment), b.now), nil
	})
}

func (b *bed) hold(environment string, h Hold) {
	b.Helper()
	b.do("hold "+environment, func(r *Run) ([]Job, error) {
		return r.HoldEntry(environment, b.candidate(environment), h, b.now), nil
	})
}

func (b *bed) close(environment string, state EntryState, reason string) {
	b.Helper()
	b.do("close "+environment, func(r *Run) ([]Job, error) { return r.CloseEntry(environment, state, reason, b.now), nil })
}

// leave is what the gate does with an entry whose stages have ended.
func (b *bed) leave(environment string) {
	b.Helper()
	b.do("leave "+environment, func(r *Run) ([]Job, error) {
		if passed, culprit := r.EntryPassed(environment); !passed || r.Entry(environment).Reason != "" {
			reason := r.Entry(environment).Reason
			if reason == "" {
				reason = culprit.Spec.Key
			}
			state := EntryFailed
			if culprit != nil && culprit.Status == StatusCancelled {
				state = EntryCancelled
			}
			return r.LeaveEntry(environment, state, 0, reason, b.now), nil
		}
		return r.LeaveEntry(environment, EntryDone, 12, "", b.now), nil
	})
}

func (b *bed) rerun(key string) {
	b.Helper()
	b.do("rerun "+key, func(r *Run) ([]Job, error) { return r.Rerun(key, "bob", "asked by @bob", b.now) })
}

func (b *bed) cancel() {
	b.Helper()
	b.do("cancel", func(r *Run) ([]Job, error) { return r.Cancel("asked by @carol", b.now), nil })
}

// asked reports whether a job of the gate is due for an environment.
func (b *bed) asked(environment string) bool {
	return slices.ContainsFunc(b.jobs, func(j dueJob) bool { return j.Kind == JobGate && j.Key == environment })
}

// check holds what must be true after every change.
func (b *bed) check(before Run) {
	b.Helper()
	r := b.run
	for _, was := range before.Stages {
		if is := r.Stage(was.ID); !comes(was.Status, is.Status) {
			b.faultf("attempt %d of %s went from %s to %s", is.Attempt, is.Spec.Key, was.Status, is.Status)
		}
	}
	for i, was := range before.Entries {
		b.checkMove(was, r.Entries[i])
	}
	for i := range r.Stages {
		b.checkStage(&r.Stages[i])
	}
	open := slices.ContainsFunc(r.Current(), func(s StageRun) bool { return !s.Status.Final() })
	leaving := slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.State == EntryLeaving })
	if r.Status.Final() == (open || leaving) {
		b.faultf("the run is %s", r.Status)
	}
	if r.Status.Final() == r.FinishedAt.IsZero() {
		b.faultf("the run is %s and finished at %v", r.Status, r.FinishedAt)
	}
	for _, e := range r.Entries {
		b.checkEntry(e)
	}
	b.checkIdempotent()
}

// checkMove walks from one state of an entry to a later one by the fewest steps, which all must be in the table.
func (b *bed) checkMove(was, is Entry) {
	b.Helper()
	if was.State == is.State {
		return
	}
	paths := map[EntryState][]EntryState{was.State: nil}
	for grown := true; grown; {
		grown = false
		for from, path := range paths {
			for _, to := range entryTransitions[from] {
				// An end is passed only by opening it again, which is a change of its own.
				if _, known := paths[to]; !known && (!from.Final() || from == was.State) {
					paths[to] = append(slices.Clone(path), to)
					grown = true
				}
			}
		}
	}
	path, ok := paths[is.State]
	if !ok {
		b.faultf("the entry into %s went from %s to %s", is.Environment, was.State, is.State)
	}
	from := was.State
	for _, to := range path {
		b.moved[[2]EntryState{from, to}] = true
		from = to
	}
}

func (b *bed) checkStage(s *StageRun) {
	b.Helper()
	r := b.run
	works := s.Status == StatusReady || s.Status == StatusRunning
	e := r.entryOf(s)
	switch {
	case s.Superseded && !s.Status.Final():
		b.faultf("attempt %d of %s is superseded and %s", s.Attempt, s.Spec.Key, s.Status)
	case s.Status.Final() && s.FinishedAt.IsZero():
		b.faultf("%s is %s without a time", s.Spec.Key, s.Status)
	case s.Spec.Enters && works && !s.toPrepare() && s.Phase != PhasePrepare && (!s.Admitted || e.State != EntryEntered):
		b.faultf("%s changes %s: admitted %v, its entry is %s", s.Spec.Key, s.Spec.Environment, s.Admitted, e.State)
	case s.Status == StatusSkipped && s.Reason == "" && s.Result.Verdict.Status != StatusSkipped:
		b.faultf("%s is skipped for no reason", s.Spec.Key)
	case s.Status == StatusWaiting && !r.Held(*s) && (e == nil || e.State != EntryWaiting || !e.Hold.Person):
		b.faultf("%s waits for nobody", s.Spec.Key)
	case s.Status == StatusReady && !slices.ContainsFunc(b.jobs, func(j dueJob) bool { return j.Kind == JobStage && j.StageRunID == s.ID }):
		b.faultf("%s is ready and nobody works it", s.Spec.Key)
	case works && s.Spec.Uses == UsesSummary && !s.Superseded:
		b.checkSummary(s)
	}
}

func (b *bed) checkSummary(summary *StageRun) {
	b.Helper()
	latest := b.run.latest()
	for _, s := range b.run.Current() {
		if !s.Status.Final() && s.Spec.Uses != UsesSummary && !latest.afterSummary(s.Spec.Key, make(map[string]bool)) {
			b.faultf("%s is %s though %s is %s", summary.Spec.Key, summary.Status, s.Spec.Key, s.Status)
		}
	}
}

// checkEntry: what waits for the gate has a job of it, so that it does not wait for ever.
func (b *bed) checkEntry(e Entry) {
	b.Helper()
	switch {
	case b.run.Status.Final() && !e.State.Final():
		b.faultf("the run is %s, its entry into %s is %s", b.run.Status, e.Environment, e.State)
	case (e.State == EntryDeciding || e.State == EntryLeaving) && !b.asked(e.Environment):
		b.faultf("the entry into %s is %s, and nobody asks the gate", e.Environment, e.State)
	case e.State == EntryWaiting && !e.Hold.Until.IsZero() && !b.asked(e.Environment):
		b.faultf("the entry into %s waits until %v, and nobody asks the gate then", e.Environment, e.Hold.Until)
	case e.State.Final() && e.EndedAt.IsZero():
		b.faultf("the entry into %s is %s without a time", e.Environment, e.State)
	case (e.State == EntryWaiting) != (e.Hold != nil):
		b.faultf("the entry into %s is %s with the hold %v", e.Environment, e.State, e.Hold)
	}
}

// checkIdempotent: advancing once more changes nothing.
func (b *bed) checkIdempotent() {
	b.Helper()
	was := encoded(b, b.run)
	if jobs := b.run.Advance(b.now.Add(time.Hour)); len(jobs) > 0 {
		b.faultf("advancing again gives the jobs %+v", jobs)
	}
	if is := encoded(b, b.run); is != was {
		b.faultf("advancing again changes the run:\n%s", gocmp.Diff(was, is))
	}
}

func encoded(t testing.TB, r *Run) string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// comes reports whether one change may take a status to another, by whatever steps.
func comes(from, to Status) bool {
	seen := map[Status]bool{from: true}
	open := []Status{from}
	for len(open) > 0 {
		for _, next := range transitions[open[0]] {
			if !seen[next] {
				seen[next] = true
				open = append(open, next)
			}
		}
		open = open[1:]
	}
	return seen[to]
}
