package pipelinefile

import (
	"encoding/json"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// mayDestroy writes down at an environment which of its stages may destroy without one approval more, and whether all of it
// may be taken down: where each of its terraform stages says so. It stands with what guards the environment, since that is
// read from the default branch, and a commit must not lift the guard it has to pass. An environment that says
// `allow-destroy: false` outright has no such stage.
func (d *decoder) mayDestroy(e *pipeline.EnvironmentDefinition, stages []pipeline.StageDefinition) {
	said := d.has(path("environments").key(e.Name).key("allow-destroy"))
	if said && !e.AllowDestroy {
		return
	}
	all := 0
	for _, s := range stages {
		if s.Uses != usesTerraform || s.Environment != "" && s.Environment != everyEnvironment && s.Environment != e.Name {
			continue
		}
		if all++; allowsDestroy(s) {
			e.DestroyingStages = append(e.DestroyingStages, s.ID)
		}
	}
	if !said {
		e.AllowDestroy = e.AllowDestroy || all > 0 && len(e.DestroyingStages) == all
	}
}

// allowsDestroy reports whether a stage says so, in every leg of its matrix.
func allowsDestroy(s pipeline.StageDefinition) bool {
	legs := s.LegWith
	if len(legs) == 0 {
		legs = []json.RawMessage{s.With}
	}
	for _, with := range legs {
		var settings struct {
			AllowDestroy bool `json:"allow-destroy"`
		}
		if json.Unmarshal(with, &settings) != nil || !settings.AllowDestroy {
			return false
		}
	}
	return true
}
