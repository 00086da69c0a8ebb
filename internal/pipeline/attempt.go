package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxRepairs is how often a stage is tried again after a failure of our surroundings, besides `retry`.
const MaxRepairs = 3

// MoveError is a change of state that the state machine does not allow: a bug of ours, never of a user.
type MoveError struct {
	Stage    string
	From, To Status
}

func (e *MoveError) Error() string {
	return fmt.Sprintf("stage %s cannot go from %s to %s", e.Stage, e.From, e.To)
}

// Move changes the state of an attempt, with the times that belong to it.
func (s *StageRun) Move(to Status, now time.Time) error {
	if !s.Status.Can(to) {
		return &MoveError{Stage: s.Spec.Key, From: s.Status, To: to}
	}
	s.Status = to
	switch {
	case to == StatusRunning:
		s.StartedAt = now
	case to == StatusQueued:
		s.StartedAt = time.Time{} // it does not work while it waits for its second step
	case to.Final():
		s.FinishedAt, s.Progress = now, ""
	}
	return nil
}

// Stage finds an attempt by its ID.
func (r *Run) Stage(id int64) *StageRun {
	for i := range r.Stages {
		if r.Stages[i].ID == id {
			return &r.Stages[i]
		}
	}
	return nil
}

// Conclude ends a running attempt with its result, starts another one where `retry` or a failure of our surroundings
// asks for it, and advances the run.
func (r *Run) Conclude(stageRunID int64, result Result, now time.Time) ([]Job, error) {
	s := r.Stage(stageRunID)
	if s == nil {
		return nil, fmt.Errorf("stage attempt %d of run %d: %w", stageRunID, r.ID, ErrNotFound)
	}
	result.Verdict = s.judge(result.Verdict)
	if s.Phase == PhaseApply {
		result = result.after(s.Result)
	}
	if s.endsPrepared(result) {
		if err := s.Move(StatusQueued, now); err != nil {
			return nil, err
		}
		result.PreparedSteps = len(result.Steps)
		s.Result, s.Phase, s.Progress = result, PhaseApply, ""
		return r.Advance(now), nil
	}
	status := result.Verdict.Status
	if s.cutOff(result) {
		status = StatusCancelled
		result.Verdict = Verdict{Status: status, Title: "Cancelled: " + s.Cancel, Cause: "The stage was cancelled before its second step."}
	}
	anew := r.voids(s, result.Verdict)
	if anew {
		status = StatusCancelled
		result.Verdict.Status, result.Verdict.Title = status, "Void: "+result.Verdict.Void
		s.Reason = result.Verdict.Title
	}
	if s.Spec.ContinueOnFailure && (status == StatusFailure || status == StatusTimedOut) {
		status = StatusNeutral
	}
	if status == StatusCancelled && s.Cancel != "" {
		s.Reason = s.Cancel
	}
	if err := s.Move(status, now); err != nil {
		return nil, err
	}
	s.Result = result
	if anew {
		return r.decideAnew(*s, now)
	}
	jobs := r.tryAgain(stageRunID, now)
	return append(jobs, r.Advance(now)...), nil
}

// ConcludeUnbegun ends a running attempt that there was no runner of, so that nothing was done. A cancel that came
// meanwhile is why: whoever ends the bot from a terminal interrupts what it is just starting, too.
func (r *Run) ConcludeUnbegun(stageRunID int64, result Result, now time.Time) ([]Job, error) {
	if s := r.Stage(stageRunID); s != nil && s.Cancel != "" {
		result = Result{Verdict: s.cancelledBefore()}
	}
	return r.Conclude(stageRunID, result, now)
}

// cancelledBefore is the verdict of an attempt that was cancelled before there was a runner of it.
func (s *StageRun) cancelledBefore() Verdict {
	return Verdict{Status: StatusCancelled, Title: "Cancelled: " + s.Cancel, Cause: "The stage was cancelled before it began."}
}

// judge puts right what a runner cannot know: a stage that ended as cancelled though nobody asked was interrupted from
// outside (a restart of the machine), and an end that is none is a failure of ours.
func (s *StageRun) judge(v Verdict) Verdict {
	switch {
	case v.Status == StatusCancelled && s.Cancel == "" && s.Spec.Uses != UsesSummary:
		return Verdict{
			Status: StatusFailure, Infrastructure: true, Title: "the stage was interrupted",
			Cause: "The stage was stopped from outside, and nobody had asked for it. It said: " + v.Title,
		}
	case !v.Status.Final() || !StatusRunning.Can(v.Status):
		return Verdict{
			Status: StatusFailure, Infrastructure: true, Title: "the stage ended without a result",
			Cause: fmt.Sprintf("The stage ended as %q, which is no end: this is a mistake in Slipway.", v.Status),
		}
	default:
		return v
	}
}

// tryAgain appends the next attempt where one is due. The pointer into Stages dies with the append, hence the ID.
func (r *Run) tryAgain(stageRunID int64, now time.Time) []Job {
	s := *r.Stage(stageRunID)
	failed := s.Result.Verdict.Status == StatusFailure || s.Result.Verdict.Status == StatusTimedOut
	if !failed || s.Cancel != "" {
		return nil
	}
	next := StageRun{Retries: s.Retries, Repairs: s.Repairs}
	restores := s.Phase == PhaseRestore
	if restores {
		next.Phase, next.Admitted = s.Phase, true // it is in the environment, and stays the attempt that it is
	}
	var after time.Duration
	switch {
	case s.Result.Verdict.Infrastructure && s.Repairs < MaxRepairs:
		next.Repairs++
		after = repairDelay(next.Repairs)
		next.AttemptReason = fmt.Sprintf("again (%d of %d) after a failure of Slipway's surroundings: %s",
			next.Repairs, MaxRepairs, s.Result.Verdict.Title)
		if restores {
			next.AttemptReason = s.AttemptReason
		}
	case !s.Result.Verdict.Infrastructure && s.Retries < s.Spec.Retry && !restores:
		next.Retries++
		next.AttemptReason = fmt.Sprintf("retry %d of %d after: %s", next.Retries, s.Spec.Retry, s.Result.Verdict.Title)
	default:
		return nil
	}
	e := r.entryOf(&s)
	if e != nil {
		if _, closed := e.closed(); closed {
			return nil // nothing of it would be let in
		}
	}
	fresh := r.newAttempt(s.Spec.Key, next, now)
	if e != nil && !fresh.toPrepare() && !restores {
		e.NotBefore = now.Add(after) // the gate decides again, after the pause
		return nil
	}
	fresh.Status = StatusReady
	return []Job{{Kind: JobStage, StageRunID: fresh.ID, RunID: r.ID, Key: fresh.Spec.Key, After: after}}
}

// repairDelay is 2 s, 10 s, 50 s: long enough for a registry or a network to come back.
func repairDelay(n int) time.Duration {
	delay := 2 * time.Second
	for range n - 1 {
		delay *= 5
	}
	return delay
}

// newAttempt appends a queued attempt of a stage and marks the one before as superseded.
func (r *Run) newAttempt(key string, with StageRun, now time.Time) *StageRun {
	before := r.current(key)
	with.RunID, with.Index, with.Spec = r.ID, before.Index, before.Spec
	with.Attempt, with.Status, with.CreatedAt = before.Attempt+1, StatusQueued, now
	before.Superseded = true
	before.Version++
	r.Stages = append(r.Stages, with)
	return &r.Stages[len(r.Stages)-1]
}

// ErrUnderWay says that an environment is being changed or left by the run: what belongs to it is run again afterwards.
var ErrUnderWay = errors.New("the run is changing the environment, and what belongs to that is run again when it has left")

// Rerun makes new attempts of an ended stage, of those that did not run because of it, of the others that kept the run out
// of an environment with it, and of the summary. asker is who wants it: with stages that change an environment, they ask
// for that, too. While the run is in that environment it is ErrUnderWay.
func (r *Run) Rerun(key, asker, why string, now time.Time) ([]Job, error) {
	s := r.current(key)
	if s.Spec.Key != key {
		return nil, fmt.Errorf("stage %s of run #%d: %w", key, r.Number, ErrNotFound)
	}
	if !s.Status.Final() {
		return nil, nil // it has not ended: what was asked for is under way
	}
	again := r.broughtBack(key)
	current := r.Current()
	for i := range current {
		if e := r.entryOf(&current[i]); e != nil && again[current[i].Spec.Key] && e.entered() && !e.State.Final() {
			return nil, fmt.Errorf("%s of run #%d in %s: %w", key, r.Number, e.Environment, ErrUnderWay)
		}
	}
	r.Reason = "" // whoever cancelled the run is overruled
	for _, c := range current {
		switch {
		case !again[c.Spec.Key], c.Phase != PhaseApply && (c.Status == StatusQueued || c.Status == StatusWaiting):
			continue
		case !c.Status.Final():
			// A summary would tell of a run that goes on, and what was prepared rests on what is run again: another attempt
			// takes its place.
			if err := r.current(c.Spec.Key).endUntold(why, now); err != nil {
				return nil, err
			}
		}
		if c.Spec.Enters {
			r.reopen(c.Spec.Environment, r.askedAgainBy(asker, key, c))
		}
		r.newAttempt(c.Spec.Key, StageRun{AttemptReason: why}, now)
	}
	return r.Advance(now), nil
}

// askedAgainBy is who asks for a change of an environment when a stage is run again: whoever has it run again, but not where
// that only lets go on what never came into the environment. What was asked for there is still what was asked for then.
func (r *Run) askedAgainBy(asker, key string, comesBack StageRun) string {
	if e := r.entryOf(&comesBack); comesBack.Spec.Key != key && e != nil && e.EnteredAt.IsZero() {
		return ""
	}
	return asker
}

func (s *StageRun) endUntold(why string, now time.Time) error {
	s.Reason = why
	return s.Move(StatusCancelled, now)
}

// broughtBack are the keys of a stage, of the summaries and of those that a re-run lets run: skipped because of one of
// them, or needing one and cancelled before they began, or broken, so that the rest would not be let into the environment
// that one of them is to change. What has been prepared from one of them is to be prepared again.
func (r *Run) broughtBack(key string) map[string]bool {
	again := map[string]bool{key: true}
	entered := make(map[string]bool) // environments
	latest, current := r.latest(), r.Current()
	for _, c := range current {
		if c.Spec.Uses == UsesSummary {
			again[c.Spec.Key] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for i := range current {
			c := &current[i]
			if again[c.Spec.Key] {
				if c.Spec.Enters && !entered[c.Spec.Environment] {
					entered[c.Spec.Environment], grown = true, true
				}
				continue
			}
			skipped := c.Status == StatusSkipped && again[c.SkippedBy]
			untouched := c.Status == StatusCancelled && c.StartedAt.IsZero() &&
				slices.ContainsFunc(c.Spec.Needs, func(n Need) bool { return again[n.Stage] })
			inTheWay := c.Spec.Enters && entered[c.Spec.Environment] && c.Status.broke()
			if skipped || untouched || inTheWay || c.waitsPrepared() && latest.comesAfter(c, again) {
				again[c.Spec.Key], grown = true, true
			}
		}
	}
	return again
}

// waitsPrepared reports whether an attempt has prepared from what it needs, and waits for its second step.
func (s *StageRun) waitsPrepared() bool {
	return s.Phase == PhaseApply && !s.Spec.Early && (s.Status == StatusQueued || s.Status == StatusWaiting)
}

// comesAfter reports whether a stage needs one of those, directly or through others.
func (l latestAttempts) comesAfter(s *StageRun, keys map[string]bool) bool {
	for key := range l.before(s) {
		if key != s.Spec.Key && keys[key] {
			return true
		}
	}
	return false
}

// Cancel ends what has not started and asks what runs to stop; the summary still tells what happened.
func (r *Run) Cancel(reason string, now time.Time) []Job {
	if r.Status.Final() {
		return nil
	}
	ended, interrupt := false, false
	for i := range r.Stages {
		s := &r.Stages[i]
		switch {
		case s.Superseded || s.Status.Final():
		case s.Spec.Uses == UsesSummary && s.Status == StatusQueued:
		case s.Status == StatusRunning:
			s.Cancel = reason
			interrupt = true
		default:
			s.Status, s.Reason, s.FinishedAt = StatusCancelled, reason, now
			ended = true
		}
	}
	if ended || interrupt {
		r.Reason = reason // otherwise nothing was left to cancel
	}
	jobs := r.Advance(now)
	if interrupt {
		jobs = append(jobs, Job{Kind: JobInterrupt, RunID: r.ID})
	}
	return jobs
}
