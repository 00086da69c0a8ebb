package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Commits tells a commit's message, which pull request events do not carry.
type Commits interface {
	CommitMessage(ctx context.Context, repository pipeline.Repository, sha string) (string, error)
}

// PullRequest starts a run for the head of a pull request and ends it when the pull request is closed unmerged.
type PullRequest struct {
	Service Service
	Commits Commits
	Pushes  Pushes
	Gate    Rechecker
	// Changed is told of a pull request that was closed, reopened or pushed to; nil: nobody wants to know.
	Changed func(repository pipeline.Repository, number int)
	Now     func() time.Time
}

// Handles implements githubapp.EventHandler.
func (*PullRequest) Handles() []string { return []string{"pull_request"} }

// Handle implements githubapp.EventHandler.
func (h *PullRequest) Handle(ctx context.Context, _, guid string, payload []byte) error {
	var event github.PullRequestEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("pull_request event: %w", err)
	}
	repo := repository(event.GetRepo(), event.GetInstallation().GetID())
	trigger := pullRequestTrigger(repo, event.GetPullRequest(), event.GetSender().GetLogin())
	trigger.Delivery, trigger.ReceivedAt = guid, h.Now()
	trigger.Before, trigger.At = event.GetBefore(), event.GetPullRequest().GetUpdatedAt().UTC()
	if err := h.note(ctx, &event, trigger); err != nil {
		return err
	}
	switch event.GetAction() {
	case "opened", "synchronize", "reopened", "ready_for_review":
		message, err := h.Commits.CommitMessage(ctx, repo, trigger.SHA)
		if err != nil {
			return fmt.Errorf("message of commit %s: %w", trigger.SHA, err)
		}
		trigger.Skip = skipReason(message)
		_, err = h.Service.Submit(ctx, trigger)
		return err
	case "closed":
		if event.GetPullRequest().GetMerged() {
			// What works goes on: its result is reused for the merge. What waits, a fork's run, would wait for ever.
			return h.Service.CancelWaiting(ctx, trigger, "the pull request was merged")
		}
		return h.Service.CancelGroup(ctx, trigger, "the pull request was closed")
	default:
		return nil
	}
}

// note keeps who pushed the head, and has what waits for the pull request looked at again where it may have moved.
func (h *PullRequest) note(ctx context.Context, event *github.PullRequestEvent, t pipeline.Trigger) error {
	pusher := ""
	switch event.GetAction() {
	case "synchronize":
		pusher = t.Actor
		fallthrough
	case "opened": // whoever opens a pull request need not have pushed what it holds
		at := t.At
		if at.IsZero() {
			at = h.Now()
		}
		if err := h.Pushes.SavePush(ctx, pipeline.PushRecord{
			RepositoryID: t.Repository.ID, SHA: t.SHA, Ref: t.Ref, Before: t.Before, By: pusher, At: at,
		}); err != nil {
			return fmt.Errorf("note who pushed %s: %w", t.SHA, err)
		}
	case "closed":
		if err := h.noteMerge(ctx, event, t); err != nil {
			return err
		}
	case "edited", "reopened":
	default:
		return nil
	}
	if event.GetAction() == "opened" {
		return nil
	}
	if h.Changed != nil {
		h.Changed(t.Repository, t.PullRequest)
	}
	return h.Gate.RecheckPull(ctx, t.Repository.ID, t.PullRequest)
}

// noteMerge keeps what a pull request was merged as, so that the runs of that are known to be its own.
func (h *PullRequest) noteMerge(ctx context.Context, event *github.PullRequestEvent, t pipeline.Trigger) error {
	merge := event.GetPullRequest().GetMergeCommitSHA()
	if !event.GetPullRequest().GetMerged() || merge == "" {
		return nil
	}
	if err := h.Pushes.SavePush(ctx, pipeline.PushRecord{
		RepositoryID: t.Repository.ID, SHA: merge, Ref: pipeline.MergeRef(t.PullRequest), By: t.Actor, At: h.Now(),
	}); err != nil {
		return fmt.Errorf("note the merge of #%d as %s: %w", t.PullRequest, merge, err)
	}
	return nil
}

func pullRequestTrigger(repo pipeline.Repository, pr *github.PullRequest, actor string) pipeline.Trigger {
	labels := make([]string, 0, len(pr.Labels))
	for _, label := range pr.Labels {
		labels = append(labels, label.GetName())
	}
	return pipeline.Trigger{
		Event: pipeline.EventPullRequest, Repository: repo, SHA: pr.GetHead().GetSHA(),
		Ref: fmt.Sprintf("refs/pull/%d/head", pr.GetNumber()), Branch: pr.GetHead().GetRef(),
		Base: pr.GetBase().GetRef(), BaseSHA: pr.GetBase().GetSHA(), PullRequest: pr.GetNumber(), Labels: labels,
		// A deleted head repository is null: not ours, so a fork's.
		Fork: pr.GetHead().GetRepo().GetID() != repo.ID, Actor: actor, Title: pr.GetTitle(),
	}
}
