package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Desk carries out the commands of a comment.
type Desk interface {
	Take(ctx context.Context, c chatops.Comment) error
}

type receivedKey struct{}

// WithReceived tells handlers when their delivery came: they may be called again much later.
func WithReceived(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, receivedKey{}, at)
}

// IssueComment hands new comments of people on pull requests to the desk. Edited ones never count: who edits need not be
// who wrote.
type IssueComment struct {
	Desk Desk
	// Deleted is told of a comment that is no more; nil: nobody wants to know.
	Deleted func(ctx context.Context, repository pipeline.Repository, pullRequest int, comment int64) error
	Now     func() time.Time
}

// Handles implements githubapp.EventHandler.
func (*IssueComment) Handles() []string { return []string{"issue_comment"} }

// Handle implements githubapp.EventHandler.
func (h *IssueComment) Handle(ctx context.Context, _, _ string, payload []byte) error {
	var event commentEvent
	if err := json.Unmarshal(payload, &event); err != nil {
		return fmt.Errorf("issue_comment event: %w", err)
	}
	if event.GetAction() == "deleted" && event.GetIssue().IsPullRequest() && h.Deleted != nil {
		repo := repository(event.GetRepo(), event.GetInstallation().GetID())
		return h.Deleted(ctx, repo, event.GetIssue().GetNumber(), event.GetComment().GetID())
	}
	if event.GetAction() != "created" || !event.GetIssue().IsPullRequest() || !event.byAPerson() {
		return nil
	}
	return h.Desk.Take(ctx, chatops.Comment{
		Repository:  repository(event.GetRepo(), event.GetInstallation().GetID()),
		PullRequest: event.GetIssue().GetNumber(),
		ID:          event.GetComment().GetID(),
		Author:      event.GetComment().GetUser().GetLogin(),
		Body:        event.GetComment().GetBody(),
		CreatedAt:   event.GetComment().GetCreatedAt().UTC(),
		ReceivedAt:  h.received(ctx),
	})
}

func (h *IssueComment) received(ctx context.Context) time.Time {
	if at, ok := ctx.Value(receivedKey{}).(time.Time); ok {
		return at
	}
	return h.Now()
}

// commentEvent adds what go-github does not read.
type commentEvent struct {
	github.IssueCommentEvent

	App struct {
		Comment struct {
			Via *struct{} `json:"performed_via_github_app"`
		} `json:"comment"`
	} `json:"-"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *commentEvent) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &e.App); err != nil {
		return err
	}
	return json.Unmarshal(data, &e.IssueCommentEvent)
}

// byAPerson: the sender wrote the comment, and neither a bot nor an App in somebody's name did.
func (e *commentEvent) byAPerson() bool {
	author, sender := e.GetComment().GetUser(), e.GetSender()
	return author.GetID() != 0 && author.GetID() == sender.GetID() && author.GetType() == "User" && sender.GetType() == "User" &&
		e.App.Comment.Via == nil
}
