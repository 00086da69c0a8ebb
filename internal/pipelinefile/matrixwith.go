package pipelinefile

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// matrixExpression stands in `with` for a value of the leg: ${{ matrix.name }}.
var matrixExpression = regexp.MustCompile(`\$\{\{\s*matrix\.([A-Za-z_][A-Za-z0-9_-]{0,63})\s*}}`)

// maxLegNodes bounds the values that the legs' settings have together: each leg's are read by themselves.
const maxLegNodes = 100_000

// kindSettings decodes `with`: once, or for each leg of the matrix where it holds their values.
func (d *decoder) kindSettings(k kind, definition *pipeline.StageDefinition, with rawNode, at path) {
	take := func(with rawNode) json.RawMessage {
		settings, canonical := d.settings(k, with, at)
		if kubernetes, ok := settings.(*KubernetesSettings); ok {
			d.noteImages(definition.ID, kubernetes.Images, at.key("images"))
		}
		return canonical
	}
	nodes := 0
	if with.node == nil || len(definition.Matrix) == 0 || !holdsMatrix(with.node, &nodes) {
		definition.With = take(with)
		return
	}
	if nodes*len(definition.Matrix) > maxLegNodes {
		d.keyProblemf(at, "has too many values for so many legs of the matrix: together at most %d", maxLegNodes)
		return
	}
	for _, leg := range definition.Matrix {
		definition.LegWith = append(definition.LegWith, take(rawNode{d.ofLeg(with.node, leg, at)}))
	}
	definition.With = definition.LegWith[0]
}

// holdsMatrix reports whether any value below holds one of the matrix, and counts the nodes.
func holdsMatrix(n *yaml.Node, nodes *int) bool {
	*nodes++
	n = resolve(n)
	found := n.Kind == yaml.ScalarNode && matrixExpression.MatchString(n.Value)
	for _, below := range n.Content {
		found = holdsMatrix(below, nodes) || found
	}
	return found
}

// ofLeg is a copy of a node with the leg's values in it. Places stay those of the file.
func (d *decoder) ofLeg(n *yaml.Node, leg pipeline.MatrixLeg, at path) *yaml.Node {
	n = resolve(n)
	clone := *n
	clone.Content = make([]*yaml.Node, len(n.Content))
	for i, below := range n.Content {
		clone.Content[i] = d.ofLeg(below, leg, at)
	}
	if n.Kind != yaml.ScalarNode || !matrixExpression.MatchString(n.Value) {
		return &clone
	}
	values := byName(leg)
	clone.Value = matrixExpression.ReplaceAllStringFunc(n.Value, func(expression string) string {
		name := matrixExpression.FindStringSubmatch(expression)[1]
		value, known := values[name]
		if !known {
			d.atf(n, "%s holds %s, and %s has no value of that name: %s", at, show(expression), legName(leg), unknown(name, legNames(leg)))
		}
		return value
	})
	if strings.TrimSpace(matrixExpression.ReplaceAllString(n.Value, "")) == "" && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		d.replaced(&clone)
	}
	return &clone
}

func legName(leg pipeline.MatrixLeg) string {
	values := make([]string, len(leg))
	for i, v := range leg {
		values[i] = v.Value
	}
	return "the leg (" + clip(strings.Join(values, ", ")) + ")"
}

func legNames(leg pipeline.MatrixLeg) []string {
	var names []string
	for _, v := range leg {
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
	}
	return names
}

// replaced notes a node that is nothing but a value of the matrix: where a number or a truth is wanted it is read as one.
func (d *decoder) replaced(n *yaml.Node) {
	if d.ofMatrix == nil {
		d.ofMatrix = make(map[*yaml.Node]bool)
	}
	d.ofMatrix[n] = true
}

// plain is the node as it would be read had its value been written there.
func (d *decoder) plain(n *yaml.Node) *yaml.Node {
	if !d.ofMatrix[n] {
		return n
	}
	clone := *n
	clone.Tag, clone.Style = "", 0
	return &clone
}
