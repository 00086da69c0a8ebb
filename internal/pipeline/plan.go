package pipeline

import (
	"fmt"
	"slices"
	"strings"
)

// PlanFacts is what a plan depends on besides trigger and definition.
type PlanFacts struct {
	// ChangedPaths are the files the trigger changed; asked for only where NeedsChangedPaths says so.
	ChangedPaths []string
	// Built reports whether this program can carry out a stage kind.
	Built func(uses string) bool
	// Unavailable says why a stage kind cannot be carried out in these surroundings; empty: it can. nil: all can.
	Unavailable func(uses string) string
	// Restores is the release that a rollback brings back.
	Restores *Release
	// Closed, where set, is why no environment can be entered from here at all: what would enter only prepares.
	Closed string
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
// It does no I/O. An error is a condition that could not be evaluated, or environments that wait for each other.
func NewPlan(t Trigger, d Definition, facts PlanFacts) (Plan, error) {
	plan := Plan{Name: d.Name, Source: d.Source, Notify: d.Notify, Restores: facts.Restores}
	keys := make(map[string][]string, len(d.Stages)) // stage id -> keys of its legs
	stages := make([]plannedStage, 0, len(d.Stages))
	for _, def := range d.Stages {
		if t.Schedule != nil && !compares(def, t.Schedule.Environment) {
			continue // not skipped: checks of these names on the commit have a verdict
		}
		specs, err := specsOf(t, d, def, facts)
		if err != nil {
			return Plan{}, err
		}
		stages = append(stages, plannedStage{def: def, specs: specs})
	}
	if t.Deploy != nil {
		leaveOut(t, stages)
	}
	for _, p := range stages {
		if p.left != "" {
			continue
		}
		for _, spec := range p.specs {
			keys[p.def.ID] = append(keys[p.def.ID], spec.Key)
		}
		plan.Stages = append(plan.Stages, p.specs...)
	}
	if t.Schedule == nil { // what looks needs nothing
		resolveNeeds(plan.Stages, d.Stages, keys)
	}
	setEntries(&plan, t, d)
	if err := refuseCircle(t, plan); err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// specsOf plans a stage, or each leg of its matrix.
func specsOf(t Trigger, d Definition, def StageDefinition, facts PlanFacts) ([]StageSpec, error) {
	environment, refusal := stageEnvironment(t, d, def)
	legs := def.Matrix
	if legs == nil {
		legs = []MatrixLeg{nil}
	}
	specs := make([]StageSpec, 0, len(legs))
	for i, leg := range legs {
		spec := newSpec(def, leg, environment)
		if i < len(def.LegWith) {
			spec.With = def.LegWith[i]
		}
		setEnvironment(&spec, d)
		spec.Checkout = d.Checkout
		setSteps(&spec, t, facts)
		setSecrets(&spec, d)
		var err error
		if spec.Skip, err = skipReason(t, d, def, environment, refusal, facts); err != nil {
			return nil, fmt.Errorf("stage %s: if: %w", def.ID, err)
		}
		switch {
		case t.Schedule != nil && spec.Skip != "":
			continue
		case t.Schedule != nil:
			spec.Key += driftCheck
		case t.Fork && spec.Skip == "":
			spec.Hold = holdFork(t.SHA)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// driftCheck ends the names of checks that tell how far an environment has drifted: the check without it, of the stage
// itself, keeps its verdict on the commit.
const driftCheck = " drift"

// compares reports whether a stage compares an environment's infrastructure with its configuration.
func compares(def StageDefinition, environment string) bool {
	return def.Uses == "terraform" && (def.Environment == "" || def.Environment == "*" || def.Environment == environment)
}

// setEntries adds a way into each environment that a stage of the plan is to change.
func setEntries(plan *Plan, t Trigger, d Definition) {
	for _, env := range d.Environments {
		named, entered := false, false
		for _, s := range plan.Stages {
			named = named || s.Environment == env.Name
			entered = entered || s.Environment == env.Name && s.Enters && s.Skip == ""
		}
		if named {
			plan.Environments = append(plan.Environments, env)
		}
		if !entered {
			continue
		}
		entry := Entry{Environment: env.Name, Action: ActionDeploy, State: EntryPreparing, Askers: []string{t.Actor}}
		// A push that somebody had run again is asked for by them.
		entry.Automatic = t.Deploy == nil && !t.Fresh
		if t.Deploy != nil {
			entry.Action = t.Deploy.Action
		}
		plan.Entries = append(plan.Entries, entry)
	}
}

// setSecrets adds the secrets that a kind or its environment's cluster implies.
func setSecrets(spec *StageSpec, d Definition) {
	spec.OptionalSecrets = impliedSecrets[spec.Uses]
	for _, env := range d.Environments {
		if env.Name == spec.Environment && env.ImageKey != "" && spec.Enters {
			spec.OptionalSecrets = union(spec.OptionalSecrets, append([]string{env.ImageKey}, signatureSecrets...))
		}
	}
	if spec.Uses != "kubernetes" && spec.Uses != "smoke" {
		return
	}
	for _, env := range d.Environments {
		if env.Name == spec.Environment && env.Cluster != nil && env.Cluster.Kubeconfig != "" && !slices.Contains(spec.Secrets, env.Cluster.Kubeconfig) {
			spec.Secrets = append(slices.Clone(spec.Secrets), env.Cluster.Kubeconfig)
		}
	}
}

// union is the first list with what it lacks of the second.
func union(first, second []string) []string {
	all := slices.Clone(first)
	for _, one := range second {
		if !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
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
	if t.Deploy != nil {
		return deployedEnvironment(t.Deploy.Environment, wanted)
	}
	if t.Schedule != nil {
		return deployedEnvironment(t.Schedule.Environment, wanted)
	}
	if wanted == "*" {
		return followedEnvironment(d.Environments, t.Enters())
	}
	for _, env := range d.Environments {
		switch {
		case env.Name != wanted:
		case env.MatchBranch(t.Enters()):
			return wanted, ""
		default:
			return wanted, fmt.Sprintf("branch %s does not belong to the environment %s", t.Enters(), wanted)
		}
	}
	return wanted, fmt.Sprintf("the pipeline file declares no environment %s", wanted)
}

// deployedEnvironment is the one that a person named; whether the commit may enter it is the gate's to decide.
func deployedEnvironment(asked, wanted string) (name, refusal string) {
	if wanted == "*" || wanted == asked {
		return asked, ""
	}
	return wanted, fmt.Sprintf("this run is for the environment %s", asked)
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

func skipReason(t Trigger, d Definition, def StageDefinition, environment, refusal string, facts PlanFacts) (string, error) {
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
	// What a person asks to deploy is the whole, whatever the last commit changed: the environment may hold anything older.
	case len(def.Paths) > 0 && t.Deploy == nil && t.Schedule == nil && !def.MatchPaths(facts.ChangedPaths):
		return "nothing under its paths has changed: " + strings.Join(def.Paths, ", "), nil
	case refusal != "":
		return refusal, nil
	case !facts.Built(def.Uses):
		return fmt.Sprintf("this version of Slipway has no stage kind %q", def.Uses), nil
	case facts.Unavailable != nil && facts.Unavailable(def.Uses) != "":
		return facts.Unavailable(def.Uses), nil
	}
	return environmentSkip(t, d, def, environment, facts), nil
}

// environmentSkip is why a stage leaves its environment alone, or is left out of what a person asked for; empty: it is not.
func environmentSkip(t Trigger, d Definition, def StageDefinition, environment string, facts PlanFacts) string {
	_, prepares := twoSteps[def.Uses]
	switch {
	case environment == "":
		return actionSkip(t, def)
	case t.Fork:
		return "a fork's commit does not reach the environment " + environment
	case facts.Closed != "" && !prepares:
		return facts.Closed
	case t.Event == EventPush && !autoDeploys(d, environment):
		return fmt.Sprintf("%s does not deploy by itself: comment %s", environment, "/deploy "+environment)
	case t.Event == EventPush, t.Event == EventDeploy && t.Deploy.Action != ActionPlan:
		return actionSkip(t, def)
	case !prepares:
		return fmt.Sprintf("nothing is changed in %s here: it runs when the commit enters", environment)
	default:
		return ""
	}
}

func autoDeploys(d Definition, environment string) bool {
	for _, env := range d.Environments {
		if env.Name == environment {
			return env.AutoDeploy
		}
	}
	return false
}

// actionSkip is why what a person asked for leaves a stage out.
func actionSkip(t Trigger, def StageDefinition) string {
	if t.Deploy == nil || def.Uses == UsesSummary {
		return ""
	}
	inside := def.Environment != "" || followsEnvironment(def.Uses)
	switch t.Deploy.Action {
	case ActionRollback:
		if !inside {
			return fmt.Sprintf("a rollback builds nothing: release %d is deployed again", t.Deploy.Release)
		}
		if def.Uses == "terraform" && !t.Deploy.Infra {
			return "a rollback leaves the infrastructure as it is, unless it is asked for with --infra"
		}
	case ActionDestroy:
		if def.Uses != "terraform" {
			return "the infrastructure is taken down: only its stages run"
		}
	case ActionDeploy, ActionPlan:
	}
	return ""
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
