package terraform

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// lookAround, where this is not the first attempt, looks at state and lock before anything else is done: the one before
// may have been cut off in the middle of an apply.
func (a *attempt) lookAround(ctx context.Context) error {
	if a.s.Task().Attempt < 2 {
		return nil
	}
	return a.s.Step(ctx, "Look at what is there", func(ctx context.Context) (string, error) {
		now, err := a.readState(ctx)
		if err != nil {
			return "", err
		}
		text := []string{"This is not the first attempt. Before it began, the state in " + a.backend.String() + " was looked at: " + now.String() + "."}
		text = append(text, a.lockInWords(ctx))
		a.s.Section(pipeline.Section{Title: "What was there", Text: strings.Join(text, "\n\n")})
		for _, line := range text {
			a.s.Log(line)
		}
		return now.String(), nil
	})
}

// lockInWords says who holds the lock of the state, and how it is taken away.
func (a *attempt) lockInWords(ctx context.Context) string {
	lock, known, err := a.heldLock(ctx)
	switch {
	case err != nil:
		return sentence("Whether the state is locked could not be found out: " + err.Error())
	case !known:
		return fmt.Sprintf("Whether the state is locked can only be found out by locking it, with %s. A lock that nobody needs any more goes with: %s.",
			a.backend, a.unlock(lockInfo{ID: "ID"}))
	case lock == nil:
		return "Its lock is free."
	default:
		return fmt.Sprintf("It is locked: %s is held by %s. If nobody works with it any more: %s", lock.ID, lock, a.unlock(*lock))
	}
}
