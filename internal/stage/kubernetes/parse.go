package kubernetes

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	sigsyaml "sigs.k8s.io/yaml"
)

// document is one YAML document of a file; line is where it begins.
type document struct {
	text string
	line int
}

// documents cuts a stream at its `---` lines, which cannot stand within a document.
func documents(text string) []document {
	var (
		found []document
		part  strings.Builder
		begin = 1
		n     = 0
	)
	flush := func(next int) {
		if strings.TrimSpace(part.String()) != "" {
			found = append(found, document{part.String(), begin})
		}
		part.Reset()
		begin = next
	}
	for line := range strings.Lines(text) {
		n++
		bare := strings.TrimRight(line, "\r\n")
		if bare == "---" || strings.HasPrefix(bare, "--- ") || strings.HasPrefix(bare, "---\t") {
			flush(n + 1)
			if rest := strings.TrimSpace(bare[3:]); rest != "" && !strings.HasPrefix(rest, "#") {
				part.WriteString(rest + "\n")
				begin = n
			}
			continue
		}
		if bare == "..." {
			flush(n + 1)
			continue
		}
		part.WriteString(line)
	}
	flush(n + 1)
	return found
}

// parse reads the objects of a file; what is wrong goes to w.
func parse(path, text string, w *wrongs) []*object {
	var objects []*object
	for _, doc := range documents(text) {
		objects = append(objects, parseDocument(path, doc, w)...)
	}
	return objects
}

var lineOfError = regexp.MustCompile(`line (\d+)`)

func parseDocument(path string, doc document, w *wrongs) []*object {
	var tree yaml.Node
	if err := yaml.Unmarshal([]byte(doc.text), &tree); err != nil {
		w.addf(path, doc.line+errorLine(err)-1, "yaml", "is no YAML: %s", plainYAMLError(err))
		return nil
	}
	if len(tree.Content) == 0 || tree.Content[0].Tag == "!!null" {
		return nil // comments only
	}
	node := tree.Content[0]
	shift(node, doc.line-1, make(map[*yaml.Node]bool))
	// What the API server takes for YAML is version 1.1 of it: `yes` is true there.
	fields := make(map[string]any)
	if node.Kind != yaml.MappingNode {
		w.addf(path, node.Line, "yaml", "is no Kubernetes object: a mapping with apiVersion and kind is expected here")
		return nil
	}
	encoded, err := sigsyaml.YAMLToJSONStrict([]byte(doc.text))
	if err != nil {
		w.addf(path, doc.line+errorLine(err)-1, "yaml", "is no YAML: %s", plainYAMLError(err))
		return nil
	}
	if err := unmarshalJSON(encoded, &fields); err != nil {
		w.addf(path, doc.line, "yaml", "cannot be read: %s", err)
		return nil
	}
	return fromFields(path, node, fields, w)
}

// fromFields makes the objects of a document: one, or those of a List.
func fromFields(path string, node *yaml.Node, fields map[string]any, w *wrongs) []*object {
	o := &object{Unstructured: &unstructured.Unstructured{Object: fields}, path: path, line: node.Line, node: node}
	items, list := fields["items"].([]any)
	if list && strings.HasSuffix(o.GetKind(), "List") && o.GetName() == "" {
		var objects []*object
		for i, item := range items {
			inner, is := item.(map[string]any)
			line := node.Line
			at := child(child(node, "items", &line), strconv.Itoa(i), &line)
			if !is || at == nil {
				w.addf(path, line, "yaml", "item %d of the list is no object", i+1)
				continue
			}
			objects = append(objects, fromFields(path, at, inner, w)...)
		}
		return objects
	}
	if !complete(o, w) {
		return nil
	}
	return []*object{o}
}

// complete reports whether an object says what it is.
func complete(o *object, w *wrongs) bool {
	meta, isMapping := o.Object["metadata"].(map[string]any)
	switch {
	case textOf(o.Object["apiVersion"]) == "":
		w.addf(o.path, o.line, "object", "has no apiVersion")
	case textOf(o.Object["kind"]) == "":
		w.addf(o.path, o.line, "object", "has no kind")
	case !isMapping:
		w.addf(o.path, o.line, "object", "%s has no metadata", o.GetKind())
	case textOf(meta["name"]) == "" && textOf(meta["generateName"]) != "":
		w.addf(o.path, o.lineOf("metadata", "generateName"), "object",
			"%s has generateName: what is applied again needs the same name each time; give it a name", o.GetKind())
	case textOf(meta["name"]) == "":
		w.addf(o.path, o.lineOf("metadata"), "object", "%s has no name", o.GetKind())
	case meta["namespace"] != nil && len(validation.IsDNS1123Label(textOf(meta["namespace"]))) > 0:
		w.addf(o.path, o.lineOf("metadata", "namespace"), "object", "%s names no valid namespace", o.key())
	default:
		return true
	}
	return false
}

// shift moves the lines of a tree by where its document begins.
func shift(node *yaml.Node, by int, done map[*yaml.Node]bool) {
	if node == nil || done[node] {
		return
	}
	done[node] = true
	node.Line += by
	for _, c := range node.Content {
		shift(c, by, done)
	}
	shift(node.Alias, by, done)
}

func errorLine(err error) int {
	if at := lineOfError.FindStringSubmatch(err.Error()); at != nil {
		if n, convErr := strconv.Atoi(at[1]); convErr == nil {
			return n
		}
	}
	return 1
}

// plainYAMLError is the decoder's complaint without its own prefixes and its line, which is not the file's.
func plainYAMLError(err error) string {
	var several *yaml.TypeError
	text := err.Error()
	if errors.As(err, &several) && len(several.Errors) > 0 {
		text = several.Errors[0]
	}
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if at := lineOfError.FindStringIndex(text); at != nil && at[0] == 0 {
		text = strings.TrimPrefix(text[at[1]:], ": ")
	}
	return strings.TrimSpace(text)
}

// twice reports objects that are there more than once: which of them counts would be chance.
func twice(objects []*object, w *wrongs) {
	seen := make(map[key]*object, len(objects))
	for _, o := range objects {
		first, known := seen[o.key()]
		if !known {
			seen[o.key()] = o
			continue
		}
		w.addf(o.path, o.line, "twice", "%s is there twice: also at %s", o.key(), place(first))
	}
}

func place(o *object) string {
	if o.line == 0 {
		return o.path
	}
	return fmt.Sprintf("%s:%d", o.path, o.line)
}
