package githubtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// mergeGroup is a pull request waiting in the merge queue: its merge with the base branch, on a branch of its own.
type mergeGroup struct {
	pull     *pullRequest
	ref      string // refs/heads/gh-readonly-queue/main/pr-7-<base>
	head     *commit
	baseSHA  string
	enqueuer *account
}

// EnqueueMerge puts a pull request into the merge queue: its merge is pushed to a queue branch and checks are asked
// for. It returns that merge commit.
func (p *Person) EnqueueMerge(ctx context.Context, fullName string, number int) (string, error) {
	user, repo, pull, err := p.pull(fullName, number, "write")
	if err != nil {
		return "", err
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	p.g.mu.Lock()
	base, head, problem := repo.branch(pull.baseBranch), pull.headSHA, pull.mergeProblem(mergeRequest{})
	if pull.queue != nil {
		problem = errors.New("the pull request is already in the merge queue")
	}
	p.g.mu.Unlock()
	if problem != nil {
		return "", problem
	}
	message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", number, pull.headRepo.owner.login, pull.headBranch, pull.title)
	sha, err := repo.git.merge(ctx, base, head, message, user.signature(p.g.now()))
	if err != nil {
		return "", err
	}
	m := &mergeGroup{
		pull: pull, baseSHA: base, enqueuer: user,
		ref: fmt.Sprintf("refs/heads/gh-readonly-queue/%s/pr-%d-%s", pull.baseBranch, number, base),
	}
	if m.head, err = repo.git.commit(sha); err != nil {
		return "", err
	}
	if err := repo.git.setRef(ctx, m.ref, sha); err != nil {
		return "", err
	}
	if err := p.g.moved(ctx, repo, user, []refUpdate{{m.ref, zeroSHA, sha}}); err != nil {
		return "", err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	pull.queue = m
	p.g.mergeGroupEvent(m, "checks_requested", nil)
	p.g.touch()
	return sha, nil
}

// Dequeue takes a pull request out of the merge queue. The reason is "merged" (the base branch then moves to the
// group's merge), "invalidated" or "dequeued".
func (p *Person) Dequeue(ctx context.Context, fullName string, number int, reason string) error {
	user, repo, pull, err := p.pull(fullName, number, "write")
	if err != nil {
		return err
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	p.g.mu.Lock()
	m := pull.queue
	pull.queue = nil
	p.g.mu.Unlock()
	if m == nil {
		return fmt.Errorf("pull request %d of %s is not in the merge queue", number, fullName)
	}
	updates := []refUpdate{{m.ref, m.head.sha, zeroSHA}}
	if reason == "merged" {
		updates = append(updates, refUpdate{"refs/heads/" + pull.baseBranch, m.baseSHA, m.head.sha})
	}
	for _, u := range updates {
		if err := repo.git.setRef(ctx, u.name, u.after); err != nil {
			return err
		}
	}
	p.g.mu.Lock()
	if reason == "merged" {
		pull.state, pull.merged, pull.mergedBy, pull.mergeSHA = "closed", true, user, m.head.sha
		pull.mergedAt, pull.closedAt = p.g.now(), p.g.now()
		p.g.pullEvent(pull, "closed", user, nil)
	}
	p.g.mergeGroupEvent(m, "destroyed", doc{"reason": reason})
	p.g.mu.Unlock()
	return p.g.moved(ctx, repo, user, updates)
}

func (g *GitHub) mergeGroupEvent(m *mergeGroup, action string, more doc) {
	payload := doc{"merge_group": doc{
		"head_sha": m.head.sha, "head_ref": m.ref, "base_sha": m.baseSHA, "base_ref": "refs/heads/" + m.pull.baseBranch,
		"head_commit": g.headCommitDoc(m.head),
	}}
	maps.Copy(payload, more)
	g.tell(m.pull.repo, m.enqueuer, "merge_group", action, payload)
}
