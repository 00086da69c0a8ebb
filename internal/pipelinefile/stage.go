package pipelinefile

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Uses of stages that mean something here, and the environment that follows the run.
const (
	usesRun          = "run"
	usesImage        = "image"
	usesTerraform    = "terraform"
	everyEnvironment = "*"
)

// reservedStage is the check that shows the problems of the pipeline file.
const reservedStage = "slipway"

func (d *decoder) stages(f file) []pipeline.StageDefinition {
	d.distinctStages(f.Stages)
	d.countLegs(f.Stages)
	list := make([]pipeline.StageDefinition, 0, len(f.Stages))
	for _, s := range f.Stages {
		list = append(list, d.stage(s.Key, s.Value, f.Environments))
	}
	d.needs(list)
	d.imageUses(list)
	return list
}

// distinctStages reports ids that collide with each other's output variables or with Slipway's own check.
func (d *decoder) distinctStages(stages entries[stage]) {
	variables := make(map[string]string, len(stages))
	for _, s := range stages {
		at := path("stages").key(s.Key)
		if strings.EqualFold(s.Key, reservedStage) {
			d.keyProblemf(at, "cannot be used: slipway is the name of the check that shows problems of this file; choose another id")
		}
		v := variableName(s.Key)
		if other, taken := variables[v]; taken && other != s.Key {
			d.keyProblemf(at, "and %s would share the variables SLIPWAY_OUTPUT_%s_…: rename one of them", clip(other), clip(v))
		}
		variables[v] = s.Key
	}
}

func (d *decoder) countLegs(stages entries[stage]) {
	total := 0
	for _, s := range stages {
		total += s.Value.Matrix.size()
		if at := path("stages").key(s.Key).key("matrix"); total > maxLegs && d.has(at) {
			d.keyProblemf(at, "brings the file to more than %d matrix legs: shorten its lists", maxLegs)
			return
		}
	}
}

func (d *decoder) stage(id string, s stage, environments entries[environment]) pipeline.StageDefinition {
	at := path("stages").key(id)
	definition := pipeline.StageDefinition{
		ID: id, Uses: s.Uses, Run: s.Run, Needs: needDefinitions(s.Needs), Paths: s.Paths, Environment: s.Environment,
		Image: s.Image, Env: s.Env, Secrets: s.Secrets, Cache: cacheDefinitions(s.Cache), Artifacts: s.Artifacts,
		Reports:           pipeline.Reports{JUnit: s.Reports.JUnit, Cobertura: s.Reports.Cobertura, SARIF: s.Reports.SARIF},
		Timeout:           time.Duration(s.TimeoutMinutes * float64(time.Minute)).Round(time.Millisecond),
		Retry:             s.Retry,
		ContinueOnFailure: s.ContinueOnFailure,
		MatchPaths:        pathMatcher(s.Paths),
	}
	d.onlyExclusions(s.Paths, at.key("paths"))
	if s.Matrix.size() > 0 && s.Matrix.size() <= maxLegs {
		definition.Matrix = s.Matrix.legs()
		d.checkLegs(definition.Matrix, at.key("matrix"))
	}
	d.kindOf(&definition, s, at)
	if s.If != "" {
		definition.If = d.condition(strings.TrimRight(s.If, "\n "), at.key("if"))
	}
	d.declared(s.Environment, environments, at.key("environment"))
	for _, name := range s.Secrets {
		if _, both := s.Env[name]; both {
			d.problemf(at.key("env").key(name), "is also a secret of this stage: keep one of them")
		}
	}
	return definition
}

// kindOf settles what the stage does: exactly one of a kind with its settings, and commands.
func (d *decoder) kindOf(definition *pipeline.StageDefinition, s stage, at path) {
	uses, run := d.has(at.key("uses")), d.has(at.key("run"))
	switch {
	case d.places[at].value.Kind != yaml.MappingNode: // reported already
		return
	case !uses && !run:
		d.keyProblemf(at, "says neither what it uses nor what to run: write uses with a kind of stage, or run with shell commands")
	case uses && run:
		d.keyProblemf(at.key("run"), "and uses exclude each other: put the commands into a stage of their own")
	case run:
		definition.Uses = usesRun
		if d.has(at.key("with")) {
			d.keyProblemf(at.key("with"), "goes with uses; commands get their settings through env")
		}
		return
	}
	if k, known := kindNamed(s.Uses); known {
		with := at.key("with")
		if !d.has(with) {
			d.places[with] = d.places[at.key("uses")]
		}
		d.kindSettings(k, definition, s.With, with)
		if k.follows && s.Environment == "" {
			definition.Environment = everyEnvironment
		}
	}
	if uses && d.has(at.key("reports")) {
		d.keyProblemf(at.key("reports"), "goes with run; a stage with uses reads its own reports")
	}
}

func (d *decoder) declared(name string, environments entries[environment], at path) {
	if name == "" || name == everyEnvironment {
		return
	}
	known := make([]string, len(environments))
	for i, e := range environments {
		known[i] = e.Key
	}
	if slices.Contains(known, name) {
		return
	}
	if len(known) == 0 {
		d.problemf(at, "names %s, but the file has no environments: declare it under environments", show(name))
		return
	}
	d.problemf(at, "names %s, which is not under environments: %s", show(name), unknown(name, known))
}

func needDefinitions(needs []need) []pipeline.Need {
	var list []pipeline.Need
	for _, n := range needs {
		list = append(list, pipeline.Need{Stage: n.Stage, Optional: n.Optional})
	}
	return list
}

func cacheDefinitions(caches []cache) []pipeline.CacheDefinition {
	var list []pipeline.CacheDefinition
	for _, c := range caches {
		list = append(list, pipeline.CacheDefinition{Key: c.Key, Paths: c.Paths})
	}
	return list
}
