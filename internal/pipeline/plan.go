package pipeline

import (
	"fmt"
	"strings"
)

// PlanFacts is what a plan depends on besides trigger and definition.
type PlanFacts struct {
	// ChangedPaths are the files the trigger changed; asked for only where NeedsChangedPaths says so.
	ChangedPaths []string
	// Built reports whether this program can carry out a stage kind.
	Built func(uses string) bool
}

// Wanted reports whether the definition asks for a run on this trigger.
func Wanted(t Trigger, d Definition) bool {
	switch t.Event {
	case EventPush:
		return d.On.Push != nil && d.On.Push.Match(t.Branch)
	case EventPullRequest, EventMergeGroup:
		return d.On.PullRequest != nil && d.On.PullRequest.Match(t.Base)
	case EventDeploy, EventSchedule:
		return true
	default:
		return false
	}
}

// NeedsChangedPaths reports whether planning this definition needs PlanFacts.ChangedPaths.
func NeedsChangedPaths(d Definition) bool {
	for _, s := range d.Stages {
		if len(s.Paths) > 0 || s.If != nil && strings.Contains(s.If.String(), "paths") {
			return true
		}
	}
	return false
}

// NewPlan makes the plan of a trigger: which stages, under which names, and what is skipped or held from the outset.
// It does no I/O. An error is a condition that could not be evaluated.
func NewPlan(t Trigger, d Definition, facts PlanFacts) (Plan, error) {
	plan := Plan{Name: d.Name, Source: d.Source, Notify: d.Notify}
	keys := make(map[string][]string, len(d.Stages)) // stage id -> keys of its legs
	for _, def := range d.Stages {
		environment, refusal := stageEnvironment(t, d, def)
		legs := def.Matrix
		if legs == nil {
			legs = []MatrixLeg{nil}
		}
		for _, leg := range legs {
			spec := newSpec(def, leg, environment)
			spec.Checkout = d.Checkout
			var err error
			if spec.Skip, err = skipReason(t, def, environment, refusal, facts); err != nil {
				return Plan{}, fmt.Errorf("stage %s: if: %w", def.ID, err)
			}
			if t.Fork && spec.Skip == "" {
				spec.Hold = holdFork(t.SHA)
			}
			keys[def.ID] = append(keys[def.ID], spec.Key)
			plan.Stages = append(plan.Stages, spec)
		}
	}
	resolveNeeds(plan.Stages, d.Stages, keys)
	return plan, nil
}

func newSpec(def StageDefinition, leg MatrixLeg, environment string) StageSpec {
	return StageSpec{
		Key: stageKey(def.ID, leg, environment), ID: def.ID, Uses: def.Uses, With: def.With, Run: def.Run,
		Matrix: leg, Environment: environment, Image: def.Image, Env: def.Env, Secrets: def.Secrets, Cache: def.Cache,
		Artifacts: def.Artifacts, Reports: def.Reports, Timeout: def.Timeout, Retry: def.Retry,
		ContinueOnFailure: def.ContinueOnFailure,
	}
}

// stageKey is the check's name: `id`, `id (value, …)` for a matrix leg, `id (environment)`.
func stageKey(id string, leg MatrixLeg, environment string) string {
	parts := make([]string, 0, len(leg)+1)
	for _, v := range leg {
		parts = append(parts, v.Value)
	}
	if environment != "" {
		parts = append(parts, environment)
	}
	if len(parts) == 0 {
		return id
	}
	return id + " (" + strings.Join(parts, ", ") + ")"
}

// followsEnvironment are the kinds that belong to whichever environment the run is for, without saying so.
func followsEnvironment(uses string) bool {
	return uses == "terraform" || uses == "kubernetes" || uses == "smoke"
}

// stageEnvironment resolves `environment` for a trigger. refusal says why the stage has none to act on; both empty: it
// is no environment stage.
func stageEnvironment(t Trigger, d Definition, def StageDefinition) (name, refusal string) {
	wanted := def.Environment
	if wanted == "" && followsEnvironment(def.Uses) {
		wanted = "*"
	}
	if wanted == "" {
		return "", ""
	}
	branch := t.Branch
	if t.Base != "" {
		branch = t.Base
	}
	if wanted == "*" {
		return followedEnvironment(d.Environments, branch)
	}
	for _, env := range d.Environments {
		switch {
		case env.Name != wanted:
		case env.MatchBranch(branch):
			return wanted, ""
		default:
			return wanted, fmt.Sprintf("branch %s does not belong to the environment %s", branch, wanted)
		}
	}
	return wanted, fmt.Sprintf("the pipeline file declares no environment %s", wanted)
}

// followedEnvironment is the environment a branch belongs to: one that names branches before one that admits all.
func followedEnvironment(environments []EnvironmentDefinition, branch string) (name, refusal string) {
	if len(environments) == 0 {
		return "", "the pipeline file declares no environment"
	}
	for _, env := range environments {
		switch {
		case !env.MatchBranch(branch):
		case len(env.Branches) > 0:
			return env.Name, ""
		case name == "":
			name = env.Name
		}
	}
	if name == "" {
		return "", fmt.Sprintf("no environment holds the branch %s", branch)
	}
	return name, ""
}

func skipReason(t Trigger, def StageDefinition, environment, refusal string, facts PlanFacts) (string, error) {
	if t.Skip != "" {
		return t.Skip, nil
	}
	if def.If != nil {
		holds, err := def.If.Holds(ConditionFacts{
			Event: t.Event, Branch: t.Branch, Base: t.Base, Actor: t.Actor, Labels: t.Labels,
			Paths: facts.ChangedPaths, Fork: t.Fork, Environment: environment,
		})
		if err != nil {
			return "", err
		}
		if !holds {
			return "its condition is false: " + def.If.String(), nil
		}
	}
	switch {
	case len(def.Paths) > 0 && !def.MatchPaths(facts.ChangedPaths):
		return "nothing under its paths has changed: " + strings.Join(def.Paths, ", "), nil
	case refusal != "":
		return refusal, nil
	case !facts.Built(def.Uses):
		return fmt.Sprintf("this version of Slipway has no stage kind %q", def.Uses), nil
	case environment != "":
		// Every entry into an environment is decided by package environment; without that decision nothing enters.
		return "this version of Slipway does not deploy to environments", nil
	}
	return "", nil
}

func resolveNeeds(specs []StageSpec, defs []StageDefinition, keys map[string][]string) {
	needs := make(map[string][]Need, len(defs))
	for _, def := range defs {
		for _, need := range def.Needs {
			for _, key := range keys[need.Stage] {
				needs[def.ID] = append(needs[def.ID], Need{Stage: key, Optional: need.Optional})
			}
		}
	}
	for i := range specs {
		specs[i].Needs = needs[specs[i].ID]
	}
}
