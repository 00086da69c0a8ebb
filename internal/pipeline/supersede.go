package pipeline

import (
	"context"
	"fmt"
)

// supersede cancels the open runs of the same ref that this one makes pointless, or this one where a newer is open:
// deliveries overtake each other. It is called again for a run that already exists, so that a bot killed between the two
// steps still does it.
func (s *Service) supersede(ctx context.Context, run Run) error {
	open, err := s.store.OpenRuns(ctx, run.Trigger.Group())
	if err != nil {
		return fmt.Errorf("open runs of %s: %w", run.Trigger.Ref, err)
	}
	for _, other := range open {
		older, newer := other, run
		switch {
		case other.ID == run.ID, other.Reason != "": // being cancelled already
			continue
		case other.supersedes(run):
			older, newer = run, other
		case !run.supersedes(other):
			continue
		}
		if err := s.cancelUnlessChanging(ctx, older.ID, fmt.Sprintf("superseded by run #%d", newer.Number)); err != nil {
			return err
		}
	}
	return nil
}

// supersedes reports whether a run makes another of its group pointless. A run that a person asked for again takes the
// place of older runs of its own commit only: to look at an old commit must not stop the branch's head.
func (r Run) supersedes(other Run) bool {
	a, b := r.Trigger, other.Trigger
	switch {
	case a.SHA == b.SHA:
		return r.ID > other.ID
	case a.Fresh, b.Fresh && other.ID > r.ID:
		return false
	case !a.At.IsZero() && !b.At.IsZero() && !a.At.Equal(b.At):
		return a.At.After(b.At)
	case a.Before == b.SHA && b.Before != a.SHA:
		return true
	case b.Before == a.SHA && a.Before != b.SHA:
		return false
	default:
		return r.ID > other.ID
	}
}

// askedAgain reports whether a trigger's commit came back: the branch was reset to it or the pull request reopened
// after its run had been cancelled. Another delivery of the same key is then another wish.
func (t Trigger) askedAgain(existing Run) bool {
	return existing.Reason != "" && t.Delivery != "" && t.Delivery != existing.Trigger.Delivery
}

// cancelUnlessChanging leaves a run alone that is changing an environment: when it has left, it is superseded again.
func (s *Service) cancelUnlessChanging(ctx context.Context, runID int64, reason string) error {
	_, err := s.change(ctx, runID, func(r *Run) ([]Job, error) {
		if r.Changing() {
			return nil, nil
		}
		return r.Cancel(reason, s.clock.Now()), nil
	})
	return err
}

// Resupersede cancels what is left of a run that a newer one of its ref made pointless while it changed an environment.
func (s *Service) Resupersede(ctx context.Context, runID int64) error {
	run, err := s.store.Run(ctx, runID)
	if err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	if run.Status.Final() {
		return nil
	}
	return s.supersede(ctx, run)
}
