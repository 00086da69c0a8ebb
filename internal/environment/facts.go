package environment

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// case_ is a run before an environment with everything that is known of it now.
type case_ struct { //nolint:revive // "case" is the word, and Go's, too
	run       pipeline.Run
	entry     pipeline.Entry
	rules     pipeline.EnvironmentDefinition
	candidate pipeline.Candidate
	facts     Facts
}

// ErrNoEnvironment says that the default branch's pipeline file has no such environment (any more).
var ErrNoEnvironment = errors.New("the pipeline file of the default branch declares no such environment")

// rulesOf are an environment's rules as they are now.
func (k *Keeper) rulesOf(ctx context.Context, repo pipeline.Repository, name string) (pipeline.EnvironmentDefinition, error) {
	all, err := k.rules.Environments(ctx, repo)
	if err != nil {
		return pipeline.EnvironmentDefinition{}, err
	}
	for _, rules := range all {
		if sameName(rules.Name, name) {
			return rules, nil
		}
	}
	return pipeline.EnvironmentDefinition{}, fmt.Errorf("%s: %w", name, ErrNoEnvironment)
}

// gather finds out everything that a decision depends on.
func (k *Keeper) gather(ctx context.Context, run pipeline.Run, entry pipeline.Entry, rules pipeline.EnvironmentDefinition) (case_, error) {
	c := case_{run: run, entry: entry, rules: rules}
	t := run.Trigger
	state, err := k.liveState(ctx, t.Repository.ID, entry.Environment)
	if err != nil {
		return c, err
	}
	c.facts = Facts{
		Now: k.clock.Now(), RunID: run.ID, Automatic: entry.Automatic, Fork: t.Fork, Branch: t.Enters(), State: state,
		Rejection: entry.Rejection, PreparedAt: entry.PreparedAt, Voided: entry.Voided,
	}
	pull, base, err := k.surroundings(ctx, &c.facts, t)
	if err != nil {
		return c, err
	}
	c.candidate = run.CandidateOf(entry.Environment, rules, base)
	if err := k.askerOf(ctx, &c); err != nil {
		return c, err
	}
	if rules.RequireSigned {
		commit, err := k.forge.CommitOf(ctx, t.Repository, t.SHA)
		if err != nil {
			return c, fmt.Errorf("signature of %s: %w", t.SHA, err)
		}
		c.facts.Verified = commit.Verified
	}
	if err := k.votes(ctx, &c, pull); err != nil {
		return c, err
	}
	c.facts.Moved = append(c.facts.Moved, c.voided()...)
	return c, nil
}

// surroundings reads the pull request and the branch that the commit wants to enter, and notes a head that moved.
func (k *Keeper) surroundings(ctx context.Context, f *Facts, t pipeline.Trigger) (pull Pull, base string, err error) {
	if t.PullRequest == 0 {
		return Pull{}, "", nil
	}
	pull, err = k.forge.PullAt(ctx, t.Repository, t.PullRequest)
	if err != nil {
		return pull, "", fmt.Errorf("pull request #%d: %w", t.PullRequest, err)
	}
	if t.Deploy == nil || !t.Deploy.Pinned {
		return pull, "", nil // the commit is on its branch: what becomes of the pull request does not matter
	}
	f.Pull, f.Fork = pull.State, pull.Fork
	switch {
	case pull.State == PullOpen && pull.Head != t.SHA:
		f.Moved = append(f.Moved, fmt.Sprintf("the commit moved from %s to %s", short(t.SHA), short(pull.Head)))
	case pull.State == PullMerged && pull.Merge != t.SHA:
		f.Moved = append(f.Moved, fmt.Sprintf("the pull request was merged as %s", short(pull.Merge)))
	}
	if pull.State == PullOpen && pull.Base != t.Base {
		f.Moved = append(f.Moved, fmt.Sprintf("the base moved from the branch %s to %s", t.Base, pull.Base))
	}
	base, err = k.forge.BranchHead(ctx, t.Repository, t.Base)
	if errors.Is(err, pipeline.ErrNotFound) {
		f.Moved = append(f.Moved, fmt.Sprintf("the base branch %s is gone", t.Base))
		return pull, "", nil
	}
	if err != nil {
		return pull, "", fmt.Errorf("head of %s: %w", t.Base, err)
	}
	return pull, base, nil
}

// askerOf looks up whoever asked for it last.
func (k *Keeper) askerOf(ctx context.Context, c *case_) error {
	askers := c.entry.Askers
	if c.entry.Automatic && len(askers) <= 1 || len(askers) == 0 {
		return nil // a push, which nobody has asked for again
	}
	asker, err := k.MayDeploy(ctx, c.run.Trigger.Repository, c.rules, askers[len(askers)-1])
	c.facts.Asker = &asker
	return err
}

// votes looks up who has approved, and whose approval does not count.
func (k *Keeper) votes(ctx context.Context, c *case_, pull Pull) error {
	if required(c.rules, c.candidate) == 0 && c.entry.Rejection == nil {
		return nil
	}
	for _, a := range c.entry.Approvals {
		person, err := k.MayApprove(ctx, c.run.Trigger.Repository, c.rules, a.By)
		if err != nil {
			return err
		}
		c.facts.Votes = append(c.facts.Votes, Vote{Person: person, Fingerprint: a.Fingerprint})
	}
	if !preventsSelf(c.rules, c.candidate) {
		return nil
	}
	self, err := k.self(ctx, c.run.Trigger, c.entry.Askers, pull)
	c.facts.Self = self
	return err
}

// voided names what moved since somebody approved, or since it entered and is tried again. Before that there is nothing
// that a move could void. What is only prepared after a part of the change makes the candidate more than it was, which is
// approved as it is then.
func (c case_) voided() []string {
	before, entered := c.entry.Candidate, !c.entry.EnteredAt.IsZero()
	switch {
	case before == nil || before.Fingerprint() == c.candidate.Fingerprint():
		return nil
	case len(c.entry.Approvals) == 0 && (!entered || required(c.rules, c.candidate) == 0):
		return nil // nobody approved it, and nobody has to
	case entered && c.candidate.Extends(*before):
		return nil
	default:
		return before.Moved(c.candidate)
	}
}

func short(sha string) string {
	const shown = 12
	if len(sha) > shown {
		return sha[:shown]
	}
	return sha
}
