package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxEvents bounds what is read of a namespace.
const maxEvents = 1000

// Events are those of a namespace, oldest first.
func (c *Clients) Events(ctx context.Context, namespace string) ([]corev1.Event, error) {
	list, err := c.Kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{Limit: maxEvents})
	if err != nil {
		return nil, Explain(err, "list events")
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b).Time) })
	return list.Items, nil
}

func eventTime(e corev1.Event) metav1.Time {
	switch {
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp
	case !e.EventTime.IsZero():
		return metav1.Time{Time: e.EventTime.Time}
	default:
		return e.CreationTimestamp
	}
}

// EventLines writes events as a text for people.
func EventLines(events []corev1.Event) string {
	var out strings.Builder
	for _, e := range events {
		count := ""
		if e.Count > 1 {
			count = fmt.Sprintf(" (%d times)", e.Count)
		}
		fmt.Fprintf(&out, "%s %-7s %-20s %s/%s: %s%s\n", eventTime(e).UTC().Format("15:04:05"), e.Type, e.Reason,
			strings.ToLower(e.InvolvedObject.Kind), e.InvolvedObject.Name, strings.Join(strings.Fields(e.Message), " "), count)
	}
	return out.String()
}

// Bounds of the logs of one container.
const (
	logLines = 1000
	logBytes = 1 << 20
)

// Logs are the last lines of a container; of the one that ran before it, where previous is asked for.
func (c *Clients) Logs(ctx context.Context, namespace, pod, container string, previous bool) (string, error) {
	lines, bytes := int64(logLines), int64(logBytes)
	raw, err := c.Kube.CoreV1().Pods(namespace).GetLogs(pod, &corev1.PodLogOptions{
		Container: container, Previous: previous, TailLines: &lines, LimitBytes: &bytes,
	}).DoRaw(ctx)
	if err != nil {
		return "", Explain(err, "give the logs of "+pod)
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), nil
}
