package githubclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// PullRequest is what Slipway needs to know of one.
type PullRequest struct {
	Number         int
	Title          string // hostile text
	Open           bool
	Draft          bool
	Merged         bool
	MergeCommitSHA string
	Author         string
	Labels         []string
	HeadSHA        string
	HeadBranch     string
	// Fork: the head is in another repository, or in one that is gone.
	Fork    bool
	Base    string
	BaseSHA string
	// UpdatedAt is when anything about it changed last.
	UpdatedAt time.Time
}

// Commit is what Slipway needs to know of one. Author and committer are what their makers wrote: they prove nothing.
type Commit struct {
	SHA, Tree, Message    string
	Author, Committer     string // GitHub logins; empty for addresses that belong to nobody
	AuthoredAt, Committed time.Time
	Parents               []string
	// Verified: GitHub has checked its signature.
	Verified bool
}

// BranchHead is a branch and the commit it points to.
type BranchHead struct{ Name, SHA string }

// Installation is an account on which the App is installed.
type Installation struct {
	ID        int64
	Account   string
	Suspended bool
}

// PullRequest reads one pull request as it is now.
func (p *Pool) PullRequest(ctx context.Context, repository pipeline.Repository, number int) (PullRequest, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return PullRequest{}, err
	}
	pr, _, err := client.PullRequests.Get(ctx, repository.Owner, repository.Name, number)
	if err != nil {
		return PullRequest{}, fmt.Errorf("read pull request %s#%d: %w", repository.FullName(), number, explained(err))
	}
	return toPullRequest(pr), nil
}

// OpenPullRequests lists the open pull requests, oldest first.
func (p *Pool) OpenPullRequests(ctx context.Context, repository pipeline.Repository) ([]PullRequest, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return nil, err
	}
	return paged(func(page github.ListOptions) ([]PullRequest, *github.Response, error) {
		found, resp, err := client.PullRequests.List(ctx, repository.Owner, repository.Name,
			&github.PullRequestListOptions{State: "open", Sort: "created", Direction: "asc", ListOptions: page})
		return each(found, toPullRequest), resp, wrap(err, "list the open pull requests of %s", repository.FullName())
	})
}

// BranchHeads lists every branch with the commit it points to.
func (p *Pool) BranchHeads(ctx context.Context, repository pipeline.Repository) ([]BranchHead, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return nil, err
	}
	return paged(func(page github.ListOptions) ([]BranchHead, *github.Response, error) {
		found, resp, err := client.Repositories.ListBranches(ctx, repository.Owner, repository.Name, &github.BranchListOptions{ListOptions: page})
		return each(found, func(b *github.Branch) BranchHead {
			return BranchHead{Name: b.GetName(), SHA: b.GetCommit().GetSHA()}
		}), resp, wrap(err, "list the branches of %s", repository.FullName())
	})
}

// Installations lists the accounts on which the App is installed.
func (p *Pool) Installations(ctx context.Context) ([]Installation, error) {
	app, err := p.App()
	if err != nil {
		return nil, err
	}
	return paged(func(page github.ListOptions) ([]Installation, *github.Response, error) {
		found, resp, err := app.Apps.ListInstallations(ctx, &page)
		return each(found, func(i *github.Installation) Installation {
			return Installation{ID: i.GetID(), Account: i.GetAccount().GetLogin(), Suspended: i.SuspendedAt != nil}
		}), resp, wrap(err, "list the installations of the App")
	})
}

// InstallationRepositories lists the repositories an installation gives the App.
func (p *Pool) InstallationRepositories(ctx context.Context, installation int64) ([]pipeline.Repository, error) {
	client, err := p.Client(installation)
	if err != nil {
		return nil, err
	}
	return paged(func(page github.ListOptions) ([]pipeline.Repository, *github.Response, error) {
		found, resp, err := client.Apps.ListRepos(ctx, &page)
		if err != nil {
			return nil, resp, wrap(err, "list the repositories of installation %d", installation)
		}
		return each(found.Repositories, func(r *github.Repository) pipeline.Repository {
			return pipeline.Repository{
				ID: r.GetID(), Owner: r.GetOwner().GetLogin(), Name: r.GetName(), DefaultBranch: r.GetDefaultBranch(),
				InstallationID: installation, Private: r.GetPrivate(), CloneURL: r.GetCloneURL(),
			}
		}), resp, nil
	})
}

// Permission is what a user may do in the repository: admin, write, read or none. It is asked each time, never remembered.
func (p *Pool) Permission(ctx context.Context, repository pipeline.Repository, user string) (string, error) {
	level, err := p.permissionLevel(ctx, repository, user)
	return level.GetPermission(), err
}

// permissionLevel is what GitHub says about a user and a repository; nobody it knows has none.
func (p *Pool) permissionLevel(ctx context.Context, repository pipeline.Repository, user string) (*github.RepositoryPermissionLevel, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return nil, err
	}
	level, _, err := client.Repositories.GetPermissionLevel(withCaching(ctx, cacheNever), repository.Owner, repository.Name, url.PathEscape(user))
	if status(err) == http.StatusNotFound {
		return &github.RepositoryPermissionLevel{Permission: new("none")}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask what %s may do in %s: %w", user, repository.FullName(), explained(err))
	}
	return level, nil
}

// Commit reads one commit by its hash.
func (p *Pool) Commit(ctx context.Context, repository pipeline.Repository, sha string) (Commit, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return Commit{}, err
	}
	c, _, err := client.Repositories.GetCommit(ctx, repository.Owner, repository.Name, sha, &github.ListOptions{PerPage: 1})
	if err != nil {
		return Commit{}, fmt.Errorf("read commit %s of %s: %w", sha, repository.FullName(), explained(err))
	}
	return Commit{
		SHA: c.GetSHA(), Tree: c.GetCommit().GetTree().GetSHA(), Message: c.GetCommit().GetMessage(),
		Author: c.GetAuthor().GetLogin(), Committer: c.GetCommitter().GetLogin(),
		AuthoredAt: c.GetCommit().GetAuthor().GetDate().Time, Committed: c.GetCommit().GetCommitter().GetDate().Time,
		Parents:  each(c.Parents, func(parent *github.Commit) string { return parent.GetSHA() }),
		Verified: c.GetCommit().GetVerification().GetVerified(),
	}, nil
}

func toPullRequest(pr *github.PullRequest) PullRequest {
	return PullRequest{
		Number: pr.GetNumber(), Title: pr.GetTitle(), Open: pr.GetState() == "open", Draft: pr.GetDraft(),
		Merged: pr.GetMerged() || pr.MergedAt != nil, MergeCommitSHA: pr.GetMergeCommitSHA(), Author: pr.GetUser().GetLogin(),
		Labels:  each(pr.Labels, func(l *github.Label) string { return l.GetName() }),
		HeadSHA: pr.GetHead().GetSHA(), HeadBranch: pr.GetHead().GetRef(),
		Fork: pr.GetHead().GetRepo().GetID() == 0 || pr.GetHead().GetRepo().GetID() != pr.GetBase().GetRepo().GetID(),
		Base: pr.GetBase().GetRef(), BaseSHA: pr.GetBase().GetSHA(), UpdatedAt: pr.GetUpdatedAt().Time,
	}
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, explained(err))...)
}

func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// paged collects all pages of a listing.
func paged[T any](list func(github.ListOptions) ([]T, *github.Response, error)) ([]T, error) {
	options := github.ListOptions{PerPage: perPage}
	var all []T
	for {
		page, resp, err := list(options)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if resp.NextPage == 0 {
			return all, nil
		}
		options.Page = resp.NextPage
	}
}
