package pipeline

import (
	"slices"
	"time"
)

// EntryState is how far a run is on its way into an environment; docs/architecture.md shows the diagram.
type EntryState string

// Open states, then final ones.
const (
	// EntryPreparing: its stages prepare what would enter.
	EntryPreparing EntryState = "preparing"
	// EntryDeciding: the candidate is complete and the gate is asked.
	EntryDeciding EntryState = "deciding"
	// EntryWaiting: the gate holds it; Entry.Hold says for what.
	EntryWaiting EntryState = "waiting"
	// EntryEntered: it has the environment to itself and changes it.
	EntryEntered EntryState = "entered"
	// EntryLeaving: its stages have ended; the outcome is being recorded.
	EntryLeaving EntryState = "leaving"

	// EntryDone: it is released.
	EntryDone EntryState = "done"
	// EntryFailed: its preparation or its change of the environment failed.
	EntryFailed EntryState = "failed"
	// EntryRejected: somebody said no.
	EntryRejected EntryState = "rejected"
	// EntryVoid: what was asked for or approved is no longer what would enter.
	EntryVoid EntryState = "void"
	// EntryCancelled: the run was cancelled before it entered, or while it was in.
	EntryCancelled EntryState = "cancelled"
	// EntrySkipped: nothing of it was to be done after all.
	EntrySkipped EntryState = "skipped"
)

// entryTransitions is the whole state machine of an entry. A final one is opened again when a stage of it is run again.
var entryTransitions = map[EntryState][]EntryState{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	EntryPreparing: {EntryDeciding, EntryFailed, EntryCancelled, EntrySkipped},
	// Back to preparing: something it was prepared from is run again. Leaving: it had entered, and was cancelled.
	EntryDeciding: {EntryWaiting, EntryEntered, EntryPreparing, EntryLeaving, EntryVoid, EntryCancelled},
	EntryWaiting:  {EntryEntered, EntryPreparing, EntryLeaving, EntryVoid, EntryRejected, EntryCancelled},
	// Back to deciding: a stage of it is tried again.
	// Back to preparing: what was prepared did not hold, and nothing has been changed.
	EntryEntered:   {EntryLeaving, EntryDeciding, EntryPreparing},
	EntryLeaving:   {EntryDone, EntryFailed, EntryCancelled},
	EntryDone:      {EntryPreparing},
	EntryFailed:    {EntryPreparing},
	EntryRejected:  {EntryPreparing},
	EntryVoid:      {EntryPreparing},
	EntryCancelled: {EntryPreparing},
	EntrySkipped:   {EntryPreparing},
}

// Can reports whether the state machine allows next after s.
func (s EntryState) Can(next EntryState) bool { return slices.Contains(entryTransitions[s], next) }

// Final reports whether a state is an end. A stage that is run again opens its entry again.
func (s EntryState) Final() bool {
	switch s {
	case EntryDone, EntryFailed, EntryRejected, EntryVoid, EntryCancelled, EntrySkipped:
		return true
	default:
		return false
	}
}

// asks reports whether the gate's answer is what an entry waits for.
func (s EntryState) asks() bool { return s == EntryDeciding || s == EntryWaiting }

// Entry is a run's way into one environment.
type Entry struct {
	Environment string     `json:"environment"`
	Action      Action     `json:"action"`
	State       EntryState `json:"state"`
	// Turn counts how often it was opened again after it had ended: each turn is a deployment of its own.
	Turn int `json:"turn,omitempty"`
	// Automatic: a push asked for it, not a person.
	Automatic bool `json:"automatic,omitempty"`
	// Askers are those who asked for it: the actor, and who had it tried again.
	Askers []string `json:"askers"`
	// Candidate is what would enter, as it was decided on last; nil: not prepared yet.
	Candidate *Candidate `json:"candidate,omitempty"`
	// CandidateAt is since when it has been this one.
	CandidateAt time.Time  `json:"candidate_at,omitzero"`
	Approvals   []Approval `json:"approvals,omitempty"`
	Rejection   *Rejection `json:"rejection,omitempty"`
	// Voided says which approvals do not count any more and why, as long as it is decided on anew because of that.
	Voided string `json:"voided,omitempty"`
	// Hold is what a waiting one waits for.
	Hold *Hold `json:"hold,omitempty"`
	// Refused are the last words about it that did not count, newest last.
	Refused []RefusedWord `json:"refused,omitempty"`
	// Reason is how it came to its end, where that was not a release.
	Reason string `json:"reason,omitempty"`
	// Release is the number of the release it became.
	Release int64 `json:"release,omitempty"`
	// NotBefore holds back the next decision: a pause before another try.
	NotBefore time.Time `json:"not_before,omitzero"`

	PreparedAt time.Time `json:"prepared_at,omitzero"`
	EnteredAt  time.Time `json:"entered_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
}

// Approval is one person's word for exactly one candidate.
type Approval struct {
	By          string    `json:"by"`
	At          time.Time `json:"at"`
	Fingerprint string    `json:"fingerprint"`
	// Via says how it was given: "comment", "button", "page".
	Via string `json:"via"`
}

// Rejection is somebody's no.
type Rejection struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"` // hostile text
}

// RefusedWord is a word that did not count, kept so that whoever clicked a button sees why.
type RefusedWord struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	What string    `json:"what"` // "approve"
	Why  string    `json:"why"`
}

// maxRefused bounds Entry.Refused.
const maxRefused = 5

// Refuse notes a word that did not count.
func (e *Entry) Refuse(word RefusedWord) {
	e.Refused = append(slices.Clone(e.Refused), word)
	e.Refused = e.Refused[max(0, len(e.Refused)-maxRefused):]
}

// Hold is what keeps an entry waiting, in words for people.
type Hold struct {
	// Title is one line: "Waiting for 1 approval of @acme/platform".
	Title string `json:"title"`
	// Person: somebody has to act; otherwise it goes on by itself.
	Person  bool      `json:"person,omitempty"`
	Missing []Missing `json:"missing,omitempty"`
	// Until is when it is looked at again by itself; zero: when something happens.
	Until time.Time `json:"until,omitzero"`
	// Ahead counts the runs that enter before this one.
	Ahead int `json:"ahead,omitempty"`
	// Approved counts the people whose approval counts, of the Required.
	Approved int `json:"approved,omitempty"`
	Required int `json:"required,omitempty"`
}

// Missing is one thing that keeps a candidate out, and who can do something about it.
type Missing struct {
	// Rule is stable: "approvals", "lock", "freeze".
	Rule string `json:"rule"`
	// Why is one or two sentences.
	Why string `json:"why"`
	// Who can give what is missing; empty: time alone does.
	Who string `json:"who,omitempty"`
	// Command is the exact line to write; empty: there is none.
	Command string    `json:"command,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// Entry finds the run's entry into an environment; nil: it has none.
func (r *Run) Entry(environment string) *Entry {
	for i := range r.Entries {
		if r.Entries[i].Environment == environment {
			return &r.Entries[i]
		}
	}
	return nil
}

// Changing reports whether the run is in an environment: it must not be cut off for something newer.
func (r *Run) Changing() bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.entered() && !e.State.Final() })
}

// entered reports whether the run has been let into the environment since the entry was opened.
func (e *Entry) entered() bool { return !e.EnteredAt.IsZero() }

// closed reports whether nothing may go on to change the environment, and why: it has ended, or it ends as soon as what
// is at work in it has.
func (e *Entry) closed() (why string, closed bool) {
	switch {
	case e.State.Final():
	case e.entered() && e.Reason != "":
	default:
		return "", false
	}
	if e.Reason == "" {
		return "the way into " + e.Environment + " has ended", true
	}
	return e.Reason, true
}

// Environment finds the definition that a stage's environment had when the run was planned; nil: there is none.
func (r *Run) Environment(name string) *EnvironmentDefinition {
	for i := range r.Environments {
		if r.Environments[i].Name == name {
			return &r.Environments[i]
		}
	}
	return nil
}
