package handlers

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/go-github/v60/github"
)

// InstallationRepositories follows which repositories an installation covers.
type InstallationRepositories struct {
	Service Service
	Ledger  Ledger
	Runs    Runs
}

// Handles implements githubapp.EventHandler.
func (*InstallationRepositories) Handles() []string { return []string{"installation_repositories"} }

// Handle implements githubapp.EventHandler.
func (h *InstallationRepositories) Handle(ctx context.Context, _, _ string, payload []byte) error {
	var event github.InstallationRepositoriesEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("installation_repositories event: %w", err)
	}
	if err := addRepositories(ctx, h.Ledger, event.GetInstallation(), event.RepositoriesAdded); err != nil {
		return err
	}
	return removeRepositories(ctx, h.Service, h.Runs, h.Ledger, event.RepositoriesRemoved,
		"the App was taken off the repository")
}
