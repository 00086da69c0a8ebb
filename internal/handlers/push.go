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

// Push starts a run for a pushed branch.
type Push struct {
	Service Service
	Now     func() time.Time
}

// Handles implements githubapp.EventHandler.
func (*Push) Handles() []string { return []string{"push"} }

// mergeQueuePrefix marks the branches of merge groups: their push comes besides the merge_group event, which is the one
// that counts.
const mergeQueuePrefix = "gh-readonly-queue/"

const noCommit = "0000000000000000000000000000000000000000"

// Handle implements githubapp.EventHandler. Tags and deleted branches do nothing.
func (h *Push) Handle(ctx context.Context, _, guid string, payload []byte) error {
	var event github.PushEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("push event: %w", err)
	}
	branch, isBranch := strings.CutPrefix(event.GetRef(), "refs/heads/")
	if !isBranch || event.GetDeleted() || event.GetAfter() == noCommit || strings.HasPrefix(branch, mergeQueuePrefix) {
		return nil
	}
	message := event.GetHeadCommit().GetMessage()
	before := event.GetBefore()
	if before == noCommit {
		before = ""
	}
	_, err := h.Service.Submit(ctx, pipeline.Trigger{
		Event: pipeline.EventPush, Repository: pushRepository(event.GetRepo(), event.GetInstallation().GetID()),
		SHA: event.GetAfter(), Ref: event.GetRef(), Branch: branch, Before: before, Actor: event.GetSender().GetLogin(),
		Title: firstLine(message), Skip: skipReason(message), Delivery: guid, ReceivedAt: h.Now(),
		At: event.GetRepo().GetPushedAt().UTC(),
	})
	return err
}
