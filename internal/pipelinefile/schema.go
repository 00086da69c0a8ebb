package pipelinefile

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// schemaID is where the published schema lives; editors fetch it there.
const schemaID = "https://raw.githubusercontent.com/slipwayhq/slipway/main/docs/slipway.schema.json"

// Schema is the JSON Schema (2020-12) of a pipeline file, made from the same tags that Parse goes by. What no schema can
// say (needs that exist, conditions that compile) only Parse checks.
func Schema() []byte {
	root := structSchema(reflect.TypeFor[file](), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = schemaID
	root["title"] = "Slipway pipeline file"
	root["description"] = "The file " + Path + " of a repository."
	root["required"] = []string{"stages"}
	root["$defs"] = map[string]any{"stage": stageSchema()}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil // maps of strings, numbers and lists always encode; the test holds the result
	}
	return b.Bytes()
}

// ownSchema is a type that says itself how it is written.
type ownSchema interface{ schema() map[string]any }

// shortSchema is a shorthand's shorter forms.
type shortSchema interface{ shortSchema() []map[string]any }

func structSchema(t reflect.Type, extraRule string) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(t) {
		property := typeSchema(f.typ, f)
		property["description"] = f.doc
		if f.fallback != "" {
			property["default"] = defaultValue(f)
		}
		properties[f.name] = property
		if f.is("required") {
			required = append(required, f.name)
		}
	}
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if extraRule == "null" {
		schema["type"] = []string{"object", "null"}
	}
	return schema
}

func typeSchema(t reflect.Type, f field) map[string]any {
	pointer := reflect.New(t).Interface()
	if own, ok := pointer.(ownSchema); ok {
		return own.schema()
	}
	if t == reflect.TypeFor[stage]() {
		return map[string]any{"$ref": "#/$defs/stage"}
	}
	if short, ok := pointer.(shortSchema); ok {
		return map[string]any{"anyOf": append(short.shortSchema(), structSchema(t, ""))}
	}
	if _, ok := pointer.(interface{ named() }); ok {
		item := typeSchema(t.Elem().Field(1).Type, field{rules: f.rules})
		return keyedSchema(item, f)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem(), f)
	case reflect.Struct:
		rule := ""
		if f.is("null") {
			rule = "null"
		}
		return structSchema(t, rule)
	case reflect.Slice:
		list := listSchema(typeSchema(t.Elem(), f), f.is("some"))
		if f.is("unique") {
			uniqueItems(list)
		}
		return list
	case reflect.Map:
		return keyedSchema(typeSchema(t.Elem(), f), f)
	case reflect.Interface:
		return map[string]any{}
	default:
		return scalarSchema(t.Kind(), f)
	}
}

// listSchema: a single value stands for a list of one.
func listSchema(item map[string]any, some bool) map[string]any {
	list := map[string]any{"type": "array", "items": item}
	if some {
		list["minItems"] = 1
	}
	return map[string]any{"anyOf": []any{item, list}}
}

func uniqueItems(schema map[string]any) {
	if forms, ok := schema["anyOf"].([]any); ok {
		if list, ok := forms[1].(map[string]any); ok {
			list["uniqueItems"] = true
		}
	}
}

func keyedSchema(item map[string]any, f field) map[string]any {
	schema := map[string]any{"type": "object", "additionalProperties": item}
	if f.is("some") {
		schema["minProperties"] = 1
	}
	if format, ok := formats[f.keys]; ok && format.pattern != nil {
		schema["propertyNames"] = map[string]any{"pattern": format.pattern.String()}
	}
	return schema
}

func scalarSchema(kind reflect.Kind, f field) map[string]any {
	switch kind {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return withBounds(map[string]any{"type": "integer"}, f)
	case reflect.Float64:
		return withBounds(map[string]any{"type": "number"}, f)
	default:
		return textSchema(f)
	}
}

func textSchema(f field) map[string]any {
	schema := map[string]any{"type": "string"}
	if len(f.enum) > 0 {
		return map[string]any{"enum": f.enum}
	}
	if format, ok := formats[f.format]; ok && format.pattern != nil {
		schema["pattern"] = format.pattern.String()
	}
	if !f.is("empty") {
		schema["minLength"] = 1
	}
	if f.is("scalar") {
		schema["type"] = []string{"string", "number", "boolean"}
	}
	return schema
}

func withBounds(schema map[string]any, f field) map[string]any {
	if f.min != nil {
		schema["minimum"] = *f.min
	}
	if f.max != nil {
		schema["maximum"] = *f.max
	}
	return schema
}

func defaultValue(f field) any {
	switch f.typ.Kind() {
	case reflect.Slice:
		words := strings.Fields(f.fallback)
		list := make([]any, len(words))
		for i, word := range words {
			list[i] = defaultValue(field{typ: f.typ.Elem(), fallback: word})
		}
		return list
	case reflect.Bool:
		return f.fallback == "true"
	case reflect.Struct: // a tool that is on
		return f.fallback == "true"
	case reflect.Int, reflect.Float64:
		if number, err := strconv.ParseFloat(f.fallback, 64); err == nil {
			return number
		}
	default:
	}
	return f.fallback
}

// stageSchema is a stage with the settings of each kind tied to its `uses`.
func stageSchema() map[string]any {
	schema := structSchema(reflect.TypeFor[stage](), "")
	rules := make([]any, 0, len(kinds()))
	for _, k := range kinds() {
		settings := structSchema(reflect.TypeOf(k.settings()).Elem(), "")
		settings["description"] = k.doc
		takeMatrix(settings)
		rules = append(rules, map[string]any{
			"if": map[string]any{
				"properties": map[string]any{"uses": map[string]any{"const": k.name}}, "required": []string{"uses"},
			},
			"then": map[string]any{"properties": map[string]any{"with": settings}},
		})
	}
	schema["allOf"] = rules
	schema["oneOf"] = []any{
		map[string]any{"required": []string{"uses"}},
		map[string]any{"required": []string{"run"}, "not": map[string]any{"required": []string{"with"}}},
	}
	return schema
}

// takeMatrix lets every value below be one of the matrix, whatever else it must be.
func takeMatrix(schema map[string]any) {
	if pattern, ok := schema["pattern"].(string); ok {
		schema["pattern"] = "(" + pattern + ")|" + matrixExpression.String()
	}
	for _, of := range []string{"items", "additionalProperties"} {
		if below, ok := schema[of].(map[string]any); ok {
			takeMatrix(below)
		}
	}
	for _, of := range []string{"anyOf", "oneOf", "allOf"} {
		if forms, ok := schema[of].([]any); ok {
			for _, form := range forms {
				if below, ok := form.(map[string]any); ok {
					takeMatrix(below)
				}
			}
		}
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, property := range properties {
		if below, ok := property.(map[string]any); ok {
			takeMatrix(below)
			properties[name] = orMatrix(below)
		}
	}
}

// orMatrix is a value of a kind that no text is, or an expression that gives it.
func orMatrix(value map[string]any) map[string]any {
	kind, _ := value["type"].(string)
	if value["enum"] == nil && kind != "integer" && kind != "number" && kind != "boolean" {
		return value
	}
	either := map[string]any{"anyOf": []any{value, map[string]any{"type": "string", "pattern": matrixExpression.String()}}}
	for _, told := range []string{"description", "default"} {
		if text, ok := value[told]; ok {
			either[told] = text
			delete(value, told)
		}
	}
	return either
}

func (*rawNode) schema() map[string]any { return map[string]any{"type": "object"} }

func (*matrix) schema() map[string]any {
	value := map[string]any{"type": []string{"string", "number", "boolean"}}
	combination := map[string]any{"type": "object", "additionalProperties": value}
	combinations := listSchema(combination, false)
	return map[string]any{
		"type": "object", "minProperties": 1,
		"properties":           map[string]any{"include": combinations, "exclude": combinations},
		"additionalProperties": listSchema(value, true),
	}
}

// schema of a check: the request is written in one of two forms.
func (*SmokeCheck) schema() map[string]any {
	schema := structSchema(reflect.TypeFor[SmokeCheck](), "")
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		return schema
	}
	target := map[string]any{
		"type": "string", "pattern": formats["url-path"].pattern.String(), "description": "A request of this method to the path.",
	}
	forms := []any{map[string]any{"required": []string{"path"}}}
	for _, method := range []string{"get", "post", "put", "patch", "delete", "head", "options"} {
		properties[method] = target
		forms = append(forms, map[string]any{"required": []string{method}})
	}
	schema["oneOf"] = forms
	return schema
}
