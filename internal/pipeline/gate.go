package pipeline

import (
	"fmt"
	"slices"
	"time"
)

// settleEntries moves the entries on after a change of their stages. It reports whether stages may now go on.
func (r *Run) settleEntries(now time.Time) (jobs []Job, changed bool) {
	for i := range r.Entries {
		e := &r.Entries[i]
		was := e.State
		r.settleEntry(e, now)
		if e.State == was {
			continue
		}
		changed = true
		if e.State == EntryDeciding || e.State == EntryLeaving || e.State.Final() {
			jobs = append(jobs, r.gateJob(e, max(0, e.NotBefore.Sub(now))), r.announceJob(e))
		}
	}
	return jobs, changed
}

// AskGate has the gate look at an entry, whatever its state.
func (r *Run) AskGate(environment string) Job {
	return Job{Kind: JobGate, RunID: r.ID, Key: environment}
}

func (r *Run) gateJob(e *Entry, after time.Duration) Job {
	return Job{Kind: JobGate, RunID: r.ID, Key: e.Environment, After: after}
}

// announceJob brings what GitHub shows of the entry up to date.
func (r *Run) announceJob(e *Entry) Job {
	return Job{Kind: JobAnnounce, RunID: r.ID, Key: e.Environment}
}

// settleEntry derives an entry's state from its stages, as far as they decide it; the rest is the gate's.
func (r *Run) settleEntry(e *Entry, now time.Time) {
	if e.State.Final() || e.State == EntryLeaving {
		return
	}
	stages := r.entering(e.Environment)
	open := slices.ContainsFunc(stages, func(s *StageRun) bool { return !s.Status.Final() })
	broken := brokenStage(stages)
	entered := !e.EnteredAt.IsZero()
	switch {
	case !open && entered:
		e.State, e.Hold = EntryLeaving, nil
	case !open:
		e.end(endOfUnentered(stages), reasonOf(stages), now)
	case entered && e.State == EntryEntered && r.awaitsAdmission(stages):
		e.State = EntryDeciding // a stage is tried again: what it prepared anew is decided on anew
	case !entered && broken != nil:
		r.abandon(e, broken, now)
	case e.State == EntryPreparing && r.allPrepared(stages):
		e.State, e.PreparedAt = EntryDeciding, now
	}
}

// end closes an entry that did not become a release.
func (e *Entry) end(state EntryState, reason string, now time.Time) {
	e.State, e.Reason, e.EndedAt, e.Hold = state, reason, now, nil
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

func brokenStage(stages []*StageRun) *StageRun {
	for _, s := range stages {
		if s.Status == StatusFailure || s.Status == StatusTimedOut || s.Status == StatusCancelled {
			return s
		}
	}
	return nil
}

// abandon ends an entry of which a part could not be prepared: the rest alone is not what was meant.
func (r *Run) abandon(e *Entry, broken *StageRun, now time.Time) {
	why := fmt.Sprintf("%s is not entered: %s %s", e.Environment, broken.Spec.Key, past(broken.Status))
	state := EntryFailed
	if broken.Status == StatusCancelled {
		state = EntryCancelled
	}
	for _, s := range r.entering(e.Environment) {
		if s.Status == StatusQueued || s.Status == StatusWaiting || s.Status == StatusReady {
			s.Status, s.Reason, s.SkippedBy, s.FinishedAt = StatusSkipped, why, broken.Spec.Key, now
		}
	}
	if slices.ContainsFunc(r.entering(e.Environment), func(s *StageRun) bool { return !s.Status.Final() }) {
		return // another one still prepares; the entry ends with it
	}
	e.end(state, why, now)
}

func endOfUnentered(stages []*StageRun) EntryState {
	switch broken := brokenStage(stages); {
	case broken == nil:
		return EntrySkipped
	case broken.Status == StatusCancelled:
		return EntryCancelled
	default:
		return EntryFailed
	}
}

func reasonOf(stages []*StageRun) string {
	for _, s := range stages {
		if s.Reason != "" {
			return s.Reason
		}
	}
	if broken := brokenStage(stages); broken != nil {
		return broken.Spec.Key + " " + past(broken.Status)
	}
	return ""
}

// allPrepared reports whether the candidate is complete: every stage that changes the environment is prepared, or will
// not run.
func (r *Run) allPrepared(stages []*StageRun) bool {
	latest := r.latest()
	known := make(map[string]bool)
	for _, s := range stages {
		if s.Status == StatusSkipped {
			continue
		}
		if !latest.prepared(s, known) {
			return false
		}
	}
	return true
}

// prepared reports whether all that comes before a stage changes its environment is done: its own preparation, what it
// needs outside of the environment, and the preparation of what it needs inside.
func (l latestAttempts) prepared(s *StageRun, known map[string]bool) bool {
	if answer, ok := known[s.Spec.Key]; ok {
		return answer
	}
	known[s.Spec.Key] = false // needs have no circle
	if s.Status.Passed() {
		known[s.Spec.Key] = true
		return true
	}
	if s.Status != StatusQueued && s.Status != StatusWaiting || s.toPrepare() {
		return false
	}
	for _, need := range s.Spec.Needs {
		n := l.of(need.Stage)
		switch {
		case n.Status.Passed(), n.Status == StatusSkipped && need.Optional:
		case n.Spec.Enters && n.Spec.Environment == s.Spec.Environment && l.prepared(n, known):
		default:
			return false
		}
	}
	known[s.Spec.Key] = true
	return true
}

// awaitsAdmission reports whether attempts that the gate has not seen are all that is left to do.
func (r *Run) awaitsAdmission(stages []*StageRun) bool {
	found := false
	for _, s := range stages {
		switch {
		case s.Status == StatusReady || s.Status == StatusRunning:
			return false
		case !s.Status.Final() && !s.Admitted:
			found = true
		}
	}
	return found && r.allPrepared(stages)
}

// roots are the stages that would be the first to change the environment: they show what it waits for.
func (r *Run) roots(environment string) []*StageRun {
	latest := r.latest()
	var roots []*StageRun
	for _, s := range r.entering(environment) {
		if s.Status != StatusQueued && s.Status != StatusWaiting {
			continue
		}
		first := true
		for _, need := range s.Spec.Needs {
			n := latest.of(need.Stage)
			if n.Spec.Enters && n.Spec.Environment == environment && !n.Status.Final() {
				first = false
			}
		}
		if first {
			roots = append(roots, s)
		}
	}
	return roots
}

// CandidateOf is what would enter an environment now, from what its stages and those before them have fixed. rules are
// the environment's as they are now.
func (r *Run) CandidateOf(environment string, rules EnvironmentDefinition, base string) Candidate {
	c := Candidate{Environment: environment, Commit: r.Trigger.SHA, Base: base, Action: ActionDeploy}
	if e := r.Entry(environment); e != nil {
		c.Action = e.Action
	}
	var definitions []string
	for _, s := range r.Current() {
		switch {
		case s.Spec.Enters && s.Spec.Environment == environment:
			c.Parts = append(c.Parts, s.Result.Parts...)
			definitions = append(definitions, specHash(s.Spec))
		case s.Spec.Environment == "":
			c.Parts = append(c.Parts, s.Result.Parts...)
		}
	}
	if r.Restores != nil {
		c.Parts = mergeParts(r.Restores.Parts, c.Parts)
	}
	sortParts(c.Parts)
	c.Configuration = hashOf(rules, definitions)
	return c
}

// specHash is of what a stage is to do, without what only says when.
func specHash(spec StageSpec) string {
	spec.Needs, spec.Hold, spec.Skip = nil, "", ""
	return hashOf(spec)
}

// late keeps a look at an hour from coming a moment before it: clocks and the jobs' times are not of one grain.
const late = time.Second

// HoldEntry keeps an entry waiting. The first stages show for what; where a person must act, they ask for it.
func (r *Run) HoldEntry(environment string, candidate Candidate, hold Hold, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || e.State.Final() || e.State == EntryLeaving {
		return nil
	}
	if e.Candidate == nil || e.Candidate.Fingerprint() != candidate.Fingerprint() {
		e.CandidateAt = now
	}
	e.State, e.Candidate, e.Hold = EntryWaiting, &candidate, &hold
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

// EnterEntry lets a run change an environment: its stages are admitted, and the first ones start.
func (r *Run) EnterEntry(environment string, candidate Candidate, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || e.State.Final() || e.State == EntryLeaving {
		return nil
	}
	e.State, e.Candidate, e.Hold = EntryEntered, &candidate, nil
	if e.EnteredAt.IsZero() {
		e.EnteredAt = now
	}
	for _, s := range r.entering(environment) {
		if s.Status == StatusQueued || s.Status == StatusWaiting {
			s.Status, s.Reason, s.Admitted = StatusQueued, "", true
		}
	}
	return append(r.Advance(now), r.announceJob(e))
}

// CloseEntry ends an entry that is not to enter. A rejected one ends its first stages as failures, another as cancelled;
// what needs them is skipped.
func (r *Run) CloseEntry(environment string, state EntryState, reason string, now time.Time) []Job {
	e := r.Entry(environment)
	if e == nil || e.State.Final() || e.State == EntryLeaving {
		return nil
	}
	to := StatusCancelled
	if state == EntryRejected {
		to = StatusFailure
	}
	for _, s := range r.roots(environment) {
		s.Status, s.Reason, s.FinishedAt = to, reason, now
		s.Result.Verdict = Verdict{Status: to, Title: reason, Cause: capitalised(reason) + "."}
	}
	if e.EnteredAt.IsZero() {
		e.end(state, reason, now)
	} else {
		e.Reason = reason // what was changed before stays to be told: it leaves as a failure
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

// EntryPassed reports whether every stage that changed the environment passed, and names the first that did not.
func (r *Run) EntryPassed(environment string) (passed bool, culprit *StageRun) {
	for _, s := range r.entering(environment) {
		if !s.Status.Passed() && s.Spec.Skip == "" && !(s.Status == StatusSkipped && s.SkippedBy == "") {
			if culprit == nil || culprit.Status == StatusSkipped {
				culprit = s
			}
		}
	}
	return culprit == nil, culprit
}

// reopen lets an entry that has ended be decided on again, because a stage of it is tried again.
func (r *Run) reopen(environment, asker string) {
	e := r.Entry(environment)
	if e == nil || !e.State.Final() {
		return
	}
	*e = Entry{
		Environment: e.Environment, Action: e.Action, State: EntryPreparing, Turn: e.Turn + 1, Automatic: e.Automatic, Askers: e.Askers,
	}
	if asker != "" && !slices.Contains(e.Askers, asker) {
		e.Askers = append(slices.Clone(e.Askers), asker)
	}
}

func capitalised(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
