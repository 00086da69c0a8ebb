package kubernetes

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"
)

// told is an object as the API server tells it.
func told(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	encoded, err := sigsyaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := unmarshalJSON(encoded, &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

// typed is one of a kind that clients know.
func typed[T any](t *testing.T, text string) T {
	t.Helper()
	var out T
	if err := sigsyaml.UnmarshalStrict([]byte(text), &out); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func replicaSet(t *testing.T) *appsv1.ReplicaSet {
	t.Helper()
	return typed[*appsv1.ReplicaSet](t, `
metadata:
  name: web-1
  namespace: shop
  uid: r
  labels: {app: web}
  annotations: {deployment.kubernetes.io/revision: "1"}
  ownerReferences: [{kind: Deployment, name: web, uid: d, apiVersion: apps/v1, controller: true}]
`)
}
