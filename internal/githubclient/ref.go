package githubclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// BranchHead is the commit that a branch holds now; pipeline.ErrNotFound.
func (p *Pool) BranchHead(ctx context.Context, repository pipeline.Repository, branch string) (string, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return "", err
	}
	ref, _, err := client.Git.GetRef(withCaching(ctx, cacheNever), repository.Owner, repository.Name, "heads/"+branch)
	if status(err) == http.StatusNotFound {
		return "", fmt.Errorf("branch %s of %s: %w", branch, repository.FullName(), pipeline.ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("head of %s of %s: %w", branch, repository.FullName(), explained(err))
	}
	return ref.GetObject().GetSHA(), nil
}

// Contains reports whether a branch holds a commit. A commit of a fork can be read through the repository it was forked
// from, so that only this proves that a commit belongs to it. What does not exist is not held.
func (p *Pool) Contains(ctx context.Context, repository pipeline.Repository, branch, sha string) (bool, error) {
	head, err := p.BranchHead(ctx, repository, branch)
	if errors.Is(err, pipeline.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return false, err
	}
	comparison, _, err := client.Repositories.CompareCommits(
		withCaching(ctx, cacheNever), repository.Owner, repository.Name, head, sha, &github.ListOptions{PerPage: 1})
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("does %s of %s hold %s: %w", branch, repository.FullName(), sha, explained(err))
	}
	return comparison.GetStatus() == "behind" || comparison.GetStatus() == "identical", nil
}
