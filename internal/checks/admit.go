package checks

import (
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxKeptRuns is how long a queue may be before runs with long reports are read from the store again instead of being kept.
const maxKeptRuns = 256

// admit takes in a newer state of a run. The lock is held.
func (r *Reporter) admit(run pipeline.Run) {
	if r.stopping || len(run.Stages) == 0 {
		return
	}
	state, known := r.runs[run.ID]
	if !known {
		r.sequence++
		state = &runState{
			id: run.ID, sequence: r.sequence, installation: run.Trigger.Repository.InstallationID,
			suspect: r.suspects[run.ID], stages: map[int64]*task{},
		}
		state.load = &task{run: state, loads: true}
		r.runs[run.ID] = state
	}
	a := r.account(state.installation)
	r.merge(a, state, run)
	if len(a.ready) > maxKeptRuns && heavy(run) {
		state.latest = nil
	}
	if !state.loaded {
		a.place(state.load, r.clock.Now(), r.progressAt)
	} else {
		for _, t := range state.stages {
			a.place(t, r.clock.Now(), r.progressAt)
		}
		r.release(a, state)
	}
	r.hire(a)
}

func (r *Reporter) account(installation int64) *account {
	a, ok := r.accounts[installation]
	if !ok {
		a = &account{installation: installation, waiting: map[*waitingWriter]struct{}{}}
		r.accounts[installation] = a
	}
	return a
}

// merge keeps of every attempt its newest version: changes may be told out of order.
func (r *Reporter) merge(a *account, state *runState, run pipeline.Run) {
	stale := false
	for i, s := range run.Stages {
		t, known := state.stages[s.ID]
		if !known {
			t = &task{
				run: state, stageID: s.ID, index: i, mirror: pipeline.Mirror{StageRunID: s.ID},
				asked: state.loaded && !state.suspect, // a new attempt: nobody else has made its check
			}
			state.stages[s.ID] = t
			a.open++
		}
		if known && s.Version < t.version {
			stale = true
			continue
		}
		t.version, t.status, t.findings = s.Version, s.Status, len(s.Result.Findings)
	}
	switch {
	case !stale && len(run.Stages) == len(state.stages):
		state.latest = &run
	case state.latest != nil:
		merged := newest(*state.latest, run)
		state.latest = &merged
	}
	// Otherwise the store is asked: what was told is partly older than what was written.
}

func newest(a, b pipeline.Run) pipeline.Run {
	stages := slices.Clone(a.Stages)
	at := map[int64]int{}
	for i, s := range stages {
		at[s.ID] = i
	}
	for _, s := range b.Stages {
		i, known := at[s.ID]
		switch {
		case !known:
			stages = append(stages, s)
		case s.Version > stages[i].Version:
			stages[i] = s
		}
	}
	a.Stages = stages
	return a
}

// heavy reports whether a run holds reports that are worth reading again rather than keeping.
func heavy(run pipeline.Run) bool {
	const light = 20
	n := 0
	for _, s := range run.Stages {
		n += len(s.Result.Findings) + len(s.Result.LogTail) + len(s.Result.Sections)
	}
	return n > light
}

// release lets go of what is not needed to write: the run's data when nothing is pending, all of it when nothing can come.
func (r *Reporter) release(a *account, state *runState) {
	if !state.loaded {
		return
	}
	settled := true
	for _, t := range state.stages {
		if t.busy || t.place != placeNone {
			return
		}
		settled = settled && t.settled()
	}
	state.latest = nil
	if settled {
		a.open -= len(state.stages)
		delete(r.runs, state.id)
	}
}
