package pipelinefile

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// matrix is `matrix` of a stage: lists of values by name, and include and exclude as GitHub Actions has them.
type matrix struct {
	axes             []axis
	include, exclude []combination
}

type axis struct {
	name   string
	values []string
}

// combination is an entry of include or exclude, in the file's order of keys.
type combination []pipeline.MatrixValue

func (m *matrix) decode(d *decoder, n *yaml.Node, at path) {
	if n.Kind != yaml.MappingNode {
		d.atf(n, "%s must be a mapping of names to lists of values, not %s", at, describe(n))
		return
	}
	for _, p := range pairs(d.collector, n) {
		below := at.key(p.key.Value)
		switch p.key.Value {
		case "include":
			m.include = d.combinations(p.value, below)
		case "exclude":
			m.exclude = d.combinations(p.value, below)
		default:
			d.format(p.key, p.key.Value, "matrix-name", at)
			a := axis{name: p.key.Value}
			d.value(p.value, reflectValue(&a.values), matrixValue("some", "unique"), below)
			m.axes = append(m.axes, a)
		}
	}
	if len(m.axes) == 0 && len(m.include) == 0 {
		d.atf(n, "%s has no values: give it lists of them, such as python: [\"3.12\", \"3.13\"]", at)
	}
	m.sameVariable(d, n, at)
}

func matrixValue(rules ...string) field {
	return field{format: "title", rules: append(rules, "scalar")}
}

func (d *decoder) combinations(n *yaml.Node, at path) []combination {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	list := make([]combination, 0, len(items))
	for i, item := range items {
		below := at.index(i)
		if item = resolve(item); item.Kind != yaml.MappingNode {
			d.atf(item, "%s must be a mapping of names to single values, not %s", below, describe(item))
			continue
		}
		var c combination
		for _, p := range pairs(d.collector, item) {
			d.format(p.key, p.key.Value, "matrix-name", below)
			v := pipeline.MatrixValue{Name: p.key.Value}
			d.value(p.value, reflectValue(&v.Value), matrixValue(), below.key(v.Name))
			c = append(c, v)
		}
		list = append(list, c)
	}
	return list
}

// sameVariable reports names that commands could not tell apart.
func (m *matrix) sameVariable(d *decoder, n *yaml.Node, at path) {
	variables := make(map[string]string)
	name := func(name string) {
		v := "MATRIX_" + variableName(name)
		if other, taken := variables[v]; taken && other != name {
			d.atf(n, "%s: %s and %s would both be the variable %s: rename one", at, show(other), show(name), clip(v))
		}
		variables[v] = name
	}
	for _, a := range m.axes {
		name(a.name)
	}
	for _, c := range m.include {
		for _, v := range c {
			name(v.Name)
		}
	}
}

// variableName is how a name looks within an environment variable.
func variableName(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// size is the most legs the matrix can have, counted without making them.
func (m *matrix) size() int {
	product := 0
	if len(m.axes) > 0 {
		product = 1
	}
	for _, a := range m.axes {
		product = min(product*len(a.values), maxNodes)
	}
	return product + len(m.include)
}

// legs makes the combinations: the product of the lists, the first list slowest, less what exclude names, plus what
// include adds. As in GitHub Actions an include is added to every combination of the lists whose own values it does
// not change, and is a leg of its own where there is none.
func (m *matrix) legs() []pipeline.MatrixLeg {
	var legs []pipeline.MatrixLeg
	if len(m.axes) > 0 {
		legs = []pipeline.MatrixLeg{{}}
	}
	for _, a := range m.axes {
		next := make([]pipeline.MatrixLeg, 0, len(legs)*len(a.values))
		for _, leg := range legs {
			for _, value := range a.values {
				next = append(next, append(slices.Clone(leg), pipeline.MatrixValue{Name: a.name, Value: value}))
			}
		}
		legs = next
	}
	legs = slices.DeleteFunc(legs, m.excluded)
	original := make([]map[string]string, len(legs))
	for i, leg := range legs {
		original[i] = byName(leg)
	}
	for _, c := range m.include {
		added := false
		for i := range original {
			if compatible(c, original[i]) {
				legs[i], added = with(legs[i], c), true
			}
		}
		if !added {
			legs = append(legs, pipeline.MatrixLeg(slices.Clone(c)))
		}
	}
	return legs
}

func (m *matrix) excluded(leg pipeline.MatrixLeg) bool {
	values := byName(leg)
	return slices.ContainsFunc(m.exclude, func(c combination) bool {
		for _, v := range c {
			if have, ok := values[v.Name]; !ok || have != v.Value {
				return false
			}
		}
		return true
	})
}

func byName(leg pipeline.MatrixLeg) map[string]string {
	values := make(map[string]string, len(leg))
	for _, v := range leg {
		values[v.Name] = v.Value
	}
	return values
}

// compatible reports whether c changes none of a combination's own values.
func compatible(c combination, original map[string]string) bool {
	for _, v := range c {
		if have, ok := original[v.Name]; ok && have != v.Value {
			return false
		}
	}
	return true
}

// with adds the values of c to a leg; what an earlier include added may change.
func with(leg pipeline.MatrixLeg, c combination) pipeline.MatrixLeg {
	for _, v := range c {
		i := slices.IndexFunc(leg, func(have pipeline.MatrixValue) bool { return have.Name == v.Name })
		if i < 0 {
			leg = append(leg, v)
			continue
		}
		leg[i] = v
	}
	return leg
}

const longestCheckValues = 150

// checkLegs reports legs whose checks could not be told apart or named.
func (d *decoder) checkLegs(legs []pipeline.MatrixLeg, at path) {
	have := make(map[string]bool, len(legs))
	repeated := make(map[string]bool)
	for _, leg := range legs {
		values := make([]string, len(leg))
		for i, v := range leg {
			values[i] = v.Value
		}
		title := strings.Join(values, ", ")
		if have[title] {
			repeated[title] = true
		}
		have[title] = true
		if len(title) > longestCheckValues {
			d.problemf(at, "makes a check name of more than %d characters: shorten the values of %s", longestCheckValues, show(title))
		}
	}
	for _, title := range slices.Sorted(maps.Keys(repeated)) {
		d.problemf(at, "has two legs (%s): their checks would have the same name; remove one or give it another value", clip(title))
	}
	if len(legs) == 0 && d.has(at) {
		d.problemf(at, "has no leg left after exclude: remove an exclude, or the stage")
	}
}
