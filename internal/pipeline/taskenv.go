package pipeline

import (
	"maps"
	"strconv"
	"strings"
	"time"
)

// Bounds every task carries.
const (
	taskGrace = 10 * time.Second
	// changingGrace is for tools that change an environment: they are asked once, and end what they have begun.
	changingGrace   = 10 * time.Minute
	taskMaxLogBytes = 64 << 20
)

// newTask makes the task of a running attempt.
func newTask(run Run, s StageRun, source Source) Task {
	t := run.Trigger
	scope := t.Repository.FullName()
	if source.Git != nil {
		git := *source.Git
		git.Submodules, git.LFS = s.Spec.Checkout.Submodules, s.Spec.Checkout.LFS
		source.Git = &git
	}
	task := Task{
		ID:    taskID(s),
		Stage: s.Spec, Trigger: t, RunNumber: run.Number, Attempt: s.Attempt, Phase: s.Phase, Source: source,
		Environment: run.Environment(s.Spec.Environment), Images: publishedImages(run, s),
		Env: taskEnv(run, s), CacheScope: scope, CacheWritable: t.Trusted(),
		Grace: taskGrace, MaxLogBytes: taskMaxLogBytes,
	}
	if s.Spec.Environment != "" {
		task.Action, task.Restores = ActionDeploy, run.Restores
		if t.Deploy != nil {
			task.Action = t.Deploy.Action
		}
	}
	if s.Spec.Enters {
		task.Grace = changingGrace
	}
	switch s.Phase {
	case PhaseApply:
		task.Parts = s.Result.Parts
	case PhaseRestore:
		task.Because = because(s)
	case PhaseNone, PhasePrepare:
	}
	return task
}

// publishedImages are those of the stages that a stage comes after, so that it does not depend on which was faster, or of
// the release that is brought back.
func publishedImages(run Run, s StageRun) map[string]string {
	var parts []Part
	if run.Restores != nil {
		parts = run.Restores.Parts
	}
	latest := run.latest()
	before := latest.before(&s)
	for _, n := range run.Current() {
		if before[n.Spec.Key] && n.Spec.Key != s.Spec.Key && n.Status.Passed() {
			parts = mergeParts(parts, n.Result.Parts)
		}
	}
	return Candidate{Parts: parts}.Images()
}

func taskID(s StageRun) string {
	id := "r" + strconv.FormatInt(s.RunID, 10) + "-s" + strconv.FormatInt(s.ID, 10) + "-a" + strconv.Itoa(s.Attempt)
	if s.Phase == PhasePrepare {
		return id + "-p"
	}
	return id
}

// taskEnv is what every command sees; secrets are not among it. docs/pipeline-file.md lists it.
func taskEnv(run Run, s StageRun) map[string]string {
	t := run.Trigger
	env := map[string]string{
		"CI":                   "true",
		"SLIPWAY_REPOSITORY":   t.Repository.FullName(),
		"SLIPWAY_SHA":          t.SHA,
		"SLIPWAY_REF":          t.Ref,
		"SLIPWAY_BRANCH":       t.Branch,
		"SLIPWAY_BASE":         t.Base,
		"SLIPWAY_EVENT":        string(t.Event),
		"SLIPWAY_RUN":          strconv.FormatInt(run.Number, 10),
		"SLIPWAY_STAGE":        s.Spec.ID,
		"SLIPWAY_ATTEMPT":      strconv.Itoa(s.Attempt),
		"SLIPWAY_ENVIRONMENT":  s.Spec.Environment,
		"SLIPWAY_ACTOR":        t.Actor,
		"SLIPWAY_PULL_REQUEST": "",
	}
	if t.PullRequest > 0 {
		env["SLIPWAY_PULL_REQUEST"] = strconv.Itoa(t.PullRequest)
	}
	for name, value := range env {
		if value == "" {
			delete(env, name)
		}
	}
	if run.Restores != nil {
		maps.Copy(env, run.Restores.Outputs)
	}
	maps.Copy(env, neededOutputs(run, s.Spec))
	if image := theImage(run, s); image != "" {
		env["SLIPWAY_IMAGE"] = image
	}
	maps.Copy(env, s.Spec.Env)
	for _, v := range s.Spec.Matrix {
		env["MATRIX_"+envName(v.Name)] = v.Value
	}
	return env
}

// neededOutputs are the outputs of the stages this one needs, directly or through others: a stage that did not wait for
// another must not depend on which was faster.
func neededOutputs(run Run, spec StageSpec) map[string]string {
	outputs := make(map[string]string)
	seen := make(map[string]bool)
	var visit func(StageSpec)
	visit = func(spec StageSpec) {
		for _, need := range spec.Needs {
			if seen[need.Stage] {
				continue
			}
			seen[need.Stage] = true
			s := run.current(need.Stage)
			for name, value := range s.Result.Outputs {
				outputs[outputVariable(s.Spec.ID, name)] = value
			}
			visit(s.Spec)
		}
	}
	visit(spec)
	return outputs
}

// OutputsOutside are the outputs of the stages that do not change an environment, as the variables that stages see.
func (r *Run) OutputsOutside(environment string) map[string]string {
	outputs := make(map[string]string)
	for _, s := range r.Current() {
		if s.Spec.Enters && s.Spec.Environment == environment {
			continue
		}
		for name, value := range s.Result.Outputs {
			outputs[outputVariable(s.Spec.ID, name)] = value
		}
	}
	return outputs
}

// outputVariable is the variable by which later stages know an output.
func outputVariable(id, name string) string {
	return "SLIPWAY_OUTPUT_" + envName(id) + "_" + envName(name)
}

// envName makes an environment variable's name part of an id: upper case, everything but letters and digits becomes _.
func envName(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, id)
}

// theImage is the published image that a stage comes after, where there is exactly one.
func theImage(run Run, s StageRun) string {
	images := publishedImages(run, s)
	if len(images) != 1 {
		return ""
	}
	for _, image := range images {
		return image
	}
	return ""
}
