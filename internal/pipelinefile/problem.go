package pipelinefile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// collector gathers problems. The same one is kept once: an anchor that is used ten times is one mistake.
type collector struct {
	file string
	seen map[pipeline.Problem]bool
}

func (c *collector) addf(line, column int, format string, args ...any) {
	if c.seen == nil {
		c.seen = make(map[pipeline.Problem]bool)
	}
	c.seen[pipeline.Problem{File: c.file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}] = true
}

func (c *collector) atf(n *yaml.Node, format string, args ...any) {
	c.addf(n.Line, n.Column, format, args...)
}

// err is nil, or a *pipeline.InvalidDefinitionError in the order of the file.
func (c *collector) err() error {
	if len(c.seen) == 0 {
		return nil
	}
	list := make([]pipeline.Problem, 0, len(c.seen))
	for p := range c.seen {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b pipeline.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return &pipeline.InvalidDefinitionError{Problems: list}
}

// path names a place in the file as people write it: stages.build.needs[1]. It heads messages and finds positions.
type path string

// longestShown bounds what of the file's own text a message repeats: the text is anybody's, and there may be much of it.
const longestShown = 64

func (p path) key(name string) path {
	if !plainKey(name) {
		return p + path("["+show(name)+"]")
	}
	if p == "" {
		return path(name)
	}
	return p + "." + path(name)
}

func (p path) index(i int) path { return p + path("["+strconv.Itoa(i)+"]") }

func plainKey(name string) bool {
	for _, r := range name {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return name != "" && len(name) <= longestShown
}

// show quotes text of the file for a message.
func show(text string) string {
	if len(text) <= longestShown {
		return strconv.Quote(text)
	}
	return strconv.Quote(strings.ToValidUTF8(text[:longestShown], "") + "…")
}

// describe names what a node is, for "must be …, not …".
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return describeScalar(n)
	}
}

func describeScalar(n *yaml.Node) string {
	switch n.ShortTag() {
	case tagInt, tagFloat:
		return "the number " + strings.Trim(show(n.Value), `"`)
	case tagBool:
		return n.Value
	case tagNull:
		return "empty"
	default:
		return show(n.Value)
	}
}

// The tags of YAML's core schema that a file may use.
const (
	tagString    = "!!str"
	tagInt       = "!!int"
	tagFloat     = "!!float"
	tagBool      = "!!bool"
	tagNull      = "!!null"
	tagTimestamp = "!!timestamp"
	tagMerge     = "!!merge"
	tagMap       = "!!map"
	tagList      = "!!seq"
)
