package chatops

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/markdown"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func whyCommand() Command {
	return Command{
		Name: "why", Args: "[environment]", Does: "Says what keeps the pull request's commit out of an environment.", Who: Read, Closed: true,
		More:     "It is exactly what the gate says at this moment; nothing is changed by asking.",
		Examples: []Example{{"/why production", "Lists what is missing, and who can give it."}},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			command, _ := find("why")
			word, no := oneWord(strings.Fields(args), command.Usage())
			if no != nil {
				return no, nil
			}
			return d.gatherWhy(ctx, f, word)
		},
		decide: func(f facts, _ string) (order, *Refusal) { return order{Said: whyText(f)}, nil },
		do:     func(_ context.Context, _ *Desk, _ facts, o order) (string, error) { return o.Said, nil },
	}
}

// gatherWhy asks the gate of what waits; where nothing does, of what a /deploy would ask.
func (d *Desk) gatherWhy(ctx context.Context, f *facts, word string) (*Refusal, error) {
	found, err := d.waitingFor(ctx, *f)
	if err != nil {
		return nil, err
	}
	for _, w := range found {
		if word != "" && !strings.EqualFold(w.entry.Environment, word) {
			continue
		}
		f.waiting = []waiting{w}
		f.env.prospect, err = d.gate.Why(ctx, w.run, w.entry.Environment)
		f.env.rules.Name = w.entry.Environment
		return nil, err
	}
	if no, err := d.gatherPlace(ctx, f, word); no != nil || err != nil {
		return no, err
	}
	t, no := f.target()
	if no != nil {
		return no, nil
	}
	t.Deploy = &pipeline.Deploy{Environment: f.env.rules.Name, Action: pipeline.ActionDeploy, Pinned: f.pull.Open}
	f.env.prospect, err = d.gate.Prospect(ctx, t, f.env.rules)
	f.env.trigger = t
	return nil, err
}

func whyText(f facts) string {
	name, decision := code(f.env.rules.Name), f.env.prospect
	what := code("/deploy " + f.env.rules.Name)
	if len(f.waiting) > 0 {
		what = fmt.Sprintf("run #%d", f.waiting[0].run.Number)
	}
	var b strings.Builder
	switch decision.Answer {
	case environment.Open:
		fmt.Fprintf(&b, "Nothing keeps %s out of %s.", what, name)
	case environment.Closed:
		fmt.Fprintf(&b, "%s will not enter %s as it is:", capital(what), name)
	default:
		fmt.Fprintf(&b, "%s enters %s once this is there:", capital(what), name)
	}
	if len(decision.Missing) == 0 {
		return b.String()
	}
	b.WriteString("\n\n| Rule | What is missing | Who can give it | How |\n| --- | --- | --- | --- |\n")
	for _, m := range decision.Missing {
		how := code(m.Command)
		if how == "" && !m.Until.IsZero() {
			how = "at " + m.Until.UTC().Format("2006-01-02 15:04 UTC") + ", by itself"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", code(m.Rule), markdown.Spans(m.Why), markdown.Spans(m.Who), how)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
