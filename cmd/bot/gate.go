package main

import (
	"context"
	"errors"

	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/queue"
)

// newKeeper builds what lets runs into environments.
func newKeeper(b *bot) *environment.Keeper {
	return environment.NewKeeper(environment.Options{
		Store: releases{b.db, b.artifacts}, Rules: b.rules, People: b.forge, Forge: b.forge, Artifacts: b.artifacts, Superseder: b.service,
		Observers: b.observers, Clock: pipeline.SystemClock{}, Logger: b.log,
	})
}

// gate decides on a run's entry. While another decision on the environment is made, the worker is free for other work.
func (b *bot) gate(ctx context.Context, runID int64, name string) error {
	err := b.keeper.Work(ctx, runID, name)
	if busy, ok := errors.AsType[*environment.BusyError](err); ok {
		return queue.Snooze(busy.After)
	}
	return err
}

// announce shows GitHub how a run's entry stands. What GitHub does not take now is told later, however long that is.
func (b *bot) announce(ctx context.Context, runID int64, environment string) error {
	err := b.deployments.Announce(ctx, runID, environment)
	if again, ok := errors.AsType[*checks.AgainError](err); ok {
		return queue.Snooze(again.After)
	}
	return err
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
