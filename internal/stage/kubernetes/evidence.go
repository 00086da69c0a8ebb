package kubernetes

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// settled reports whether its controller has seen the object as it is: before, its pods are those of what was there.
func settled(live *unstructured.Unstructured) bool {
	observed, counts, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	return !counts && live.GetKind() != "Deployment" && live.GetKind() != "StatefulSet" && live.GetKind() != "DaemonSet" || counts && observed >= live.GetGeneration()
}

// diagnose finds why a workload does not become ready, the most telling trouble first, with the pods concerned.
func (w *world) diagnose(ctx context.Context, live *unstructured.Unstructured) ([]trouble, []corev1.Pod, error) {
	if !settled(live) {
		return nil, nil, nil
	}
	pods, messages, err := w.podsOf(ctx, live)
	if err != nil {
		return nil, nil, err
	}
	events, err := w.Events(ctx, live.GetNamespace())
	if err != nil {
		return nil, nil, err
	}
	for _, e := range slices.Backward(events) {
		if e.Reason == "FailedCreate" && strings.HasPrefix(e.InvolvedObject.Name, live.GetName()) {
			messages = append(messages, e.Message)
			break
		}
	}
	found := troublesOf(pods, events)
	if t, is := creationTrouble(messages); is && len(pods) == 0 {
		found = append([]trouble{t}, found...)
	}
	return found, pods, nil
}

// podsOf finds the pods that a workload has made for what it is now, not those it is about to replace, and what is said of
// pods it could not make.
func (w *world) podsOf(ctx context.Context, live *unstructured.Unstructured) (pods []corev1.Pod, messages []string, err error) {
	if live.GetKind() == "Pod" {
		pod, err := w.Kube.CoreV1().Pods(live.GetNamespace()).Get(ctx, live.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, nil, cluster.Explain(err, "read pods")
		}
		return []corev1.Pod{*pod}, nil, nil
	}
	labels, found, err := unstructured.NestedStringMap(live.Object, "spec", "selector", "matchLabels")
	if err != nil || !found {
		return nil, nil, nil //nolint:nilerr // it makes no pods that could be found
	}
	list, err := w.Kube.CoreV1().Pods(live.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})})
	if err != nil {
		return nil, nil, cluster.Explain(err, "list pods")
	}
	owner, label, revision := live.GetUID(), "", ""
	switch live.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		newest, said, err := w.newestReplicaSet(ctx, live, labels)
		if err != nil {
			return nil, nil, err
		}
		messages = append(said, conditionMessages(live)...)
		if newest == nil {
			return nil, messages, nil
		}
		owner = newest.GetUID()
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		label = "controller-revision-hash"
		revision, _, _ = unstructured.NestedString(live.Object, "status", "updateRevision")
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		label, revision = "pod-template-generation", live.GetAnnotations()["deprecated.daemonset.template.generation"]
	}
	for _, pod := range list.Items {
		ours := slices.ContainsFunc(pod.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner })
		if ours && (revision == "" || pod.Labels[label] == revision) && pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods, messages, nil
}

const revisionAnnotation = "deployment.kubernetes.io/revision"

// newestReplicaSet is the one a Deployment rolls out.
func (w *world) newestReplicaSet(ctx context.Context, live *unstructured.Unstructured, labels map[string]string) (metav1.Object, []string, error) {
	list, err := w.Kube.AppsV1().ReplicaSets(live.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})})
	if err != nil {
		return nil, nil, cluster.Explain(err, "list replica sets")
	}
	for i := range list.Items {
		set := &list.Items[i]
		if !metav1.IsControlledBy(set, live) || set.Annotations[revisionAnnotation] != live.GetAnnotations()[revisionAnnotation] {
			continue
		}
		var messages []string
		for _, c := range set.Status.Conditions {
			if c.Type == "ReplicaFailure" && c.Status == corev1.ConditionTrue {
				messages = append(messages, c.Message)
			}
		}
		return set, messages, nil
	}
	return nil, nil, nil
}

func conditionMessages(live *unstructured.Unstructured) []string {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	var messages []string
	for _, c := range mappings(any(conditions)) {
		if c["type"] == "ReplicaFailure" && c["status"] == "True" {
			messages = append(messages, textOf(c["message"]))
		}
	}
	return messages
}
