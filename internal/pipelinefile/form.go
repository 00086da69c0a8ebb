package pipelinefile

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Duration is a length of time, written and kept in JSON as 90s, 5m or 1h30m.
type Duration time.Duration

// MarshalText writes the duration without empty parts: 5m, not 5m0s.
func (t Duration) MarshalText() ([]byte, error) {
	text := time.Duration(t).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return []byte(text), nil
}

// UnmarshalText reads what MarshalText wrote.
func (t *Duration) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*t = Duration(d)
	return nil
}

const maxDuration = 24 * time.Hour

func (t *Duration) decode(d *decoder, n *yaml.Node, at path) {
	length, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil && n.ShortTag() != tagInt && n.ShortTag() != tagFloat:
		d.atf(n, "%s must be a length of time such as 10s, 5m or 1h30m, not %s", at, describe(n))
	case err != nil:
		d.atf(n, "%s must say its unit: write %ss or %sm", at, clip(n.Value), clip(n.Value))
	case length <= 0 || length > maxDuration:
		d.atf(n, "%s must be between 1ms and 24h, not %s", at, clip(n.Value))
	default:
		*t = Duration(length)
	}
}

func (*Duration) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$`}
}

// Tool is a tool that is on or off and may get arguments of its own.
type Tool struct {
	Enabled bool     `json:"enabled" doc:"Whether it runs." default:"true"`
	Args    []string `json:"args,omitempty" doc:"Further arguments." rule:"scalar empty"`
}

func (t *Tool) short(d *decoder, n *yaml.Node, at path) bool {
	switch {
	case n.Kind == yaml.MappingNode || isNull(n):
		return false
	case n.ShortTag() == tagBool:
		t.Enabled = strings.EqualFold(n.Value, "true")
	case n.Value == "on" || n.Value == "off":
		t.Enabled = n.Value == "on"
	default:
		d.atf(n, "%s must be true, false, or a mapping with args, not %s", at, describe(n))
	}
	return true
}

func (*Tool) shortSchema() []map[string]any {
	return []map[string]any{{"type": "boolean"}, {"enum": []string{"on", "off"}}}
}

// short takes true and false: both, or nothing.
func (s *signed) short(d *decoder, n *yaml.Node, at path) bool {
	if n.Kind == yaml.MappingNode || isNull(n) {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != tagBool {
		d.atf(n, "%s must be true, false, or a mapping with commits, images and key, not %s", at, describe(n))
		return true
	}
	applyDefaults(reflectValue(s))
	s.Commits = strings.EqualFold(n.Value, "true")
	s.Images = s.Commits
	return true
}

func (*signed) shortSchema() []map[string]any { return []map[string]any{{"type": "boolean"}} }

func (f *eventFilter) short(d *decoder, n *yaml.Node, at path) bool {
	if n.Kind == yaml.MappingNode || isNull(n) {
		return false
	}
	branches := fieldsNamed(eventFilter{}, "branches")
	d.value(n, reflectValue(&f.Branches), branches, at)
	return true
}

func (*eventFilter) shortSchema() []map[string]any {
	text := map[string]any{"type": "string", "minLength": 1}
	return []map[string]any{{"type": "null"}, text, {"type": "array", "items": text, "minItems": 1}}
}

// short takes `on: push` and `on: [push, pull_request]`: every branch.
func (t *triggers) short(d *decoder, n *yaml.Node, at path) bool {
	items := []*yaml.Node{n}
	switch {
	case n.Kind == yaml.MappingNode || isNull(n):
		return false
	case n.Kind == yaml.SequenceNode:
		items = n.Content
	}
	for _, item := range items {
		switch item = resolve(item); item.Value {
		case "push":
			t.Push = new(eventFilter)
		case "pull_request":
			t.PullRequest = new(eventFilter)
		default:
			d.atf(item, "%s: unknown event %s: %s", at, describe(item), unknown(item.Value, []string{"push", "pull_request"}))
		}
	}
	return true
}

func (*triggers) shortSchema() []map[string]any {
	event := map[string]any{"enum": []string{"push", "pull_request"}}
	return []map[string]any{event, {"type": "array", "items": event}}
}

func (s *need) short(d *decoder, n *yaml.Node, at path) bool {
	switch {
	case n.Kind == yaml.SequenceNode:
		d.atf(n, "%s must be the id of a stage or {stage: id, optional: true}, not a list", at)
		return true
	case n.Kind != yaml.ScalarNode || isNull(n):
		return false
	}
	d.places[at.key("stage")] = pair{nil, n}
	d.value(n, reflectValue(&s.Stage), fieldsNamed(need{}, "stage"), at)
	return true
}

func (*need) shortSchema() []map[string]any {
	return []map[string]any{{"type": "string", "pattern": formats["stage-id"].pattern.String()}}
}
