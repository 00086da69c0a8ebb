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

// Pushes keeps who pushed what, which neither a commit nor a pull request tells.
type Pushes interface {
	SavePush(ctx context.Context, push pipeline.PushRecord) error
}

// Rechecker has what waits before environments decided on again.
type Rechecker interface {
	// RecheckPull: the pull request's head or base moved, or it was closed.
	RecheckPull(ctx context.Context, repositoryID int64, number int) error
	// RecheckRepository: the rules may have changed.
	RecheckRepository(ctx context.Context, repositoryID int64) error
}

// Scheduler keeps what pipeline files want done at certain times.
type Scheduler interface {
	// Lay reads the file of the default branch anew.
	Lay(ctx context.Context, repository pipeline.Repository) error
}

// Push starts a run for a pushed branch.
type Push struct {
	Service Service
	Pushes  Pushes
	Gate    Rechecker
	Drift   Scheduler
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
	repo := pushRepository(event.GetRepo(), event.GetInstallation().GetID())
	at := event.GetRepo().GetPushedAt().UTC()
	if at.IsZero() {
		at = h.Now()
	}
	if err := h.Pushes.SavePush(ctx, pipeline.PushRecord{
		RepositoryID: repo.ID, SHA: event.GetAfter(), Ref: event.GetRef(), Before: before, By: event.GetSender().GetLogin(), At: at,
	}); err != nil {
		return fmt.Errorf("note who pushed %s: %w", event.GetAfter(), err)
	}
	if branch == repo.DefaultBranch {
		if err := h.Gate.RecheckRepository(ctx, repo.ID); err != nil {
			return err
		}
		if err := h.Drift.Lay(ctx, repo); err != nil {
			return err
		}
	}
	_, err := h.Service.Submit(ctx, pipeline.Trigger{
		Event: pipeline.EventPush, Repository: repo,
		SHA: event.GetAfter(), Ref: event.GetRef(), Branch: branch, Before: before, Actor: event.GetSender().GetLogin(),
		Title: firstLine(message), Skip: skipReason(message), Delivery: guid, ReceivedAt: h.Now(),
		At: event.GetRepo().GetPushedAt().UTC(),
	})
	return err
}
