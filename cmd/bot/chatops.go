package main

import (
	"context"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// newDesk builds what carries out the commands of comments.
func newDesk(b *bot, pageURL string) *chatops.Desk {
	return chatops.NewDesk(chatops.Options{
		GitHub: b.forge, Runs: b.db, Service: b.service, Memory: b.db, PageURL: pageURL, Clock: pipeline.SystemClock{},
	})
}

// Pull implements chatops.GitHub.
func (f forge) Pull(ctx context.Context, repo pipeline.Repository, number int) (chatops.Pull, error) {
	pr, err := f.PullRequest(ctx, repo, number)
	return chatops.Pull{Open: pr.Open, Fork: pr.Fork, Head: pr.HeadSHA}, err
}
