package environment

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Prospect says what the gate would say of a commit if it were asked to enter now: nothing of it is prepared yet, and
// nobody has approved. Nothing is changed.
func (k *Keeper) Prospect(ctx context.Context, t pipeline.Trigger, rules pipeline.EnvironmentDefinition) (Decision, error) {
	if t.Deploy == nil {
		return Decision{}, fmt.Errorf("nobody asked for an environment with %s", t.SHA)
	}
	entry := pipeline.Entry{Environment: rules.Name, Action: t.Deploy.Action, Askers: []string{t.Actor}}
	c, err := k.gather(ctx, pipeline.Run{Trigger: t, Entries: []pipeline.Entry{entry}}, entry, rules)
	if err != nil {
		return Decision{}, err
	}
	return Decide(rules, c.candidate, c.facts), nil
}

// Why says what the gate says now of a run that waits. Nothing is changed.
func (k *Keeper) Why(ctx context.Context, run pipeline.Run, environment string) (Decision, error) {
	run, err := k.whole(ctx, run)
	if err != nil {
		return Decision{}, err
	}
	entry := run.Entry(environment)
	if entry == nil {
		return Decision{}, fmt.Errorf("run %d does not want to enter %s", run.ID, environment)
	}
	rules, err := k.rulesOf(ctx, run.Trigger.Repository, environment)
	if err != nil {
		return Decision{}, fmt.Errorf("rules of %s: %w", environment, err)
	}
	c, err := k.gather(ctx, run, *entry, rules)
	if err != nil {
		return Decision{}, err
	}
	return Decide(rules, c.candidate, c.facts), nil
}
