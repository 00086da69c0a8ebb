package pipelinefile

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills tagged structs from YAML nodes. It goes on after every problem and remembers where each key stood, so
// that rules over several keys can point at the right one.
type decoder struct {
	*collector
	places map[path]pair
	// images are uses of other stages' images, checked once all stages are known.
	images []imageUse
	// ofMatrix are nodes that are a value of the matrix and nothing else.
	ofMatrix map[*yaml.Node]bool
}

// problemf points at the value of a key.
func (d *decoder) problemf(at path, format string, args ...any) {
	p := d.places[at]
	d.report(at, []*yaml.Node{p.value, p.key}, format, args)
}

// keyProblemf points at the key itself.
func (d *decoder) keyProblemf(at path, format string, args ...any) {
	p := d.places[at]
	d.report(at, []*yaml.Node{p.key, p.value}, format, args)
}

// report points at the first of the nodes there is, else at the beginning of the file.
func (d *decoder) report(at path, nodes []*yaml.Node, format string, args []any) {
	line, column := 1, 1
	if i := slices.IndexFunc(nodes, func(n *yaml.Node) bool { return n != nil }); i >= 0 {
		line, column = nodes[i].Line, nodes[i].Column
	}
	d.addf(line, column, "%s "+format, append([]any{at}, args...)...)
}

func (d *decoder) has(at path) bool {
	_, ok := d.places[at]
	return ok
}

// custom is a type that reads its own node.
type custom interface {
	decode(d *decoder, n *yaml.Node, at path)
}

// shorthand is a struct type with a shorter form besides the mapping of its keys.
type shorthand interface {
	// short reports whether n was that form (and has been taken, or complained of).
	short(d *decoder, n *yaml.Node, at path) bool
}

// rawNode keeps a node for later: what `with` may hold is known only when `uses` is.
type rawNode struct{ node *yaml.Node }

func (r *rawNode) decode(_ *decoder, n *yaml.Node, _ path) { r.node = n }

// entry is one key of a mapping whose keys are names given by the file, in its order.
type entry[T any] struct {
	Key   string
	Value T
}

// named marks a slice of entries for the decoder and the schema.
type named interface{ named() }

type entries[T any] []entry[T]

func (entries[T]) named() {}

func (d *decoder) value(n *yaml.Node, into reflect.Value, f field, at path) {
	n = resolve(n)
	switch form := into.Addr().Interface().(type) {
	case custom:
		form.decode(d, n, at)
		return
	case shorthand:
		if form.short(d, n, at) {
			return
		}
	}
	_, isNamed := reflect.TypeAssert[named](into)
	switch {
	case isNull(n) && !f.is("null") && into.Kind() != reflect.Interface:
		d.atf(n, "%s has no value: give it one, or remove the key", at)
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(n, into.Elem(), f, at)
	case isNamed:
		d.named(n, into, f, at)
	case into.Kind() == reflect.Struct:
		d.structure(n, into, at)
	case into.Kind() == reflect.Slice:
		d.list(n, into, f, at)
	case into.Kind() == reflect.Map:
		d.mapping(n, into, f, at)
	case into.Kind() == reflect.Interface:
		if v, ok := d.any(n, at); ok && v != nil {
			into.Set(reflect.ValueOf(v))
		}
	default:
		d.scalar(n, into, f, at)
	}
}

func (d *decoder) structure(n *yaml.Node, into reflect.Value, at path) {
	applyDefaults(into)
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			d.atf(n, "%s must be a mapping of keys to values, not %s", at, describe(n))
		}
		return
	}
	fields := fieldsOf(into.Type())
	for _, p := range pairs(d.collector, n) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == p.key.Value })
		if i < 0 {
			d.atf(p.key, "unknown key %s%s: %s", show(p.key.Value), within(at), unknown(p.key.Value, names(fields)))
			continue
		}
		below := at.key(fields[i].name)
		d.places[below] = p
		d.value(p.value, into.Field(fields[i].index), fields[i], below)
	}
	for _, f := range fields {
		if f.is("required") && !d.has(at.key(f.name)) {
			d.atf(d.headOf(n, at), "%s is required here. %s", at.key(f.name), f.doc)
		}
	}
}

// headOf is the key a mapping stands under, else the mapping itself.
func (d *decoder) headOf(n *yaml.Node, at path) *yaml.Node {
	if p, ok := d.places[at]; ok && p.key != nil {
		return p.key
	}
	return n
}

func within(at path) string {
	if at == "" {
		return ""
	}
	return " in " + string(at)
}

func (d *decoder) named(n *yaml.Node, into reflect.Value, f field, at path) {
	if n.Kind != yaml.MappingNode {
		d.atf(n, "%s must be a mapping of names to their settings, not %s", at, describe(n))
		return
	}
	for _, p := range pairs(d.collector, n) {
		below := at.key(p.key.Value)
		d.places[below] = p
		d.format(p.key, p.key.Value, f.keys, at)
		item := reflect.New(into.Type().Elem()).Elem()
		item.Field(0).SetString(p.key.Value)
		d.value(p.value, item.Field(1), field{rules: f.rules}, below)
		into.Set(reflect.Append(into, item))
	}
}

// list takes a list; a single value stands for a list of one, as in GitHub's own files.
func (d *decoder) list(n *yaml.Node, into reflect.Value, f field, at path) {
	items := []*yaml.Node{n}
	switch {
	case n.Kind == yaml.SequenceNode:
		items = n.Content
	case n.Kind == yaml.MappingNode && into.Type().Elem().Kind() == reflect.String:
		d.atf(n, "%s must be text or a list of texts, not a mapping", at)
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, len(items)))
	seen := make(map[string]bool)
	for i, node := range items {
		node = resolve(node)
		below := at
		if n.Kind == yaml.SequenceNode {
			below = at.index(i)
			d.places[below] = pair{nil, node}
		}
		item := reflect.New(into.Type().Elem()).Elem()
		d.value(node, item, f, below)
		if f.is("unique") && item.Kind() == reflect.String && item.String() != "" {
			if seen[item.String()] {
				d.atf(node, "%s repeats %s: name it once", below, show(item.String()))
				continue
			}
			seen[item.String()] = true
		}
		into.Set(reflect.Append(into, item))
	}
	if f.is("some") && len(items) == 0 {
		d.atf(n, "%s is an empty list: give it at least one entry, or remove the key", at)
	}
}

func (d *decoder) mapping(n *yaml.Node, into reflect.Value, f field, at path) {
	if n.Kind != yaml.MappingNode {
		d.atf(n, "%s must be a mapping of names to values, not %s", at, describe(n))
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, p := range pairs(d.collector, n) {
		below := at.key(p.key.Value)
		d.places[below] = p
		d.format(p.key, p.key.Value, f.keys, at)
		item := reflect.New(into.Type().Elem()).Elem()
		d.value(p.value, item, f, below)
		into.SetMapIndex(reflect.ValueOf(p.key.Value), item)
	}
}

// any keeps a value of a mapping that is handed on as JSON.
func (d *decoder) any(n *yaml.Node, at path) (any, bool) {
	switch n = resolve(n); n.Kind {
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for i, child := range n.Content {
			if v, ok := d.any(child, at.index(i)); ok {
				list = append(list, v)
			}
		}
		return list, true
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for _, p := range pairs(d.collector, n) {
			if v, ok := d.any(p.value, at.key(p.key.Value)); ok {
				object[p.key.Value] = v
			}
		}
		return object, true
	default:
		return d.anyScalar(n, at)
	}
}

// quoteList writes words for a message.
func quoteList(words []string) string { return strings.Join(words, ", ") }
