package githubclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// TeamMember reports whether a user is an active member of a team, or of one below it. It is asked each time, never
// remembered. A team that does not exist, or that the App may not see, has no members.
func (p *Pool) TeamMember(ctx context.Context, repository pipeline.Repository, organisation, team, user string) (bool, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return false, err
	}
	membership, _, err := client.Teams.GetTeamMembershipBySlug(
		withCaching(ctx, cacheNever), url.PathEscape(organisation), url.PathEscape(team), url.PathEscape(user))
	if status(err) == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask whether %s is in @%s/%s: %w", user, organisation, team, explained(err))
	}
	return membership.GetState() == "active", nil // not an invitation that waits
}
