package config

import (
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
)

// fileValues reads the keys of a YAML file of scalars. Problems name the line.
func fileValues(path string) (map[string]string, []string) {
	values := make(map[string]string)
	if path == "" {
		return values, nil
	}
	data, err := os.ReadFile(path) //nolint:gosec // the path is the operator's own argument
	if err != nil {
		return values, []string{err.Error()}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return values, []string{fmt.Sprintf("%s: %v", path, err)}
	}
	if len(doc.Content) == 0 {
		return values, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return values, []string{fmt.Sprintf("%s:%d: a mapping of settings is expected", path, root.Line)}
	}
	var problems []string
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		_, twice := values[key.Value]
		switch {
		case !known(key.Value):
			problems = append(problems, fmt.Sprintf("%s:%d: %s is not a setting%s", path, key.Line, key.Value, suggestion(key.Value)))
		case twice:
			problems = append(problems, fmt.Sprintf("%s:%d: %s is set twice", path, key.Line, key.Value))
		case value.Kind != yaml.ScalarNode:
			problems = append(problems, fmt.Sprintf("%s:%d: %s takes one value", path, value.Line, key.Value))
		default:
			values[key.Value] = value.Value
		}
	}
	return values, problems
}

// suggestion names the setting that is nearest to a mistyped one.
func suggestion(name string) string {
	best, distance := "", len(name)/3+1
	for _, s := range settings() {
		if d := editDistance(name, s.name); d < distance {
			best, distance = s.name, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance is Levenshtein's, over bytes: names of settings are ASCII.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
