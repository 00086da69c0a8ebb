package kubernetes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	sigsyaml "sigs.k8s.io/yaml"
)

// elided stands in shown manifests where a Secret's value stands in the repository.
const elided = "slipway: this value is not shown"

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
