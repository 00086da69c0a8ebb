package kubernetes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	sigsyaml "sigs.k8s.io/yaml"
)

// elided stands in a recorded manifest where a Secret's value stands in the repository: a release keeps no such values.
const elided = "slipway: this value is in the commit"

const sourceComment = "# Source: "

// exact writes objects as they are to be applied: images by digest, secrets by their names. It is what people approve.
func exact(objects []*object) ([]byte, error) { return write(objects, false) }

// public is exact without the values that were committed to Secrets.
func public(objects []*object) ([]byte, error) { return write(objects, true) }

func write(objects []*object, hide bool) ([]byte, error) {
	var out bytes.Buffer
	for _, o := range objects {
		u := o.Unstructured
		if hide && isSecret(u) {
			u = u.DeepCopy()
			for _, entry := range committed(o) {
				nested(u.Object, entry[0])[entry[1]] = elided
			}
		}
		text, err := sigsyaml.Marshal(u.Object)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", o.key(), err)
		}
		fmt.Fprintf(&out, "---\n%s%s:%d\n%s", sourceComment, o.path, o.line, text)
	}
	return out.Bytes(), nil
}

// hashOf is what a set of manifests is known by.
func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// recorded reads what write wrote.
func recorded(text []byte) ([]*object, error) {
	var (
		objects []*object
		w       wrongs
	)
	for _, doc := range documents(string(text)) {
		found := parseDocument("the recorded manifests", doc, &w)
		first, _, _ := strings.Cut(doc.text, "\n")
		if origin, is := strings.CutPrefix(first, sourceComment); is {
			at := strings.LastIndexByte(origin, ':')
			for _, o := range found {
				o.path, o.node = origin[:max(at, 0)], nil
				if _, err := fmt.Sscanf(origin[at+1:], "%d", &o.line); err != nil {
					o.line = 0
				}
			}
		}
		objects = append(objects, found...)
	}
	return objects, w.err()
}

// hides reports whether a recorded set lacks values that are in its commit.
func hides(objects []*object) bool {
	for _, o := range objects {
		if isSecret(o.Unstructured) && len(elidedIn(o)) > 0 {
			return true
		}
	}
	return false
}

func elidedIn(o *object) [][2]string {
	var found [][2]string
	for _, field := range []string{"stringData", "data"} {
		for name, value := range nested(o.Object, field) {
			if value == elided {
				found = append(found, [2]string{field, name})
			}
		}
	}
	return found
}

// restore puts the values of the commit back into a recorded set.
func restore(objects, fresh []*object) error {
	byKey := make(map[key]*object, len(fresh))
	for _, o := range fresh {
		byKey[o.key()] = o
	}
	for _, o := range objects {
		for _, entry := range elidedIn(o) {
			from := byKey[o.key()]
			if from == nil {
				return failf("The release cannot be brought back", "%s of the release holds values that stand in its commit, and the commit has no such object.", o.key())
			}
			value, is := nested(from.Object, entry[0])[entry[1]]
			if !is {
				return failf("The release cannot be brought back", "%s of the release holds %s, whose value stands in its commit, and the commit has it no more.", o.key(), entry[1])
			}
			nested(o.Object, entry[0])[entry[1]] = value
		}
	}
	return nil
}
