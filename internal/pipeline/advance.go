package pipeline

import (
	"fmt"
	"slices"
	"time"
)

// UsesSummary is the kind that looks at a whole run: it starts when every other stage has ended, however they ended.
const UsesSummary = "summary"

// NewRun makes the run of a plan, all stages queued, nothing advanced yet.
func NewRun(t Trigger, plan Plan, now time.Time) Run {
	run := Run{
		Key: t.Key(), Trigger: t, Name: plan.Name, Source: plan.Source, Status: StatusQueued, CreatedAt: now,
		Entries: plan.Entries, Environments: plan.Environments, Restores: plan.Restores,
		Notify: plan.Notify, Stages: make([]StageRun, 0, len(plan.Stages)),
	}
	for i, spec := range plan.Stages {
		run.Stages = append(run.Stages, StageRun{Index: i, Spec: spec, Attempt: 1, Status: StatusQueued, CreatedAt: now})
	}
	return run
}

// Advance starts, holds or skips every queued stage whose time has come and ends the run when all stages have ended.
// It returns jobs for the stages that became ready. It is called in the same transaction as any change of a stage.
// Jobs of a run that has no IDs yet carry none: Store.CreateRun calls it once IDs are given.
func (r *Run) Advance(now time.Time) []Job {
	var jobs []Job
	for more := true; more; {
		jobs = append(jobs, r.advanceStages(now)...)
		var asked []Job
		asked, more = r.settleEntries(now)
		jobs = append(jobs, asked...)
	}
	r.settle(now)
	return jobs
}

func (r *Run) advanceStages(now time.Time) []Job {
	var jobs []Job
	latest := r.latest()
	for changed := true; changed; {
		changed = false
		prepared := make(map[string]bool) // answers of this round: with a matrix, hundreds ask for the same hundreds
		for i := range r.Stages {
			s := &r.Stages[i]
			if s.Superseded || s.Status != StatusQueued {
				continue
			}
			next, reason, by := r.next(latest, s, prepared)
			if next == StatusQueued {
				continue
			}
			changed = true
			s.Status, s.Reason, s.SkippedBy = next, reason, by
			if next == StatusReady {
				jobs = append(jobs, Job{
					Kind: JobStage, StageRunID: s.ID, Key: s.Spec.Key, RunID: r.ID, Short: s.Spec.Uses == UsesSummary,
				})
			}
			if next.Final() {
				s.FinishedAt = now
			}
		}
	}
	return jobs
}

// next decides what becomes of a queued stage, with the reason and, where another stage is to blame, its key.
func (r *Run) next(latest latestAttempts, s *StageRun, prepared map[string]bool) (next Status, reason, by string) {
	switch {
	case s.Spec.Skip != "":
		return StatusSkipped, s.Spec.Skip, ""
	case r.Held(*s):
		return StatusWaiting, s.Spec.Hold, ""
	case s.Spec.Uses == UsesSummary:
		return r.nextSummary(latest), "", ""
	}
	if e := r.entryOf(s); e != nil && !s.Admitted {
		if why, closed := e.closed(); closed {
			return StatusSkipped, why, latest.culprit(r.entering(e.Environment))
		}
	}
	if s.toPrepare() && s.Spec.Early {
		return StatusReady, "", ""
	}
	next, reason, by = latest.afterNeeds(s, prepared)
	if next == StatusReady && s.Spec.Enters && !s.Admitted && !s.toPrepare() {
		return StatusQueued, "", "" // the gate decides
	}
	return next, reason, by
}

// afterNeeds decides by the stages that a stage needs. For its preparation, those that change the same environment need
// only be prepared, too.
func (l latestAttempts) afterNeeds(s *StageRun, prepared map[string]bool) (next Status, reason, by string) {
	next = StatusReady
	for _, need := range s.Spec.Needs {
		n := l.of(need.Stage)
		switch {
		case n.Status.Passed(), n.Status == StatusSkipped && need.Optional:
		case n.Status.Final():
			return StatusSkipped, fmt.Sprintf("it needs %s, which %s", need.Stage, past(n.Status)), need.Stage
		case s.toPrepare() && n.Spec.Enters && n.Spec.Environment == s.Spec.Environment && l.prepared(n, prepared):
		default:
			next = StatusQueued
		}
	}
	return next, "", ""
}

// latestAttempts finds the last attempt of a stage by its key: with a matrix, stages have hundreds of needs.
type latestAttempts map[string]*StageRun

// latest is valid until an attempt is appended.
func (r *Run) latest() latestAttempts {
	l := make(latestAttempts, len(r.Stages))
	for i := range r.Stages {
		if s := &r.Stages[i]; !s.Superseded {
			l[s.Spec.Key] = s
		}
	}
	return l
}

// of is the stage with that key; the plan guarantees that it exists.
func (l latestAttempts) of(key string) *StageRun {
	if s, ok := l[key]; ok {
		return s
	}
	return &StageRun{Status: StatusSkipped}
}

// nextSummary lets a summary start when every stage has ended but those that wait for a summary themselves, and what became
// of changes of environments is recorded.
func (r *Run) nextSummary(l latestAttempts) Status {
	after := make(map[string]bool)
	for key, s := range l {
		if !s.Status.Final() && s.Spec.Uses != UsesSummary && !l.afterSummary(key, after) {
			return StatusQueued
		}
	}
	if slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.entered() && !e.State.Final() && !l.openIn(e.Environment) }) {
		return StatusQueued
	}
	return StatusReady
}

// openIn reports whether a stage that changes an environment has not ended.
func (l latestAttempts) openIn(environment string) bool {
	for _, s := range l {
		if s.Spec.Enters && s.Spec.Environment == environment && !s.Status.Final() {
			return true
		}
	}
	return false
}

// afterSummary reports whether a stage needs a summary, directly or through others; known holds earlier answers.
func (l latestAttempts) afterSummary(key string, known map[string]bool) bool {
	if answer, ok := known[key]; ok {
		return answer
	}
	known[key] = false // needs have no circle
	for _, need := range l.of(key).Spec.Needs {
		if l.of(need.Stage).Spec.Uses == UsesSummary || l.afterSummary(need.Stage, known) {
			known[key] = true
			break
		}
	}
	return known[key]
}

func past(s Status) string {
	switch s {
	case StatusFailure:
		return "failed"
	case StatusTimedOut:
		return "timed out"
	case StatusCancelled:
		return "was cancelled"
	case StatusSkipped:
		return "was skipped"
	default:
		return "is " + string(s)
	}
}

// current is the last attempt of the stage with that key; the plan guarantees that it exists.
func (r *Run) current(key string) *StageRun {
	for i := range r.Stages {
		if s := &r.Stages[i]; !s.Superseded && s.Spec.Key == key {
			return s
		}
	}
	return &StageRun{Status: StatusSkipped}
}

// settle derives the run's status from its stages. As long as the outcome of a change of an environment is not recorded,
// the run goes on.
func (r *Run) settle(now time.Time) {
	was := r.Status
	r.Status = runStatus(r.Current())
	switch {
	case r.Status.Final() && r.leaving():
		r.Status = StatusRunning
	case !r.Status.Final() && r.onlyWaits():
		r.Status = StatusWaiting
	}
	if r.StartedAt.IsZero() && r.Status != StatusQueued && r.Status != StatusWaiting {
		r.StartedAt = now
	}
	switch {
	case r.Status.Final() && !was.Final():
		r.FinishedAt = now
	case !r.Status.Final():
		r.FinishedAt = time.Time{}
	}
}

func (r *Run) leaving() bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.State == EntryLeaving })
}

// onlyWaits reports whether nothing works and what is left waits before an environment.
func (r *Run) onlyWaits() bool {
	waits := slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.State == EntryWaiting })
	return waits && !r.leaving() && !slices.ContainsFunc(r.Stages, func(s StageRun) bool {
		return !s.Superseded && (s.Status == StatusReady || s.Status == StatusRunning)
	})
}

// runStatus is the state of the whole: work before waiting, then the worst of the ends.
func runStatus(stages []StageRun) Status {
	has := make(map[Status]bool, len(stages))
	for _, s := range stages {
		has[s.Status] = true
	}
	begun := has[StatusSuccess] || has[StatusNeutral] || has[StatusFailure] || has[StatusTimedOut]
	switch {
	case has[StatusRunning], (has[StatusReady] || has[StatusQueued] && !has[StatusWaiting]) && begun:
		return StatusRunning
	case has[StatusReady]:
		return StatusQueued
	case has[StatusWaiting]:
		return StatusWaiting
	case has[StatusQueued]:
		return StatusQueued
	case has[StatusFailure], has[StatusTimedOut]:
		return StatusFailure
	case has[StatusCancelled]:
		return StatusCancelled
	case has[StatusSuccess], has[StatusNeutral]:
		return StatusSuccess
	default:
		return StatusSkipped
	}
}
