package environment

import (
	"context"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Store is what the gate needs of the truth.
type Store interface {
	Run(ctx context.Context, id int64) (pipeline.Run, error)
	Change(ctx context.Context, runID int64, change func(*pipeline.Run) ([]pipeline.Job, error)) (pipeline.Run, error)
	Runs(ctx context.Context, filter pipeline.RunFilter) ([]pipeline.Run, error)
	EnvironmentState(ctx context.Context, repositoryID int64, name string) (pipeline.EnvironmentState, error)
	// ChangeEnvironment lets change alter the state and stores it, serialised with every other change of it.
	ChangeEnvironment(ctx context.Context, repositoryID int64, name string, change func(*pipeline.EnvironmentState) error) (pipeline.EnvironmentState, error)
	// CreateRelease gives the release its number; the same one again is found, and created is false.
	CreateRelease(ctx context.Context, release pipeline.Release, files []pipeline.ReleaseFile) (stored pipeline.Release, created bool, err error)
	// Release returns pipeline.ErrNotFound.
	Release(ctx context.Context, repositoryID int64, environment string, number int64) (pipeline.Release, error)
	// ReleaseFile returns a file kept with a release; pipeline.ErrNotFound, pipeline.ErrUnreadable.
	ReleaseFile(ctx context.Context, repositoryID int64, environment string, number int64, name string) ([]byte, error)
	Record(ctx context.Context, record pipeline.AuditRecord) error
	Pushes(ctx context.Context, repositoryID int64, sha string) ([]pipeline.PushRecord, error)
}

// Rules are the environments as the default branch and the organisation describe them now.
type Rules interface {
	Environments(ctx context.Context, repository pipeline.Repository) ([]pipeline.EnvironmentDefinition, error)
}

// People tells what somebody may do, asked each time.
type People interface {
	// Permission is admin, write, read or none.
	Permission(ctx context.Context, repository pipeline.Repository, user string) (string, error)
	// TeamMember reports whether a user is an active member of a team of the organisation or of a team below it.
	TeamMember(ctx context.Context, repository pipeline.Repository, organisation, team, user string) (bool, error)
}

// Pull is a pull request as it is now.
type Pull struct {
	State  PullState
	Fork   bool
	Head   string
	Author string
	Base   string
	// Merge is the commit it was merged as.
	Merge string
}

// Commit is who made one, as far as GitHub knows, and whether its signature was checked.
type Commit struct {
	Authors  []string
	Verified bool
}

// Forge tells facts about commits, asked each time.
type Forge interface {
	// PullAt returns pipeline.ErrNotFound.
	PullAt(ctx context.Context, repository pipeline.Repository, number int) (Pull, error)
	// BranchHead is the commit a branch holds; pipeline.ErrNotFound.
	BranchHead(ctx context.Context, repository pipeline.Repository, branch string) (string, error)
	// CommitOf returns pipeline.ErrNotFound.
	CommitOf(ctx context.Context, repository pipeline.Repository, sha string) (Commit, error)
}

// Artifacts gives back what stages kept to themselves.
type Artifacts interface {
	// Private returns pipeline.ErrNotFound.
	Private(ctx context.Context, stageRunID int64, name string) ([]byte, error)
}

// Superseder cancels what a newer run made pointless while an older one changed an environment.
type Superseder interface {
	Resupersede(ctx context.Context, runID int64) error
}
