package kubernetes

import "testing"

// TestClaimsAreNotWaitedFor: with volumeBindingMode WaitForFirstConsumer a claim is pending until the pod of a later phase is there.
func TestClaimsAreNotWaitedFor(t *testing.T) {
	var w wrongs
	objects := parse("k8s/all.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n---\n"+configMap+"---\n"+deployment, &w)
	for i, o := range objects {
		annotate(o, phaseAnnotation, []string{"1", "1", "2"}[i])
	}
	ordered := steps(objects, nil)
	if len(ordered) != 2 || len(w) > 0 {
		t.Fatalf("%+v %v", ordered, w)
	}
	if got := names(ordered[0].awaited()); got != "ConfigMap settings k8s/all.yaml:5" {
		t.Error(got)
	}
	if got := ordered[1].awaited(); len(got) != 1 {
		t.Error(names(got))
	}
	if got := names(ordered[0].objects); got == names(ordered[0].awaited()) {
		t.Error("the claim is not applied")
	}
}
