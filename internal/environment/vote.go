package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Word is somebody's word, with how it came.
type Word struct {
	By string
	// Via is comment, button or page.
	Via string
	// Cause names the comment or click, so that it is recorded once.
	Cause string
}

// Ballot is a candidate that somebody may approve, or why they may not.
type Ballot struct {
	Environment string
	Fingerprint string
	// No is why this person's approval does not count; nil: it does.
	No *pipeline.Missing
	// MayReject: they are among those who are asked, whether or not their approval counts.
	MayReject bool
}

// Ballot finds out whether somebody's approval of what waits counts.
func (k *Keeper) Ballot(ctx context.Context, run pipeline.Run, environment, login string) (Ballot, error) {
	b := Ballot{Environment: environment}
	run, err := k.whole(ctx, run)
	if err != nil {
		return b, err
	}
	entry := run.Entry(environment)
	if entry == nil || entry.State != pipeline.EntryWaiting {
		b.No = &pipeline.Missing{Rule: RuleApprovals, Why: fmt.Sprintf("Run #%d does not wait before %s.", run.Number, environment)}
		return b, nil
	}
	rules, err := k.rulesOf(ctx, run.Trigger.Repository, environment)
	if err != nil {
		return b, fmt.Errorf("rules of %s: %w", environment, err)
	}
	voter, err := k.MayApprove(ctx, run.Trigger.Repository, rules, login)
	if err != nil {
		return b, err
	}
	c, err := k.gather(ctx, run, *entry, rules)
	if err != nil {
		return b, err
	}
	b.Fingerprint, b.MayReject = c.candidate.Fingerprint(), voter.Allowed
	b.No = refuseVote(rules, c.candidate, c.facts, voter)
	if d := Decide(rules, c.candidate, c.facts); b.No == nil && d.Answer == Closed {
		b.No = &d.Missing[0] // no approval would open it
	}
	return b, nil
}

// refuseVote says why an approval does not count; nil: it does.
func refuseVote(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts, voter Person) *pipeline.Missing {
	who := people(rules.Approvals.From)
	no := func(format string, args ...any) *pipeline.Missing {
		return &pipeline.Missing{Rule: RuleApprovals, Who: who, Why: fmt.Sprintf(format, args...)}
	}
	self, isSelf := f.Self[strings.ToLower(voter.Login)]
	switch {
	case len(f.Moved) > 0:
		return &pipeline.Missing{Rule: RuleMoved, Who: who, Why: "What waits is not what was asked for any more: " + movedList(f.Moved) + "."}
	case voter.Unknown:
		return no("GitHub did not tell whether %s may approve.", voter.Login)
	case !voter.Allowed:
		return no("%s may not approve what enters %s.", voter.Login, rules.Name)
	case required(rules, c) == 0:
		return no("%s asks for no approval.", rules.Name)
	case isSelf && rules.Approvals.PreventSelfApproval:
		return no("%s %s, and %s does not let people approve their own.", voter.Login, self, rules.Name)
	case isSelf && preventsSelf(rules, c):
		return no("%s %s, and nothing is taken down without the approval of somebody else.", voter.Login, self)
	case hasVoted(f, c, voter):
		return no("%s has approved exactly this already.", voter.Login)
	default:
		return nil
	}
}

// whole is a run with what its stages fixed: one out of a list lacks that.
func (k *Keeper) whole(ctx context.Context, run pipeline.Run) (pipeline.Run, error) {
	whole, err := k.store.Run(ctx, run.ID)
	if err != nil {
		return run, fmt.Errorf("run %d: %w", run.ID, err)
	}
	return whole, nil
}

func hasVoted(f Facts, c pipeline.Candidate, voter Person) bool {
	return slices.ContainsFunc(f.Votes, func(v Vote) bool {
		return strings.EqualFold(v.Login, voter.Login) && v.Fingerprint == c.Fingerprint()
	})
}

// ErrMoved says that what somebody gave their word on is not what waits any more.
var ErrMoved = errors.New("what waits is not what the word was given on any more")

// Approve takes somebody's word for exactly one candidate. The gate decides anew; whether the word counts is looked up
// again then. The same word again changes nothing. Where another candidate waits it is ErrMoved, and the gate looks at what
// waits, so that people are shown that.
func (k *Keeper) Approve(ctx context.Context, runID int64, environment, candidate string, word Word) error {
	var entry pipeline.Entry
	run, err := k.store.Change(ctx, runID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		e := r.Entry(environment)
		if e == nil {
			return nil, ErrMoved
		}
		given := slices.ContainsFunc(e.Approvals, func(a pipeline.Approval) bool {
			return strings.EqualFold(a.By, word.By) && a.Fingerprint == candidate
		})
		switch {
		case given:
			entry = *e
			return nil, nil
		case e.State != pipeline.EntryWaiting || e.Candidate == nil || e.Candidate.Fingerprint() != candidate:
			return nil, ErrMoved
		}
		e.Approvals = append(slices.Clone(e.Approvals), pipeline.Approval{By: word.By, At: k.clock.Now(), Fingerprint: candidate, Via: word.Via})
		entry = *e
		return []pipeline.Job{r.AskGate(environment)}, nil
	})
	if errors.Is(err, ErrMoved) {
		err = errors.Join(err, k.askGate(ctx, runID, environment))
	}
	if err != nil {
		return fmt.Errorf("approve run %d in %s: %w", runID, environment, err)
	}
	k.tell(run)
	return k.record(ctx, run, entry, pipeline.AuditRecord{
		Actor: word.By, Action: "approve", Allowed: true, Via: word.Via, Cause: word.Cause, Fingerprint: candidate,
		Why: "may approve what enters " + environment,
	})
}

// Reject ends what waits with somebody's no. The same word again changes nothing; where nothing waits any more it is ErrMoved.
func (k *Keeper) Reject(ctx context.Context, runID int64, environment, reason string, word Word) error {
	var entry pipeline.Entry
	run, err := k.store.Change(ctx, runID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		e := r.Entry(environment)
		if e == nil {
			return nil, ErrMoved
		}
		entry = *e
		if e.Rejection != nil && e.Rejection.By == word.By && e.Rejection.Reason == reason {
			return nil, nil
		}
		if e.State != pipeline.EntryWaiting {
			return nil, ErrMoved // it has ended, or entered, meanwhile
		}
		e.Rejection = &pipeline.Rejection{By: word.By, At: k.clock.Now(), Reason: reason}
		return r.CloseEntry(environment, pipeline.EntryRejected, "Rejected by "+word.By+because(reason), k.clock.Now()), nil
	})
	if err != nil {
		return fmt.Errorf("reject run %d in %s: %w", runID, environment, err)
	}
	k.tell(run)
	return k.record(ctx, run, entry, pipeline.AuditRecord{
		Actor: word.By, Action: "reject", Allowed: true, Via: word.Via, Cause: word.Cause, Fingerprint: fingerprint(entry),
		Why: strings.TrimPrefix(because(reason), ": "),
	})
}

// Refused notes a word that did not count where those who gave it look: at what they gave it for, and in the records.
func (k *Keeper) Refused(ctx context.Context, run pipeline.Run, environment, what, why string, word Word) error {
	var entry pipeline.Entry
	changed, err := k.store.Change(ctx, run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		e := r.Entry(environment)
		if e == nil || e.State.Final() {
			return nil, nil
		}
		entry = *e
		if slices.ContainsFunc(e.Refused, func(w pipeline.RefusedWord) bool { return w.By == word.By && w.What == what && w.Why == why }) {
			return nil, nil
		}
		e.Refuse(pipeline.RefusedWord{By: word.By, At: k.clock.Now(), What: what, Why: why})
		r.Touch(environment)
		return nil, nil
	})
	if err != nil {
		return fmt.Errorf("note a refused word on run %d: %w", run.ID, err)
	}
	k.tell(changed)
	entry.Environment = environment
	return k.record(ctx, changed, entry, pipeline.AuditRecord{
		Actor: word.By, Action: what, Why: why, Via: word.Via, Cause: word.Cause, Fingerprint: fingerprint(entry),
	})
}
