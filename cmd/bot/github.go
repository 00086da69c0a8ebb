package main

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// forge answers the handlers' questions from the GitHub client.
type forge struct{ *githubclient.Pool }

// CommitMessage implements handlers.Commits.
func (f forge) CommitMessage(ctx context.Context, repo pipeline.Repository, sha string) (string, error) {
	commit, err := f.Commit(ctx, repo, sha)
	return commit.Message, err
}

// BranchTriggers implements handlers.Heads.
func (f forge) BranchTriggers(ctx context.Context, repo pipeline.Repository) ([]pipeline.Trigger, error) {
	heads, err := f.BranchHeads(ctx, repo)
	triggers := make([]pipeline.Trigger, 0, len(heads))
	for _, head := range heads {
		triggers = append(triggers, pipeline.Trigger{
			Event: pipeline.EventPush, Repository: repo, SHA: head.SHA, Ref: "refs/heads/" + head.Name, Branch: head.Name,
		})
	}
	return triggers, err
}

// PullRequestTriggers implements handlers.Heads.
func (f forge) PullRequestTriggers(ctx context.Context, repo pipeline.Repository) ([]pipeline.Trigger, error) {
	pulls, err := f.OpenPullRequests(ctx, repo)
	triggers := make([]pipeline.Trigger, 0, len(pulls))
	for _, pr := range pulls {
		triggers = append(triggers, pipeline.Trigger{
			Event: pipeline.EventPullRequest, Repository: repo, SHA: pr.HeadSHA, Ref: fmt.Sprintf("refs/pull/%d/head", pr.Number),
			Branch: pr.HeadBranch, Base: pr.Base, BaseSHA: pr.BaseSHA, PullRequest: pr.Number, Labels: pr.Labels, Fork: pr.Fork,
			Actor: pr.Author, Title: pr.Title,
		})
	}
	return triggers, err
}

// installedRepositories lists what the App is installed on.
func (f forge) installedRepositories(ctx context.Context) ([]pipeline.Repository, error) {
	installations, err := f.Installations(ctx)
	if err != nil {
		return nil, err
	}
	var repositories []pipeline.Repository
	for _, in := range installations {
		if in.Suspended {
			continue
		}
		found, err := f.InstallationRepositories(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		repositories = append(repositories, found...)
	}
	return repositories, nil
}

// inbox keeps deliveries in the store.
type inbox struct{ db *sqlite.DB }

// Accept implements handlers.Inbox.
func (i inbox) Accept(ctx context.Context, guid, event string, payload []byte) error {
	_, err := i.db.Accept(ctx, store.Delivery{
		GUID: guid, Event: event, Payload: payload, ReceivedAt: pipeline.SystemClock{}.Now(),
	})
	return err
}
