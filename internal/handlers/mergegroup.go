package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// MergeGroup runs, for the commit of a merge queue, what a pull request to that branch runs.
type MergeGroup struct {
	Service Service
	Now     func() time.Time
}

// Handles implements githubapp.EventHandler.
func (*MergeGroup) Handles() []string { return []string{"merge_group"} }

// Handle implements githubapp.EventHandler.
func (h *MergeGroup) Handle(ctx context.Context, _, guid string, payload []byte) error {
	var event github.MergeGroupEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("merge_group event: %w", err)
	}
	var more struct { // go-github v60 has no field for it
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(payload, &more); err != nil {
		return fmt.Errorf("merge_group event: %w", err)
	}
	group := event.GetMergeGroup()
	message := group.GetHeadCommit().GetMessage()
	trigger := pipeline.Trigger{
		Event: pipeline.EventMergeGroup, Repository: repository(event.GetRepo(), event.GetInstallation().GetID()),
		SHA: group.GetHeadSHA(), Ref: group.GetHeadRef(), Branch: strings.TrimPrefix(group.GetHeadRef(), "refs/heads/"),
		Base: strings.TrimPrefix(group.GetBaseRef(), "refs/heads/"), BaseSHA: group.GetBaseSHA(),
		Actor: event.GetSender().GetLogin(), Title: firstLine(message), Delivery: guid, ReceivedAt: h.Now(),
	}
	switch {
	case event.GetAction() == "checks_requested":
		_, err := h.Service.Submit(ctx, trigger)
		return err
	case event.GetAction() == "destroyed" && more.Reason != "merged":
		return h.Service.CancelGroup(ctx, trigger, "the merge group ended: "+more.Reason)
	default:
		return nil
	}
}
