package kubernetes

import (
	"strings"
	"testing"
)

// TestForeignFields are those of pods that others set besides the manifest.
func TestForeignFields(t *testing.T) {
	const (
		ours  = `- {manager: slipway, operation: Apply, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}}`
		hand  = `- {manager: kubectl-set, operation: Update, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}, "f:env": {".": {}, "k:{\"name\":\"BY_HAND\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}}}}`
		scale = `- {manager: autoscaler, operation: Update, subresource: scale, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:x": {}}}}}}`
		tool  = `- {manager: helm, operation: Apply, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:y": {}}}}}}`
	)
	for name, c := range map[string]struct {
		managers []string
		want     []string
	}{
		"by hand":             {[]string{ours, hand, scale, tool}, []string{`env`, `env[name="BY_HAND"]`, `env[name="BY_HAND"].name`, `env[name="BY_HAND"].value`}},
		"nobody":              {[]string{ours, scale, tool}, nil},
		"what was never ours": {[]string{hand}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			live := told(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  managedFields:\n  "+strings.Join(c.managers, "\n  ")+"\n")
			found, err := foreignFields(live)
			if err != nil {
				t.Fatal(err)
			}
			if found.Size() != len(c.want) {
				t.Errorf("%s", found)
			}
			for _, field := range c.want {
				if !strings.Contains(found.String(), `containers[name="web"].`+field) {
					t.Errorf("%s, want %s", found, field)
				}
			}
		})
	}
}
