package chatops

import (
	"context"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func cancelCommand() Command {
	return Command{
		Name: "cancel", Does: "Cancels the pull request's open run.", Who: Write,
		More:     "What waits is cancelled at once; what runs is interrupted and reports its end. `/retry` takes it up again.",
		Examples: []Example{{"/cancel", "Stops what runs for this pull request."}},
		decide: func(f facts, _ string) ([]int64, *Refusal) {
			if len(f.open) == 0 {
				return nil, &Refusal{Why: "Nothing runs for this pull request.", Do: "`/status` shows how its last run ended."}
			}
			return runIDs(f.open), nil
		},
		do: func(ctx context.Context, d *Desk, f facts, targets []int64) (string, error) {
			for _, run := range targets {
				if _, err := d.service.Cancel(ctx, run, "asked by @"+f.asker.name); err != nil {
					return "", err
				}
			}
			return "", nil
		},
	}
}

func runIDs(runs []pipeline.Run) []int64 {
	ids := make([]int64, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	return ids
}
