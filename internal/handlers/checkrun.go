package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// CheckRun carries out the Re-run link and the Retry button of a check.
type CheckRun struct {
	Service     Service
	Permissions Permissions
	AppID       int64
	// StageOf reads the stage attempt from a check's external ID; false: not one of ours.
	StageOf func(externalID string) (int64, bool)
}

// Handles implements githubapp.EventHandler.
func (*CheckRun) Handles() []string { return []string{"check_run"} }

// Handle implements githubapp.EventHandler.
func (h *CheckRun) Handle(ctx context.Context, _, _ string, payload []byte) error {
	var event github.CheckRunEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("check_run event: %w", err)
	}
	if event.GetCheckRun().GetApp().GetID() != h.AppID || !asksAgain(&event) {
		return nil
	}
	stage, ok := h.StageOf(event.GetCheckRun().GetExternalID())
	if !ok {
		return nil
	}
	repo := repository(event.GetRepo(), event.GetInstallation().GetID())
	user := event.GetSender().GetLogin()
	if allowed, err := mayWrite(ctx, h.Permissions, repo, user); err != nil || !allowed {
		return err
	}
	_, err := h.Service.Rerun(ctx, repo.ID, stage, user)
	if errors.Is(err, pipeline.ErrNotFound) {
		zerolog.Ctx(ctx).Warn().Int64("attempt", stage).Msg("re-run of a stage that is no longer kept")
		return nil
	}
	return err
}

// asksAgain: the Re-run link, or our button.
func asksAgain(event *github.CheckRunEvent) bool {
	switch event.GetAction() {
	case "rerequested":
		return true
	case "requested_action":
		return event.GetRequestedAction().Identifier == "retry"
	default:
		return false
	}
}
