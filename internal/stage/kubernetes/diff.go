package kubernetes

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// change is one field that differs.
type change struct {
	path string
	// old and now are how the values are shown; empty: the field is not there.
	old, now string
	// secret: its values are not shown.
	secret bool
}

func (c change) removed() bool { return c.now == "" }

func (c change) String() string {
	switch {
	case c.now == "":
		return "- " + c.path + ": " + c.old
	case c.old == "":
		return "+ " + c.path + ": " + c.now
	default:
		return "~ " + c.path + ": " + c.old + " → " + c.now
	}
}

const (
	masked    = "***"
	longValue = 200
)

// differences compares two objects field by field, what is removed first. Values of Secrets are not shown.
func differences(kind string, old, now map[string]any) []change {
	d := differ{secret: kind == "Secret"}
	d.mapping("", unmarked(old), unmarked(now))
	slices.SortStableFunc(d.changes, func(a, b change) int {
		switch {
		case a.removed() == b.removed():
			return 0
		case a.removed():
			return -1
		default:
			return 1
		}
	})
	return d.changes
}

type differ struct {
	secret  bool
	changes []change
}

func (d *differ) mapping(at string, old, now map[string]any) {
	names := slices.Sorted(maps.Keys(old))
	for name := range now {
		if _, both := old[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		before, was := old[name]
		after, is := now[name]
		d.value(at+step1(at, name), before, after, was, is)
	}
}

// step1 is a name as the next part of a path.
func step1(at, name string) string {
	plain := !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' })
	switch {
	case !plain:
		return "[" + name + "]"
	case at == "":
		return name
	default:
		return "." + name
	}
}

func (d *differ) value(at string, old, now any, was, is bool) {
	if was && is && reflect.DeepEqual(old, now) {
		return
	}
	before, oldMapping := old.(map[string]any)
	after, newMapping := now.(map[string]any)
	if oldMapping && newMapping || oldMapping && !is || newMapping && !was {
		if len(before)+len(after) > 0 {
			d.mapping(at, before, after)
			return
		}
	}
	oldList, oldIs := old.([]any)
	newList, newIs := now.([]any)
	if (oldIs || !was) && (newIs || !is) && (oldIs || newIs) && (ofMappings(oldList) || ofMappings(newList)) {
		d.list(at, oldList, newList)
		return
	}
	c := change{path: at, secret: d.hides(at)}
	if was {
		c.old = d.show(at, old)
	}
	if is {
		c.now = d.show(at, now)
	}
	d.changes = append(d.changes, c)
}

func ofMappings(list []any) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(item any) bool { _, is := item.(map[string]any); return !is })
}

// list compares lists of mappings by what names their items: a container that moved is the same container.
func (d *differ) list(at string, old, now []any) {
	before, after := named(old), named(now)
	order := make([]string, 0, len(before)+len(after))
	for _, items := range [][]item{before, after} {
		for _, i := range items {
			if !slices.Contains(order, i.name) {
				order = append(order, i.name)
			}
		}
	}
	for _, name := range order {
		o, was := find(before, name)
		n, is := find(after, name)
		d.value(at+"["+name+"]", o, n, was, is)
	}
}

type item struct {
	name  string
	value any
}

func find(items []item, name string) (any, bool) {
	for _, i := range items {
		if i.name == name {
			return i.value, true
		}
	}
	return nil, false
}

// named gives the items of a list names: by the first field that all have and that tells them apart, else by number.
func named(list []any) []item {
	for _, field := range []string{"name", "mountPath", "containerPort", "port", "key", "host", "path", "ip", "type"} {
		items := make([]item, 0, len(list))
		for _, entry := range list {
			value, _ := entry.(map[string]any)
			name, has := value[field]
			text := fmt.Sprint(name)
			if _, taken := find(items, text); !has || taken {
				break
			}
			items = append(items, item{text, entry})
		}
		if len(items) == len(list) {
			return items
		}
	}
	items := make([]item, len(list))
	for i, entry := range list {
		items[i] = item{strconv.Itoa(i), entry}
	}
	return items
}

func (d *differ) hides(at string) bool {
	return d.secret && (strings.HasPrefix(at, "data") || strings.HasPrefix(at, "stringData"))
}

// show is a value in one line.
func (d *differ) show(at string, value any) string {
	if d.hides(at) {
		text := textOf(value)
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
			text = string(decoded)
		}
		return fmt.Sprintf("%s (%d bytes)", masked, len(text))
	}
	if text, is := value.(string); is && text != "" && !strings.ContainsFunc(text, unicode.IsControl) && strings.TrimSpace(text) == text {
		return clip(text, longValue)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value) // no value of an object is such
	}
	return clip(string(text), longValue)
}
