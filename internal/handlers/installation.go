package handlers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"
)

// Installation follows the App's installations: created, deleted, suspended and back.
type Installation struct {
	Service Service
	Ledger  Ledger
	Runs    Runs
}

// Handles implements githubapp.EventHandler.
func (*Installation) Handles() []string { return []string{"installation"} }

// Handle implements githubapp.EventHandler.
func (h *Installation) Handle(ctx context.Context, _, _ string, payload []byte) error {
	var event github.InstallationEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("installation event: %w", err)
	}
	zerolog.Ctx(ctx).Info().Str("account", event.GetInstallation().GetAccount().GetLogin()).
		Int64("installation", event.GetInstallation().GetID()).Str("action", event.GetAction()).Msg("installation")
	switch event.GetAction() {
	case "created", "unsuspend", "new_permissions_accepted":
		return addRepositories(ctx, h.Ledger, event.GetInstallation(), event.Repositories)
	case "deleted", "suspend":
		reason := "the App was uninstalled"
		if event.GetAction() == "suspend" {
			reason = "the App's installation was suspended"
		}
		return removeRepositories(ctx, h.Service, h.Runs, h.Ledger, event.Repositories, reason)
	default:
		return nil
	}
}
