package pipeline

import (
	"slices"
	"strings"
	"time"
)

// AskGate has the gate look at an entry, whatever its state.
func (r *Run) AskGate(environment string) Job {
	return Job{Kind: JobGate, RunID: r.ID, Key: environment}
}

// AskGateAt has the gate look at an entry when that is worth it by itself: after the pause before another try, or when what
// it waits for ends.
func (r *Run) AskGateAt(environment string, now time.Time) Job {
	e := r.Entry(environment)
	if e == nil {
		return r.AskGate(environment)
	}
	after := e.pause(now)
	if e.Hold != nil && e.Hold.Until.After(now) {
		after = max(after, e.Hold.Until.Sub(now)+late)
	}
	return r.gateJob(e, after)
}

// pause is how long the gate is not to be asked yet.
func (e *Entry) pause(now time.Time) time.Duration {
	if !e.State.asks() || !e.NotBefore.After(now) {
		return 0
	}
	return e.NotBefore.Sub(now) + late
}

func (r *Run) gateJob(e *Entry, after time.Duration) Job {
	return Job{Kind: JobGate, RunID: r.ID, Key: e.Environment, After: after}
}

// announceJob brings what GitHub shows of the entry up to date.
func (r *Run) announceJob(e *Entry) Job {
	return Job{Kind: JobAnnounce, RunID: r.ID, Key: e.Environment}
}

// entryOf is the way by which a stage changes its environment; nil: it changes none.
func (r *Run) entryOf(s *StageRun) *Entry {
	if !s.Spec.Enters {
		return nil
	}
	return r.Entry(s.Spec.Environment)
}

// entering are the last attempts of the stages that change an environment.
func (r *Run) entering(environment string) []*StageRun {
	var stages []*StageRun
	for i := range r.Stages {
		if s := &r.Stages[i]; !s.Superseded && s.Spec.Enters && s.Spec.Environment == environment {
			stages = append(stages, s)
		}
	}
	return stages
}

// roots are the stages that would be the first to change the environment: they show what it waits for.
func (r *Run) roots(environment string) []*StageRun {
	latest := r.latest()
	var roots []*StageRun
	for _, s := range r.entering(environment) {
		if s.Status != StatusQueued && s.Status != StatusWaiting {
			continue
		}
		if !slices.ContainsFunc(s.Spec.Needs, func(n Need) bool { return !latest.of(n.Stage).Status.Final() }) {
			roots = append(roots, s)
		}
	}
	return roots
}

// late keeps a look at an hour from coming a moment before it: clocks and the jobs' times are not of one grain.
const late = time.Second

// HoldEntry keeps an entry waiting. The first stages show for what; where a person must act, they ask for it.
func (r *Run) HoldEntry(environment string, candidate Candidate, hold Hold, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || !e.State.asks() {
		return nil
	}
	if e.Candidate == nil || e.Candidate.Fingerprint() != candidate.Fingerprint() {
		e.CandidateAt = now
	}
	e.State, e.Candidate, e.Hold = EntryWaiting, &candidate, &hold
	for _, s := range r.entering(environment) {
		if s.Status == StatusWaiting {
			s.Status, s.Reason = StatusQueued, ""
		}
	}
	for _, s := range r.roots(environment) {
		s.Status, s.Reason = StatusQueued, hold.Title
		s.EntryNotes++
		if hold.Person {
			s.Status = StatusWaiting
		}
	}
	jobs := append(r.Advance(now), r.announceJob(e))
	if !hold.Until.IsZero() {
		jobs = append(jobs, r.gateJob(e, max(0, hold.Until.Sub(now))+late))
	}
	return jobs
}

// EnterEntry lets a run change an environment: its stages are admitted, and the first ones start. Those that are still to
// be prepared are decided on when they are.
func (r *Run) EnterEntry(environment string, candidate Candidate, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || !e.State.asks() {
		return nil
	}
	e.State, e.Candidate, e.Hold, e.Voided = EntryEntered, &candidate, nil, ""
	if !e.entered() {
		e.EnteredAt = now
	}
	for _, s := range r.entering(environment) {
		if (s.Status == StatusQueued || s.Status == StatusWaiting) && !s.toPrepare() {
			s.Status, s.Reason, s.Admitted = StatusQueued, "", true
		}
	}
	return append(r.Advance(now), r.announceJob(e))
}

// CloseEntry ends an entry that is not to enter. A rejected one ends its first stages as failures, another as cancelled;
// what needs them is skipped. One that has changed its environment and is not to go on there has failed.
func (r *Run) CloseEntry(environment string, state EntryState, reason string, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || !e.State.asks() {
		return nil
	}
	to := StatusCancelled
	if state == EntryRejected || e.entered() {
		to = StatusFailure
	}
	for _, s := range r.roots(environment) {
		s.Status, s.Reason, s.FinishedAt = to, reason, now
		s.Result.Verdict = Verdict{Status: to, Title: reason, Cause: sentence(reason)}
	}
	if e.entered() {
		e.State, e.Hold, e.Reason = EntryEntered, nil, reason // what was changed before stays to be told: it leaves
	} else {
		e.end(state, reason, now)
	}
	return append(r.Advance(now), r.gateJob(e, 0), r.announceJob(e))
}

// LeaveEntry records how an entry that changed its environment ended: as the release with that number, or not.
func (r *Run) LeaveEntry(environment string, state EntryState, release int64, reason string, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || e.State != EntryLeaving {
		return nil
	}
	e.end(state, reason, now)
	if release > 0 {
		e.Release = release
		if stages := r.entering(environment); len(stages) > 0 {
			lastPassed(stages).Release = release
		}
	}
	return append(r.Advance(now), r.gateJob(e, 0), r.announceJob(e))
}

// Touch has the first stages before an environment shown again: what is said about their entry changed.
func (r *Run) Touch(environment string) {
	for _, s := range r.roots(environment) {
		s.EntryNotes++
	}
}

// lastPassed is the stage that ended last of those that passed.
func lastPassed(stages []*StageRun) *StageRun {
	last := stages[0]
	for _, s := range stages[1:] {
		if s.Status.Passed() && !s.FinishedAt.Before(last.FinishedAt) {
			last = s
		}
	}
	return last
}

// EntryPassed reports whether every stage that changed the environment passed, or was left out by a rule, and names the
// first stage because of which one did not.
func (r *Run) EntryPassed(environment string) (passed bool, culprit *StageRun) {
	culprit = r.latest().broken(r.entering(environment))
	return culprit == nil, culprit
}

// sentence makes one of a title.
func sentence(title string) string {
	if title == "" {
		return ""
	}
	if title[0] >= 'a' && title[0] <= 'z' {
		title = string(title[0]-'a'+'A') + title[1:]
	}
	if strings.ContainsAny(title[len(title)-1:], ".!?") {
		return title
	}
	return title + "."
}
