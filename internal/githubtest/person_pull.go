package githubtest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// NewPullRequest says what a pull request is to be. Head is a branch, or "owner:branch" for one of a fork.
type NewPullRequest struct {
	Title, Body, Base, Head string
	Draft                   bool
}

// OpenPullRequest opens a pull request; an empty base is the default branch.
func (p *Person) OpenPullRequest(ctx context.Context, fullName string, n NewPullRequest) (PullRequest, error) {
	user, repo, err := p.enter(fullName, "read")
	if err != nil {
		return PullRequest{}, err
	}
	p.g.mu.Lock()
	headRepo, branch := p.g.headOf(repo, n.Head)
	if n.Base == "" {
		n.Base = repo.defaultBranch
	}
	p.g.mu.Unlock()
	if headRepo == nil {
		return PullRequest{}, fmt.Errorf("%s: there is no fork of %s for it", n.Head, fullName)
	}
	pull, err := p.g.openPull(ctx, repo, user, newPull{
		title: n.Title, body: n.Body, base: n.Base, headRepo: headRepo, headBranch: branch, draft: n.Draft,
	})
	if err != nil {
		return PullRequest{}, err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	return pull.snapshot(), nil
}

// pull finds the person, the repository and a pull request of it.
func (p *Person) pull(fullName string, number int, role string) (*account, *repository, *pullRequest, error) {
	user, repo, err := p.enter(fullName, role)
	if err != nil {
		return nil, nil, nil, err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	pull := repo.pull(number)
	if pull == nil {
		return nil, nil, nil, fmt.Errorf("%s has no pull request %d", fullName, number)
	}
	return user, repo, pull, nil
}

// change alters a pull request and tells it. An author may change their own.
func (p *Person) changePull(fullName string, number int, action string, change func(*pullRequest, *account) (doc, error)) error {
	user, repo, pull, err := p.pull(fullName, number, "read")
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if pull.author != user && roleRank(p.g.role(repo, p.login)) < roleRank("triage") {
		return forbidden(fmt.Sprintf("%s may not change pull request %d", p.login, number))
	}
	more, err := change(pull, user)
	if err != nil {
		return err
	}
	pull.updatedAt = p.g.now()
	p.g.pullEvent(pull, action, user, more)
	p.g.touch()
	return nil
}

// Merge merges a pull request by method "merge", "squash" or "rebase" and returns the commit.
func (p *Person) Merge(ctx context.Context, fullName string, number int, method string) (string, error) {
	user, _, pull, err := p.pull(fullName, number, "write")
	if err != nil {
		return "", err
	}
	return p.g.mergePullRequest(ctx, pull, user, mergeRequest{method: method})
}

// Close closes a pull request without merging it.
func (p *Person) Close(fullName string, number int) error {
	return p.changePull(fullName, number, "closed", func(pull *pullRequest, _ *account) (doc, error) {
		if pull.state != "open" {
			return nil, fmt.Errorf("pull request %d is not open", number)
		}
		pull.state, pull.closedAt = "closed", p.g.now()
		return nil, nil
	})
}

// Reopen opens a closed pull request again.
func (p *Person) Reopen(fullName string, number int) error {
	return p.changePull(fullName, number, "reopened", func(pull *pullRequest, _ *account) (doc, error) {
		if pull.state != "closed" || pull.merged || pull.headRepo.branch(pull.headBranch) == "" {
			return nil, fmt.Errorf("pull request %d cannot be reopened", number)
		}
		pull.state, pull.closedAt = "open", time.Time{}
		return nil, nil
	})
}

// ReadyForReview ends a pull request's being a draft.
func (p *Person) ReadyForReview(fullName string, number int) error {
	return p.changePull(fullName, number, "ready_for_review", func(pull *pullRequest, _ *account) (doc, error) {
		if !pull.draft {
			return nil, fmt.Errorf("pull request %d is no draft", number)
		}
		pull.draft = false
		return nil, nil
	})
}

// ConvertToDraft makes a pull request a draft.
func (p *Person) ConvertToDraft(fullName string, number int) error {
	return p.changePull(fullName, number, "converted_to_draft", func(pull *pullRequest, _ *account) (doc, error) {
		pull.draft = true
		return nil, nil
	})
}

// Label puts a label on a pull request.
func (p *Person) Label(fullName string, number int, label string) error {
	return p.changePull(fullName, number, "labeled", func(pull *pullRequest, user *account) (doc, error) {
		if roleRank(p.g.role(pull.repo, p.login)) < roleRank("triage") {
			return nil, forbidden("labels need the triage role")
		}
		if !slices.Contains(pull.labels, label) {
			pull.labels = append(pull.labels, label)
		}
		return doc{"label": doc{"name": label, "color": "ededed", "default": false, "description": ""}}, nil
	})
}

// Unlabel takes a label off a pull request.
func (p *Person) Unlabel(fullName string, number int, label string) error {
	return p.changePull(fullName, number, "unlabeled", func(pull *pullRequest, user *account) (doc, error) {
		if roleRank(p.g.role(pull.repo, p.login)) < roleRank("triage") {
			return nil, forbidden("labels need the triage role")
		}
		pull.labels = slices.DeleteFunc(pull.labels, func(l string) bool { return l == label })
		return doc{"label": doc{"name": label, "color": "ededed", "default": false, "description": ""}}, nil
	})
}

// EditTitle renames a pull request.
func (p *Person) EditTitle(fullName string, number int, title string) error {
	return p.changePull(fullName, number, "edited", func(pull *pullRequest, _ *account) (doc, error) {
		before := pull.title
		pull.title = title
		return doc{"changes": doc{"title": doc{"from": before}}}, nil
	})
}

// ChangeBase makes a pull request want to enter another branch.
func (p *Person) ChangeBase(ctx context.Context, fullName string, number int, base string) error {
	_, repo, pull, err := p.pull(fullName, number, "read")
	if err != nil {
		return err
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	p.g.mu.Lock()
	before, beforeSHA, sha, head := pull.baseBranch, pull.baseSHA, repo.branch(base), pull.headSHA
	if sha != "" {
		pull.baseBranch, pull.baseSHA = base, sha
	}
	p.g.mu.Unlock()
	if sha == "" {
		return fmt.Errorf("%s has no branch %s", fullName, base)
	}
	if err := p.g.fetchPull(ctx, pull, head); err != nil {
		return err
	}
	return p.changePull(fullName, number, "edited", func(*pullRequest, *account) (doc, error) {
		return doc{"changes": doc{"base": doc{"ref": doc{"from": before}, "sha": doc{"from": beforeSHA}}}}, nil
	})
}
