package checks

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// GitHub's states of a deployment: https://docs.github.com/rest/deployments/statuses. What we mean by them:
//
//	pending      prepared, and waits for somebody or for a time
//	queued       may enter, and waits for its turn
//	in_progress  changes the environment
//	success      the environment runs it
//	failure      it, or its preparation, failed
//	error        it was cut off while it changed the environment: what runs there is not known
//	inactive     the environment does not run it: replaced, taken down, or never entered (rejected, refused, void,
//	             cancelled), which is no failure of anything and must not count as one
const (
	statePending    = "pending"
	stateQueued     = "queued"
	stateInProgress = "in_progress"
	stateSuccess    = "success"
	stateFailure    = "failure"
	stateError      = "error"
	stateInactive   = "inactive"
)

// rank orders the states: a deployment only goes up.
func rank(state string) int {
	switch state {
	case "":
		return 0
	case statePending:
		return 1
	case stateQueued:
		return 2
	case stateInProgress:
		return 3
	case stateSuccess, stateFailure, stateError:
		return 4
	default:
		return 5
	}
}

// step is what a deployment is to say; without a state, nothing.
type step struct {
	state, says string
	// worthCreating: a deployment that GitHub does not know yet is created for it.
	worthCreating bool
	// replaces: what the environment ran before is not what it runs now.
	replaces bool
}

// stepOf is what the deployment of an entry is to say now. state is what is true of its environment.
func stepOf(run pipeline.Run, e pipeline.Entry, state pipeline.EnvironmentState) step {
	entered := !e.EnteredAt.IsZero()
	switch e.State {
	case pipeline.EntryDeciding, pipeline.EntryWaiting, pipeline.EntryPreparing:
		if entered {
			return step{state: stateInProgress, says: inIt(run, e), worthCreating: true}
		}
		return waitingStep(e)
	case pipeline.EntryEntered, pipeline.EntryLeaving:
		return step{state: stateInProgress, says: inIt(run, e), worthCreating: true}
	case pipeline.EntryDone:
		return doneStep(run, e, state)
	case pipeline.EntryFailed:
		return step{state: stateFailure, says: e.Reason, worthCreating: entered}
	case pipeline.EntryCancelled:
		if entered {
			return step{state: stateError, says: "Cut off: " + e.Reason, worthCreating: true}
		}
		return step{state: stateInactive, says: "Not entered: " + e.Reason}
	case pipeline.EntryRejected, pipeline.EntryVoid:
		return step{state: stateInactive, says: e.Reason} // it begins with what it is
	case pipeline.EntrySkipped:
		return step{state: stateInactive, says: "Nothing was to be done: " + e.Reason}
	default:
		return step{}
	}
}

func inIt(run pipeline.Run, e pipeline.Entry) string {
	return fmt.Sprintf("Run #%d changes %s", run.Number, e.Environment)
}

// waitingStep is of what has not entered: there is nothing to say of it before its candidate is known.
func waitingStep(e pipeline.Entry) step {
	switch {
	case e.Candidate == nil:
		return step{}
	case e.State != pipeline.EntryWaiting || e.Hold == nil:
		return step{state: statePending, says: "It is decided whether it may enter"}
	case !slices.ContainsFunc(e.Hold.Missing, func(m pipeline.Missing) bool { return m.Rule != ruleTurn }):
		return step{state: stateQueued, says: e.Hold.Title, worthCreating: true}
	default:
		return step{state: statePending, says: e.Hold.Title, worthCreating: true}
	}
}

// ruleTurn is the Missing.Rule of what waits for nothing but its turn.
const ruleTurn = "turn"

// doneStep is of what became a release, or took its environment down.
func doneStep(run pipeline.Run, e pipeline.Entry, state pipeline.EnvironmentState) step {
	if e.Action == pipeline.ActionDestroy {
		// Whatever was released since is not what it took down.
		return step{state: stateInactive, says: fmt.Sprintf("Destroyed by run #%d", run.Number), worthCreating: true, replaces: state.Release == 0}
	}
	if state.Release != e.Release {
		says := fmt.Sprintf("Release %d, replaced by release %d", e.Release, state.Release)
		if state.Release == 0 {
			says = fmt.Sprintf("Release %d, taken down", e.Release)
		}
		return step{state: stateInactive, says: says, worthCreating: true}
	}
	return step{state: stateSuccess, says: fmt.Sprintf("Release %d of %s", e.Release, e.Environment), worthCreating: true, replaces: true}
}

// isProduction reports whether an environment is, by the words of its name, one that end users meet.
func isProduction(name string) bool {
	production := false
	for _, word := range strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) }) {
		switch word {
		case "production", "prod", "live":
			production = true
		case "pre", "non", "no", "not", "test", "staging":
			return false
		}
	}
	return production
}

// short is a description as long as GitHub takes one.
func short(s string) string {
	const most = 140
	s = display.Line(s)
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		s = capital(s)
	}
	return clip(s, most)
}
