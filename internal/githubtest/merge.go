package githubtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// mergeRequest says how a pull request is to be merged.
type mergeRequest struct {
	method         string // "merge" (empty), "squash" or "rebase" (which squashes several commits into one here)
	expected       string // the head the caller has seen; empty: whatever it is
	title, message string
}

// mergePullRequest merges a pull request. Neither lock is held.
func (g *GitHub) mergePullRequest(ctx context.Context, p *pullRequest, by *account, req mergeRequest) (string, error) {
	r := p.repo
	r.moving.Lock()
	defer r.moving.Unlock()
	g.mu.Lock()
	base, head, problem := r.branch(p.baseBranch), p.headSHA, p.mergeProblem(req)
	g.mu.Unlock()
	if problem != nil {
		return "", problem
	}
	sha, err := g.writeMerge(ctx, p, by, req, base, head)
	if err != nil {
		return "", err
	}
	if err := r.git.setRef(ctx, "refs/heads/"+p.baseBranch, sha); err != nil {
		return "", err
	}
	g.mu.Lock()
	p.state, p.merged, p.mergedBy, p.mergeSHA = "closed", true, by, sha
	p.mergedAt, p.closedAt, p.updatedAt = g.now(), g.now(), g.now()
	g.pullEvent(p, "closed", by, nil)
	g.mu.Unlock()
	return sha, g.moved(ctx, r, by, []refUpdate{{"refs/heads/" + p.baseBranch, base, sha}})
}

func (p *pullRequest) mergeProblem(req mergeRequest) error {
	notAllowed := func(message string) error {
		return &apiError{status: http.StatusMethodNotAllowed, message: message}
	}
	switch {
	case p.state != "open" || p.repo.branch(p.baseBranch) == "":
		return notAllowed("Pull Request is not mergeable")
	case p.draft:
		return notAllowed("Pull Request is still a draft")
	case req.expected != "" && req.expected != p.headSHA:
		return conflict("Head branch was modified. Review and try the merge again.")
	}
	return nil
}

func (g *GitHub) writeMerge(ctx context.Context, p *pullRequest, by *account, req mergeRequest, base, head string) (string, error) {
	title := req.title
	if title == "" {
		title = fmt.Sprintf("Merge pull request #%d from %s/%s", p.number, p.headRepo.owner.login, p.headBranch)
		if req.method == "squash" || req.method == "rebase" {
			title = fmt.Sprintf("%s (#%d)", p.title, p.number)
		}
	}
	message := req.message
	if message == "" {
		message = p.title
	}
	tree, err := p.repo.git.mergeTree(ctx, base, head)
	if errors.Is(err, errConflict) {
		return "", &apiError{status: http.StatusMethodNotAllowed, message: "Merge conflict"}
	}
	if err != nil {
		return "", err
	}
	parents := []string{base, head}
	if req.method == "squash" || req.method == "rebase" {
		parents = parents[:1]
	}
	return p.repo.git.commitTree(ctx, tree, strings.TrimSpace(title+"\n\n"+message), by.signature(g.now()), parents...)
}
