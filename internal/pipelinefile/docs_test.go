package pipelinefile

import (
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var fenced = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// The reference must name every key, and its examples must be files one can use.
func TestReference(t *testing.T) {
	text := string(read(t, filepath.Join("..", "..", "docs", "pipeline-file.md")))
	schema := compiledSchema(t)
	examples := fenced.FindAllStringSubmatch(text, -1)
	if len(examples) == 0 {
		t.Fatal("no examples")
	}
	for _, example := range examples {
		if _, err := Parse("example", []byte(example[1])); err != nil {
			t.Errorf("%v\n%s", err, example[1])
		}
		if err := schema.Validate(asEditors(t, []byte(example[1]))); err != nil {
			t.Errorf("%#v\n%s", err, example[1])
		}
	}
	for _, structure := range settingsTypes() {
		for _, f := range fieldsOf(structure) {
			if !strings.Contains(text, "`"+f.name+"`") {
				t.Errorf("%s.%s is not described", structure.Name(), f.name)
			}
		}
	}
}

func settingsTypes() []reflect.Type {
	types := []reflect.Type{
		reflect.TypeFor[file](), reflect.TypeFor[checkout](), reflect.TypeFor[triggers](), reflect.TypeFor[eventFilter](), reflect.TypeFor[stage](),
		reflect.TypeFor[cache](), reflect.TypeFor[reports](), reflect.TypeFor[environment](), reflect.TypeFor[cluster](),
		reflect.TypeFor[eks](), reflect.TypeFor[aws](), reflect.TypeFor[approvals](), reflect.TypeFor[freeze](), reflect.TypeFor[drift](),
		reflect.TypeFor[notify](), reflect.TypeFor[slack](), reflect.TypeFor[email](), reflect.TypeFor[Tool](),
		reflect.TypeFor[ScanSettings](), reflect.TypeFor[SmokeCheck](),
	}
	for _, k := range kinds() {
		types = append(types, reflect.TypeOf(k.settings()).Elem())
	}
	return types
}
