package pipelinefile

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// field is what the struct tags say of one key. The decoder and the JSON Schema are both driven by it, so that they
// cannot disagree:
//
//	json:"coverage-min"   the key
//	doc:"…"               one sentence for the schema
//	default:"80"          lists: separated by spaces
//	enum:"low high"       the only values
//	min:"0" max:"100"     bounds of a number, both included
//	format:"glob"         what its text must be, see formats
//	keys:"env-name"       what the keys of a mapping must be
//	rule:"…"              required; some: a list has at least one entry; unique: no entry twice; empty: "" is allowed;
//	                      scalar: numbers and booleans are taken as the text they are written as; null: may be left empty
type field struct {
	index    int
	name     string
	doc      string
	fallback string
	enum     []string
	min, max *float64
	format   string
	keys     string
	rules    []string
	typ      reflect.Type
}

func (f field) is(rule string) bool { return slices.Contains(f.rules, rule) }

// fieldsOf lists the keys of a settings struct in the order of its declaration.
func fieldsOf(t reflect.Type) []field {
	list := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		name, _, _ := strings.Cut(tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		list = append(list, field{
			index: i, name: name, doc: tag.Get("doc"), fallback: tag.Get("default"), enum: strings.Fields(tag.Get("enum")),
			min: bound(tag.Get("min")), max: bound(tag.Get("max")), format: tag.Get("format"), keys: tag.Get("keys"),
			rules: strings.Fields(tag.Get("rule")), typ: t.Field(i).Type,
		})
	}
	return list
}

func bound(text string) *float64 {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	return &number
}

func names(fields []field) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.name
	}
	return list
}

// applyDefaults fills a struct and the structs within it; what hangs on a pointer stays absent.
func applyDefaults(v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		at := v.Field(f.index)
		if f.fallback != "" {
			setDefault(at, f.fallback)
			continue
		}
		if at.Kind() == reflect.Struct {
			applyDefaults(at)
		}
	}
}

func setDefault(v reflect.Value, text string) {
	switch into := v.Addr().Interface().(type) {
	case *Duration:
		if d, err := time.ParseDuration(text); err == nil {
			*into = Duration(d)
		}
		return
	case *Tool:
		into.Enabled = text == "true"
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			v.SetInt(n)
		}
	case reflect.Float64:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			v.SetFloat(n)
		}
	case reflect.Slice:
		words := strings.Fields(text)
		v.Set(reflect.MakeSlice(v.Type(), len(words), len(words)))
		for i, word := range words {
			setDefault(v.Index(i), word)
		}
	default: // only these have defaults
	}
}
