package githubclient

import (
	"context"
	"fmt"
	"net/http"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Public reports whether everybody may read the repository now. It is an error when its name belongs to another one.
func (p *Pool) Public(ctx context.Context, repository pipeline.Repository) (bool, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return false, err
	}
	found, _, err := client.Repositories.Get(ctx, repository.Owner, repository.Name)
	switch {
	case status(err) == http.StatusNotFound:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ask who may read %s: %w", repository.FullName(), explained(err))
	case found.GetID() != repository.ID:
		return false, fmt.Errorf("%s is now the name of another repository (%d) than it was (%d)", repository.FullName(), found.GetID(), repository.ID)
	}
	// "internal" ones of an enterprise are not private in every answer, and not for everybody in any.
	return !found.GetPrivate() && (found.GetVisibility() == "public" || found.GetVisibility() == ""), nil
}

// PermissionOf is Permission for somebody whose account is known by its number: a login that was given up and taken by
// somebody else has none.
func (p *Pool) PermissionOf(ctx context.Context, repository pipeline.Repository, user string, userID int64) (string, error) {
	level, err := p.permissionLevel(ctx, repository, user)
	if err != nil {
		return "", err
	}
	if level.GetUser().GetID() != userID {
		return "none", nil
	}
	return level.GetPermission(), nil
}
