package dashboard

import (
	"context"
	"io"
	"net/http"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Runs is what the pages read of the store.
type Runs interface {
	// Runs lists runs, newest first.
	Runs(ctx context.Context, filter pipeline.RunFilter) ([]pipeline.Run, error)
	// RunByNumber returns pipeline.ErrNotFound for a run or repository that does not exist.
	RunByNumber(ctx context.Context, owner, name string, number int64) (pipeline.Run, error)
	Repositories(ctx context.Context) ([]pipeline.Repository, error)
}

// Logs is where the lines of stage attempts are kept.
type Logs interface {
	// Lines returns at most limit lines with a Seq above afterSeq, in order; fewer do not mean that there are no more,
	// none does. There are none of what is not kept (any more).
	Lines(ctx context.Context, stageRunID, afterSeq int64, limit int) ([]pipeline.StoredLine, error)
}

// Artifacts is where the files of stage attempts are kept.
type Artifacts interface {
	// Open returns pipeline.ErrNotFound for what is not kept (any more). A negative size is an unknown one.
	Open(ctx context.Context, stageRunID int64, name string) (content io.ReadCloser, size int64, err error)
}

// Decision is whether a request may see something.
type Decision int

// The decisions of an Access.
const (
	// Hidden: the visitor is known and has no permission; the page answers as if the thing did not exist.
	Hidden Decision = iota
	// Visible: go ahead.
	Visible
	// SignInFirst: who it is must be known first.
	SignInFirst
)

// Access decides what a request may see.
type Access interface {
	// Enter is asked before pages about no repository in particular.
	Enter(r *http.Request) Decision
	// See is asked before anything about a repository is shown or listed.
	See(r *http.Request, repository pipeline.Repository) Decision
}
