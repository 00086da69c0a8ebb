package chatops

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func okToTestCommand() Command {
	return Command{
		Name: "ok-to-test", Args: "SHA", Does: "Lets exactly this commit of a fork's pull request run.", Who: Write,
		More: "Nothing of a fork runs before. The commit is named in full, because somebody can push while you write, and because " +
			"commits with the same beginning can be made. A new push waits for a new word. What runs gets no secrets, deploys " +
			"nothing, and leaves nothing in caches that others use.",
		Examples: []Example{{
			"/ok-to-test 5d1f6e0c1c8b4b7a9f0d3e2a6c4b8e7f1a2d3c4b", "Runs the commit, if it is the pull request's head.",
		}},
		decide: decideOkToTest,
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			for _, run := range o.Targets {
				if _, err := d.service.Release(ctx, run, f.pull.Head, f.asker.name); err != nil {
					return "", err
				}
			}
			return "", nil
		},
	}
}

// decideOkToTest finds the runs that wait for the word.
func decideOkToTest(f facts, sha string) (order, *Refusal) {
	if !f.pull.Fork {
		return order{}, &Refusal{
			Why: fmt.Sprintf("It is for pull requests of forks, and the branch of this one is in %s.", code(f.repository.FullName())),
			Do:  "Nothing here waits for it.",
		}
	}
	if no := wrongSHA(f.pull.Head, strings.ToLower(sha)); no != nil {
		return order{}, no
	}
	var held []int64
	for _, run := range f.runs {
		if !run.Status.Final() && heldStages(run) {
			held = append(held, run.ID)
		}
	}
	if len(held) > 0 {
		return order{Targets: held}, nil
	}
	if len(f.runs) == 0 {
		return order{}, noRun(f)
	}
	run := f.runs[0]
	if run.Released != nil {
		return order{}, &Refusal{
			Why: fmt.Sprintf("Run #%d of this commit has the word of %s already.", run.Number, code(run.Released.By)),
			Do:  "`/status` shows what became of it.",
		}
	}
	return order{}, &Refusal{
		Why: fmt.Sprintf("Run #%d of this commit has ended and waits for nothing.", run.Number),
		Do:  "`/retry` brings it back; then it waits for the word.",
	}
}

// wrongSHA refuses a word for anything but the head; the right one is told.
func wrongSHA(head, sha string) *Refusal {
	no := &Refusal{Do: "Look at what the commit changes. If it may run here, comment:\n\n" + fenced(pipeline.WordFor(head))}
	switch {
	case sha == head:
		return nil
	case sha == "":
		no.Why = "It needs the commit that it is for."
	case strings.HasPrefix(head, sha):
		no.Why = "It needs the commit in full: other commits can be made that begin the same."
	default:
		no.Why = fmt.Sprintf("The head of this pull request is not %s.", code(sha))
	}
	return no
}

// heldStages reports whether something of the run waits for the word.
func heldStages(run pipeline.Run) bool {
	return slices.ContainsFunc(run.Current(), func(s pipeline.StageRun) bool {
		return s.Status == pipeline.StatusWaiting && run.Held(s)
	})
}

func heldRefusal(run pipeline.Run) *Refusal {
	return &Refusal{
		Why: fmt.Sprintf("Run #%d waits for somebody with write permission to let the fork's commit run.", run.Number),
		Do:  "Look at what the commit changes. If it may run here, comment:\n\n" + fenced(pipeline.WordFor(run.Trigger.SHA)),
	}
}

func noRun(f facts) *Refusal {
	return &Refusal{
		Why: fmt.Sprintf("There is no run for %s.", code(f.commit())),
		Do:  "Right after a push, say it again in a moment. Otherwise the pipeline file asks for none.",
	}
}
