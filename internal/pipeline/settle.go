package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// settleEntries moves the entries on after a change of their stages. It reports whether stages may now go on.
func (r *Run) settleEntries(now time.Time) (jobs []Job, changed bool) {
	latest := r.latest()
	for i := range r.Entries {
		e := &r.Entries[i]
		was := e.State
		if back := r.goBack(latest, e, now); len(back) > 0 {
			jobs, changed, latest = append(jobs, back...), true, r.latest()
		}
		if r.settleEntry(latest, e, now) {
			changed = true
		}
		if e.State == was {
			continue
		}
		changed = true
		jobs = append(jobs, r.gateJob(e, e.pause(now)), r.announceJob(e))
	}
	return jobs, changed
}

// settleEntry derives an entry's state from its stages, as far as they decide it; the rest is the gate's. It reports
// whether it ended stages.
func (r *Run) settleEntry(latest latestAttempts, e *Entry, now time.Time) (ended bool) {
	if e.State.Final() || e.State == EntryLeaving {
		return false
	}
	stages := r.entering(e.Environment)
	open := slices.ContainsFunc(stages, func(s *StageRun) bool { return !s.Status.Final() })
	broken := latest.broken(stages)
	switch {
	case !open && e.entered():
		e.State, e.Hold = EntryLeaving, nil
	case !open:
		e.end(endOfUnentered(broken), reasonOf(stages, broken), now)
	case !e.entered() && broken != nil:
		return r.abandon(e, broken, now)
	case e.State == EntryEntered && latest.awaitsAdmission(e, stages):
		e.State = EntryDeciding // a stage is tried again: what it prepared anew is decided on anew
	case e.State == EntryPreparing && latest.allPrepared(stages):
		e.State, e.PreparedAt = EntryDeciding, now
	case e.State.asks() && !e.entered() && !latest.allPrepared(stages):
		r.prepareAgain(e, stages)
	}
	return false
}

// prepareAgain takes an entry back: something that its candidate was made of is run again.
func (r *Run) prepareAgain(e *Entry, stages []*StageRun) {
	e.State, e.Hold = EntryPreparing, nil
	for _, s := range stages {
		if s.Status == StatusWaiting {
			s.Status, s.Reason = StatusQueued, ""
		}
	}
}

// abandon ends an entry of which a part could not be prepared: the rest alone is not what was meant. It reports whether
// it ended stages. One that prepares is let end, and the entry ends with it.
func (r *Run) abandon(e *Entry, broken *StageRun, now time.Time) (ended bool) {
	why := fmt.Sprintf("%s is not entered: %s %s", e.Environment, broken.Spec.Key, past(broken.Status))
	works := false
	for _, s := range r.entering(e.Environment) {
		switch s.Status {
		case StatusQueued, StatusWaiting, StatusReady:
			s.Status, s.Reason, s.SkippedBy, s.FinishedAt = StatusSkipped, why, broken.Spec.Key, now
			ended = true
		case StatusRunning:
			works = true
		default:
		}
	}
	if !works {
		e.end(endOfUnentered(broken), why, now)
	}
	return ended
}

// end closes an entry that did not become a release.
func (e *Entry) end(state EntryState, reason string, now time.Time) {
	e.State, e.Reason, e.EndedAt, e.Hold = state, reason, now, nil
}

// endOfUnentered is the end of an entry that changed nothing.
func endOfUnentered(broken *StageRun) EntryState {
	switch {
	case broken == nil:
		return EntrySkipped
	case broken.Status == StatusCancelled:
		return EntryCancelled
	default:
		return EntryFailed
	}
}

func reasonOf(stages []*StageRun, broken *StageRun) string {
	if broken != nil {
		return cmp.Or(broken.Reason, broken.Spec.Key+" "+past(broken.Status))
	}
	for _, s := range stages {
		if s.Reason != "" {
			return s.Reason
		}
	}
	return ""
}

// reopen has an entry decided on anew, because somebody had a stage of it run again; also one that has ended.
func (r *Run) reopen(environment, asker string) {
	e := r.Entry(environment)
	switch {
	case e == nil:
	case e.State.Final():
		*e = Entry{
			Environment: e.Environment, Action: e.Action, State: EntryPreparing, Turn: e.Turn + 1, Automatic: e.Automatic, Askers: e.askedBy(asker),
		}
	default:
		e.Askers = e.askedBy(asker)
		r.prepareAgain(e, r.entering(environment))
	}
}

// askedBy are the askers when somebody asks again: they are the last one then, whom the gate looks up. Before them stays
// who asked first, also where that is the same person: the one who pushed has not asked for more by that.
func (e *Entry) askedBy(asker string) []string {
	if asker == "" || len(e.Askers) == 0 {
		return e.Askers
	}
	first, again := e.Askers[:1:1], slices.DeleteFunc(slices.Clone(e.Askers[1:]), func(a string) bool { return strings.EqualFold(a, asker) })
	if len(again) == 0 && !e.Automatic && strings.EqualFold(first[0], asker) {
		return first
	}
	return append(append(first, again...), asker)
}
