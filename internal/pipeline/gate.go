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

// end closes an entry that did not become a release.
func (e *Entry) end(state EntryState, reason string, now time.Time) {
	e.State, e.Reason, e.EndedAt, e.Hold = state, reason, now, nil
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

// broken finds what keeps a part of an entry from being done; nil: nothing does. What a rule left out does not.
func (l latestAttempts) broken(stages []*StageRun) *StageRun {
	for _, s := range stages {
		if b := l.blamed(s); b.Status.broke() {
			return b
		}
	}
	return nil
}

// culprit is the key of what keeps a part of an entry from being done; empty: nothing does.
func (l latestAttempts) culprit(stages []*StageRun) string {
	if b := l.broken(stages); b != nil {
		return b.Spec.Key
	}
	return ""
}

// blamed is the stage because of which an attempt did not run, however far back; itself where it ran or was left out.
func (l latestAttempts) blamed(s *StageRun) *StageRun {
	for range len(l) {
		if s.Status != StatusSkipped || s.SkippedBy == "" {
			break
		}
		s = l.of(s.SkippedBy)
	}
	return s
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

// allPrepared reports whether the candidate is complete: every stage that may still change the environment is prepared.
// Late ones come later: nothing but the change of the environment can let them begin.
func (l latestAttempts) allPrepared(stages []*StageRun) bool {
	some, known, late := false, make(map[string]bool, len(stages)), l.late(stages)
	for _, s := range stages {
		switch {
		case s.Status.Final() || late[s.Spec.Key]:
		case !l.prepared(s, known):
			return false
		default:
			some = true
		}
	}
	return some
}

// late are those of an environment's stages that come after a stage outside of it which itself comes after a change of it:
// a deploy, tests of what was deployed, and what the environment gets then. A summary comes after all there is.
func (l latestAttempts) late(stages []*StageRun) map[string]bool {
	const unknown, free, changed, outside = 0, 1, 2, 3
	if len(stages) == 0 {
		return nil
	}
	environment := stages[0].Spec.Environment
	known := make(map[string]int, len(stages))
	var after func(key string) int
	after = func(key string) int {
		if answer := known[key]; answer != unknown {
			return answer
		}
		known[key] = free // needs have no circle
		answer := free
		for _, need := range l.of(key).Spec.Needs {
			n := l.of(need.Stage)
			if n.Status.Final() {
				continue
			}
			comes := after(need.Stage)
			switch {
			case n.Spec.Enters && n.Spec.Environment == environment:
				comes = max(comes, changed)
			case comes >= changed || n.Spec.Uses == UsesSummary:
				comes = outside
			}
			answer = max(answer, comes)
		}
		known[key] = answer
		return answer
	}
	late := make(map[string]bool)
	for _, s := range stages {
		if after(s.Spec.Key) == outside {
			late[s.Spec.Key] = true
		}
	}
	return late
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
		case n.Status.Passed(), n.Status == StatusSkipped && need.Optional && !l.publishes(n, s.Spec.Environment):
		case n.Spec.Enters && n.Spec.Environment == s.Spec.Environment && l.prepared(n, known):
		default:
			return false
		}
	}
	known[s.Spec.Key] = true
	return true
}

// publishes reports whether something that comes before a stage which was left out still publishes its part of the
// candidate. The candidate would otherwise depend on which was faster, and move while people look at it. What itself comes
// after a change of the environment is not waited for.
func (l latestAttempts) publishes(out *StageRun, environment string) bool {
	for key := range l.before(out) {
		n := l.of(key)
		if n.Status.Final() || n.Spec.Environment != "" || n.Spec.Steps != PrepareThenApply {
			continue
		}
		changed := false
		for earlier := range l.before(n) {
			e := l.of(earlier)
			changed = changed || e.Spec.Enters && e.Spec.Environment == environment && !e.Status.Final()
		}
		if !changed {
			return true
		}
	}
	return false
}

// awaitsAdmission reports whether attempts that the gate has not seen are prepared, and nothing else is at work in the
// environment.
func (l latestAttempts) awaitsAdmission(e *Entry, stages []*StageRun) bool {
	if _, closed := e.closed(); closed {
		return false
	}
	found, known := false, make(map[string]bool, len(stages))
	for _, s := range stages {
		switch {
		case s.Status == StatusReady || s.Status == StatusRunning:
			return false
		case !s.Status.Final() && !s.Admitted && l.prepared(s, known):
			found = true
		}
	}
	return found && l.allPrepared(stages)
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

// CandidateOf is what would enter an environment now, from what its stages and those before them have fixed. rules are
// the environment's as they are now.
func (r *Run) CandidateOf(environment string, rules EnvironmentDefinition, base string) Candidate {
	c := Candidate{Environment: environment, Commit: r.Trigger.SHA, Base: base, Action: ActionDeploy}
	if e := r.Entry(environment); e != nil {
		c.Action = e.Action
	}
	latest, stages := r.latest(), r.entering(environment)
	definitions := make([]string, 0, len(stages))
	before := latest.before(stages...)
	for i := range r.Stages {
		s := &r.Stages[i]
		if !s.Superseded && s.Spec.Environment == "" && before[s.Spec.Key] {
			c.Parts = append(c.Parts, s.Result.Parts...)
		}
	}
	for _, s := range stages {
		c.Parts = append(c.Parts, s.Result.Parts...)
		definitions = append(definitions, specHash(s.Spec))
	}
	if r.Restores != nil {
		c.Parts = mergeParts(restored(r.Restores.Parts), c.Parts)
	}
	sortParts(c.Parts)
	rules.Drift = nil // it guards nothing
	c.Configuration = hashOf(rules, definitions)
	return c
}

// restored are the parts of a release that a rollback brings back as they are: its images. What else it held is prepared
// anew from it, or, as with a plan of infrastructure, not touched.
func restored(parts []Part) []Part {
	var images []Part
	for _, p := range parts {
		if p.Kind == PartImage {
			p.ExtraApproval = ""
			images = append(images, p)
		}
	}
	return images
}

// before are the keys of what stages need, directly or through others, and their own.
func (l latestAttempts) before(stages ...*StageRun) map[string]bool {
	keys := make(map[string]bool, len(stages))
	open := make([]string, 0, len(stages))
	for _, s := range stages {
		keys[s.Spec.Key] = true
		open = append(open, s.Spec.Key)
	}
	for len(open) > 0 {
		key := open[len(open)-1]
		open = open[:len(open)-1]
		for _, need := range l.of(key).Spec.Needs {
			if !keys[need.Stage] {
				keys[need.Stage] = true
				open = append(open, need.Stage)
			}
		}
	}
	return keys
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
