package handlers

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Ledger keeps which repositories the App is installed on.
type Ledger interface {
	SaveRepository(ctx context.Context, repository pipeline.Repository) error
	RemoveRepository(ctx context.Context, repositoryID int64) error
}

// addRepositories notes repositories; these events carry only id, name and visibility of each.
func addRepositories(ctx context.Context, ledger Ledger, in *github.Installation, added []*github.Repository) error {
	for _, r := range added {
		owner, name, _ := strings.Cut(r.GetFullName(), "/")
		repo := pipeline.Repository{
			ID: r.GetID(), Owner: owner, Name: name, Private: r.GetPrivate(), InstallationID: in.GetID(),
		}
		if err := ledger.SaveRepository(ctx, repo); err != nil {
			return fmt.Errorf("note repository %s: %w", r.GetFullName(), err)
		}
	}
	return nil
}

func removeRepositories(
	ctx context.Context, service Service, runs Runs, ledger Ledger, removed []*github.Repository, reason string,
) error {
	for _, r := range removed {
		if err := cancelOpen(ctx, service, runs, r.GetID(), reason); err != nil {
			return fmt.Errorf("open runs of %s: %w", r.GetFullName(), err)
		}
		if err := ledger.RemoveRepository(ctx, r.GetID()); err != nil {
			return fmt.Errorf("forget repository %s: %w", r.GetFullName(), err)
		}
	}
	return nil
}

// cancelOpen goes through all pages: a repository may have any number of open runs, pull requests of forks for instance.
func cancelOpen(ctx context.Context, service Service, runs Runs, repositoryID int64, reason string) error {
	for before := int64(0); ; {
		open, err := runs.Runs(ctx, pipeline.RunFilter{RepositoryID: repositoryID, OpenOnly: true, Before: before})
		if err != nil || len(open) == 0 {
			return err
		}
		for _, run := range open {
			if _, err := service.Cancel(ctx, run.ID, reason); err != nil {
				return err
			}
			before = run.ID
		}
	}
}
