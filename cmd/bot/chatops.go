package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/dashboard"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pipelinefile"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
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

// places is what the pages know of environments.
type places struct {
	*sqlite.DB

	rules *pipelinefile.Loader
}

// Environments implements dashboard.Places.
func (p places) Environments(ctx context.Context, repo pipeline.Repository) ([]pipeline.EnvironmentDefinition, error) {
	return p.rules.Environments(ctx, repo)
}

// pageDesk carries out what people press on the pages.
type pageDesk struct{ desk *chatops.Desk }

// Press implements dashboard.Desk.
func (d pageDesk) Press(ctx context.Context, p dashboard.Press) (string, error) {
	no, err := d.desk.Press(ctx, chatops.Press{
		Repository: p.Repository, StageRunID: p.StageRunID, Button: chatops.Button(p.Button), By: p.By, Via: "page", Reason: p.Reason,
		Candidate: p.Candidate, Cause: fmt.Sprintf("page-%d-%s-%s-%d", p.StageRunID, p.Button, p.By, pipeline.SystemClock{}.Now().UnixNano()),
	})
	if no == nil || err != nil {
		return "", err
	}
	return strings.TrimSpace(plainWords(no.Why) + " " + plainWords(no.Do)), nil
}

// plainWords takes the Markdown off a refusal that was written for a comment.
func plainWords(markdown string) string {
	return strings.NewReplacer("`", "", `\`, "", "\u200b", "", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(markdown)
}
