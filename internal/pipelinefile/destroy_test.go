package pipelinefile

import (
	"slices"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// What a stage may destroy, and whether the environment may be taken down, is read out of the file that the environment stands in.
func TestStagesThatMayDestroy(t *testing.T) {
	const both = "a: {uses: terraform, with: {allow-destroy: true}}, b: {uses: terraform, with: {dir: other}}"
	const all = "a: {uses: terraform, with: {allow-destroy: true}}, b: {uses: terraform, with: {dir: other, allow-destroy: true}}"
	const legs = "\n  a:\n    uses: terraform\n    matrix: {may: [true, false]}\n    with:\n      allow-destroy: ${{ matrix.may }}\n"
	for _, test := range []struct {
		name, stages, environment, org string
		stage                          []string
		environmentToo                 bool
	}{
		{"one of two", both, "", "", []string{"a"}, false},
		{"all of them", all, "", "", []string{"a", "b"}, true},
		{"the environment says no", all, "allow-destroy: false", "", nil, false},
		{"the environment says yes", both, "allow-destroy: true", "", []string{"a"}, true},
		{"the organisation says no", all, "", "allow-destroy: false", nil, false},
		{"the organisation says yes", both, "", "allow-destroy: true", []string{"a"}, false},
		{"of another environment", "a: {uses: terraform, environment: lab, with: {allow-destroy: true}}", "", "", nil, false},
		{"of this environment", "a: {uses: terraform, environment: production, with: {allow-destroy: true}}", "", "", []string{"a"}, true},
		{"some legs of a matrix", legs, "", "", nil, false},
		{"every leg of a matrix", `a: {uses: terraform, matrix: {part: [x, y]}, with: {dir: "${{ matrix.part }}", allow-destroy: true}}`, "", "", []string{"a"}, true},
		{"no infrastructure", "a: {run: [make]}", "", "", nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			stages := test.stages
			if stages != legs {
				stages = " {" + stages + "}\n"
			}
			repo := mustParse(t, Parse, "stages:"+stages+"environments: {production: {"+test.environment+"}, lab: {}}\n")
			org := mustParse(t, ParseOrganisation, "environments: {production: {"+test.org+"}}\n")
			got := Merge(org, repo).Environments[0]
			if !slices.Equal(got.DestroyingStages, test.stage) || got.AllowDestroy != test.environmentToo {
				t.Errorf("stages %v, environment %v", got.DestroyingStages, got.AllowDestroy)
			}
		})
	}
}

// A pull request cannot switch off the approval that a plan which destroys needs.
func TestAllowDestroyIsTheDefaultBranchs(t *testing.T) {
	file := func(allow string) string {
		return "stages: {infra: {uses: terraform, with: {allow-destroy: " + allow + "}}}\nenvironments: {production: {}}\n"
	}
	for proposed, onDefault := range map[string]string{"true": "false", "false": "true"} {
		files := &memory{heads: map[string]string{"acme/app": mainSHA}, files: map[string]string{
			"acme/app@" + headSHA + ":" + Path: file(proposed), "acme/app@" + mainSHA + ":" + Path: file(onDefault),
		}}
		d, err := NewLoader(files).Definition(t.Context(), trigger(nil))
		if err != nil {
			t.Fatal(err)
		}
		if may := slices.Contains(d.Environments[0].DestroyingStages, "infra"); may != (onDefault == "true") {
			t.Errorf("proposed %s, on the default branch %s: %v", proposed, onDefault, may)
		}
	}
}

func TestOrganisationsOwnStagesMayDestroy(t *testing.T) {
	org := mustParse(t, ParseOrganisation, "stages: {infra: {uses: terraform, with: {allow-destroy: true}}}\nenvironments: {production: {branches: main}, locked: {allow-destroy: false}}\n")
	merged := Merge(org, pipeline.Definition{})
	if got := merged.Environments; !slices.Equal(got[0].DestroyingStages, []string{"infra"}) || got[1].DestroyingStages != nil {
		t.Errorf("%+v", got)
	}
}
