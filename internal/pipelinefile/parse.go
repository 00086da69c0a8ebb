package pipelinefile

import (
	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Path is where a repository keeps its pipeline file.
const Path = ".github/slipway.yml"

// OrganisationPath is where the repository .github of an owner keeps common stages and minimum rules.
const OrganisationPath = "slipway.yml"

// Parse makes the definition a pipeline file describes, with every default applied. name is what problems call the
// file. The error is a *pipeline.InvalidDefinitionError with every problem at once, in the order of the file.
func Parse(name string, data []byte) (pipeline.Definition, error) {
	return parse(name, data, false)
}

// ParseOrganisation reads the slipway.yml of an owner's .github repository. It may have no stages, and an environment
// holds only the rules it states: what it is silent about is set to the value that restricts nothing, so that Merge
// takes the repository's.
func ParseOrganisation(name string, data []byte) (pipeline.Definition, error) {
	return parse(name, data, true)
}

func parse(name string, data []byte, organisation bool) (pipeline.Definition, error) {
	d := &decoder{collector: &collector{file: name}, places: make(map[path]pair)}
	root, ok := readDocument(d.collector, data)
	if !ok {
		return pipeline.Definition{}, d.err()
	}
	if root.Kind != yaml.MappingNode {
		d.atf(root, "a pipeline file is a mapping with the keys name, on, stages, environments and notify, not %s", describe(root))
		return pipeline.Definition{}, d.err()
	}
	var f file
	d.structure(root, reflectValue(&f), "")
	definition := pipeline.Definition{
		Name: f.Name, Source: name,
		On:           d.triggers(f.On),
		Environments: d.environments(f.Environments, organisation),
		Notify:       notifyDefinition(f.Notify),
		Checkout:     pipeline.CheckoutDefinition{Submodules: f.Checkout.Submodules, LFS: f.Checkout.LFS},
	}
	switch {
	case len(f.Stages) > maxStages:
		d.keyProblemf("stages", "has %d stages; at most %d fit in one pipeline", len(f.Stages), maxStages)
	case len(f.Stages) > 0:
		definition.Stages = d.stages(f)
		for i := range definition.Environments {
			d.mayDestroy(&definition.Environments[i], definition.Stages)
		}
	case !organisation:
		d.noStages(root)
	}
	if err := d.err(); err != nil {
		return pipeline.Definition{}, err
	}
	return definition, nil
}

func (d *decoder) noStages(root *yaml.Node) {
	if !d.has("stages") {
		d.atf(root, "the file has no stages: write at least one under stages, or delete the file to have the stages inferred")
		return
	}
	if value := d.places["stages"].value; value.Kind == yaml.MappingNode && len(value.Content) == 0 {
		d.keyProblemf("stages", "has no stages: write at least one, or delete the file to have the stages inferred")
	}
}

// triggers: without `on` everything starts a run; where it stands, only what it names.
func (d *decoder) triggers(t triggers) pipeline.On {
	if !d.has("on") {
		return everyEvent()
	}
	var on pipeline.On
	if t.Push != nil {
		d.onlyExclusions(t.Push.Branches, d.branchesOf("on.push"))
		on.Push = newBranchFilter(t.Push.Branches)
	}
	if t.PullRequest != nil {
		d.onlyExclusions(t.PullRequest.Branches, d.branchesOf("on.pull_request"))
		on.PullRequest = newBranchFilter(t.PullRequest.Branches)
	}
	return on
}

// branchesOf is where the patterns of an event stand: under branches, or right under the event.
func (d *decoder) branchesOf(event path) path {
	if below := event.key("branches"); d.has(below) {
		return below
	}
	return event
}

func everyEvent() pipeline.On {
	return pipeline.On{Push: newBranchFilter(nil), PullRequest: newBranchFilter(nil)}
}

func notifyDefinition(n notify) pipeline.Notify {
	var definition pipeline.Notify
	if n.Slack != nil {
		definition.Slack = &pipeline.SlackNotify{Secret: n.Slack.Secret, On: n.Slack.On}
	}
	if n.Email != nil {
		definition.Email = &pipeline.EmailNotify{To: n.Email.To, On: n.Email.On}
	}
	return definition
}
