package chatops

import (
	"context"
	"time"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Comment is a new comment on a pull request, by a person.
type Comment struct {
	Repository  pipeline.Repository
	PullRequest int
	ID          int64
	Author      string
	Body        string // hostile text
	// CreatedAt is by GitHub's clock, ReceivedAt by ours.
	CreatedAt  time.Time
	ReceivedAt time.Time
}

// Pull is a pull request as it is now.
type Pull struct {
	Open bool
	// Fork: its commits come from another repository.
	Fork bool
	// Head is the commit it holds, in full, and Branch the branch that holds it.
	Head, Branch string
	// Merged: it was merged, as the commit Merge.
	Merged bool
	Merge  string
	// Base is the branch it wants to enter, and BaseSHA what that held when the pull request was looked at.
	Base, BaseSHA string
	Author        string
	Title         string // hostile text
	Labels        []string
}

// Gate decides about environments; package environment has it.
type Gate interface {
	Prospect(ctx context.Context, t pipeline.Trigger, rules pipeline.EnvironmentDefinition) (environment.Decision, error)
	Why(ctx context.Context, run pipeline.Run, environment string) (environment.Decision, error)
	Ballot(ctx context.Context, run pipeline.Run, environment, login string) (environment.Ballot, error)
	MayDeploy(ctx context.Context, repository pipeline.Repository, rules pipeline.EnvironmentDefinition, login string) (environment.Person, error)
	Approve(ctx context.Context, runID int64, environment, candidate string, word environment.Word) error
	Reject(ctx context.Context, runID int64, environment, reason string, word environment.Word) error
	Refused(ctx context.Context, run pipeline.Run, environment, what, why string, word environment.Word) error
	Lock(ctx context.Context, repository pipeline.Repository, environment, reason string, word environment.Word) error
	Unlock(ctx context.Context, repository pipeline.Repository, environment string, word environment.Word) error
}

// Environments tells of the environments of a repository.
type Environments interface {
	// Environments are those of the default branch's pipeline file now; *pipeline.InvalidDefinitionError for one with problems.
	Environments(ctx context.Context, repository pipeline.Repository) ([]pipeline.EnvironmentDefinition, error)
}

// Ledger is what is recorded about environments, commits and decisions.
type Ledger interface {
	EnvironmentState(ctx context.Context, repositoryID int64, name string) (pipeline.EnvironmentState, error)
	Release(ctx context.Context, repositoryID int64, environment string, number int64) (pipeline.Release, error)
	// Releases come newest first.
	Releases(ctx context.Context, filter pipeline.ReleaseFilter) ([]pipeline.Release, error)
	Pushes(ctx context.Context, repositoryID int64, sha string) ([]pipeline.PushRecord, error)
	// PushesTo are the last pushes to a ref, newest first.
	PushesTo(ctx context.Context, repositoryID int64, ref string, limit int) ([]pipeline.PushRecord, error)
	SavePush(ctx context.Context, push pipeline.PushRecord) error
	Record(ctx context.Context, record pipeline.AuditRecord) error
}

// GitHub is where people are known and answered. pipeline.ErrNotFound: it is not there any more.
type GitHub interface {
	Pull(ctx context.Context, repository pipeline.Repository, number int) (Pull, error)
	// Permission is what a user may do now: admin, write, read or none.
	Permission(ctx context.Context, repository pipeline.Repository, user string) (string, error)
	// BranchHead is the commit that a branch holds.
	BranchHead(ctx context.Context, repository pipeline.Repository, branch string) (string, error)
	// Contains reports whether a branch holds a commit.
	Contains(ctx context.Context, repository pipeline.Repository, branch, sha string) (bool, error)
	// React puts a sign on a comment; the same one again changes nothing.
	React(ctx context.Context, repository pipeline.Repository, comment int64, sign string) error
	Reply(ctx context.Context, repository pipeline.Repository, number int, body string) error
	// Replied reports whether one of our own comments since that time holds the mark.
	Replied(ctx context.Context, repository pipeline.Repository, number int, since time.Time, mark string) (bool, error)
}

// Runs finds runs, newest first.
type Runs interface {
	Runs(ctx context.Context, filter pipeline.RunFilter) ([]pipeline.Run, error)
	// RunOfStage returns pipeline.ErrNotFound.
	RunOfStage(ctx context.Context, stageRunID int64) (pipeline.Run, error)
}

// Service is what commands ask of the core. Each is harmless when it is asked again.
type Service interface {
	Submit(ctx context.Context, t pipeline.Trigger) (pipeline.Run, error)
	Release(ctx context.Context, runID int64, sha, by string) (pipeline.Run, error)
	Rerun(ctx context.Context, repositoryID, stageRunID int64, asker string) (pipeline.Run, error)
	Cancel(ctx context.Context, runID int64, reason string) (pipeline.Run, error)
}

// Memory keeps, under a key, what was done about a comment; pipeline.ErrNotFound.
type Memory interface {
	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error
}
