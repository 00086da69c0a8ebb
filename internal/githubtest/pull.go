package githubtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// pullRequest is a pull request; it shares its numbers with issues.
type pullRequest struct {
	id, issueID int64
	number      int
	repo        *repository // the base
	title, body string
	author      *account
	state       string // "open" or "closed"
	draft       bool
	baseBranch  string
	baseSHA     string
	headRepo    *repository
	headBranch  string
	headSHA     string
	labels      []string
	mergeable   *bool
	mergeSHA    string // the test merge while open, the merge itself after
	merged      bool
	mergedBy    *account
	createdAt   time.Time
	updatedAt   time.Time
	closedAt    time.Time
	mergedAt    time.Time
	queue       *mergeGroup
}

// PullRequest is a pull request as it is now.
type PullRequest struct {
	ID             int64
	Number         int
	Title          string
	Body           string
	Author         string
	State          string
	Draft          bool
	Merged         bool
	BaseBranch     string
	BaseSHA        string
	HeadRepository string
	HeadBranch     string
	HeadSHA        string
	MergeSHA       string
	Labels         []string
}

func (p *pullRequest) snapshot() PullRequest {
	return PullRequest{
		ID: p.id, Number: p.number, Title: p.title, Body: p.body, Author: p.author.login, State: p.state, Draft: p.draft,
		Merged: p.merged, BaseBranch: p.baseBranch, BaseSHA: p.baseSHA, HeadRepository: p.headRepo.fullName(),
		HeadBranch: p.headBranch, HeadSHA: p.headSHA, MergeSHA: p.mergeSHA, Labels: slices.Clone(p.labels),
	}
}

// PullRequests returns those of a repository, oldest first.
func (g *GitHub) PullRequests(fullName string) []PullRequest {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []PullRequest
	if repo := g.repo(fullName); repo != nil {
		for _, p := range repo.pulls {
			list = append(list, p.snapshot())
		}
	}
	return list
}

func (r *repository) pull(number int) *pullRequest {
	for _, p := range r.pulls {
		if p.number == number {
			return p
		}
	}
	return nil
}

func (r *repository) openPulls() int {
	count := 0
	for _, p := range r.pulls {
		if p.state == "open" {
			count++
		}
	}
	return count
}

func (p *pullRequest) headRef() string  { return fmt.Sprintf("refs/pull/%d/head", p.number) }
func (p *pullRequest) mergeRef() string { return fmt.Sprintf("refs/pull/%d/merge", p.number) }

// newPull says what a pull request is to be.
type newPull struct {
	title, body, base string
	headRepo          *repository
	headBranch        string
	draft             bool
}

// openPull opens a pull request. Neither lock is held.
func (g *GitHub) openPull(ctx context.Context, r *repository, author *account, n newPull) (*pullRequest, error) {
	r.moving.Lock()
	defer r.moving.Unlock()
	g.mu.Lock()
	head, base := n.headRepo.branch(n.headBranch), r.branch(n.base)
	problem := r.pullProblem(n, head, base)
	if problem != nil {
		g.mu.Unlock()
		return nil, problem
	}
	r.lastNumber++
	p := &pullRequest{
		id: g.id(), issueID: g.id(), number: r.lastNumber, repo: r, title: n.title, body: n.body, author: author, state: "open",
		draft: n.draft, baseBranch: n.base, baseSHA: base, headRepo: n.headRepo, headBranch: n.headBranch, headSHA: head,
		createdAt: g.now(), updatedAt: g.now(),
	}
	g.mu.Unlock()
	if err := g.fetchPull(ctx, p, head); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	r.pulls = append(r.pulls, p)
	g.pullEvent(p, "opened", author, nil)
	g.touch()
	return p, nil
}

func (r *repository) pullProblem(n newPull, head, base string) error {
	switch {
	case n.title == "":
		return validationFailed("PullRequest", "title", "missing_field", "")
	case head == "":
		return validationFailed("PullRequest", "head", "invalid", "")
	case base == "":
		return validationFailed("PullRequest", "base", "invalid", "")
	case head == base:
		return validationFailed("PullRequest", "", "custom", fmt.Sprintf("No commits between %s and %s", n.base, n.headBranch))
	}
	for _, p := range r.pulls {
		if p.state == "open" && p.headRepo == n.headRepo && p.headBranch == n.headBranch && p.baseBranch == n.base {
			return validationFailed("PullRequest", "", "custom", fmt.Sprintf(
				"A pull request already exists for %s:%s.", n.headRepo.owner.login, n.headBranch))
		}
	}
	return nil
}

// fetchPull brings a head commit into the base repository, moves refs/pull/N/* and tries the merge.
// p.repo.moving is held, g.mu is not.
func (g *GitHub) fetchPull(ctx context.Context, p *pullRequest, head string) error {
	store := p.repo.git
	if p.headRepo != p.repo {
		if _, err := store.git(ctx, "fetch", "--quiet", "--no-tags", p.headRepo.git.dir, "+"+head+":"+p.headRef()); err != nil {
			return err
		}
	} else if err := store.setRef(ctx, p.headRef(), head); err != nil {
		return err
	}
	message := fmt.Sprintf("Merge %s into %s", head, p.baseSHA)
	merge, err := store.merge(ctx, p.baseSHA, head, message, signature{name: "GitHub", email: "noreply@github.com", at: g.now()})
	mergeable := err == nil
	if err != nil && !errors.Is(err, errConflict) {
		return err
	}
	if mergeable {
		if err := store.setRef(ctx, p.mergeRef(), merge); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p.headSHA, p.mergeable, p.mergeSHA = head, &mergeable, merge
	p.repo.refs[p.headRef()] = head
	if mergeable {
		p.repo.refs[p.mergeRef()] = merge
	}
	return nil
}

// pullsToFollow are the open pull requests, of whatever repository, whose head branch has moved. g.mu is held.
func (g *GitHub) pullsToFollow(r *repository, updates []refUpdate) []*pullRequest {
	moved := map[string]string{}
	for _, u := range updates {
		if branch, ok := u.branch(); ok {
			moved[branch] = u.after
		}
	}
	var follow []*pullRequest
	for _, repo := range g.repos {
		if repo != r && repo.root() != r.root() {
			continue
		}
		for _, p := range repo.pulls {
			if sha, ok := moved[p.headBranch]; ok && p.headRepo == r && p.state == "open" && sha != p.headSHA {
				follow = append(follow, p)
			}
		}
	}
	slices.SortFunc(follow, func(a, b *pullRequest) int { return a.number - b.number })
	return follow
}

// followPulls lets pull requests follow their head branch. from.moving is held, g.mu is not.
func (g *GitHub) followPulls(ctx context.Context, from *repository, by *account, pulls []*pullRequest) error {
	for _, p := range pulls {
		if err := g.followPull(ctx, from, by, p); err != nil {
			return err
		}
	}
	return nil
}

func (g *GitHub) followPull(ctx context.Context, from *repository, by *account, p *pullRequest) error {
	g.mu.Lock()
	head, before := from.branch(p.headBranch), p.headSHA
	if head == "" {
		p.state, p.closedAt = "closed", g.now()
		g.pullEvent(p, "closed", by, nil)
		g.mu.Unlock()
		return nil
	}
	if base := p.repo.branch(p.baseBranch); base != "" {
		p.baseSHA = base
	}
	g.mu.Unlock()
	if err := g.fetchPull(ctx, p, head); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p.updatedAt = g.now()
	g.pullEvent(p, "synchronize", by, doc{"before": before, "after": head})
	g.touch()
	return nil
}

// pullEvent tells of a pull request. g.mu is held.
func (g *GitHub) pullEvent(p *pullRequest, action string, sender *account, more doc) {
	payload := doc{"number": p.number, "pull_request": g.pullDoc(p)}
	maps.Copy(payload, more)
	g.tell(p.repo, sender, "pull_request", action, payload)
}

// association is what an author is to a repository, as GitHub shows it. Never a ground to authorise anything.
func (g *GitHub) association(r *repository, a *account) string {
	switch {
	case a == r.owner:
		return "OWNER"
	case r.owner.members[strings.ToLower(a.login)] != "":
		return "MEMBER"
	case roleRank(r.collaborators[strings.ToLower(a.login)]) > 0:
		return "COLLABORATOR"
	}
	for _, p := range r.pulls {
		if p.author == a && p.merged {
			return "CONTRIBUTOR"
		}
	}
	return "NONE"
}
