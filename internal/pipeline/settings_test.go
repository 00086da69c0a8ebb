package pipeline

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheEnvironmentInSettings(t *testing.T) {
	cases := map[string]struct {
		with  string
		other string // the settings of a stage of staging's own
		want  string
		alike []string
	}{
		"a workspace":        {`{"dir":"infra","workspace":"shop-${{ environment }}"}`, "", `{"dir":"infra","workspace":"shop-production"}`, nil},
		"a key":              {`{"backend-config":{"key":"${{environment}}/x"}}`, "", `{"backend-config":{"key":"production/x"}}`, nil},
		"a variable only":    {`{"dir":"infra","vars":{"name":"${{ environment }}"}}`, "", `{"dir":"infra","vars":{"name":"production"}}`, []string{"staging"}},
		"nothing":            {`{"dir":"infra"}`, "", `{"dir":"infra"}`, []string{"staging"}},
		"another stage":      {`{"dir":"infra","workspace":"${{ environment }}"}`, `{"dir":"infra","workspace":"production","vars":{"a":1}}`, `{"dir":"infra","workspace":"production"}`, []string{"staging"}},
		"another stage's":    {`{"dir":"infra","workspace":"${{ environment }}"}`, `{"dir":"infra","workspace":"lab"}`, `{"dir":"infra","workspace":"production"}`, nil},
		"something unheeded": {`{"dir":"infra","workspace":"${{ other }}${{ environment }}"}`, "", `{"dir":"infra","workspace":"${{ other }}production"}`, nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := Definition{
				Environments: []EnvironmentDefinition{{Name: "staging"}, {Name: "production"}},
				Stages:       []StageDefinition{{ID: "tf", Uses: "terraform", With: json.RawMessage(tc.with)}},
			}
			if tc.other != "" {
				d.Stages = append(d.Stages, StageDefinition{ID: "own", Uses: "terraform", Environment: "staging", With: json.RawMessage(tc.other)})
			}
			spec := newSpec(d.Stages[0], nil, "production")
			setEnvironment(&spec, d)
			if diff := cmp.Diff(tc.want, string(spec.With)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.alike, spec.Alike); diff != "" {
				t.Error(diff)
			}
		})
	}
	commands := newSpec(StageDefinition{ID: "x", Uses: "run", With: json.RawMessage(`"${{ environment }}"`)}, nil, "production")
	setEnvironment(&commands, Definition{})
	if string(commands.With) != `"${{ environment }}"` {
		t.Errorf("settings of another kind: %s", commands.With)
	}
}
