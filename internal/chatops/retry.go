package chatops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func retryCommand() Command {
	return Command{
		Name: "retry", Args: "[stage]", Does: "Runs the failed stages of the newest run again, or the named one.", Who: Write, Closed: true,
		More: "The newest run of the pull request's commit, or of what was asked for here: a `/deploy`, a `/rollback`. Stages that were " +
			"skipped because of one run, too. A stage is named as its check is; the name in the pipeline file " +
			"stands for all legs of its matrix: for those that failed, or for all where none did.",
		Examples: []Example{
			{"/retry", "Runs again what failed, timed out or was cancelled."},
			{"/retry build-and-test", "Runs this stage again, however it ended."},
			{"/retry test (3.12, slim)", "Runs one leg of a matrix again."},
		},
		gather: gatherRetry,
		decide: func(f facts, stage string) (order, *Refusal) {
			targets, no := decideRetry(f, stage)
			if no != nil {
				return order{}, no
			}
			return order{Targets: targets}, f.retryRefusal(targets)
		},
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			for _, attempt := range o.Targets {
				_, err := d.service.Rerun(ctx, f.repository.ID, attempt, f.asker.name)
				if errors.Is(err, pipeline.ErrNotWanted) {
					return "The pipeline file asks for no run of this commit any more.", nil
				}
				if errors.Is(err, pipeline.ErrUnderWay) {
					return "", &nothingToDoError{underWay + " Say it again when the run has left the environment."}
				}
				if err != nil {
					return "", err
				}
			}
			return "", nil
		},
	}
}

// gatherRetry adds the runs of what was asked for at the pull request, whatever commit that was of: a rollback, `--ref`.
func gatherRetry(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
	asked, err := d.runs.Runs(ctx, pipeline.RunFilter{RepositoryID: f.repository.ID, PullRequest: f.number, Event: pipeline.EventDeploy})
	if err != nil {
		return nil, fmt.Errorf("what was asked for at pull request #%d: %w", f.number, err)
	}
	for _, run := range asked {
		known := slices.ContainsFunc(f.runs, func(r pipeline.Run) bool { return r.ID == run.ID })
		if d := run.Trigger.Deploy; d != nil && !known && !d.Pinned { // a head that has moved is not deployed any more
			f.runs = append(f.runs, run)
		}
	}
	slices.SortStableFunc(f.runs, func(a, b pipeline.Run) int { return cmp.Compare(b.ID, a.ID) })
	return gatherDeployers(ctx, d, f, args)
}

// underWay is why nothing of a change of an environment is run again in its midst.
const underWay = "The run is changing the environment: what belongs to that cannot be run again in its midst."

// retryRefusal refuses to try again what would change an environment that the asker may not deploy to.
func (f facts) retryRefusal(targets []int64) *Refusal {
	for _, run := range f.runs {
		for _, s := range run.Stages {
			if s.Spec.Enters && slices.Contains(targets, s.ID) && !f.mayDeploy[s.Spec.Environment] {
				return &Refusal{
					Why: fmt.Sprintf("%s changes %s, and %s may not deploy there.", code(s.Spec.Key), code(s.Spec.Environment), code(f.asker.name)),
					Do:  "Whoever may deploy there can say it.",
				}
			}
		}
	}
	return nil
}

// decideRetry finds the attempts to run again.
func decideRetry(f facts, stage string) ([]int64, *Refusal) {
	if !f.pull.Open && !f.pull.Merged {
		return nil, closedPull()
	}
	if len(f.runs) == 0 {
		return nil, noRun(f)
	}
	run := f.runs[0]
	if stage != "" {
		return decideNamed(run, stage)
	}
	var failed []int64
	for _, s := range run.Current() {
		if ranBadly(s) && s.Spec.Uses != pipeline.UsesSummary { // a summary follows what it tells of
			failed = append(failed, s.ID)
		}
	}
	switch {
	case len(failed) > 0:
		return failed, nil
	case heldStages(run):
		return nil, heldRefusal(run)
	case run.Status.Final():
		return nil, &Refusal{Why: fmt.Sprintf("Nothing of run #%d failed.", run.Number), Do: "Name a stage to run it again all the same: `/retry STAGE`."}
	default:
		return nil, &Refusal{Why: fmt.Sprintf("Nothing of run #%d has failed so far.", run.Number), Do: "`/status` shows what it does."}
	}
}

// decideNamed finds the stage with that check, or all legs of the stage with that name.
func decideNamed(run pipeline.Run, name string) ([]int64, *Refusal) {
	var named []pipeline.StageRun
	for _, s := range run.Current() {
		if s.Spec.Key == name {
			named = []pipeline.StageRun{s}
			break
		}
		if s.Spec.ID == name {
			named = append(named, s)
		}
	}
	if len(named) == 0 {
		return nil, &Refusal{
			Why: fmt.Sprintf("Run #%d has no stage %s.", run.Number, code(name)), Do: "Its stages are " + stageNames(run) + ".",
		}
	}
	var failed, ended []int64
	for _, s := range named {
		if ranBadly(s) {
			failed = append(failed, s.ID)
		}
		if s.Status.Final() {
			ended = append(ended, s.ID)
		}
	}
	switch {
	case len(failed) > 0:
		return failed, nil
	case len(ended) > 0:
		return ended, nil
	case heldStages(run):
		return nil, heldRefusal(run)
	default:
		return nil, &Refusal{
			Why: fmt.Sprintf("%s of run #%d has not ended: it is %s.", code(name), run.Number, display.Status(named[0].Status).Word),
			Do:  "Say it again when it has, or `/cancel` the run first.",
		}
	}
}

func ranBadly(s pipeline.StageRun) bool {
	return display.Failed(s.Status) || s.Status == pipeline.StatusCancelled
}

func stageNames(run pipeline.Run) string {
	const most = 20
	var names []string
	for _, s := range run.Current() {
		names = append(names, code(s.Spec.Key))
	}
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}
