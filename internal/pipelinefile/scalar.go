package pipelinefile

import (
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *decoder) scalar(n *yaml.Node, into reflect.Value, f field, at path) {
	switch into.Kind() {
	case reflect.String:
		if text, ok := d.text(n, f, at); ok {
			into.SetString(text)
		}
	case reflect.Bool:
		if truth, ok := d.truth(d.plain(n), at); ok {
			into.SetBool(truth)
		}
	case reflect.Int:
		if number, ok := d.integer(d.plain(n), at); ok && d.inBounds(n, float64(number), f, at) {
			into.SetInt(number)
		}
	case reflect.Float64:
		if number, ok := d.number(d.plain(n), at); ok && d.inBounds(n, number, f, at) {
			into.SetFloat(number)
		}
	default: // settings types have no other kinds
	}
}

// text takes a string. Where the field says "scalar", numbers and booleans are taken digit by digit as they are
// written: 3.10 stays 3.10, though YAML reads the number 3.1.
func (d *decoder) text(n *yaml.Node, f field, at path) (string, bool) {
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode:
		d.atf(n, "%s must be text, not %s", at, describe(n))
		return "", false
	case tag == tagNull && f.is("null"):
		return "", true
	case !coreTag(tag): // reported already
		return "", false
	case tag == tagString, tag == tagTimestamp, tag == tagMerge:
	case !f.is("scalar"):
		d.atf(n, "%s must be text, not %s: put it in quotes, %q", at, describe(n), clip(n.Value))
		return "", false
	}
	text := n.Value
	if text == "" && !f.is("empty") {
		d.atf(n, "%s must not be empty: give it a value, or remove the key", at)
		return "", false
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, text) {
		d.atf(n, "%s must be one of %s, not %s%s", at, quoteList(f.enum), show(text), meant(text, f.enum))
		return "", false
	}
	if f.format != "condition" && !f.is("expression") && !d.noExpression(n, at) {
		return "", false
	}
	return text, d.format(n, text, f.format, at)
}

func meant(word string, known []string) string {
	if near, ok := nearest(word, known); ok {
		return ": did you mean " + near + "?"
	}
	return ""
}

// actionsExpression is what people bring along from GitHub Actions; a shell would choke on it much later.
var actionsExpression = regexp.MustCompile(`\$\{\{\s*(matrix|secrets|github|env|needs|inputs|vars|steps|runner|job|strategy)\b[^}]*(?:}})?`)

func (d *decoder) noExpression(n *yaml.Node, at path) bool {
	found := actionsExpression.FindStringSubmatch(n.Value)
	if found == nil {
		return true
	}
	d.atf(n, "%s holds %s, an expression of GitHub Actions that is not replaced here: %s", at, show(found[0]), insteadOf(found[1]))
	return false
}

// insteadOf says where commands find what a context of GitHub Actions holds.
func insteadOf(context string) string {
	switch context {
	case "matrix":
		return "with takes it in a stage that has a matrix; commands have the value in $MATRIX_<NAME>"
	case "secrets":
		return "list the name under secrets; commands have the value in the variable of that name"
	case "github":
		return "commands have $SLIPWAY_SHA, $SLIPWAY_BRANCH, $SLIPWAY_EVENT and their kin"
	case "env":
		return "commands have the variable itself"
	case "needs":
		return "outputs of earlier stages are in $SLIPWAY_OUTPUT_<STAGE>_<KEY>"
	case "steps":
		return "the commands of a stage share one shell"
	default:
		return "write the value itself"
	}
}

func (d *decoder) truth(n *yaml.Node, at path) (value, ok bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == tagBool {
		switch strings.ToLower(n.Value) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	remedy := ""
	switch strings.ToLower(n.Value) {
	case "yes", "on", "y", "1":
		remedy = ": write true"
	case "no", "off", "n", "0":
		remedy = ": write false"
	case "true", "false":
		remedy = ": remove the quotes"
	}
	d.atf(n, "%s must be true or false, not %s%s", at, describe(n), remedy)
	return false, false
}

func (d *decoder) integer(n *yaml.Node, at path) (int64, bool) {
	var number int64
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tagInt || n.Decode(&number) != nil {
		d.atf(n, "%s must be a whole number, not %s%s", at, describe(n), unquote(n))
		return 0, false
	}
	return number, true
}

func (d *decoder) number(n *yaml.Node, at path) (float64, bool) {
	var number float64
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode || tag != tagInt && tag != tagFloat || n.Decode(&number) != nil || math.IsNaN(number) {
		d.atf(n, "%s must be a number, not %s%s", at, describe(n), unquote(n))
		return 0, false
	}
	return number, true
}

func unquote(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tagString {
		return ""
	}
	if _, err := strconv.ParseFloat(n.Value, 64); err != nil {
		return ""
	}
	return ": remove the quotes"
}

func (d *decoder) inBounds(n *yaml.Node, number float64, f field, at path) bool {
	plain := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
	switch {
	case f.min != nil && f.max != nil && (number < *f.min || number > *f.max):
		d.atf(n, "%s must be between %s and %s, not %s", at, plain(*f.min), plain(*f.max), clip(n.Value))
	case f.min != nil && number < *f.min:
		d.atf(n, "%s must be at least %s, not %s", at, plain(*f.min), clip(n.Value))
	default:
		return true
	}
	return false
}

func (d *decoder) anyScalar(n *yaml.Node, at path) (any, bool) {
	switch n.ShortTag() {
	case tagNull:
		return nil, true
	case tagBool:
		return d.truth(n, at)
	case tagInt, tagFloat:
		return d.jsonNumber(n, at)
	default:
		return n.Value, d.noExpression(n, at)
	}
}

// jsonNumber keeps a number's digits where JSON can write them.
func (d *decoder) jsonNumber(n *yaml.Node, at path) (any, bool) {
	if json.Valid([]byte(n.Value)) {
		return json.Number(n.Value), true
	}
	number, ok := d.number(n, at)
	if ok && math.IsInf(number, 0) {
		d.atf(n, "%s must be a finite number", at)
		return nil, false
	}
	return number, ok
}
