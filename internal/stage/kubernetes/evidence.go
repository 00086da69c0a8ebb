package kubernetes

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// settled reports whether its controller has seen the object as it is: before, its pods are those of what was there.
func settled(live *unstructured.Unstructured) bool {
	observed, counts, _ := unstructured.NestedInt64(live.Object, "status", "observedGeneration")
	return !counts && live.GetKind() != "Deployment" && live.GetKind() != "StatefulSet" && live.GetKind() != "DaemonSet" || counts && observed >= live.GetGeneration()
}

// maxExamined bounds the pods whose events are read at a time.
const maxExamined = 10

// someStopped is the weight of what keeps some pods from being made while others are there: what those tell comes first.
const someStopped = 62

// diagnose finds why a workload does not become ready, the most telling trouble first, with the pods concerned. since is
// when the wait for it began.
func (w *world) diagnose(ctx context.Context, live *unstructured.Unstructured, since time.Time) ([]trouble, []corev1.Pod, error) {
	if !settled(live) {
		return nil, nil, nil
	}
	pods, maker, messages, err := w.podsOf(ctx, live)
	if err != nil {
		return nil, nil, err
	}
	about, err := w.EventsAbout(ctx, live.GetNamespace(), maker)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range slices.Backward(about) {
		// One that is older tells of a state that may be over.
		if at := cluster.EventTime(e); e.Reason == "FailedCreate" && !at.Before(since.Truncate(time.Second)) {
			messages = append(messages, said{e.Message, at})
			break
		}
	}
	events, err := w.eventsOfPods(ctx, pods)
	if err != nil {
		return nil, nil, err
	}
	found := troublesOf(pods, events, since)
	if t, is := creationTrouble(messages, since); is && len(pods) < wantedPods(live) {
		if len(pods) > 0 {
			t.weight, t.final = someStopped, false
		}
		found = append(found, t)
		sortTroubles(found)
	}
	return found, pods, nil
}

// eventsOfPods are those about pods that are not ready.
func (w *world) eventsOfPods(ctx context.Context, pods []corev1.Pod) ([]corev1.Event, error) {
	var events []corev1.Event
	examined := 0
	for _, pod := range pods {
		ready := slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
		if ready || examined == maxExamined {
			continue
		}
		examined++
		more, err := w.EventsAbout(ctx, pod.Namespace, pod.UID)
		if err != nil {
			return nil, err
		}
		events = append(events, more...)
	}
	return events, nil
}

// wantedPods is how many pods a workload is to have.
func wantedPods(live *unstructured.Unstructured) int {
	path := []string{"spec", "replicas"}
	switch live.GetKind() {
	case "DaemonSet":
		path = []string{"status", "desiredNumberScheduled"}
	case "Job":
		path = []string{"spec", "parallelism"}
	}
	if n, given, _ := unstructured.NestedInt64(live.Object, path...); given {
		return int(n)
	}
	return 1
}

// podsOf finds the pods that a workload has made for what it is now, not those it is about to replace, what makes them, and
// what is said of pods that it could not make.
func (w *world) podsOf(ctx context.Context, live *unstructured.Unstructured) (pods []corev1.Pod, maker types.UID, messages []said, err error) {
	maker = live.GetUID()
	if live.GetKind() == "Pod" {
		pod, err := w.Kube.CoreV1().Pods(live.GetNamespace()).Get(ctx, live.GetName(), metav1.GetOptions{})
		if err != nil {
			return nil, maker, nil, cluster.Explain(err, "read pods")
		}
		return []corev1.Pod{*pod}, maker, nil, nil
	}
	labels, found, err := unstructured.NestedStringMap(live.Object, "spec", "selector", "matchLabels")
	if err != nil || !found {
		return nil, maker, nil, nil //nolint:nilerr // it makes no pods that could be found
	}
	list, err := w.Kube.CoreV1().Pods(live.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})})
	if err != nil {
		return nil, maker, nil, cluster.Explain(err, "list pods")
	}
	label, revision := "", ""
	switch live.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}:
		newest, set, err := w.newestReplicaSet(ctx, live, labels)
		if err != nil {
			return nil, maker, nil, err
		}
		messages = slices.Concat(set, conditionMessages(live))
		if newest == nil {
			return nil, maker, messages, nil
		}
		maker = newest.GetUID()
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		label = "controller-revision-hash"
		revision, _, _ = unstructured.NestedString(live.Object, "status", "updateRevision")
	case schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
		label, revision = "pod-template-generation", live.GetAnnotations()["deprecated.daemonset.template.generation"]
	}
	for _, pod := range list.Items {
		ours := slices.ContainsFunc(pod.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == maker })
		if ours && (revision == "" || pod.Labels[label] == revision) && pod.DeletionTimestamp == nil {
			pods = append(pods, pod)
		}
	}
	return pods, maker, messages, nil
}

const revisionAnnotation = "deployment.kubernetes.io/revision"

// newestReplicaSet is the one a Deployment rolls out.
func (w *world) newestReplicaSet(ctx context.Context, live *unstructured.Unstructured, labels map[string]string) (metav1.Object, []said, error) {
	list, err := w.Kube.AppsV1().ReplicaSets(live.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})})
	if err != nil {
		return nil, nil, cluster.Explain(err, "list replica sets")
	}
	for i := range list.Items {
		set := &list.Items[i]
		if !metav1.IsControlledBy(set, live) || set.Annotations[revisionAnnotation] != live.GetAnnotations()[revisionAnnotation] {
			continue
		}
		var messages []said
		for _, c := range set.Status.Conditions {
			if c.Type == "ReplicaFailure" && c.Status == corev1.ConditionTrue {
				messages = append(messages, said{c.Message, c.LastTransitionTime.Time})
			}
		}
		return set, messages, nil
	}
	return nil, nil, nil
}

func conditionMessages(live *unstructured.Unstructured) []said {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	var messages []said
	for _, c := range mappings(any(conditions)) {
		if c["type"] == "ReplicaFailure" && c["status"] == "True" {
			messages = append(messages, said{textOf(c["message"]), changedAt(c)})
		}
	}
	return messages
}
