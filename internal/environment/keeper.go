package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

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
		observers: o.Observers, clock: o.Clock, log: o.Logger, turns: turns{busy: make(map[string]chan struct{}), patience: 2 * time.Second},
	}
}

// Work decides on a run's entry into an environment, or records how it ended. An error means that it is to be called again;
// *BusyError that this is nobody's fault and need not be counted.
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
	if err := k.catchUp(ctx, run, environment); err != nil {
		return err
	}
	// What is decided on is read now: much may have happened while it waited for its turn.
	if run, err = k.store.Run(ctx, runID); err != nil {
		return fmt.Errorf("run %d: %w", runID, err)
	}
	return k.work(ctx, run, environment)
}

func (k *Keeper) work(ctx context.Context, run pipeline.Run, environment string) error {
	entry := run.Entry(environment)
	switch {
	case entry == nil:
		return nil
	case entry.State.Final():
		return k.free(ctx, run, *entry)
	case entry.State == pipeline.EntryLeaving:
		return k.leave(ctx, run, *entry)
	case entry.State == pipeline.EntryPreparing:
		return k.giveUpPlace(ctx, run, *entry)
	case entry.State != pipeline.EntryDeciding && entry.State != pipeline.EntryWaiting:
		return nil
	case entry.NotBefore.After(k.clock.Now()):
		// There is a job of that time, unless clocks differ: then it was this one.
		return k.change(ctx, run.ID, func(r *pipeline.Run) []pipeline.Job { return []pipeline.Job{r.AskGateAt(environment, k.clock.Now())} })
	default:
		return k.decide(ctx, run, *entry)
	}
}

// catchUp lets a run that has been in an environment be superseded before it goes on to another: a newer push spared it only
// as long as it changed the first.
func (k *Keeper) catchUp(ctx context.Context, run pipeline.Run, environment string) error {
	entry, been := run.Entry(environment), false
	if entry == nil || !entry.Automatic || entry.State.Final() || !entry.EnteredAt.IsZero() {
		return nil
	}
	for _, e := range run.Entries {
		if e.Environment == environment || e.EnteredAt.IsZero() {
			continue
		}
		if e.State == pipeline.EntryLeaving {
			// What it changed there is not recorded yet, and whether it is superseded depends on that.
			return &BusyError{Environment: e.Environment, After: time.Second}
		}
		been = been || e.State.Final()
	}
	if !been {
		return nil
	}
	return k.resupersede(ctx, run.ID)
}

func (k *Keeper) resupersede(ctx context.Context, runID int64) error {
	if err := k.superseder.Resupersede(ctx, runID); err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return fmt.Errorf("supersede run %d: %w", runID, err)
	}
	return nil
}

func (k *Keeper) decide(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	rules, err := k.rulesOf(ctx, run.Trigger.Repository, entry.Environment)
	if errors.Is(err, ErrNoEnvironment) {
		return k.refuse(ctx, run, entry, "", pipeline.EntryVoid, "Void: "+err.Error())
	}
	if _, invalid := errors.AsType[*pipeline.InvalidDefinitionError](err); invalid {
		return k.holdForFile(ctx, run, entry)
	}
	if err != nil {
		return fmt.Errorf("rules of %s: %w", entry.Environment, err)
	}
	c, err := k.gather(ctx, run, entry, rules)
	if errors.Is(err, pipeline.ErrNotFound) {
		return k.refuse(ctx, run, entry, "", pipeline.EntryVoid, "Void: what was asked for is gone from GitHub")
	}
	if err != nil {
		return err
	}
	if entry.Voided != "" && entry.Candidate == nil {
		if err := k.recordVoid(ctx, run, entry); err != nil {
			return err
		}
	}
	d := Decide(rules, c.candidate, c.facts)
	switch d.Answer {
	case Open:
		return k.enter(ctx, c)
	case Closed:
		state, reason := closing(c, d)
		return k.refuse(ctx, run, entry, c.candidate.Fingerprint(), state, reason)
	default:
		return k.hold(ctx, c, d)
	}
}

// recordVoid notes, once, that approvals were void because what they were for did not hold.
func (k *Keeper) recordVoid(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	return k.record(ctx, run, entry, pipeline.AuditRecord{Action: "void", Why: entry.Voided, Cause: causeOf(run, entry) + "/void"})
}

// closing is how an entry ends that will not enter as it is.
func closing(c case_, d Decision) (pipeline.EntryState, string) {
	switch {
	case d.Lacks(RuleMoved):
		return pipeline.EntryVoid, "Void: " + movedList(c.facts.Moved)
	case d.Lacks(RuleRejected):
		return pipeline.EntryRejected, d.Title(c.rules, c.candidate)
	default:
		return pipeline.EntryCancelled, "Refused: " + d.Title(c.rules, c.candidate)
	}
}

// refuse ends an entry with the reason why it does not enter.
func (k *Keeper) refuse(ctx context.Context, run pipeline.Run, entry pipeline.Entry, fingerprint string, state pipeline.EntryState, reason string) error {
	if err := k.record(ctx, run, entry, pipeline.AuditRecord{Action: "enter", Why: reason, Fingerprint: fingerprint}); err != nil {
		return err
	}
	k.logger(run, entry).Info().Str("reason", reason).Msg("an entry is closed")
	return k.change(ctx, run.ID, func(r *pipeline.Run) []pipeline.Job {
		return r.CloseEntry(entry.Environment, state, reason, k.clock.Now())
	})
}

func (k *Keeper) change(ctx context.Context, runID int64, fn func(*pipeline.Run) []pipeline.Job) error {
	run, err := k.store.Change(ctx, runID, func(r *pipeline.Run) ([]pipeline.Job, error) { return fn(r), nil })
	if err != nil {
		return fmt.Errorf("change run %d: %w", runID, err)
	}
	k.tell(run)
	return nil
}

func (k *Keeper) tell(run pipeline.Run) {
	for _, o := range k.observers {
		o.RunChanged(run)
	}
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
		// What was refused and is allowed afterwards, or for another candidate, are two decisions.
		r.Cause = fmt.Sprintf("%s/%s/%v", causeOf(run, entry), short(r.Fingerprint), r.Allowed)
	}
	if err := k.store.Record(ctx, r); err != nil {
		return fmt.Errorf("record a decision on run %d: %w", run.ID, err)
	}
	return nil
}

// causeOf names what the gate decides on, so that a step that is repeated after a crash is recorded once. A stage of the
// environment that is tried again is another step.
func causeOf(run pipeline.Run, entry pipeline.Entry) string {
	attempts := 0
	for _, s := range run.Stages {
		if s.Spec.Enters && s.Spec.Environment == entry.Environment {
			attempts++
		}
	}
	return fmt.Sprintf("gate/%d/%d/%d", run.ID, entry.Turn, attempts)
}

func (k *Keeper) logger(run pipeline.Run, entry pipeline.Entry) *zerolog.Logger {
	l := k.log.With().Str("repository", run.Trigger.Repository.FullName()).Int64("run", run.Number).
		Str("environment", entry.Environment).Str("action", string(entry.Action)).Str("sha", run.Trigger.SHA).Logger()
	return &l
}
