package chatops

import (
	"context"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Comment is a new comment on a pull request, by a person.
type Comment struct {
	Repository  pipeline.Repository
	PullRequest int
	ID          int64
	Author      string
	Body        string // hostile text
	CreatedAt   time.Time
}

// Pull is a pull request as it is now.
type Pull struct {
	Open bool
	// Fork: its commits come from another repository.
	Fork bool
	// Head is the commit it holds, in full.
	Head string
}

// GitHub is where people are known and answered. pipeline.ErrNotFound: it is not there any more.
type GitHub interface {
	Pull(ctx context.Context, repository pipeline.Repository, number int) (Pull, error)
	// Permission is what a user may do now: admin, write, read or none.
	Permission(ctx context.Context, repository pipeline.Repository, user string) (string, error)
	// React puts a sign on a comment; the same one again changes nothing.
	React(ctx context.Context, repository pipeline.Repository, comment int64, sign string) error
	Reply(ctx context.Context, repository pipeline.Repository, number int, body string) error
	// Replied reports whether one of our own comments since that time holds the mark.
	Replied(ctx context.Context, repository pipeline.Repository, number int, since time.Time, mark string) (bool, error)
}

// Runs finds runs, newest first.
type Runs interface {
	Runs(ctx context.Context, filter pipeline.RunFilter) ([]pipeline.Run, error)
}

// Service is what commands ask of the core. Each is harmless when it is asked again.
type Service interface {
	Release(ctx context.Context, runID int64, sha, by string) (pipeline.Run, error)
	Rerun(ctx context.Context, repositoryID, stageRunID int64, asker string) (pipeline.Run, error)
	Cancel(ctx context.Context, runID int64, reason string) (pipeline.Run, error)
}

// Memory keeps, under a key, what was done about a comment; pipeline.ErrNotFound.
type Memory interface {
	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error
}
