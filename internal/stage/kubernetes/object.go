package kubernetes

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// object is one object of the manifests and where it was written.
type object struct {
	*unstructured.Unstructured
	path string
	line int
	// node is its text as a tree, for the lines of its fields; nil where templates made it.
	node *yaml.Node
}

// key names an object whatever the version of its API.
type key struct{ group, kind, namespace, name string }

func keyOf(u *unstructured.Unstructured) key {
	gvk := u.GroupVersionKind()
	return key{group: gvk.Group, kind: gvk.Kind, namespace: u.GetNamespace(), name: u.GetName()}
}

func (o *object) key() key { return keyOf(o.Unstructured) }

// String is how people name it: "Deployment web", "Deployment web in shop" outside of the stage's own namespace.
func (k key) String() string { return k.kind + " " + k.name }

// in names the object, with its namespace where that is not the one expected.
func (k key) in(namespace string) string {
	if k.namespace == "" || k.namespace == namespace {
		return k.String()
	}
	return k.String() + " in " + k.namespace
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name), cmp.Compare(a.group, b.group))
}

// text is the key as the inventory keeps it.
func (k key) text() string { return strings.Join([]string{k.group, k.kind, k.namespace, k.name}, "/") }

// parseKey reads what text wrote.
func parseKey(text string) (key, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 {
		return key{}, false
	}
	return key{group: parts[0], kind: parts[1], namespace: parts[2], name: parts[3]}, true
}

// lineOf is the line of a field, or of the nearest thing around it that is written.
func (o *object) lineOf(path ...string) int {
	line, at := o.line, o.node
	for _, part := range path {
		if at = child(at, part, &line); at == nil {
			break
		}
	}
	return line
}

func child(node *yaml.Node, part string, line *int) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node == nil {
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == part {
				*line = node.Content[i].Line
				return node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(part); err == nil && i < len(node.Content) {
			*line = node.Content[i].Line
			return node.Content[i]
		}
	default: // a scalar has no children
	}
	return nil
}

// template is a pod's description within an object, and where it stands.
type template struct {
	spec, meta map[string]any
	path       []string // to the spec
}

// podTemplates are the pods an object describes: its own, or those it makes.
func podTemplates(u *unstructured.Unstructured) []template {
	var paths [][]string
	switch u.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Kind: "Pod"}:
		paths = [][]string{{}}
	case schema.GroupKind{Group: "batch", Kind: "CronJob"}:
		paths = [][]string{{"spec", "jobTemplate", "spec", "template"}}
	case schema.GroupKind{Kind: "PodTemplate"}:
		paths = [][]string{{"template"}}
	default:
		// Deployments, StatefulSets, DaemonSets, ReplicaSets and Jobs, and the like of them that others have made.
		paths = [][]string{{"spec", "template"}}
	}
	var found []template
	for _, path := range paths {
		inner := u.Object
		if len(path) > 0 {
			inner = nested(u.Object, path...)
		}
		spec := nested(inner, "spec")
		if _, is := spec["containers"].([]any); !is {
			continue
		}
		found = append(found, template{spec: spec, meta: inner, path: append(slices.Clone(path), "spec")})
	}
	return found
}

// nested is a mapping within a mapping; nil: there is none. It is the thing itself, not a copy.
func nested(in map[string]any, path ...string) map[string]any {
	for _, part := range path {
		inner, is := in[part].(map[string]any)
		if !is {
			return nil
		}
		in = inner
	}
	return in
}

// container is one container of a pod, and where it stands.
type container struct {
	fields map[string]any
	path   []string
	// init: it runs before the others, and ends.
	init bool
}

func (c container) name() string  { return textOf(c.fields["name"]) }
func (c container) image() string { return textOf(c.fields["image"]) }

func textOf(value any) string {
	text, _ := value.(string)
	return text
}

// containers are all of a pod: init containers (and sidecars, which stand among them), containers, ephemeral ones.
func (t template) containers() []container {
	var found []container
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		items, _ := t.spec[list].([]any)
		for i, item := range items {
			fields, is := item.(map[string]any)
			if !is {
				continue
			}
			found = append(found, container{
				fields: fields, path: append(slices.Clone(t.path), list, strconv.Itoa(i)),
				// A sidecar is an init container that goes on.
				init: list == "initContainers" && textOf(fields["restartPolicy"]) != "Always",
			})
		}
	}
	return found
}
