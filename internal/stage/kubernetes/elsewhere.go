package kubernetes

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"helm.sh/helm/v3/pkg/chart"
	sigsyaml "sigs.k8s.io/yaml"
)

// The libraries of kustomize and Helm fetch what manifests name, and have no switch for it: what would make them is found
// before they see it.

// remote is how kustomize tells what it fetches from what it opens.
var (
	remoteWhole = regexp.MustCompile(`(?i)^\s*(git::)?([a-z][a-z0-9+.-]*://|[a-z][a-z0-9-]*@[^/]*:|github\.com[/:])`)
	remoteParts = regexp.MustCompile(`(?i)(git::|[a-z][a-z0-9+.-]*://|[a-z][a-z0-9-]*@[^/\s]*:|github\.com[/:])`)
)

// values are keys whose texts become part of objects and are never fetched.
var values = []string{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	"commonAnnotations", "commonLabels", "annotations", "labels", "literals", "images", "imageTags", "metadata", "vars", "options", "patch", "target", "value",
}

// findRemote returns the first text that kustomize would fetch.
func findRemote(in any) string {
	switch v := in.(type) {
	case map[string]any:
		for name, inner := range v {
			if slices.Contains(values, name) {
				continue
			}
			if found := findRemote(inner); found != "" {
				return found
			}
		}
	case []any:
		for _, inner := range v {
			if found := findRemote(inner); found != "" {
				return found
			}
		}
	case string:
		return remoteText(v)
	}
	return ""
}

// remoteText: generators name files as KEY=FILE, and transformers may be written in place.
func remoteText(text string) string {
	if remoteWhole.MatchString(text) {
		return strings.TrimSpace(text)
	}
	if _, file, keyed := strings.Cut(text, "="); keyed && remoteWhole.MatchString(file) && !strings.Contains(text, "\n") {
		return strings.TrimSpace(file)
	}
	return builtinRemote(text)
}

// builtinRemote returns what the generators and transformers of kustomize that a text configures would fetch.
func builtinRemote(text string) string {
	for _, doc := range documents(text) {
		var fields map[string]any
		switch err := sigsyaml.Unmarshal([]byte(doc.text), &fields); {
		case err != nil && strings.Contains(doc.text, "builtin"):
			if found := remoteParts.FindString(doc.text); found != "" {
				return found // kustomize may read what we cannot
			}
		case err == nil && isBuiltin(fields):
			if found := findRemote(fields); found != "" {
				return found
			}
		}
	}
	return ""
}

func isBuiltin(fields map[string]any) bool {
	return textOf(fields["apiVersion"]) == "builtin" || slices.ContainsFunc(mappings(fields["items"]), isBuiltin)
}

// remoteSchema returns what the schemas of a chart, and of the charts within it, would have Helm load from elsewhere. It has
// Helm's own library resolve them, with nowhere to load from.
func remoteSchema(c *chart.Chart) string {
	if doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(c.Schema)); c.Schema != nil && err == nil {
		var none noLoader
		compiler := jsonschema.NewCompiler()
		compiler.UseLoader(&none)
		const name = "file:///values.schema.json" // as Helm calls it
		if err := compiler.AddResource(name, doc); err == nil {
			if _, err := compiler.Compile(name); err != nil && none.asked != "" {
				return none.asked
			}
		}
	}
	for _, inner := range c.Dependencies() {
		if found := remoteSchema(inner); found != "" {
			return found
		}
	}
	return ""
}

var errElsewhere = errors.New("it is elsewhere")

// noLoader notes what was to be loaded.
type noLoader struct{ asked string }

// Load implements jsonschema.URLLoader. Helm takes a urn, which it cannot load, for a schema that allows all.
func (l *noLoader) Load(url string) (any, error) {
	if strings.HasPrefix(url, "urn:") {
		return true, nil
	}
	l.asked = url
	return nil, errElsewhere
}
