package pipelinefile

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// inspect holds the tree against the limits and the rules every node obeys. Where it returns false the tree must not
// be walked further: it may be endless.
func inspect(c *collector, root *yaml.Node) bool {
	if !bounded(c, root) {
		return false
	}
	rules(c, root)
	return true
}

// bounded counts nodes with aliases spelled out and refuses aliases that contain themselves. Memory of subtrees already
// counted keeps the work small however cunning the file.
func bounded(c *collector, root *yaml.Node) bool {
	counter := &nodeCounter{sizes: make(map[*yaml.Node]int), open: make(map[*yaml.Node]bool)}
	size := counter.count(root, 1)
	switch {
	case counter.cycle != nil:
		c.atf(counter.cycle, "the alias *%s contains itself: remove it", clip(counter.cycle.Value))
	case counter.deep != nil:
		c.atf(counter.deep, "this is nested more than %d levels deep: no part of a pipeline file is", maxDepth)
	case size > maxNodes:
		c.addf(1, 1, "the file has more than %d nodes once its aliases are spelled out: use fewer aliases, or move scripts into files of the repository", maxNodes)
	default:
		return true
	}
	return false
}

func clip(text string) string {
	return strings.Trim(show(text), `"`)
}

type nodeCounter struct {
	sizes map[*yaml.Node]int
	open  map[*yaml.Node]bool
	cycle *yaml.Node
	deep  *yaml.Node
}

func (k *nodeCounter) count(n *yaml.Node, depth int) int {
	if k.cycle != nil || k.deep != nil {
		return 0
	}
	if depth > maxDepth {
		k.deep = n
		return 0
	}
	if n.Kind == yaml.AliasNode {
		if k.open[n.Alias] {
			k.cycle = n
			return 0
		}
		return k.count(n.Alias, depth)
	}
	if size, known := k.sizes[n]; known {
		return size
	}
	k.open[n] = true
	size := 1
	for _, child := range n.Content {
		// Saturate: an alias bomb of a hundred levels would overflow the sum.
		size = min(size+k.count(child, depth+1), maxNodes+1)
	}
	delete(k.open, n)
	k.sizes[n] = size
	return size
}

// rules reports what is wrong with single nodes wherever they stand: duplicate keys, foreign tags, control characters.
func rules(c *collector, n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		scalarRules(c, n)
	case yaml.MappingNode:
		duplicateKeys(c, n)
	default: // lists have no rules of their own; what an alias stands for is looked at where it stands
	}
	if tag := n.ShortTag(); n.Kind != yaml.AliasNode && !coreTag(tag) {
		c.atf(n, "the YAML tag %s has no meaning here: remove it", clip(tag))
	}
	for _, child := range n.Content {
		rules(c, child)
	}
}

func coreTag(tag string) bool {
	switch tag {
	case tagString, tagInt, tagFloat, tagBool, tagNull, tagTimestamp, tagMerge, tagMap, tagList:
		return true
	}
	return false
}

func scalarRules(c *collector, n *yaml.Node) {
	for _, r := range n.Value {
		if (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == 0x7f {
			c.atf(n, "the text holds the control character %U: remove it", r)
			return
		}
	}
}

func duplicateKeys(c *collector, n *yaml.Node) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := resolve(n.Content[i])
		if key.Kind != yaml.ScalarNode {
			c.atf(key, "a key must be text, not %s", describe(key))
			continue
		}
		if before, twice := first[key.Value]; twice {
			c.atf(n.Content[i], "the key %s stands here twice, first in line %d: keep one of them", show(key.Value), before.Line)
			continue
		}
		first[key.Value] = n.Content[i]
	}
}

// resolve follows aliases to the node they stand for.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pair is a key of a mapping and its value, aliases resolved. An entry of a list has no key.
type pair struct{ key, value *yaml.Node }

// pairs lists the entries of a mapping, merge keys (<<) spelled out after the mapping's own keys, which win.
func pairs(c *collector, n *yaml.Node) []pair {
	list, have := make([]pair, 0, len(n.Content)/2), make(map[string]bool)
	add := func(p pair) {
		if p.key.Kind == yaml.ScalarNode && !have[p.key.Value] {
			have[p.key.Value] = true
			list = append(list, p)
		}
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), resolve(n.Content[i+1])
		if key.Kind == yaml.ScalarNode && key.ShortTag() == tagMerge {
			merges = append(merges, value)
			continue
		}
		add(pair{key, value})
	}
	for _, source := range merges {
		for _, mapping := range mergeSources(c, source) {
			for _, p := range pairs(c, mapping) {
				add(p)
			}
		}
	}
	return list
}

func mergeSources(c *collector, n *yaml.Node) []*yaml.Node {
	sources := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		sources = sources[:0]
		for _, child := range n.Content {
			sources = append(sources, resolve(child))
		}
	}
	mappings := sources[:0:0]
	for _, s := range sources {
		if s.Kind != yaml.MappingNode {
			c.atf(s, "<< merges mappings, not %s: name an anchor of a mapping", describe(s))
			continue
		}
		mappings = append(mappings, s)
	}
	return mappings
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == tagNull }
