package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Runs finds runs.
type Runs interface {
	Runs(ctx context.Context, filter pipeline.RunFilter) ([]pipeline.Run, error)
}

// CheckSuite carries out "Re-run all checks": a new run for each event that ran on the commit.
type CheckSuite struct {
	Service     Service
	Permissions Permissions
	Runs        Runs
	AppID       int64
	Now         func() time.Time
}

// Handles implements githubapp.EventHandler.
func (*CheckSuite) Handles() []string { return []string{"check_suite"} }

// Handle implements githubapp.EventHandler. `requested` is left to the push and pull_request events.
func (h *CheckSuite) Handle(ctx context.Context, _, guid string, payload []byte) error {
	var event github.CheckSuiteEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("check_suite event: %w", err)
	}
	suite := event.GetCheckSuite()
	if suite.GetApp().GetID() != h.AppID || event.GetAction() != "rerequested" {
		return nil
	}
	repo := repository(event.GetRepo(), event.GetInstallation().GetID())
	user := event.GetSender().GetLogin()
	if allowed, err := mayWrite(ctx, h.Permissions, repo, user); err != nil || !allowed {
		return err
	}
	runs, err := h.Runs.Runs(ctx, pipeline.RunFilter{RepositoryID: repo.ID, SHA: suite.GetHeadSHA()})
	if err != nil {
		return fmt.Errorf("runs of %s: %w", suite.GetHeadSHA(), err)
	}
	for _, trigger := range newestTriggers(runs) {
		trigger.Repository, trigger.Actor, trigger.Skip = repo, user, ""
		trigger.Fresh, trigger.Delivery, trigger.ReceivedAt = true, guid, h.Now()
		// One event that is no longer asked for must not keep the others from running.
		if _, err := h.Service.Submit(ctx, trigger); err != nil && !errors.Is(err, pipeline.ErrNotWanted) {
			return err
		}
	}
	return nil
}

// newestTriggers takes one trigger for each group of runs; runs come newest first.
func newestTriggers(runs []pipeline.Run) []pipeline.Trigger {
	seen := make(map[string]bool, len(runs))
	var triggers []pipeline.Trigger
	for _, run := range runs {
		if run.Trigger.Deploy != nil {
			continue // what a person asked for is asked for again by a command, which says who may
		}
		if group := run.Trigger.Group(); !seen[group] {
			seen[group] = true
			triggers = append(triggers, run.Trigger)
		}
	}
	return triggers
}
