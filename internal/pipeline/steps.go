package pipeline

import (
	"maps"
	"slices"
)

// twoSteps are the kinds that prepare first; early ones do so beside the stages they need.
var twoSteps = map[string]struct{ early bool }{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"image":      {early: true},
	"terraform":  {},
	"kubernetes": {},
}

// impliedSecrets are those a kind uses where somebody has set them, without the file naming them.
var impliedSecrets = map[string][]string{ //nolint:gochecknoglobals // as above
	"image": {
		"DOCKER_USERNAME", "DOCKER_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"COSIGN_PRIVATE_KEY", "COSIGN_PASSWORD",
	},
	"terraform":  {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"},
	"kubernetes": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"},
	"smoke":      {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"},
}

// signatureSecrets are what the signatures of images are read with.
var signatureSecrets = []string{ //nolint:gochecknoglobals // as above
	"DOCKER_USERNAME", "DOCKER_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
}

// setSteps decides which steps of a stage a trigger's run carries out.
func setSteps(spec *StageSpec, t Trigger, facts PlanFacts) {
	kind, two := twoSteps[spec.Uses]
	changes := facts.Closed == "" && (t.Event == EventPush || t.Event == EventDeploy && t.Deploy.Action != ActionPlan)
	switch {
	case two && changes:
		spec.Steps, spec.Early = PrepareThenApply, kind.early
	case two:
		spec.Steps, spec.Early = PrepareOnly, kind.early
	}
	spec.Enters = spec.Environment != "" && changes
	spec.GoesBack = spec.Enters && two && goesBack(spec.With)
}

// toPrepare reports whether the attempt's next step is its preparation.
func (s *StageRun) toPrepare() bool {
	return s.Spec.Steps != OneStep && s.Phase == PhaseNone
}

// endsPrepared takes the result of a preparation that passed: the attempt waits for what it prepared for.
func (s *StageRun) endsPrepared(result Result) bool {
	return s.Spec.Steps == PrepareThenApply && s.Phase == PhasePrepare && result.Verdict.Status.Passed() && s.Cancel == ""
}

// cutOff: what was to be cancelled has passed its preparation all the same, and goes no further.
func (s *StageRun) cutOff(result Result) bool {
	return s.Spec.Steps == PrepareThenApply && s.Phase == PhasePrepare && result.Verdict.Status.Passed() && s.Cancel != ""
}

// after is the result of a stage of two steps: what was done first, then how it was prepared.
func (r Result) after(prepared Result) Result {
	r.Steps, r.PreparedSteps = slices.Concat(prepared.Steps[:prepared.PreparedSteps], r.Steps), prepared.PreparedSteps
	for _, s := range prepared.Sections {
		s.Folded = true
		r.Sections = append(r.Sections, s)
	}
	r.Findings = slices.Concat(prepared.Findings, r.Findings)
	if over := len(r.Findings) - MaxFindings; over > 0 {
		r.Findings = r.Findings[:MaxFindings]
		r.FindingsDropped += over
	}
	r.FindingsDropped += prepared.FindingsDropped
	r.Artifacts = slices.Concat(prepared.Artifacts, r.Artifacts)
	r.Private = slices.Concat(prepared.Private, r.Private)
	r.Parts = mergeParts(prepared.Parts, r.Parts)
	if len(prepared.Outputs) > 0 {
		outputs := make(map[string]string, len(prepared.Outputs)+len(r.Outputs))
		maps.Copy(outputs, prepared.Outputs)
		maps.Copy(outputs, r.Outputs)
		r.Outputs = outputs
	}
	r.LogLines = max(r.LogLines, prepared.LogLines)
	return r
}

// mergeParts lets a later part take the place of an earlier one of its kind and name.
func mergeParts(first, then []Part) []Part {
	var parts []Part
	for _, p := range first {
		if !slices.ContainsFunc(then, func(o Part) bool { return o.Kind == p.Kind && o.Name == p.Name }) {
			parts = append(parts, p)
		}
	}
	parts = append(parts, then...)
	sortParts(parts)
	return parts
}
