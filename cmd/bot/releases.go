package main

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// releases keeps the files of releases encrypted in the database: manifests are kept exactly as they were applied, with
// values of Secrets that stand in them.
type releases struct {
	*sqlite.DB

	vault *artifact.Store
}

// CreateRelease implements environment.Store.
func (r releases) CreateRelease(ctx context.Context, release pipeline.Release, files []pipeline.ReleaseFile) (pipeline.Release, bool, error) {
	sealed := make([]pipeline.ReleaseFile, len(files))
	for i, f := range files {
		content, err := r.vault.Seal(f.Content, releaseFileOf(release.RepositoryID, f.Name))
		if err != nil {
			return pipeline.Release{}, false, fmt.Errorf("encrypt %s: %w", f.Name, err)
		}
		sealed[i] = pipeline.ReleaseFile{Name: f.Name, Content: content}
	}
	return r.DB.CreateRelease(ctx, release, sealed)
}

// ReleaseFile implements pipeline.Releases.
func (r releases) ReleaseFile(ctx context.Context, repositoryID int64, environment string, number int64, name string) ([]byte, error) {
	sealed, err := r.DB.ReleaseFile(ctx, repositoryID, environment, number, name)
	if err != nil {
		return nil, err
	}
	content, err := r.vault.Unseal(sealed, releaseFileOf(repositoryID, name))
	if err != nil {
		return nil, fmt.Errorf("file %s of release %d of %s: %w", name, number, environment, err)
	}
	return content, nil
}

// releaseFileOf binds a file to its repository and, by its name, to its stage and environment.
func releaseFileOf(repositoryID int64, name string) string {
	return fmt.Sprintf("release/%d/%s", repositoryID, name)
}
