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
	// RepositoryNamed finds a repository whether or not the App is still installed on it; pipeline.ErrNotFound.
	RepositoryNamed(ctx context.Context, owner, name string) (pipeline.Repository, error)
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
	// See is asked before anything about a repository is shown or listed. Of the repository only the ID counts: a run
	// knows it as it was.
	See(r *http.Request, repository pipeline.Repository) Decision
	// Visitor is who a request comes from; ok is false for a stranger. Who may see a page may not do anything by that: what
	// a person does is authorised by its own rules, at that moment.
	Visitor(r *http.Request) (who Person, ok bool)
}

// Identities finds out who somebody is.
type Identities interface {
	// SignInURL is where people say who they are. They come back with state; verifier proves later that it was us who asked.
	SignInURL(state, verifier string) string
	// WhoIs is the account of who came back with a code.
	WhoIs(ctx context.Context, code, verifier string) (id int64, login string, err error)
}

// Authority says who may see a repository now, whatever a run remembers of it.
type Authority interface {
	// Public reports whether everybody may.
	Public(ctx context.Context, repositoryID int64) (bool, error)
	// Permission is admin, write, read or none.
	Permission(ctx context.Context, repositoryID int64, who Person) (string, error)
}

// Memory keeps values under keys. What it has taken survives a power cut.
type Memory interface {
	// Setting returns pipeline.ErrNotFound where there is none.
	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error
}
