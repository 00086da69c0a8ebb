package main

import (
	"context"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// newDesk builds what carries out the commands of comments.
func newDesk(b *bot, pageURL string) *chatops.Desk {
	return chatops.NewDesk(chatops.Options{
		GitHub: b.forge, Runs: b.db, Service: b.service, Gate: b.keeper, Environments: b.rules, Ledger: b.db, Memory: b.db,
		PageURL: pageURL, Clock: pipeline.SystemClock{},
	})
}

// Pull implements chatops.GitHub.
func (f forge) Pull(ctx context.Context, repo pipeline.Repository, number int) (chatops.Pull, error) {
	pr, err := f.PullRequest(ctx, repo, number)
	return chatops.Pull{
		Open: pr.Open, Fork: pr.Fork, Head: pr.HeadSHA, Branch: pr.HeadBranch, Merged: pr.Merged, Merge: pr.MergeCommitSHA,
		Base: pr.Base, BaseSHA: pr.BaseSHA, Author: pr.Author, Title: pr.Title, Labels: pr.Labels,
	}, err
}
