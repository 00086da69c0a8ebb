package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Options are the parts of a Keeper; all are needed.
type Options struct {
	Store      Store
	Rules      Rules
	People     People
	Forge      Forge
	Artifacts  Artifacts
	Superseder Superseder
	Observers  []pipeline.Observer
	Clock      pipeline.Clock
	Logger     zerolog.Logger
}

// Keeper carries out what Decide says: it lets runs enter one at a time, holds them, closes them, and records what they
// became. It is safe for concurrent use, and every step can be repeated.
type Keeper struct {
	store      Store
	rules      Rules
	people     People
	forge      Forge
	artifacts  Artifacts
	superseder Superseder
	observers  []pipeline.Observer
	clock      pipeline.Clock
	log        zerolog.Logger
	turns      turns
}

// NewKeeper makes a Keeper.
func NewKeeper(o Options) *Keeper {
	return &Keeper{
		store: o.Store, rules: o.Rules, people: o.People, forge: o.Forge, artifacts: o.Artifacts, superseder: o.Superseder,
		observers: o.Observers, clock: o.Clock, log: o.Logger, turns: turns{busy: make(map[string]chan struct{})},
	}
}

// Work decides on a run's entry into an environment, or records how it ended. An error means that it is to be called again.
func (k *Keeper) Work(ctx context.Context, runID int64, environment string) error {
	run, err := k.store.Run(ctx, runID)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // swept meanwhile
	}
	if err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	done, err := k.turns.take(ctx, run.Trigger.Repository.ID, environment)
	if err != nil {
		return err
	}
	defer done()
	if run, err = k.store.Run(ctx, runID); err != nil { // what was decided while it waited for its turn
		return fmt.Errorf("run %d: %w", runID, err)
	}
	entry := run.Entry(environment)
	switch {
	case entry == nil:
		return nil
	case entry.State.Final():
		return k.free(ctx, run, environment)
	case entry.State == pipeline.EntryLeaving:
		return k.leave(ctx, run, *entry)
	case entry.State == pipeline.EntryDeciding, entry.State == pipeline.EntryWaiting:
		if entry.NotBefore.After(k.clock.Now()) {
			return nil // a job of that time is there
		}
		return k.decide(ctx, run, *entry)
	default:
		return nil
	}
}

func (k *Keeper) decide(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	rules, err := k.rulesOf(ctx, run.Trigger.Repository, entry.Environment)
	if errors.Is(err, ErrNoEnvironment) {
		return k.close(ctx, run, entry, pipeline.EntryVoid, "Void: "+err.Error())
	}
	if _, invalid := errors.AsType[*pipeline.InvalidDefinitionError](err); invalid {
		return k.holdForFile(ctx, run, entry)
	}
	if err != nil {
		return fmt.Errorf("rules of %s: %w", entry.Environment, err)
	}
	c, err := k.gather(ctx, run, entry, rules)
	if errors.Is(err, pipeline.ErrNotFound) {
		return k.close(ctx, run, entry, pipeline.EntryVoid, "Void: what was asked for is gone from GitHub")
	}
	if err != nil {
		return err
	}
	d := Decide(rules, c.candidate, c.facts)
	switch d.Answer {
	case Open:
		return k.enter(ctx, c)
	case Closed:
		return k.refuse(ctx, c, d)
	default:
		return k.hold(ctx, c, d)
	}
}

// refuse ends an entry that will not enter as it is.
func (k *Keeper) refuse(ctx context.Context, c case_, d Decision) error {
	state, reason := pipeline.EntryCancelled, "Refused: "+d.Title(c.rules)
	switch {
	case d.Lacks(RuleMoved):
		state, reason = pipeline.EntryVoid, "Void: "+strings.Join(c.facts.Moved, "; ")
	case d.Lacks(RuleRejected):
		state, reason = pipeline.EntryRejected, d.Title(c.rules)
	}
	if err := k.record(ctx, c.run, c.entry, pipeline.AuditRecord{Action: "enter", Why: reason, Fingerprint: c.candidate.Fingerprint()}); err != nil {
		return err
	}
	return k.close(ctx, c.run, c.entry, state, reason)
}

func (k *Keeper) close(ctx context.Context, run pipeline.Run, entry pipeline.Entry, state pipeline.EntryState, reason string) error {
	k.logger(run, entry).Info().Str("reason", reason).Msg("an entry is closed")
	return k.change(ctx, run.ID, func(r *pipeline.Run) []pipeline.Job {
		return r.CloseEntry(entry.Environment, state, reason, k.clock.Now())
	})
}

// hold keeps it waiting, and gives up its place where more than its turn is missing.
func (k *Keeper) hold(ctx context.Context, c case_, d Decision) error {
	repo, name := c.run.Trigger.Repository.ID, c.rules.Name
	turn := d.Lacks(RuleTurn)
	if turn != inQueue(c.facts.State, c.run.ID) {
		if _, err := k.store.ChangeEnvironment(ctx, repo, name, func(s *pipeline.EnvironmentState) error {
			leaveQueue(s, c.run.ID)
			if turn {
				s.Queue = append(s.Queue, k.place(c.run))
			}
			return nil
		}); err != nil {
			return fmt.Errorf("queue of %s: %w", name, err)
		}
	}
	hold := pipeline.Hold{
		Title: d.Title(c.rules), Missing: d.Missing, Until: d.Until, Ahead: d.Ahead, Person: d.Lacks(RuleApprovals),
		Approved: d.Approved, Required: d.Required,
	}
	if sameHold(c.entry, c.candidate, hold) {
		return nil
	}
	if err := k.change(ctx, c.run.ID, func(r *pipeline.Run) []pipeline.Job {
		return r.HoldEntry(c.entry.Environment, c.candidate, hold, k.clock.Now())
	}); err != nil {
		return err
	}
	if !turn {
		return k.recheckNext(ctx, c.run, name) // whoever waited behind it may be the next
	}
	return nil
}

// brokenFile is how soon the rules are read again that could not be.
const brokenFile = 5 * 60 * 1e9

func (k *Keeper) holdForFile(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	until := k.clock.Now().Add(brokenFile)
	hold := pipeline.Hold{Title: "The pipeline file of the default branch has problems", Until: until, Missing: []pipeline.Missing{{
		Rule: "pipeline-file", Who: "whoever may push to the default branch", Until: until,
		Why: "The rules of " + entry.Environment + " stand in the pipeline file of the default branch, which has problems. Nothing enters before they are mended.",
	}}}
	candidate := pipeline.Candidate{Environment: entry.Environment, Action: entry.Action, Commit: run.Trigger.SHA}
	if entry.Candidate != nil {
		candidate = *entry.Candidate
	}
	return k.change(ctx, run.ID, func(r *pipeline.Run) []pipeline.Job {
		return r.HoldEntry(entry.Environment, candidate, hold, k.clock.Now())
	})
}

// errBusy says that another run came first.
var errBusy = errors.New("another run is in the environment")

// enter takes the environment for the run and lets its stages change it.
func (k *Keeper) enter(ctx context.Context, c case_) error {
	repo, name := c.run.Trigger.Repository.ID, c.rules.Name
	_, err := k.store.ChangeEnvironment(ctx, repo, name, func(s *pipeline.EnvironmentState) error {
		if s.Holder != nil && s.Holder.RunID != c.run.ID {
			return errBusy
		}
		place := k.place(c.run)
		if s.Holder == nil {
			s.Holder = &place
		}
		leaveQueue(s, c.run.ID)
		switch {
		case c.candidate.Action == pipeline.ActionRollback:
			s.Hold = &pipeline.Lock{By: c.entry.Askers[len(c.entry.Askers)-1], At: place.Since, Reason: c.rollbackReason()}
		case c.candidate.Action == pipeline.ActionDeploy && !c.entry.Automatic:
			s.Hold = nil
		}
		return nil
	})
	if errors.Is(err, errBusy) {
		return k.decide(ctx, c.run, c.entry) // somebody entered since the state was read: it waits for its turn
	}
	if err != nil {
		return fmt.Errorf("enter %s: %w", name, err)
	}
	why := "nothing is missing"
	if n := len(c.facts.Votes); n > 0 {
		why = "approved by " + strings.Join(approvers(c.rules, c.candidate, c.facts), ", ")
	}
	if err := k.record(ctx, c.run, c.entry, pipeline.AuditRecord{
		Action: "enter", Allowed: true, Why: why, Fingerprint: c.candidate.Fingerprint(),
	}); err != nil {
		return err
	}
	k.logger(c.run, c.entry).Info().Str("why", why).Msg("a run enters an environment")
	return k.change(ctx, c.run.ID, func(r *pipeline.Run) []pipeline.Job {
		e := r.Entry(c.entry.Environment)
		if e.State != pipeline.EntryDeciding && e.State != pipeline.EntryWaiting {
			return []pipeline.Job{r.AskGate(c.entry.Environment)} // cancelled meanwhile: the environment is freed
		}
		return r.EnterEntry(c.entry.Environment, c.candidate, k.clock.Now())
	})
}

func (c case_) rollbackReason() string {
	if c.run.Restores == nil {
		return ""
	}
	return fmt.Sprintf("rolled back to release %d by run #%d", c.run.Restores.Number, c.run.Number)
}

func (k *Keeper) place(run pipeline.Run) pipeline.Place {
	return pipeline.Place{RunID: run.ID, RunNumber: run.Number, Since: k.clock.Now()}
}

func (k *Keeper) change(ctx context.Context, runID int64, fn func(*pipeline.Run) []pipeline.Job) error {
	run, err := k.store.Change(ctx, runID, func(r *pipeline.Run) ([]pipeline.Job, error) { return fn(r), nil })
	if err != nil {
		return fmt.Errorf("change run %d: %w", runID, err)
	}
	k.tell(run)
	return nil
}

// record adds what every record of a run's entry says.
func (k *Keeper) record(ctx context.Context, run pipeline.Run, entry pipeline.Entry, r pipeline.AuditRecord) error {
	t := run.Trigger
	r.At, r.Repository, r.RepositoryID, r.Environment = k.clock.Now(), t.Repository.FullName(), t.Repository.ID, entry.Environment
	r.RunID, r.RunNumber, r.PullRequest, r.Commit = run.ID, run.Number, t.PullRequest, t.SHA
	if r.Actor == "" {
		r.Actor = "slipway"
	}
	if r.Cause == "" {
		// A step that is repeated after a crash is recorded once; a stage that is tried again is another step.
		r.Cause = fmt.Sprintf("gate/%d/%d", run.ID, len(run.Stages))
	}
	if err := k.store.Record(ctx, r); err != nil {
		return fmt.Errorf("record a decision on run %d: %w", run.ID, err)
	}
	return nil
}

func (k *Keeper) logger(run pipeline.Run, entry pipeline.Entry) *zerolog.Logger {
	l := k.log.With().Str("repository", run.Trigger.Repository.FullName()).Int64("run", run.Number).
		Str("environment", entry.Environment).Str("action", string(entry.Action)).Str("sha", run.Trigger.SHA).Logger()
	return &l
}

// turns lets one decision at a time be made on an environment.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

func (t *turns) take(ctx context.Context, repositoryID int64, environment string) (done func(), err error) {
	key := fmt.Sprintf("%d/%s", repositoryID, strings.ToLower(environment))
	for {
		t.mu.Lock()
		wait, taken := t.busy[key]
		if !taken {
			mine := make(chan struct{})
			t.busy[key] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, key)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
