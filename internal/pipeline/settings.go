package pipeline

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// environmentExpression stands in the settings of a terraform stage for the name of the environment it is for, so that one
// stage keeps the state of each environment in a place of its own.
var environmentExpression = regexp.MustCompile(`\$\{\{\s*environment\s*\}\}`)

// setEnvironment fills in the environment's name, and notes which others have their state where this one has it.
func setEnvironment(spec *StageSpec, d Definition) {
	if spec.Uses != usesTerraform || spec.Environment == "" {
		return
	}
	spec.With = inEnvironment(spec.With, spec.Environment)
	place := statePlace(spec.With)
	for _, environment := range d.Environments {
		if environment.Name != spec.Environment && slices.Contains(statePlaces(d, environment.Name), place) {
			spec.Alike = append(spec.Alike, environment.Name)
		}
	}
}

// inEnvironment is settings with the environment's name, which is letters, digits and a few signs, in them.
func inEnvironment(with json.RawMessage, environment string) json.RawMessage {
	if !environmentExpression.Match(with) {
		return with
	}
	return environmentExpression.ReplaceAllLiteral(with, []byte(environment))
}

// statePlaces are those of an environment's terraform stages.
func statePlaces(d Definition, environment string) []string {
	var places []string
	for _, def := range d.Stages {
		if def.Uses != usesTerraform || def.Environment != "" && def.Environment != "*" && def.Environment != environment {
			continue
		}
		for _, with := range append([]json.RawMessage{def.With}, def.LegWith...) {
			places = append(places, statePlace(inEnvironment(with, environment)))
		}
	}
	return places
}

// statePlace is what the settings say of where the state is.
func statePlace(with json.RawMessage) string {
	var place struct {
		Dir           string            `json:"dir"`
		Workspace     string            `json:"workspace"`
		BackendConfig map[string]string `json:"backend-config"`
	}
	if len(with) > 0 && json.Unmarshal(with, &place) != nil {
		return string(with) // equal to nothing but itself
	}
	if place.Workspace = strings.TrimSpace(place.Workspace); place.Workspace == "default" {
		place.Workspace = ""
	}
	return hashOf(place.Dir, place.Workspace, place.BackendConfig)
}
