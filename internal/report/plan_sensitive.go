package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	tfjson "github.com/hashicorp/terraform-json"
)

// Bounds of what is masked: each value costs a redactor some forty forms of it.
const (
	maxSensitive      = 400
	maxSensitiveBytes = 128 << 10
	// minSensitive is in characters, as masking counts them.
	minSensitive = 4
)

// Sensitive are values that Terraform marks so, wherever they stand. They are needed because Terraform itself shows one
// that went through a computed attribute, which carries no mark.
type Sensitive struct {
	values map[string]struct{}
	bytes  int
	// Many: there are more than can be masked, so that no text which may hold them is to be shown.
	Many bool
}

// Values are the values, sorted.
func (s *Sensitive) Values() []string { return slices.Sorted(maps.Keys(s.values)) }

func (s *Sensitive) collect(c *tfjson.Change) {
	s.add(c.Before, c.BeforeSensitive)
	s.add(c.After, c.AfterSensitive)
}

// add takes the texts and numbers below the marks: true marks everything below.
func (s *Sensitive) add(value, mark any) {
	switch v := value.(type) {
	case string:
		if mark == true {
			s.keep(v)
		}
	case json.Number:
		if mark == true {
			s.keep(v.String())
		}
	case float64: // of a decoder that does not keep numbers as they are written
		if mark == true {
			s.keep(strconv.FormatFloat(v, 'f', -1, 64))
		}
	case map[string]any:
		for name, below := range v {
			if mark == true {
				s.add(below, true)
			} else if marks, ok := mark.(map[string]any); ok {
				s.add(below, marks[name])
			}
		}
	case []any:
		marks, _ := mark.([]any)
		for i, below := range v {
			if mark == true {
				s.add(below, true)
			} else if i < len(marks) {
				s.add(below, marks[i])
			}
		}
	}
}

func (s *Sensitive) keep(text string) {
	if _, known := s.values[text]; known || utf8.RuneCountInString(text) < minSensitive || text == "true" || text == "false" || text == "null" {
		return
	}
	if len(s.values) == maxSensitive || s.bytes+len(text) > maxSensitiveBytes {
		s.Many = true
		return
	}
	if s.values == nil {
		s.values = make(map[string]struct{})
	}
	s.values[text] = struct{}{}
	s.bytes += len(text)
}

// anyMarked reports whether anything in a tree of marks is true.
func anyMarked(mark any) bool {
	switch m := mark.(type) {
	case bool:
		return m
	case map[string]any:
		for _, below := range m {
			if anyMarked(below) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(m, anyMarked)
	}
	return false
}

// masked stands in the hash for a sensitive value: nothing that is published may be made of one.
const masked = "(sensitive)"

// without is a value with everything that is marked left out.
func without(value, mark any) any {
	if mark == true {
		return masked
	}
	switch v := value.(type) {
	case map[string]any:
		marks, _ := mark.(map[string]any)
		clean := make(map[string]any, len(v))
		for name, below := range v {
			clean[name] = without(below, marks[name])
		}
		return clean
	case []any:
		marks, _ := mark.([]any)
		clean := make([]any, len(v))
		for i, below := range v {
			if i < len(marks) {
				below = without(below, marks[i])
			} else {
				below = without(below, nil)
			}
			clean[i] = below
		}
		return clean
	default:
		return value
	}
}

// hashable is what makes a change the same change: who, what is done, from what to what. That a sensitive value changes
// shows in the names of the attributes.
func hashable(c tfjson.ResourceChange) any {
	readable, _ := planChange(c)
	return struct {
		Change        PlanChange
		Mode          tfjson.ResourceMode
		Provider      string
		Actions       tfjson.Actions
		Before, After any
		Unknown       any
	}{
		readable, c.Mode, c.ProviderName, c.Change.Actions,
		without(c.Change.Before, c.Change.BeforeSensitive), without(c.Change.After, c.Change.AfterSensitive), c.Change.AfterUnknown,
	}
}

// Text is an output's value as a variable holds it: a text as it is, anything else as JSON.
func (o PlanOutput) Text() string { return OutputText(o.Value) }

// OutputText is a value of an output as a variable holds it.
func OutputText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// AddJSON takes the texts of a value that is sensitive as a whole.
func (s *Sensitive) AddJSON(text json.RawMessage) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // as they are written, however many digits they have
	if decoder.Decode(&value) == nil {
		s.add(value, true)
	}
}
