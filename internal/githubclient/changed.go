package githubclient

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// What GitHub lists at most: files of a comparison, files of a pull request.
const (
	maxComparedFiles    = 300
	maxPullRequestFiles = 3000
	perPage             = 100
)

// Tree is the hash of the commit's tree.
func (p *Pool) Tree(ctx context.Context, repository pipeline.Repository, sha string) (string, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return "", err
	}
	tree, err := p.shared(ctx, repository, "tree of "+repository.FullName()+" "+sha, func(ctx context.Context) (any, error) {
		commit, _, err := client.Git.GetCommit(ctx, repository.Owner, repository.Name, sha)
		return commit.GetTree().GetSHA(), explained(err)
	})
	if err != nil {
		return "", fmt.Errorf("read commit %s of %s: %w", sha, repository.FullName(), err)
	}
	hash, _ := tree.(string)
	return hash, nil
}

// ChangedPaths lists the files that the trigger's commit changes: since its base for a pull request or merge group, since what
// the branch held before for a push, since the default branch for a new branch. Where GitHub cannot tell them all, or there
// is nothing to compare with, it is every file of the commit: then no path filter holds a stage back.
func (p *Pool) ChangedPaths(ctx context.Context, trigger pipeline.Trigger) ([]string, error) {
	client, err := p.Client(trigger.Repository.InstallationID)
	if err != nil {
		return nil, err
	}
	paths, complete, err := p.changed(ctx, client, trigger)
	if err != nil {
		return nil, fmt.Errorf("find what %s changes in %s: %w", trigger.SHA, trigger.Repository.FullName(), err)
	}
	if complete {
		return paths, nil
	}
	all, err := p.List(ctx, trigger.Repository, trigger.SHA)
	if err != nil {
		return nil, err
	}
	return unique(append(all, paths...)), nil
}

func (p *Pool) changed(ctx context.Context, client *github.Client, t pipeline.Trigger) (paths []string, complete bool, err error) {
	base := comparedWith(t)
	if base == "" {
		return nil, false, nil
	}
	paths, complete, err = compare(ctx, client, t.Repository, base, t.SHA)
	if errors.Is(err, pipeline.ErrNotFound) && base == t.Before && t.Branch != t.Repository.DefaultBranch {
		// A forced push threw away what the branch held before.
		paths, complete, err = compare(ctx, client, t.Repository, t.Repository.DefaultBranch, t.SHA)
	}
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		return nil, false, nil
	case err == nil && !complete && t.PullRequest != 0 && t.Event == pipeline.EventPullRequest:
		return pullRequestFiles(ctx, client, t, paths)
	default:
		return paths, complete, err
	}
}

// comparedWith is the commit or branch that a trigger's changes count from; empty: everything counts as changed.
func comparedWith(t pipeline.Trigger) string {
	switch t.Event {
	case pipeline.EventPullRequest, pipeline.EventMergeGroup:
		if t.BaseSHA != "" {
			return t.BaseSHA
		}
		return t.Base
	case pipeline.EventPush:
		if t.Before != "" {
			return t.Before
		}
		if t.Branch != t.Repository.DefaultBranch {
			return t.Repository.DefaultBranch
		}
	default: // a deploy or a schedule is for the commit as it is
	}
	return ""
}

func compare(ctx context.Context, client *github.Client, repository pipeline.Repository, base, head string) (paths []string, complete bool, err error) {
	if isSHA(base) && isSHA(head) {
		ctx = withCaching(ctx, cacheImmutable)
	}
	// One commit a page: the files come whole with the first page whatever its size.
	comparison, _, err := client.Repositories.CompareCommits(ctx, repository.Owner, repository.Name, base, head, &github.ListOptions{PerPage: 1})
	if err != nil {
		return nil, false, explained(err)
	}
	return pathsOf(comparison.Files), len(comparison.Files) < maxComparedFiles, nil
}

// pullRequestFiles lists more than a comparison does, but of the pull request's present head only.
func pullRequestFiles(ctx context.Context, client *github.Client, t pipeline.Trigger, known []string) ([]string, bool, error) {
	options := &github.ListOptions{PerPage: perPage}
	var files []*github.CommitFile
	for {
		page, resp, err := client.PullRequests.ListFiles(ctx, t.Repository.Owner, t.Repository.Name, t.PullRequest, options)
		if err != nil {
			return nil, false, explained(err)
		}
		files = append(files, page...)
		if resp.NextPage == 0 {
			break
		}
		options.Page = resp.NextPage
	}
	now, _, err := client.PullRequests.Get(ctx, t.Repository.Owner, t.Repository.Name, t.PullRequest)
	if err != nil {
		return nil, false, explained(err)
	}
	complete := len(files) < maxPullRequestFiles && now.GetHead().GetSHA() == t.SHA
	return unique(append(pathsOf(files), known...)), complete, nil
}

// pathsOf counts a renamed file as a change of both its names.
func pathsOf(files []*github.CommitFile) []string {
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.GetFilename())
		if f.GetPreviousFilename() != "" {
			paths = append(paths, f.GetPreviousFilename())
		}
	}
	return unique(paths)
}

func unique(paths []string) []string {
	slices.Sort(paths)
	return slices.Compact(paths)
}
