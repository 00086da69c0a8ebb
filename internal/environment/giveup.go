package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// laterAgain is how soon is tried again what was given up.
const laterAgain = 15 * time.Minute

// GiveUp is told of a decision that could not be made however often it was tried. Nothing waits for ever for that: what is
// before an environment is told so and looked at again by itself, what leaves one ends as a failure, so that the environment
// is free for others.
func (k *Keeper) GiveUp(ctx context.Context, runID int64, environment string, cause error) error {
	run, err := k.store.Run(ctx, runID)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	entry := run.Entry(environment)
	if entry == nil {
		return nil
	}
	why, _, _ := strings.Cut(cause.Error(), "\n") // a stack is for the log
	why = display.Truncate(display.Line(why), maxReason)
	now := k.clock.Now()
	switch entry.State {
	case pipeline.EntryLeaving:
		return k.failed(ctx, run, *entry, pipeline.EntryFailed, "Its outcome could not be recorded: "+why)
	case pipeline.EntryDeciding, pipeline.EntryWaiting:
		until := now.Truncate(laterAgain).Add(2 * laterAgain)
		hold := pipeline.Hold{Title: "Slipway could not decide: it tries again by itself", Until: until, Missing: []pipeline.Missing{{
			Rule: RuleUnknown, Who: "whoever operates Slipway", Until: until,
			Why: sentence("Slipway tried many times to decide and gave up for now: %s", why),
		}}}
		return k.stay(ctx, runID, *entry, known(run, *entry), hold)
	default: // its place may not be given back
		return k.change(ctx, runID, func(r *pipeline.Run) []pipeline.Job {
			job := r.AskGate(environment)
			job.After = laterAgain
			return []pipeline.Job{job}
		})
	}
}
