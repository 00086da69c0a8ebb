package sqlite

import (
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// statuses are all states there are: the ones a walk through the state machine can come by.
var statuses = [...]pipeline.Status{ //nolint:gochecknoglobals // a constant table; Go has no constant arrays
	pipeline.StatusQueued, pipeline.StatusReady, pipeline.StatusWaiting, pipeline.StatusRunning, pipeline.StatusSuccess,
	pipeline.StatusFailure, pipeline.StatusNeutral, pipeline.StatusSkipped, pipeline.StatusCancelled, pipeline.StatusTimedOut,
}

func known(s pipeline.Status) bool {
	for _, status := range statuses {
		if s == status {
			return true
		}
	}
	return false
}

// reachable reports whether an attempt can have come from one state to the other within one change, which may take
// several steps (ready, running, success).
func reachable(from, to pipeline.Status) bool {
	seen := map[pipeline.Status]bool{from: true}
	for grown := true; grown; {
		grown = false
		for _, next := range statuses {
			if seen[next] {
				continue
			}
			for s := range seen {
				if s.Can(next) {
					seen[next], grown = true, true
					break
				}
			}
		}
	}
	return seen[to]
}

// identity is what a change of a run must leave as it is.
type identity struct {
	runID, number int64
	key           string
	stages        map[int64]stageIdentity
}

type stageIdentity struct {
	key     string
	place   int
	attempt int
	status  pipeline.Status
}

func identities(run pipeline.Run) identity {
	id := identity{runID: run.ID, number: run.Number, key: run.Key, stages: make(map[int64]stageIdentity, len(run.Stages))}
	for _, s := range run.Stages {
		id.stages[s.ID] = stageIdentity{key: s.Spec.Key, place: s.Index, attempt: s.Attempt, status: s.Status}
	}
	return id
}

// check refuses what only a bug can bring about: the truth must not take it in.
func (id identity) check(run pipeline.Run) error {
	if run.ID != id.runID || run.Number != id.number || run.Key != id.key {
		return fmt.Errorf("the change makes run %d (#%d, %s) another run: %d (#%d, %s)",
			id.runID, id.number, id.key, run.ID, run.Number, run.Key)
	}
	if !known(run.Status) {
		return fmt.Errorf("the change leaves run %d in the unknown state %q", run.ID, run.Status)
	}
	found := 0
	for _, s := range run.Stages {
		if !known(s.Status) {
			return fmt.Errorf("the change leaves stage %s of run %d in the unknown state %q", s.Spec.Key, run.ID, s.Status)
		}
		if s.ID == 0 {
			continue
		}
		was, ok := id.stages[s.ID]
		if !ok {
			return fmt.Errorf("the change gives run %d stage attempt %d, which is not its own", run.ID, s.ID)
		}
		found++
		if s.Spec.Key != was.key || s.Index != was.place || s.Attempt != was.attempt {
			return fmt.Errorf("the change makes attempt %d of stage %s another one: attempt %d of %s", was.attempt, was.key, s.Attempt, s.Spec.Key)
		}
		if !reachable(was.status, s.Status) {
			return &pipeline.MoveError{Stage: s.Spec.Key, From: was.status, To: s.Status}
		}
	}
	if found != len(id.stages) {
		return fmt.Errorf("the change takes %d stage attempts away from run %d", len(id.stages)-found, run.ID)
	}
	return nil
}
