package chatops

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// audit records what was decided about a command, allowed or not.
func (d *Desk) audit(ctx context.Context, f facts, name string, o order, no *Refusal) error {
	r := pipeline.AuditRecord{
		At: d.clock.Now(), Repository: f.repository.FullName(), RepositoryID: f.repository.ID, Environment: o.Environment, Actor: f.asker.name,
		Action: name, Allowed: no == nil, Via: f.word.Via, PullRequest: f.number, Commit: f.pull.Head, Cause: f.word.Cause,
		Fingerprint: o.Candidate,
	}
	if r.Environment == "" {
		r.Environment = f.env.rules.Name
	}
	if o.Trigger != nil {
		r.Commit = o.Trigger.SHA
		r.Release = o.Trigger.Deploy.Release
	}
	if len(f.waiting) > 0 {
		r.RunID, r.RunNumber, r.Commit = f.waiting[0].run.ID, f.waiting[0].run.Number, f.waiting[0].run.Trigger.SHA
		r.Environment = f.waiting[0].entry.Environment
	}
	r.Why = "may " + name
	if no != nil {
		r.Why = no.Why
	}
	if err := d.ledger.Record(ctx, r); err != nil {
		return fmt.Errorf("record the decision on %s: %w", f.word.Cause, err)
	}
	return nil
}
