package kubernetes

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

// readiness is how far an object is.
type readiness struct {
	ready, failed bool
	// text says how far: "1 of 3 replicas are ready".
	text string
}

// readinessOf judges an object as it is now.
func readinessOf(live *unstructured.Unstructured) readiness {
	if live == nil {
		return readiness{text: "not there yet"}
	}
	if live.GetKind() == "Job" && live.GroupVersionKind().Group == "batch" {
		return jobReadiness(live)
	}
	result, err := status.Compute(live)
	if err != nil {
		return readiness{text: err.Error()}
	}
	switch result.Status {
	case status.CurrentStatus:
		return readiness{ready: true, text: "ready"}
	case status.FailedStatus:
		return readiness{failed: true, text: result.Message}
	case status.TerminatingStatus:
		return readiness{text: "being deleted"}
	default:
		return readiness{text: counted(live, result.Message)}
	}
}

// jobReadiness: a Job is there to end, while kstatus is content when it has begun.
func jobReadiness(live *unstructured.Unstructured) readiness {
	if suspended, _, _ := unstructured.NestedBool(live.Object, "spec", "suspend"); suspended {
		return readiness{ready: true, text: "suspended"}
	}
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, c := range mappings(any(conditions)) {
		switch {
		case c["type"] == "Complete" && c["status"] == "True":
			return readiness{ready: true, text: "complete"}
		case c["type"] == "Failed" && c["status"] == "True":
			return readiness{failed: true, text: "the Job failed: " + textOf(c["message"])}
		}
	}
	succeeded, _, _ := unstructured.NestedInt64(live.Object, "status", "succeeded")
	return readiness{text: fmt.Sprintf("running, %d pods done", succeeded)}
}

// counted says how many replicas are how far, where an object counts them.
func counted(live *unstructured.Unstructured, message string) string {
	of := func(path ...string) int64 {
		n, _, _ := unstructured.NestedInt64(live.Object, path...)
		return n
	}
	switch live.GetKind() {
	case "Deployment", "StatefulSet":
		wanted, given, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
		if !given {
			wanted = 1
		}
		ready, updated := of("status", "readyReplicas"), of("status", "updatedReplicas")
		if live.GetKind() == "Deployment" {
			ready = of("status", "availableReplicas")
		}
		return fmt.Sprintf("%d of %d updated, %d available", updated, wanted, ready)
	case "DaemonSet":
		return fmt.Sprintf("%d of %d updated, %d available", of("status", "updatedNumberScheduled"), of("status", "desiredNumberScheduled"), of("status", "numberAvailable"))
	}
	return message
}

// stale reports whether the condition for which an object counts as failed was there before: a deadline that passed in an
// earlier attempt says nothing of this one.
func stale(live *unstructured.Unstructured, since time.Time) bool {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, c := range mappings(any(conditions)) {
		if c["reason"] == "ProgressDeadlineExceeded" || c["type"] == "Stalled" && c["status"] == "True" {
			return changedAt(c).Before(since.Truncate(time.Second))
		}
	}
	return false
}

// changedAt is when a condition was changed last.
func changedAt(condition map[string]any) time.Time {
	for _, field := range []string{"lastUpdateTime", "lastTransitionTime"} {
		if at, err := time.Parse(time.RFC3339, textOf(condition[field])); err == nil {
			return at
		}
	}
	return time.Time{}
}
