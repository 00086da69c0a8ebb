package kubernetes

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// fakeWorld is a cluster without controllers.
func fakeWorld(objects ...runtime.Object) (*world, *dynamicfake.FakeDynamicClient) {
	known := meta.NewDefaultRESTMapper([]schema.GroupVersion{corev1.SchemeGroupVersion, appsv1.SchemeGroupVersion})
	for _, kind := range []string{"ConfigMap", "Service", "Secret"} {
		known.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	known.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	dynamic := dynamicfake.NewSimpleDynamicClient(scheme.Scheme, objects...)
	return &world{
		Access: &cluster.Access{Clients: &cluster.Clients{Kube: kubefake.NewClientset(), Dynamic: dynamic, Mapper: fixedMapper{known}}},
		now:    time.Now, log: func(string) {},
	}, dynamic
}

type fixedMapper struct{ meta.RESTMapper }

func (fixedMapper) Reset() {}

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
