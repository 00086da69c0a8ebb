package chatops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/markdown"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// place is the environment that a command is about.
type place struct {
	rules pipeline.EnvironmentDefinition
	state pipeline.EnvironmentState
	// asker may or may not deploy to it.
	asker environment.Person
	// trigger is what the command would start, and prospect what the gate would say to it.
	trigger  pipeline.Trigger
	prospect environment.Decision
	// releases are its last ones, newest first; chosen is the one that a rollback brings back.
	releases []pipeline.Release
	chosen   pipeline.Release
	reason   string
}

// loadEnvironments reads the rules of the default branch.
func (d *Desk) loadEnvironments(ctx context.Context, f *facts) (*Refusal, error) {
	all, err := d.environments.Environments(ctx, f.repository)
	if invalid, ok := errors.AsType[*pipeline.InvalidDefinitionError](err); ok {
		return &Refusal{
			Why: fmt.Sprintf("The rules of environments stand in the pipeline file of the default branch, which has %d problems, the first: %s.",
				len(invalid.Problems), code(invalid.Problems[0].String())),
			Do: "Mend them on the default branch; `slipway validate` lists them all.",
		}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("environments of %s: %w", f.repository.FullName(), err)
	}
	f.environments = all
	return nil, nil //nolint:nilnil // nothing is refused, and nothing wrong
}

// choose finds the environment that a word names; without a word, the only one there is.
func choose(all []pipeline.EnvironmentDefinition, word string) (pipeline.EnvironmentDefinition, *Refusal) {
	switch {
	case len(all) == 0:
		return pipeline.EnvironmentDefinition{}, &Refusal{
			Why: "The pipeline file of the default branch declares no environment.", Do: "Declare one there, under `environments`.",
		}
	case word == "" && len(all) == 1:
		return all[0], nil
	case word == "":
		return pipeline.EnvironmentDefinition{}, &Refusal{
			Why: "There are several environments, and none is named.", Do: "Name one of them: " + environmentNames(all) + ".",
		}
	}
	for _, e := range all {
		if strings.EqualFold(e.Name, word) {
			return e, nil
		}
	}
	return pipeline.EnvironmentDefinition{}, &Refusal{
		Why: fmt.Sprintf("There is no environment %s.", code(word)), Do: "The default branch declares " + environmentNames(all) + ".",
	}
}

func environmentNames(all []pipeline.EnvironmentDefinition) string {
	names := make([]string, 0, len(all))
	for _, e := range all {
		names = append(names, code(e.Name))
	}
	return strings.Join(names, ", ")
}

// gatherPlace finds the environment that a command names, its state, and whether the asker may deploy to it.
func (d *Desk) gatherPlace(ctx context.Context, f *facts, word string) (*Refusal, error) {
	if no, err := d.loadEnvironments(ctx, f); no != nil || err != nil {
		return no, err
	}
	rules, no := choose(f.environments, word)
	if no != nil {
		return no, nil
	}
	f.env.rules = rules
	var err error
	if f.env.state, err = d.ledger.EnvironmentState(ctx, f.repository.ID, rules.Name); err != nil {
		return nil, fmt.Errorf("state of %s: %w", rules.Name, err)
	}
	f.env.asker, err = d.gate.MayDeploy(ctx, f.repository, rules, f.asker.name)
	return nil, err
}

// notDeployer refuses whoever may not deploy to the command's environment; nil: they may.
func (f facts) notDeployer() *Refusal {
	name, asker := f.env.rules.Name, f.env.asker
	switch {
	case asker.Unknown:
		return &Refusal{
			Why: fmt.Sprintf("GitHub did not tell whether %s may deploy to %s.", code(f.asker.name), code(name)), Do: "Say it again in a moment.",
		}
	case asker.Allowed:
		return nil
	}
	who := "Somebody with write permission can say it."
	if list := f.env.rules.Deployers; len(list) > 0 {
		who = "One of its `deployers` can say it: " + codes(list) + "."
	}
	return &Refusal{Why: fmt.Sprintf("%s may not deploy to %s.", code(f.asker.name), code(name)), Do: who}
}

// codes shows foreign words one after the other.
func codes(words []string) string {
	const most = 20
	shown := make([]string, 0, min(len(words), most))
	for _, w := range words[:min(len(words), most)] {
		shown = append(shown, code(w))
	}
	if more := len(words) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("%d more", more))
	}
	return strings.Join(shown, ", ")
}

// refused is what the gate would say no to at once: what does not go away by an approval or by waiting for one's turn.
func refused(d environment.Decision) *Refusal {
	hard := []string{environment.RuleLock, environment.RuleFreeze, environment.RuleUnknown}
	var lacking []pipeline.Missing
	for _, m := range d.Missing {
		if d.Answer == environment.Closed || slices.Contains(hard, m.Rule) {
			lacking = append(lacking, m)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	no := &Refusal{}
	for _, m := range lacking {
		no.Why = strings.TrimSpace(no.Why + " " + markdown.Spans(m.Why))
		no.Do = strings.TrimSpace(no.Do + " " + remedy(m))
	}
	return no
}

// remedy says who can give what is missing, and how.
func remedy(m pipeline.Missing) string {
	switch {
	case m.Command != "" && m.Who != "":
		return fmt.Sprintf("%s can say %s.", capital(markdown.Spans(m.Who)), code(m.Command))
	case m.Who != "":
		return fmt.Sprintf("It takes %s.", markdown.Spans(m.Who))
	case m.Rule == environment.RuleFreeze:
		return "Say it again then."
	case m.Rule == environment.RuleUnknown:
		return "Say it again in a moment."
	case m.Rule == environment.RuleMoved:
		return "Say it again for what is there now."
	default:
		return ""
	}
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}
