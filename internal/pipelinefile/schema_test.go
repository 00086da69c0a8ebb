package pipelinefile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/golden"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(schemaID, document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(schemaID)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asEditors reads YAML as other tools do.
func asEditors(t *testing.T, data []byte) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(data, &value); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return document
}

func TestPublishedSchema(t *testing.T) {
	golden.Equal(t, "../../docs/slipway.schema.json", string(Schema()))
}

func TestSchemaAcceptsGoodFiles(t *testing.T) {
	schema := compiledSchema(t)
	for _, name := range files(t, "testdata/good/*.yml") {
		if err := schema.Validate(asEditors(t, read(t, name))); err != nil {
			t.Errorf("%s: %#v", name, err)
		}
	}
	for _, paths := range [][]string{{"Dockerfile"}, {"requirements.txt", "Dockerfile", "infra/a.tf", "k8s/a.yaml"}} {
		text, _ := InferFile(paths)
		if err := schema.Validate(asEditors(t, text)); err != nil {
			t.Errorf("inferred from %v: %#v", paths, err)
		}
	}
}

// Whatever the schema refuses Parse must refuse too; here both do.
func TestSchemaRejects(t *testing.T) {
	schema := compiledSchema(t)
	for _, text := range []string{
		"{}",
		"stages: []",
		"stages: {}",
		"stages: {a: {}}",
		"stages: {a: {run: [make], uses: python}}",
		"stages: {a: {run: [make], with: {}}}",
		"stages: {a: {run: []}}",
		"stages: {a: {run: make, whatever: 1}}",
		"stages: {'a b': {run: make}}",
		"stages: {a: {uses: cobol}}",
		"stages: {a: {uses: python, with: {coverage-min: 101}}}",
		"stages: {a: {uses: python, with: {coverage: 80}}}",
		"stages: {a: {uses: python, with: {codecov: 'yes'}}}",
		"stages: {a: {uses: python-security, with: {fail-on: sometimes}}}",
		"stages: {a: {uses: python-security, with: {flake8: maybe}}}",
		"stages: {a: {uses: image, with: {repository: 'App:latest'}}}",
		"stages: {a: {uses: kubernetes, with: {timeout: 5}}}",
		"stages: {a: {uses: summary, with: {x: 1}}}",
		"stages: {a: {uses: smoke, with: {service: web, checks: [{status: 200}]}}}",
		"stages: {a: {uses: smoke, with: {service: web, checks: [{get: /, post: /}]}}}",
		"stages: {a: {run: make, timeout-minutes: 0}}",
		"stages: {a: {run: make, needs: [{optional: true}]}}",
		"stages: {a: {run: make, matrix: {os: []}}}",
		"stages: {a: {run: make}}\non: tag",
		"stages: {a: {run: make}}\non: {push: {branches: []}}",
		"stages: {a: {run: make}}\nenvironments: {e: {cluster: {eks: {name: x}}}}",
		"stages: {a: {run: make}}\nenvironments: {e: {freeze: [{from: 0 0 * * *}]}}",
		"stages: {a: {run: make}}\nnotify: {slack: {on: [failure]}}",
	} {
		if schema.Validate(asEditors(t, []byte(text))) == nil {
			t.Errorf("the schema accepts %s", text)
		}
		if _, err := Parse("f", []byte(text)); err == nil {
			t.Errorf("Parse accepts %s", text)
		}
	}
}

// Every key must explain itself to those who meet it in an editor.
func TestEveryKeyIsDescribed(t *testing.T) {
	for _, structure := range append(settingsTypes(), reflect.TypeFor[need]()) {
		for _, f := range fieldsOf(structure) {
			if f.doc == "" {
				t.Errorf("%s.%s has no description", structure.Name(), f.name)
			}
			for _, format := range []string{f.format, f.keys} {
				if _, known := formats[format]; format != "" && format != "condition" && !known {
					t.Errorf("%s.%s has the unknown format %q", structure.Name(), f.name, format)
				}
			}
		}
	}
}
