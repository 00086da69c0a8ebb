package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Look is a standing wish of a pipeline file: to compare an environment's infrastructure with its configuration at the times
// of a schedule.
type Look struct {
	RepositoryID int64
	Environment  string
	pipeline.DriftSchedule
}

// Looks are where wishes are kept until their time.
type Looks interface {
	// KeepLook has Watch.Work called with a look at a time. The same one again, while it is kept, changes nothing.
	KeepLook(ctx context.Context, look Look, at time.Time) error
}

// Submitter makes the run of a trigger, or finds the one it already made.
type Submitter interface {
	Submit(ctx context.Context, t pipeline.Trigger) (pipeline.Run, error)
}

// WatchOptions are the parts of a Watch; all are needed.
type WatchOptions struct {
	Looks Looks
	// Installed lists the repositories that the App is installed on now.
	Installed func(ctx context.Context) ([]pipeline.Repository, error)
	Rules     Rules
	Forge     Forge
	Service   Submitter
	Clock     pipeline.Clock
	Logger    zerolog.Logger
}

// Watch has environments looked at for drift when their pipeline files say so. It keeps one look for each environment and
// schedule, which comes again and again until the file says otherwise.
type Watch struct {
	looks     Looks
	installed func(ctx context.Context) ([]pipeline.Repository, error)
	rules     Rules
	forge     Forge
	service   Submitter
	clock     pipeline.Clock
	log       zerolog.Logger
}

// NewWatch makes a Watch.
func NewWatch(o WatchOptions) *Watch {
	return &Watch{looks: o.Looks, installed: o.Installed, rules: o.Rules, forge: o.Forge, service: o.Service, clock: o.Clock, log: o.Logger}
}

// LaterError says when a look is to be worked again.
type LaterError struct {
	After time.Duration
	Err   error // nil: nothing is wrong
}

func (e *LaterError) Error() string {
	if e.Err == nil {
		return "the next look is in " + e.After.String()
	}
	return e.Err.Error()
}

func (e *LaterError) Unwrap() error { return e.Err }

const (
	// looksAgain is how soon GitHub is asked again what it did not tell.
	looksAgain = 5 * time.Minute
	// afterDue keeps a look from coming a moment before its time: clocks and jobs are not of one grain.
	afterDue = time.Second
)

// Lay keeps a look for every environment whose file asks for one. It is called when the file may have changed, and at the
// start. A file with problems asks for nothing; its check says so.
func (w *Watch) Lay(ctx context.Context, repo pipeline.Repository) error {
	environments, err := w.rules.Environments(ctx, repo)
	if _, invalid := errors.AsType[*pipeline.InvalidDefinitionError](err); invalid || errors.Is(err, pipeline.ErrNothingToRun) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("schedules of %s: %w", repo.FullName(), err)
	}
	for _, env := range environments {
		if env.Drift == nil {
			continue
		}
		look := Look{RepositoryID: repo.ID, Environment: env.Name, DriftSchedule: *env.Drift}
		next, err := look.next(w.clock.Now())
		if err != nil || next.IsZero() {
			continue // the file was checked: what never comes is not waited for
		}
		if err := w.looks.KeepLook(ctx, look, next.Add(afterDue)); err != nil {
			return fmt.Errorf("schedule of %s in %s: %w", env.Name, repo.FullName(), err)
		}
	}
	return nil
}

// Work looks at an environment whose time has come. Times that were missed are one look. nil: it is not to come again,
// because the file, or the installation, no longer asks for it. Every other end is a *LaterError.
func (w *Watch) Work(ctx context.Context, look Look) error {
	again, err := w.work(ctx, look)
	now := w.clock.Now()
	switch {
	case ctx.Err() != nil:
		return &LaterError{After: looksAgain, Err: context.Cause(ctx)}
	case err != nil:
		w.log.Warn().Err(err).Int64("repository_id", look.RepositoryID).Str("environment", look.Environment).
			Msg("an environment could not be looked at for drift; it is tried again")
		return &LaterError{After: looksAgain, Err: err}
	case !again:
		return nil
	}
	next, err := look.next(now)
	if err != nil || next.IsZero() {
		return err
	}
	return &LaterError{After: next.Add(afterDue).Sub(now)}
}

// work reports whether the look is still wanted.
func (w *Watch) work(ctx context.Context, look Look) (again bool, err error) {
	repo, listed, err := w.repository(ctx, look.RepositoryID)
	if err != nil || !listed {
		return false, err
	}
	environments, err := w.rules.Environments(ctx, repo)
	if _, invalid := errors.AsType[*pipeline.InvalidDefinitionError](err); invalid {
		return true, nil // nobody knows what it asks for: it may ask for the next look
	}
	if errors.Is(err, pipeline.ErrNothingToRun) {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("rules of %s: %w", look.Environment, err)
	}
	for _, env := range environments {
		if sameName(env.Name, look.Environment) && env.Drift != nil && *env.Drift == look.DriftSchedule {
			return true, w.submit(ctx, repo, env.Name, look)
		}
	}
	return false, w.Lay(ctx, repo) // another schedule may stand there now
}

func (w *Watch) repository(ctx context.Context, id int64) (r pipeline.Repository, listed bool, err error) {
	all, err := w.installed(ctx)
	if err != nil {
		return r, false, fmt.Errorf("repositories of the App: %w", err)
	}
	for _, r := range all {
		if r.ID == id {
			return r, true, nil
		}
	}
	return r, false, nil
}

// submit starts the run of the last time that was due. A second call for the same time finds it.
func (w *Watch) submit(ctx context.Context, repo pipeline.Repository, name string, look Look) error {
	now := w.clock.Now()
	due, err := look.last(now)
	if err != nil || due.IsZero() {
		return err
	}
	head, err := w.forge.BranchHead(ctx, repo, repo.DefaultBranch)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // an empty repository
	}
	if err != nil {
		return fmt.Errorf("head of %s: %w", repo.DefaultBranch, err)
	}
	_, err = w.service.Submit(ctx, pipeline.Trigger{
		Event: pipeline.EventSchedule, Repository: repo, SHA: head, Ref: "refs/heads/" + repo.DefaultBranch, Branch: repo.DefaultBranch,
		Actor: "slipway", Title: "Drift of " + name, Schedule: &pipeline.Schedule{Environment: name, Due: due}, At: due, ReceivedAt: now,
		Delivery: fmt.Sprintf("drift-%s-%d", name, due.Unix()),
	})
	if errors.Is(err, pipeline.ErrNotWanted) {
		w.log.Info().Str("repository", repo.FullName()).Str("environment", name).Msg("the pipeline file has no stage whose drift could be looked at")
		return nil
	}
	return err
}

func (l Look) parsed() (cron.Schedule, *time.Location, error) {
	zone, err := zoneOf(l.TimeZone)
	if err != nil {
		return nil, nil, err
	}
	s, err := schedule(l.Schedule)
	return s, zone, err
}

// next is when the schedule fires after a time; zero: never.
func (l Look) next(after time.Time) (time.Time, error) {
	s, zone, err := l.parsed()
	if err != nil {
		return time.Time{}, err
	}
	return nextFiring(s, zone, after), nil
}

// last is when the schedule fired last, now included.
func (l Look) last(now time.Time) (time.Time, error) {
	s, zone, err := l.parsed()
	if err != nil {
		return time.Time{}, err
	}
	return lastFiring(s, zone, now), nil
}
