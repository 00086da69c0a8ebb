package kubernetes

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// placeholder is a secret of the environment within the value of a Secret: $(NAME). A doubled dollar, $$(NAME), is that
// text itself. Names are upper case, so that scripts with $(command) stay what they are.
var placeholder = regexp.MustCompile(`\$?\$\(([A-Z_][A-Z0-9_]*)\)`)

func isSecret(u *unstructured.Unstructured) bool {
	return u.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Secret"}
}

// secretValues finds the secrets that a stage may put into its manifests: those the file names for it, but never the way
// into the cluster itself.
type secretValues struct {
	named  []string
	lookup func(name string) (string, bool)
}

func newSecretValues(task pipeline.Task, lookup func(string) (string, bool)) secretValues {
	named := slices.Clone(task.Stage.Secrets)
	if env := task.Environment; env != nil && env.Cluster != nil && env.Cluster.Kubeconfig != "" {
		named = slices.DeleteFunc(named, func(name string) bool { return name == env.Cluster.Kubeconfig })
	}
	return secretValues{named: named, lookup: lookup}
}

// value is one secret; why says what to do where it cannot be had.
func (v secretValues) value(name string) (value, why string) {
	if !slices.Contains(v.named, name) {
		return "", fmt.Sprintf("the stage does not name %s among its `secrets` (write $$(%s) if the text itself is meant)", name, name)
	}
	value, set := v.lookup(name)
	if !set {
		return "", fmt.Sprintf("the secret %s is not set for this run", name)
	}
	return value, ""
}

// check reports placeholders that cannot be filled.
func (v secretValues) check(objects []*object, w *wrongs) {
	for _, o := range objects {
		if !isSecret(o.Unstructured) {
			continue
		}
		for _, field := range []string{"stringData", "data"} {
			entries := nested(o.Object, field)
			for _, name := range slices.Sorted(maps.Keys(entries)) {
				text, _, readable := plainValue(field, entries[name])
				if !readable {
					continue
				}
				for _, wanted := range placeholdersIn(text) {
					if _, why := v.value(wanted); why != "" {
						w.addf(o.path, o.lineOf(field, name), "secret", "%s: %s of %s uses a secret that is not to be had: %s", o.key(), name, field, why)
					}
				}
			}
		}
	}
}

// fill returns the object as it is applied: with the values of secrets in the place of their names. The given one is not
// changed.
func (v secretValues) fill(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if !isSecret(u) {
		return u, nil
	}
	filled := u.DeepCopy()
	for _, field := range []string{"stringData", "data"} {
		entries := nested(filled.Object, field)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			text, encoded, readable := plainValue(field, entries[name])
			if !readable || !strings.Contains(text, "$(") {
				continue
			}
			var missing string
			text = placeholder.ReplaceAllStringFunc(text, func(found string) string {
				if strings.HasPrefix(found, "$$") {
					return found[1:]
				}
				value, why := v.value(found[2 : len(found)-1])
				if why != "" {
					missing = why
				}
				return value
			})
			if missing != "" {
				return nil, failf("A secret cannot be filled in", "%s uses a secret that is not to be had: %s.", keyOf(u), missing)
			}
			if encoded {
				text = base64.StdEncoding.EncodeToString([]byte(text))
			}
			entries[name] = text
		}
	}
	return filled, nil
}

// plainValue is an entry of a Secret as text. In `data` a bare $(NAME) is taken too, though it is no base64.
func plainValue(field string, value any) (text string, encoded, readable bool) {
	text, is := value.(string)
	if !is {
		return "", false, false
	}
	if field == "stringData" {
		return text, false, true
	}
	if placeholder.FindString(text) == text && text != "" {
		return text, true, true
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !utf8.Valid(decoded) {
		return "", true, false
	}
	return string(decoded), true, true
}

func placeholdersIn(text string) []string {
	var names []string
	for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
		if !strings.HasPrefix(found[0], "$$") && !slices.Contains(names, found[1]) {
			names = append(names, found[1])
		}
	}
	return names
}

// committed lists the entries of a Secret whose values stand in the repository.
func committed(o *object) [][2]string {
	var found [][2]string
	for _, field := range []string{"stringData", "data"} {
		entries := nested(o.Object, field)
		for _, name := range slices.Sorted(maps.Keys(entries)) {
			written, is := entries[name].(string)
			text, _, readable := plainValue(field, written)
			if is && written != "" && (!readable || len(placeholdersIn(text)) == 0) {
				found = append(found, [2]string{field, name})
			}
		}
	}
	return found
}
