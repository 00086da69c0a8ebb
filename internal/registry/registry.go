package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Credentials log in to a registry; the zero value is nobody.
type Credentials struct{ User, Password string }

// Options are what a repository is opened with.
type Options struct {
	Credentials Credentials
	// Insecure are hosts that are spoken to without TLS; everywhere else it is refused.
	Insecure []string
	// Backoff is how long is waited before a request that failed is tried again; zero: 1, 3 and 9 seconds.
	Backoff Backoff
	// Log is told of what is tried again; nil: nobody is.
	Log func(string)
}

// Backoff bounds the repetition of requests that a registry could not answer just now.
type Backoff struct {
	First time.Duration
	Tries int
}

const (
	defaultFirst = time.Second
	defaultTries = 4
	backoffGrows = 3
)

// Repository is one repository of one registry.
type Repository struct {
	repo      name.Repository
	written   string
	auth      authn.Authenticator
	transport http.RoundTripper
	backoff   Backoff
}

// Open makes a repository of its name, "docker.io/acme/app". Nothing is asked of the registry yet.
func Open(repository string, o Options) (*Repository, error) {
	host := Host(repository)
	var options []name.Option
	if contains(o.Insecure, host) {
		options = append(options, name.Insecure)
	}
	repo, err := name.NewRepository(repository, options...)
	if err != nil {
		return nil, &Problem{
			Title: "The image repository has no valid name",
			Cause: fmt.Sprintf("%s is no name of an image repository: %v.", repository, err), Err: err,
		}
	}
	r := &Repository{repo: repo, written: repository, auth: authn.Anonymous, transport: newTransport(o), backoff: o.Backoff}
	if o.Credentials != (Credentials{}) {
		r.auth = &authn.Basic{Username: o.Credentials.User, Password: o.Credentials.Password}
	}
	if r.backoff == (Backoff{}) {
		r.backoff = Backoff{First: defaultFirst, Tries: defaultTries}
	}
	return r, nil
}

// Host is the registry of a repository's name, as people write it: "docker.io" where the name has none.
func Host(repository string) string {
	first, _, found := strings.Cut(repository, "/")
	if !found || first != "localhost" && !strings.ContainsAny(first, ".:") {
		return "docker.io"
	}
	if first == "index.docker.io" || first == "registry-1.docker.io" {
		return "docker.io"
	}
	return first
}

func contains(hosts []string, host string) bool {
	for _, one := range hosts {
		if strings.EqualFold(one, host) {
			return true
		}
	}
	return false
}

// String is the name as it was written.
func (r *Repository) String() string { return r.written }

// Host is the name of its registry.
func (r *Repository) Host() string { return Host(r.written) }

// Reference is an image of the repository by its digest.
func (r *Repository) Reference(digest string) string { return r.written + "@" + digest }

func (r *Repository) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithAuth(r.auth), remote.WithTransport(r.transport), remote.WithUserAgent("slipway"),
		remote.WithRetryBackoff(remote.Backoff{Duration: r.backoff.First, Factor: backoffGrows, Jitter: 0.1, Steps: r.backoff.Tries}),
	}
}

// do explains what went wrong, and knows a cancel from it.
func (r *Repository) do(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return r.explain(doing, err)
}

var errMoved = errors.New("what the registry holds is not what was sent")
