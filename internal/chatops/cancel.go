package chatops

import (
	"context"
	"fmt"
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func cancelCommand() Command {
	return Command{
		Name: "cancel", Does: "Cancels the pull request's open runs.", Who: Write, Closed: true,
		More:     "What waits is cancelled at once; what runs is interrupted and reports its end; a deploy that is changing its environment ends what it has begun. `/retry` takes it up again. Of a merged pull request the runs of its merge commit are meant, too.",
		Examples: []Example{{"/cancel", "Stops what runs for this pull request."}},
		gather:   gatherOpen,
		decide: func(f facts, _ string) (order, *Refusal) {
			var mine []pipeline.Run
			withheld := ""
			for _, run := range f.open {
				if env := f.notTheirs(run); env != "" {
					withheld = env
					continue
				}
				mine = append(mine, run)
			}
			switch {
			case len(mine) > 0:
				return order{Targets: runIDs(mine)}, nil
			case withheld != "":
				return order{}, &Refusal{
					Why: fmt.Sprintf("What runs is a deploy to %s, and %s may not deploy there.", code(withheld), code(f.asker.name)),
					Do:  "Whoever may deploy there can say it.",
				}
			default:
				return order{}, &Refusal{Why: "Nothing runs for this pull request.", Do: "`/status` shows how its last run ended."}
			}
		},
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			for _, run := range o.Targets {
				if _, err := d.service.Cancel(ctx, run, "asked by @"+f.asker.name); err != nil {
					return "", err
				}
			}
			return "", nil
		},
	}
}

// gatherOpen adds the runs of what a pull request was merged as.
func gatherOpen(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
	if f.merged() {
		merged, err := d.runs.Runs(ctx, pipeline.RunFilter{RepositoryID: f.repository.ID, SHA: f.pull.Merge, OpenOnly: true})
		if err != nil {
			return nil, fmt.Errorf("open runs of %s: %w", f.pull.Merge, err)
		}
		for _, run := range merged {
			if run.Trigger.Event == pipeline.EventPush && !slices.Contains(runIDs(f.open), run.ID) {
				f.open = append(f.open, run)
			}
		}
	}
	return gatherDeployers(ctx, d, f, args)
}

// gatherDeployers finds out to which of the environments that the pull request's runs enter the asker may deploy.
func gatherDeployers(ctx context.Context, d *Desk, f *facts, _ string) (*Refusal, error) {
	f.mayDeploy = make(map[string]bool)
	for _, run := range slices.Concat(f.runs, f.open) {
		for _, e := range run.Entries {
			if _, known := f.mayDeploy[e.Environment]; known {
				continue
			}
			rules := run.Environment(e.Environment)
			if rules == nil {
				continue
			}
			person, err := d.gate.MayDeploy(ctx, f.repository, *rules, f.asker.name)
			if err != nil {
				return nil, err
			}
			f.mayDeploy[e.Environment] = person.Allowed && !person.Unknown
		}
	}
	return nil, nil //nolint:nilnil // nothing is refused here
}

// notTheirs names an environment of a run that the asker may not deploy to; empty: they may do with it what they want.
func (f facts) notTheirs(run pipeline.Run) string {
	for _, e := range run.Entries {
		if !e.State.Final() && !f.mayDeploy[e.Environment] {
			return e.Environment
		}
	}
	return ""
}

func runIDs(runs []pipeline.Run) []int64 {
	ids := make([]int64, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	return ids
}
