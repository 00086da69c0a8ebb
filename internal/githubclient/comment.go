package githubclient

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// React puts a sign on a comment of an issue or pull request: eyes, rocket, confused, -1. The same sign again changes nothing.
func (p *Pool) React(ctx context.Context, repository pipeline.Repository, comment int64, sign string) error {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return err
	}
	_, _, err = client.Reactions.CreateIssueCommentReaction(ctx, repository.Owner, repository.Name, comment, sign)
	return wrap(err, "react to comment %d of %s", comment, repository.FullName())
}

// Reply writes a comment on a pull request.
func (p *Pool) Reply(ctx context.Context, repository pipeline.Repository, number int, body string) error {
	_, err := p.Comment(ctx, repository, number, body)
	return err
}

// Comment writes a comment on a pull request and returns its ID.
func (p *Pool) Comment(ctx context.Context, repository pipeline.Repository, number int, body string) (id int64, err error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return 0, err
	}
	made, _, err := client.Issues.CreateComment(ctx, repository.Owner, repository.Name, number, &github.IssueComment{Body: &body})
	return made.GetID(), wrap(err, "comment on %s#%d", repository.FullName(), number)
}

// EditComment replaces the text of a comment of ours; pipeline.ErrNotFound where somebody deleted it.
func (p *Pool) EditComment(ctx context.Context, repository pipeline.Repository, comment int64, body string) error {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return err
	}
	_, _, err = client.Issues.EditComment(ctx, repository.Owner, repository.Name, comment, &github.IssueComment{Body: &body})
	return wrap(err, "edit comment %d of %s", comment, repository.FullName())
}

// Replied reports whether the App has written a comment with that mark on a pull request since then. Others can write the
// mark, too; theirs do not count.
func (p *Pool) Replied(ctx context.Context, repository pipeline.Repository, number int, since time.Time, mark string) (bool, error) {
	id, err := p.FindComment(ctx, repository, number, since, mark)
	return id != 0, err
}

// FindComment looks for a comment with that mark that the App has written on a pull request, or edited, since then; a zero
// time: ever. Others can write the mark, too; theirs do not count. 0: there is none.
func (p *Pool) FindComment(ctx context.Context, repository pipeline.Repository, number int, since time.Time, mark string) (id int64, err error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return 0, err
	}
	comments, err := paged(func(page github.ListOptions) ([]writtenComment, *github.Response, error) {
		path := fmt.Sprintf("repos/%s/%s/issues/%d/comments?per_page=%d&page=%d", repository.Owner, repository.Name, number,
			page.PerPage, max(page.Page, 1))
		if !since.IsZero() {
			path += "&since=" + since.UTC().Format("2006-01-02T15:04:05Z")
		}
		req, err := client.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, nil, err
		}
		var found []writtenComment
		resp, err := client.Do(withCaching(ctx, cacheNever), req, &found)
		return found, resp, wrap(err, "list the comments of %s#%d", repository.FullName(), number)
	})
	if err != nil {
		return 0, err
	}
	for _, c := range comments {
		if c.App != nil && c.App.ID == p.config.AppID && strings.Contains(c.Body, mark) {
			return c.ID, nil
		}
	}
	return 0, nil
}

// writtenComment has what go-github's type lacks: the App that wrote it.
type writtenComment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
	App  *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}
