package handlers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Heads tells what GitHub holds now.
type Heads interface {
	// BranchTriggers are the triggers that pushes of the branches' heads would make.
	BranchTriggers(ctx context.Context, repository pipeline.Repository) ([]pipeline.Trigger, error)
	// PullRequestTriggers are those of the open pull requests.
	PullRequestTriggers(ctx context.Context, repository pipeline.Repository) ([]pipeline.Trigger, error)
}

// Reconciler finds, at the start of the bot, heads that moved while nobody listened and whose deliveries GitHub no longer
// has: the heads of branches and of open pull requests are compared with the runs.
type Reconciler struct {
	Service Service
	Runs    Runs
	Heads   Heads
	Commits Commits
	Drift   Scheduler
	// Repositories are those the App is installed on.
	Repositories func(ctx context.Context) ([]pipeline.Repository, error)
	// Definition of a trigger, to read only what `on` asks for.
	Definition func(ctx context.Context, t pipeline.Trigger) (pipeline.Definition, error)
	Now        func() time.Time
	Log        zerolog.Logger
}

// Reconcile submits a trigger for every head without a run. A repository that never had a run is left alone: installing
// the App must not start every branch of an organisation. A repository that fails does not hold up the others.
func (r *Reconciler) Reconcile(ctx context.Context) error {
	repositories, err := r.Repositories(ctx)
	if err != nil {
		return fmt.Errorf("repositories of the App: %w", err)
	}
	var errs []error
	for _, repo := range repositories {
		if err := r.repository(ctx, repo); err != nil {
			errs = append(errs, fmt.Errorf("reconcile %s: %w", repo.FullName(), err))
		}
	}
	return errors.Join(errs...)
}

func (r *Reconciler) repository(ctx context.Context, repo pipeline.Repository) error {
	known, err := r.Runs.Runs(ctx, pipeline.RunFilter{RepositoryID: repo.ID, Limit: 1})
	if err != nil || len(known) == 0 {
		return err
	}
	if err := r.Drift.Lay(ctx, repo); err != nil {
		return err
	}
	triggers, err := r.branches(ctx, repo)
	if err != nil {
		return err
	}
	pulls, err := r.Heads.PullRequestTriggers(ctx, repo)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range append(triggers, pulls...) {
		t.Delivery, t.ReceivedAt = "reconciled", r.Now()
		if err := r.submit(ctx, t); err != nil {
			errs = append(errs, fmt.Errorf("%s at %s: %w", t.Ref, t.SHA, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// branches leaves out those that the default branch's pipeline file does not ask for: a repository has many.
func (r *Reconciler) branches(ctx context.Context, repo pipeline.Repository) ([]pipeline.Trigger, error) {
	all, err := r.Heads.BranchTriggers(ctx, repo)
	if err != nil {
		return nil, err
	}
	var wanted []pipeline.Trigger
	for _, head := range all {
		if head.Branch != repo.DefaultBranch {
			continue
		}
		definition, err := r.Definition(ctx, head)
		if _, invalid := errors.AsType[*pipeline.InvalidDefinitionError](err); invalid {
			return []pipeline.Trigger{head}, nil // its run shows the problems
		}
		if errors.Is(err, pipeline.ErrNothingToRun) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			if pipeline.Wanted(t, definition) {
				wanted = append(wanted, t)
			}
		}
	}
	return wanted, nil
}

func (r *Reconciler) submit(ctx context.Context, t pipeline.Trigger) error {
	before, err := r.Runs.Runs(ctx, pipeline.RunFilter{RepositoryID: t.Repository.ID, SHA: t.SHA})
	if err != nil {
		return err
	}
	for _, run := range before {
		if run.Trigger.Group() == t.Group() {
			return nil
		}
	}
	message, err := r.Commits.CommitMessage(ctx, t.Repository, t.SHA)
	if err != nil {
		return err
	}
	t.Skip = skipReason(message)
	if t.Title == "" {
		t.Title = firstLine(message)
	}
	run, err := r.Service.Submit(ctx, t)
	if errors.Is(err, pipeline.ErrNotWanted) {
		return nil
	}
	if err == nil {
		r.Log.Info().Str("repository", t.Repository.FullName()).Str("ref", t.Ref).Str("sha", t.SHA).Int64("run", run.Number).
			Msg("a head without a run was found")
	}
	return err
}
