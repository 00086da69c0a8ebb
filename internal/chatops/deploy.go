package chatops

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func deployCommand() Command {
	return Command{
		Name: "deploy", Args: "[environment] [--ref REF]", Does: "Deploys the pull request's commit to an environment.",
		Who: Deployers, Closed: true, lasts: true,
		More: "On an open pull request that is its head, pinned when the comment is received: a push after it makes the wish void. On a " +
			"merged one it is the merge commit. `--ref` names a branch or a commit in full (40 digits) instead. The whole pipeline runs for " +
			"the commit, what has passed is reused, and the environment's stages run once its rules are met: approvals, wait, freeze, lock, turn.",
		Examples: []Example{
			{"/deploy", "Deploys to the only environment there is."},
			{"/deploy staging", "Deploys to staging."},
			{"/deploy production --ref main", "Deploys what main holds now."},
		},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			return d.gatherDeploy(ctx, f, args, pipeline.ActionDeploy)
		},
		decide: decideDeploy,
		do:     submitDeploy,
	}
}

func planCommand() Command {
	return Command{
		Name: "plan", Args: "[environment] [--ref REF]", Does: "Shows what a deploy would change, and changes nothing.", Who: Write, Closed: true,
		More:     "Images are built and not pushed, infrastructure is planned, manifests are compared with what runs.",
		Examples: []Example{{"/plan production", "Prepares the pull request's commit for production."}},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			return d.gatherDeploy(ctx, f, args, pipeline.ActionPlan)
		},
		decide: func(f facts, _ string) (order, *Refusal) {
			t := f.env.trigger
			return order{Environment: f.env.rules.Name, Trigger: &t}, nil
		},
		do: func(ctx context.Context, d *Desk, _ facts, o order) (string, error) {
			run, err := d.service.Submit(ctx, *o.Trigger)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("[Run #%d](%s) prepares %s for %s; its checks show what would change.",
				run.Number, runURL(d.pageURL, run), code(run.Trigger.SHA), code(o.Environment)), nil
		},
	}
}

// gatherDeploy finds the environment and the commit, and asks what the gate would say.
func (d *Desk) gatherDeploy(ctx context.Context, f *facts, args string, action pipeline.Action) (*Refusal, error) {
	command, _ := find(string(action))
	ref, named, words := takeFlag(strings.Fields(args), "ref")
	if named && ref == "" {
		return &Refusal{Why: "`--ref` names nothing.", Do: "Write `--ref BRANCH`, or `--ref` and a commit in full."}, nil
	}
	word, no := oneWord(words, command.Usage())
	if no != nil {
		return no, nil
	}
	if no, err := d.gatherPlace(ctx, f, word); no != nil || err != nil {
		return no, err
	}
	if action != pipeline.ActionPlan {
		if no := f.notDeployer(); no != nil {
			return no, nil
		}
	}
	t, no := f.target()
	var err error
	switch {
	case named && (f.pull.Open || f.pull.Merged): // a fork's, too: what is named is the repository's own
		t, no, err = d.namedCommit(ctx, *f, t, ref)
	case no == nil && f.pull.Open:
		no, err = d.unproven(ctx, *f, f.pull.Head, pullRef(f.number), "refs/heads/"+f.pull.Branch)
	}
	if no != nil || err != nil {
		return no, err
	}
	t.Deploy = &pipeline.Deploy{
		Environment: f.env.rules.Name, Action: action, Pinned: f.pull.Open && !named, Comment: f.comment.ID,
	}
	t.ReceivedAt = d.clock.Now()
	f.env.trigger = t
	if action == pipeline.ActionPlan {
		return nil, nil //nolint:nilnil // nothing enters: the gate is not asked
	}
	f.env.prospect, err = d.gate.Prospect(ctx, t, f.env.rules)
	return nil, err
}

// decideDeploy refuses what the gate would refuse at once; what can still be given, it waits for.
func decideDeploy(f facts, _ string) (order, *Refusal) {
	if no := refused(f.env.prospect); no != nil {
		return order{}, no
	}
	t := f.env.trigger
	return order{Environment: f.env.rules.Name, Trigger: &t}, nil
}

// submitDeploy starts the run of what was asked. One whose pipeline has nothing for the environment is told at once:
// nothing would ever be deployed.
func submitDeploy(ctx context.Context, d *Desk, _ facts, o order) (string, error) {
	run, err := d.service.Submit(ctx, *o.Trigger)
	if err != nil {
		return "", err
	}
	if run.Entry(o.Environment) != nil {
		return o.Said, nil
	}
	return "", &nothingToDoError{fmt.Sprintf("[Run #%d](%s) of %s changes nothing in %s: %s",
		run.Number, runURL(d.pageURL, run), code(run.Trigger.SHA), code(o.Environment), whyNothing(run, o.Environment))}
}

// nothingToDoError is a command that was carried out and comes to nothing; it says why.
type nothingToDoError struct{ said string }

func (e *nothingToDoError) Error() string { return e.said }

// whyNothing says why a run enters nothing.
func whyNothing(run pipeline.Run, environment string) string {
	for _, s := range run.Stages {
		switch {
		case s.Spec.Uses == pipeline.UsesDefinition:
			return "its pipeline file has problems, which the check `" + pipeline.ProblemCheck + "` lists."
		case s.Spec.Environment == environment && s.Spec.Skip != "":
			return code(s.Spec.Key) + " is skipped: " + code(s.Spec.Skip) + "."
		}
	}
	if d := run.Trigger.Deploy; d != nil && d.Action == pipeline.ActionRollback && !d.Infra {
		return "nothing of it belongs to that but infrastructure, which a rollback leaves as it is unless `--infra` is said."
	}
	if d := run.Trigger.Deploy; d != nil && d.Action == pipeline.ActionDestroy {
		return "its pipeline has no `terraform` stage for it."
	}
	return "its pipeline has no stage with `environment: " + environment + "`."
}
