package handlers

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Permissions looks up live what a user may do; never what an event claims.
type Permissions interface {
	// Permission is admin, write, read or none.
	Permission(ctx context.Context, repository pipeline.Repository, user string) (string, error)
}

// mayWrite reports whether user may push to the repository: what re-runs need. A failed look-up refuses by its error.
func mayWrite(ctx context.Context, p Permissions, repo pipeline.Repository, user string) (bool, error) {
	permission, err := p.Permission(ctx, repo, user)
	if err != nil {
		return false, fmt.Errorf("permission of %s on %s: %w", user, repo.FullName(), err)
	}
	if permission == "admin" || permission == "write" {
		return true, nil
	}
	zerolog.Ctx(ctx).Warn().Str("user", user).Str("permission", permission).Str("repository", repo.FullName()).
		Msg("re-run refused: it takes write permission")
	return false, nil
}
