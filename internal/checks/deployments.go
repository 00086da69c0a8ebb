package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// DeploymentStore is what Deployments needs of the truth.
type DeploymentStore interface {
	Run(ctx context.Context, id int64) (pipeline.Run, error)
	EnvironmentState(ctx context.Context, repositoryID int64, name string) (pipeline.EnvironmentState, error)
	// DeploymentMirror is what GitHub is known to show of an entry at a turn; nothing but its names where it shows nothing.
	DeploymentMirror(ctx context.Context, runID int64, environment string, turn int) (pipeline.DeploymentMirror, error)
	SaveDeploymentMirror(ctx context.Context, m pipeline.DeploymentMirror) error
	// LastDeployment is the one that the next success replaces; nothing where there is none.
	LastDeployment(ctx context.Context, repositoryID int64, environment string) (pipeline.DeploymentMirror, error)
}

// DeploymentGitHub is what Deployments needs of GitHub; githubclient.Pool is one.
type DeploymentGitHub interface {
	CreateDeployment(ctx context.Context, repository pipeline.Repository, d githubclient.NewDeployment) (id int64, err error)
	// FindDeployment returns 0 where there is none.
	FindDeployment(ctx context.Context, repository pipeline.Repository, sha, environment string, ours func(payload json.RawMessage) bool) (id int64, err error)
	AddDeploymentStatus(ctx context.Context, repository pipeline.Repository, id int64, s githubclient.DeploymentStatus) error
	// DeploymentState is the newest; empty: there is none.
	DeploymentState(ctx context.Context, repository pipeline.Repository, id int64) (string, error)
	React(ctx context.Context, repository pipeline.Repository, comment int64, sign string) error
	Reply(ctx context.Context, repository pipeline.Repository, number int, body string) error
	Replied(ctx context.Context, repository pipeline.Repository, number int, since time.Time, mark string) (bool, error)
}

// DeploymentOptions of Deployments; all are needed.
type DeploymentOptions struct {
	GitHub DeploymentGitHub
	Store  DeploymentStore
	// PageURL is how people reach the dashboard.
	PageURL string
	Logger  zerolog.Logger
}

// Deployments mirrors entries into environments as deployments of GitHub, and tells whoever asked for one by comment how it
// ended. Every step can be repeated, and none is carried out twice.
type Deployments struct {
	github  DeploymentGitHub
	store   DeploymentStore
	pageURL string
	log     zerolog.Logger
	turns   keyed

	mu sync.Mutex
	// known are the deployments of which the mirror is surely what GitHub shows: this process wrote or asked it.
	known    map[deploymentKey]bool
	failures map[string]int
}

type deploymentKey struct {
	runID       int64
	environment string
	turn        int
}

func keyOf(m pipeline.DeploymentMirror) deploymentKey {
	return deploymentKey{m.RunID, strings.ToLower(m.Environment), m.Turn}
}

// NewDeployments makes Deployments.
func NewDeployments(o DeploymentOptions) *Deployments {
	return &Deployments{
		github: o.GitHub, store: o.Store, pageURL: strings.TrimRight(o.PageURL, "/"), log: o.Logger,
		known: map[deploymentKey]bool{}, failures: map[string]int{},
	}
}

// AgainError says that GitHub did not do its part, and after how long it is worth asking it again.
type AgainError struct {
	After time.Duration
	Err   error
}

func (e *AgainError) Error() string { return e.Err.Error() }
func (e *AgainError) Unwrap() error { return e.Err }

// Announce brings what GitHub shows of a run's entry to what the store says. It may be called at any time, again, after a
// crash and for several entries at once: those of one environment take turns, so that they are told in order. After an
// *AgainError it is to be called again then, however often; GitHub being away loses nothing.
func (d *Deployments) Announce(ctx context.Context, runID int64, environment string) error {
	run, err := d.store.Run(ctx, runID)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // swept meanwhile
	}
	if err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	key := fmt.Sprintf("%d/%s", run.Trigger.Repository.ID, strings.ToLower(environment))
	done, err := d.turns.take(ctx, key)
	if err != nil {
		return err
	}
	defer done()
	if run, err = d.store.Run(ctx, runID); err != nil { // what has happened while it waited for its turn
		return fmt.Errorf("run %d: %w", runID, err)
	}
	entry := run.Entry(environment)
	if entry == nil {
		return nil
	}
	mirror, err := d.store.DeploymentMirror(ctx, run.ID, entry.Environment, entry.Turn)
	if err != nil {
		return fmt.Errorf("deployment of run %d: %w", runID, err)
	}
	a := announcement{Deployments: d, run: run, entry: *entry, mirror: mirror}
	return d.paced(fmt.Sprintf("%s/%d", key, runID), errors.Join(a.show(ctx), a.answer(ctx)))
}

// paced says when to try again what failed.
func (d *Deployments) paced(key string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.failures, key)
		return nil
	}
	d.failures[key]++
	n := d.failures[key]
	again := &AgainError{After: backoff(n - 1), Err: err}
	if n == 1 || n%10 == 0 {
		d.log.Warn().Err(err).Int("tries", n).Dur("again", again.After).Str("entry", key).
			Msg("GitHub could not be told of a deployment; it is tried again")
	}
	return again
}

func (d *Deployments) isKnown(m pipeline.DeploymentMirror) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[keyOf(m)]
}

// note remembers whether the mirror is surely what GitHub shows. What will not change any more is forgotten.
func (d *Deployments) note(m pipeline.DeploymentMirror, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known && rank(m.State) < rank(stateFailure) || known && m.State == stateSuccess {
		d.known[keyOf(m)] = true
		return
	}
	delete(d.known, keyOf(m))
}

// refusedForGood reports whether GitHub will not take a deployment however often it is sent, and what to do.
func refusedForGood(err error) (reason string, ok bool) {
	if reason, ok := githubclient.Permanent(err); ok {
		return reason, true
	}
	for _, status := range []int{http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity} {
		if answeredWith(err, status) {
			return "GitHub does not accept it: " + firstLine(err), true
		}
	}
	if errors.Is(err, githubclient.ErrMergedInstead) {
		return "this GitHub ignores auto_merge: false; report it as a bug", true
	}
	return "", false
}

// keyed lets one caller at a time work on a key.
type keyed struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

func (k *keyed) take(ctx context.Context, key string) (done func(), err error) {
	for {
		k.mu.Lock()
		wait, taken := k.busy[key]
		if !taken {
			if k.busy == nil {
				k.busy = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			k.busy[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.busy, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
