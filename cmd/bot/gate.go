package main

import (
	"context"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// newKeeper builds what lets runs into environments.
func newKeeper(b *bot) *environment.Keeper {
	return environment.NewKeeper(environment.Options{
		Store: b.db, Rules: b.rules, People: b.forge, Forge: b.forge, Artifacts: artifactFiles{b.artifacts}, Superseder: b.service,
		Observers: b.observers, Clock: pipeline.SystemClock{}, Logger: b.log,
	})
}

// PullAt implements environment.Forge.
func (f forge) PullAt(ctx context.Context, repo pipeline.Repository, number int) (environment.Pull, error) {
	pr, err := f.PullRequest(ctx, repo, number)
	pull := environment.Pull{State: environment.PullClosed, Fork: pr.Fork, Head: pr.HeadSHA, Author: pr.Author, Base: pr.Base, Merge: pr.MergeCommitSHA}
	switch {
	case pr.Open:
		pull.State = environment.PullOpen
	case pr.Merged:
		pull.State = environment.PullMerged
	}
	return pull, err
}

// CommitOf implements environment.Forge.
func (f forge) CommitOf(ctx context.Context, repo pipeline.Repository, sha string) (environment.Commit, error) {
	commit, err := f.Commit(ctx, repo, sha)
	return environment.Commit{Authors: []string{commit.Author, commit.Committer}, Verified: commit.Verified}, err
}
