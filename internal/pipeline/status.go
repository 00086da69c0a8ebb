package pipeline

import "slices"

// Status is the state of a run or of one attempt of a stage. docs/architecture.md shows the diagram.
type Status string

// Open states, then final ones; the final ones are GitHub's conclusions.
const (
	// StatusQueued waits for the stages it needs.
	StatusQueued Status = "queued"
	// StatusReady has all it needs and waits for a worker.
	StatusReady Status = "ready"
	// StatusWaiting waits for a person; its check shows action_required.
	StatusWaiting Status = "waiting"
	// StatusRunning is worked on.
	StatusRunning Status = "running"

	StatusSuccess   Status = "success"
	StatusFailure   Status = "failure"
	StatusNeutral   Status = "neutral"
	StatusSkipped   Status = "skipped"
	StatusCancelled Status = "cancelled"
	StatusTimedOut  Status = "timed_out"
)

// transitions is the whole state machine of a stage attempt. A final state has no way out: a re-run is a new attempt.
var transitions = map[Status][]Status{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	StatusQueued:  {StatusReady, StatusWaiting, StatusSkipped, StatusCancelled},
	StatusReady:   {StatusRunning, StatusCancelled, StatusSkipped},
	StatusWaiting: {StatusQueued, StatusReady, StatusCancelled, StatusSkipped, StatusFailure},
	// Back to queued: the first of two steps has passed.
	StatusRunning: {StatusSuccess, StatusFailure, StatusNeutral, StatusSkipped, StatusCancelled, StatusTimedOut, StatusWaiting, StatusQueued},
}

// Can reports whether the state machine allows next after s.
func (s Status) Can(next Status) bool { return slices.Contains(transitions[s], next) }

// Final reports whether s is an end. What is no status at all is none.
func (s Status) Final() bool {
	switch s {
	case StatusSuccess, StatusFailure, StatusNeutral, StatusSkipped, StatusCancelled, StatusTimedOut:
		return true
	default:
		return false
	}
}

// Passed reports whether a stage that needs this one may start: success (reused or not) and neutral do.
func (s Status) Passed() bool { return s == StatusSuccess || s == StatusNeutral }

// broke reports whether a stage ended so that what needs it cannot go on.
func (s Status) broke() bool {
	return s == StatusFailure || s == StatusTimedOut || s == StatusCancelled
}
