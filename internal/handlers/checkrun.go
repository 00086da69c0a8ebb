package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/chatops"
)

// Presser carries out buttons.
type Presser interface {
	Press(ctx context.Context, p chatops.Press) (*chatops.Refusal, error)
}

// CheckRun carries out the Re-run link and the buttons of a check.
type CheckRun struct {
	Desk  Presser
	AppID int64
	// StageOf reads the stage attempt from a check's external ID; false: not one of ours.
	StageOf func(externalID string) (int64, bool)
}

// Handles implements githubapp.EventHandler.
func (*CheckRun) Handles() []string { return []string{"check_run"} }

// Handle implements githubapp.EventHandler.
func (h *CheckRun) Handle(ctx context.Context, _, guid string, payload []byte) error {
	var event github.CheckRunEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("check_run event: %w", err)
	}
	button, candidate, pressed := buttonOf(&event)
	stage, ours := h.StageOf(event.GetCheckRun().GetExternalID())
	if event.GetCheckRun().GetApp().GetID() != h.AppID || !pressed || !ours {
		return nil
	}
	_, err := h.Desk.Press(ctx, chatops.Press{
		Repository: repository(event.GetRepo(), event.GetInstallation().GetID()), StageRunID: stage, Button: button,
		By: event.GetSender().GetLogin(), Via: "button", Cause: "delivery-" + guid, Candidate: candidate,
	})
	return err // GitHub shows nobody a refusal: it stands in the check
}

// buttonOf: the Re-run link is the Retry button. What follows a hyphen is the candidate that the button is for.
func buttonOf(event *github.CheckRunEvent) (button chatops.Button, candidate string, pressed bool) {
	switch event.GetAction() {
	case "rerequested":
		return chatops.ButtonRetry, "", true
	case "requested_action":
		name, candidate, _ := strings.Cut(event.GetRequestedAction().Identifier, "-")
		return chatops.Button(name), candidate, true
	default:
		return "", "", false
	}
}
