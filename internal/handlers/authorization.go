package handlers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"
)

// Authorization follows who takes back, on GitHub, that the App may know who they are.
type Authorization struct {
	// EndSessions signs an account out of the pages, everywhere.
	EndSessions func(ctx context.Context, accountID int64) error
}

// Handles implements githubapp.EventHandler. GitHub sends it to every App; it cannot be subscribed to.
func (*Authorization) Handles() []string { return []string{"github_app_authorization"} }

// Handle implements githubapp.EventHandler.
func (h *Authorization) Handle(ctx context.Context, _, _ string, payload []byte) error {
	var event github.GitHubAppAuthorizationEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("github_app_authorization event: %w", err)
	}
	if event.GetAction() != "revoked" || event.GetSender().GetID() == 0 {
		return nil
	}
	zerolog.Ctx(ctx).Info().Str("login", event.GetSender().GetLogin()).Msg("authorization taken back; signed out everywhere")
	return h.EndSessions(ctx, event.GetSender().GetID())
}
