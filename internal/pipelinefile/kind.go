package pipelinefile

import (
	"encoding/json"
	"reflect"
	"slices"
)

// kind is what a file may say of one stage kind.
type kind struct {
	name string
	doc  string
	// settings returns a pointer to a new value of its settings type.
	settings func() any
	// check holds rules over several settings and completes what follows from others; nil: none.
	check func(d *decoder, settings any, at path)
	// follows: without `environment` the stage belongs to whichever environment the run is for.
	follows bool
}

func kinds() []kind {
	return []kind{
		{name: "python", doc: "Installs the requirements and runs the tests with coverage.", settings: func() any { return new(PythonSettings) }},
		{name: "python-security", doc: "flake8, bandit and an audit of the dependencies.", settings: func() any { return new(PythonSecuritySettings) }},
		{name: "image", doc: "Builds a container image, scans it and pushes it.", settings: func() any { return new(ImageSettings) }, check: checkImage},
		{name: "terraform", doc: "Plans and applies infrastructure.", settings: func() any { return new(TerraformSettings) }, check: checkTerraform, follows: true},
		{name: "kubernetes", doc: "Applies manifests and waits for the rollout.", settings: func() any { return new(KubernetesSettings) }, check: checkKubernetes, follows: true},
		{name: "smoke", doc: "Requests against the deployed service.", settings: func() any { return new(SmokeSettings) }, check: checkSmoke, follows: true},
		{name: "summary", doc: "The whole run in one table.", settings: func() any { return new(SummarySettings) }},
	}
}

func kindNamed(name string) (kind, bool) {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return all[i], true
}

// settings decodes `with` into canonical JSON: every default applied, keys in the order of the settings type.
func (d *decoder) settings(k kind, with rawNode, at path) (settings any, canonical json.RawMessage) {
	settings = k.settings()
	value := reflect.ValueOf(settings).Elem()
	if with.node != nil {
		d.value(with.node, value, field{}, at)
	} else {
		applyDefaults(value)
		d.requireAll(value.Type(), at)
	}
	if k.check != nil {
		k.check(d, settings, at)
	}
	canonical, err := json.Marshal(settings)
	if err != nil {
		d.keyProblemf(at, "cannot be written as JSON: %s", err)
	}
	return settings, canonical
}

// requireAll reports required settings of a stage without `with`.
func (d *decoder) requireAll(t reflect.Type, at path) {
	for _, f := range fieldsOf(t) {
		if f.is("required") {
			d.keyProblemf(at, "is missing: %s needs %s", t.Name(), f.name)
		}
	}
}

func reflectValue[T any](pointer *T) reflect.Value { return reflect.ValueOf(pointer).Elem() }

// fieldsNamed is the field of a struct with that key.
func fieldsNamed(of any, name string) field {
	for _, f := range fieldsOf(reflect.TypeOf(of)) {
		if f.name == name {
			return f
		}
	}
	return field{}
}
