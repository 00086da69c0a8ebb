package environment

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// hold keeps it waiting. It has a place in the queue while its turn is all that it lacks, and none otherwise.
func (k *Keeper) hold(ctx context.Context, c case_, d Decision) error {
	state, err := k.queueUp(ctx, c, d.Lacks(RuleTurn))
	if err != nil {
		return err
	}
	hold := pipeline.Hold{
		Title: d.Title(c.rules, c.candidate), Missing: d.Missing, Until: d.Until, Ahead: d.Ahead, Person: d.Lacks(RuleApprovals),
		Approved: d.Approved, Required: d.Required,
	}
	if err := k.stay(ctx, c.run.ID, c.entry, c.candidate, hold); err != nil {
		return err
	}
	return k.askFirst(ctx, state, c.run.ID, c.entry.Environment)
}

// queueUp gives the run the place that belongs to it.
func (k *Keeper) queueUp(ctx context.Context, c case_, turn bool) (pipeline.EnvironmentState, error) {
	state, err := k.store.ChangeEnvironment(ctx, c.run.Trigger.Repository.ID, c.entry.Environment, func(s *pipeline.EnvironmentState) error {
		if turn && inQueue(*s, c.run.ID) {
			return nil
		}
		giveBack(s, c.run, c.entry)
		if turn {
			s.Queue = append(slices.Clone(s.Queue), k.place(c.run))
		}
		return nil
	})
	if err != nil {
		return state, fmt.Errorf("queue of %s: %w", c.entry.Environment, err)
	}
	return state, nil
}

// soon is how near the next look by itself may be for its job to be the one at work: clocks and jobs are not of one grain.
const soon = 5 * time.Second

// stay writes down what an entry waits for, where that is news.
func (k *Keeper) stay(ctx context.Context, runID int64, entry pipeline.Entry, candidate pipeline.Candidate, hold pipeline.Hold) error {
	now := k.clock.Now()
	if !sameHold(entry, candidate, hold) {
		return k.change(ctx, runID, func(r *pipeline.Run) []pipeline.Job { return r.HoldEntry(entry.Environment, candidate, hold, now) })
	}
	if hold.Until.IsZero() || hold.Until.Sub(now) > soon {
		return nil
	}
	// Its own job may have come a moment early.
	return k.change(ctx, runID, func(r *pipeline.Run) []pipeline.Job { return []pipeline.Job{r.AskGateAt(entry.Environment, now)} })
}

// sameHold reports whether an entry waits for exactly this already: nothing is to be written then.
func sameHold(e pipeline.Entry, candidate pipeline.Candidate, hold pipeline.Hold) bool {
	return e.State == pipeline.EntryWaiting && e.Hold != nil && e.Candidate != nil &&
		e.Candidate.Fingerprint() == candidate.Fingerprint() && reflect.DeepEqual(*e.Hold, hold)
}

// RulePipelineFile holds what waits while the rules cannot be read.
const RulePipelineFile = "pipeline-file"

// brokenFile is how soon the rules are read again that could not be.
const brokenFile = 5 * time.Minute

func (k *Keeper) holdForFile(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	if err := k.giveUpPlace(ctx, run, entry); err != nil {
		return err
	}
	until := k.clock.Now().Truncate(brokenFile).Add(2 * brokenFile) // the same for all who look within the span
	hold := pipeline.Hold{Title: "The pipeline file of the default branch has problems", Until: until, Missing: []pipeline.Missing{{
		Rule: RulePipelineFile, Who: "whoever may push to the default branch", Until: until,
		Why: "The rules of " + entry.Environment + " stand in the pipeline file of the default branch, which has problems. Nothing enters before they are mended.",
	}}}
	return k.stay(ctx, run.ID, entry, known(run, entry), hold)
}

// known is the candidate as it was decided on last.
func known(run pipeline.Run, entry pipeline.Entry) pipeline.Candidate {
	if entry.Candidate != nil {
		return *entry.Candidate
	}
	return pipeline.Candidate{Environment: entry.Environment, Action: entry.Action, Commit: run.Trigger.SHA}
}
