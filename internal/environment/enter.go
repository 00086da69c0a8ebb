package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// errMeanwhile says that what was decided on is not so any more.
var errMeanwhile = errors.New("something happened since it was decided")

// enter takes the environment for the run and lets its stages change it.
func (k *Keeper) enter(ctx context.Context, c case_) error {
	_, err := k.store.ChangeEnvironment(ctx, c.run.Trigger.Repository.ID, c.entry.Environment, func(s *pipeline.EnvironmentState) error {
		c.facts.State = *s
		if Decide(c.rules, c.candidate, c.facts).Answer != Open {
			return errMeanwhile // somebody entered, locked it or rolled it back since its state was read
		}
		k.takePlace(s, c)
		return nil
	})
	if errors.Is(err, errMeanwhile) {
		return k.decideAgain(ctx, c)
	}
	if err != nil {
		return fmt.Errorf("enter %s: %w", c.entry.Environment, err)
	}
	counted := approvers(c.rules, c.candidate, c.facts)
	why := "nothing is missing"
	if len(counted) > 0 {
		why = "approved by " + strings.Join(counted, ", ")
	}
	if err := k.record(ctx, c.run, c.entry, pipeline.AuditRecord{
		Action: "enter", Allowed: true, Why: why, Fingerprint: c.candidate.Fingerprint(),
	}); err != nil {
		return err
	}
	k.logger(c.run, c.entry).Info().Str("why", why).Msg("a run enters an environment")
	return k.change(ctx, c.run.ID, func(r *pipeline.Run) []pipeline.Job {
		e := r.Entry(c.entry.Environment)
		if !c.still(r, e) {
			return []pipeline.Job{r.AskGate(c.entry.Environment)} // it is decided on again, or, where it has ended, the environment is freed
		}
		e.Approvals = slices.DeleteFunc(slices.Clone(e.Approvals), func(a pipeline.Approval) bool {
			return a.Fingerprint != c.candidate.Fingerprint() || !slices.Contains(counted, a.By)
		})
		return r.EnterEntry(c.entry.Environment, c.candidate, k.clock.Now())
	})
}

// still reports whether the run's entry is still what was decided on.
func (c case_) still(r *pipeline.Run, e *pipeline.Entry) bool {
	return (e.State == pipeline.EntryDeciding || e.State == pipeline.EntryWaiting) && e.Turn == c.entry.Turn &&
		slices.Equal(e.Askers, c.entry.Askers) && r.CandidateOf(e.Environment, c.rules, c.candidate.Base).Fingerprint() == c.candidate.Fingerprint()
}

// takePlace makes the run the one that is in the environment. A rollback keeps automatic deploys out from now on, a deploy
// that somebody asked for lets them in again.
func (k *Keeper) takePlace(s *pipeline.EnvironmentState, c case_) {
	leaveQueue(s, c.run.ID)
	if s.Holder == nil {
		place := k.place(c.run)
		s.Holder = &place
	}
	switch {
	case !c.entry.EnteredAt.IsZero(): // a stage is tried again
	case c.candidate.Action == pipeline.ActionRollback:
		if !heldBy(*s, c.run) {
			s.Hold = &pipeline.Lock{By: c.entry.Askers[len(c.entry.Askers)-1], At: k.clock.Now(), Reason: rollbackReason(c.run)}
		}
	case c.candidate.Action == pipeline.ActionDeploy && !c.entry.Automatic:
		s.Hold = nil
	}
}

func rollbackReason(run pipeline.Run) string {
	if run.Restores == nil {
		return fmt.Sprintf("rolled back by run #%d", run.Number)
	}
	return fmt.Sprintf("rolled back to release %d by run #%d", run.Restores.Number, run.Number)
}

// heldBy reports whether automatic deploys are kept out because of that run.
func heldBy(s pipeline.EnvironmentState, run pipeline.Run) bool {
	return s.Hold != nil && s.Hold.Reason == rollbackReason(run)
}

// giveBack takes the run out of the queue, and out of the environment where it has not entered after all: then it has not
// rolled anything back either.
func giveBack(s *pipeline.EnvironmentState, run pipeline.Run, entry pipeline.Entry) {
	leaveQueue(s, run.ID)
	if !entry.EnteredAt.IsZero() && !entry.State.Final() {
		return // it stays in, for as long as it has something to change
	}
	if s.Holder == nil || s.Holder.RunID != run.ID {
		return
	}
	s.Holder = nil
	if entry.EnteredAt.IsZero() && heldBy(*s, run) {
		s.Hold = nil
	}
}

func (k *Keeper) place(run pipeline.Run) pipeline.Place {
	return pipeline.Place{RunID: run.ID, RunNumber: run.Number, Since: k.clock.Now()}
}

// decideAgain reads everything anew.
func (k *Keeper) decideAgain(ctx context.Context, c case_) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	run, err := k.store.Run(ctx, c.run.ID)
	if err != nil {
		return fmt.Errorf("run %d: %w", c.run.ID, err)
	}
	return k.work(ctx, run, c.entry.Environment)
}
