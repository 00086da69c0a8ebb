package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxVoids is how often in a row what did not hold until it was carried out is prepared again by itself.
const MaxVoids = 5

// voids reports whether an attempt found that what it was to carry out is not what was decided on any more, so that this
// is prepared and decided on anew. Where the entry ends anyway, it is a failure like another.
func (r *Run) voids(s *StageRun, v Verdict) bool {
	e := r.entryOf(s)
	if v.Void == "" || v.Status != StatusFailure || s.Phase != PhaseApply || s.Cancel != "" || s.Voids >= MaxVoids || e == nil {
		return false
	}
	_, closed := e.closed()
	return !closed && r.latest().broken(r.entering(e.Environment)) == nil
}

// decideAnew has what did not hold prepared again, with all that was prepared from it, and decided on again: approvals
// were for something else. Where nothing of the environment has been changed yet, the run leaves it meanwhile.
func (r *Run) decideAnew(s StageRun, now time.Time) ([]Job, error) {
	why := s.Result.Verdict.Title
	again := r.broughtBack(s.Spec.Key)
	e := r.entryOf(&s)
	voided := e.voidedBy(s.Result.Verdict.Void)
	if r.untouched(s) {
		*e = Entry{Environment: e.Environment, Action: e.Action, State: EntryPreparing, Turn: e.Turn + 1, Automatic: e.Automatic, Askers: e.Askers}
		for _, other := range r.entering(e.Environment) {
			other.Admitted = other.Admitted && other.Status.Final()
		}
	}
	e.Candidate, e.Approvals, e.Voided = nil, nil, voided
	for _, c := range r.Current() {
		switch {
		case !again[c.Spec.Key], c.Phase != PhaseApply && (c.Status == StatusQueued || c.Status == StatusWaiting):
			continue
		case !c.Status.Final():
			if err := r.current(c.Spec.Key).endUntold(why, now); err != nil {
				return nil, err
			}
		}
		voids := c.Voids
		if c.Spec.Key == s.Spec.Key {
			voids++
		}
		r.newAttempt(c.Spec.Key, StageRun{AttemptReason: why, Voids: voids}, now)
	}
	return append(r.Advance(now), r.gateJob(e, 0), r.announceJob(e)), nil
}

// untouched reports whether no other attempt than this one was let in and may have changed the environment.
func (r *Run) untouched(s StageRun) bool {
	return !slices.ContainsFunc(r.Stages, func(o StageRun) bool {
		return o.ID != s.ID && o.Spec.Enters && o.Spec.Environment == s.Spec.Environment && o.Admitted &&
			o.Status != StatusQueued && o.Status != StatusWaiting && o.Status != StatusSkipped && !o.voided()
	})
}

// voided reports whether the attempt ended because what it had prepared did not hold: it changed nothing.
func (s *StageRun) voided() bool { return s.Status == StatusCancelled && s.Result.Verdict.Void != "" }

// voidedBy names those whose approval was for what does not hold.
func (e *Entry) voidedBy(why string) string {
	var names []string
	for _, a := range e.Approvals {
		if e.Candidate != nil && a.Fingerprint == e.Candidate.Fingerprint() {
			names = append(names, a.By)
		}
	}
	switch len(names) {
	case 0:
		return fmt.Sprintf("What was decided on before is void: %s.", why)
	case 1:
		return fmt.Sprintf("The approval of %s is void: %s.", names[0], why)
	default:
		return fmt.Sprintf("The approvals of %s are void: %s.", strings.Join(names, ", "), why)
	}
}
