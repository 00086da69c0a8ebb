package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
)

// Bounds of what is read of a namespace: a server gives its list in pages, and in the order of names.
const (
	eventsPage = 1000
	maxEvents  = 10000
)

// Events are those of a namespace, oldest first.
func (c *Clients) Events(ctx context.Context, namespace string) ([]corev1.Event, error) {
	return c.events(ctx, namespace, metav1.ListOptions{})
}

// EventsAbout are those about one object, oldest first.
func (c *Clients) EventsAbout(ctx context.Context, namespace string, uid types.UID) ([]corev1.Event, error) {
	found, err := c.events(ctx, namespace, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("involvedObject.uid", string(uid)).String()})
	return slices.DeleteFunc(found, func(e corev1.Event) bool { return e.InvolvedObject.UID != uid }), err
}

func (c *Clients) events(ctx context.Context, namespace string, options metav1.ListOptions) ([]corev1.Event, error) {
	var found []corev1.Event
	for options.Limit = eventsPage; ; {
		list, err := c.Kube.CoreV1().Events(namespace).List(ctx, options)
		if apierrors.IsResourceExpired(err) && len(found) > 0 {
			break // the list has changed too much since its first page
		}
		if err != nil {
			return nil, Explain(err, "list events")
		}
		found = append(found, list.Items...)
		if options.Continue = list.Continue; options.Continue == "" || len(found) >= maxEvents {
			break
		}
	}
	slices.SortStableFunc(found, func(a, b corev1.Event) int { return EventTime(a).Compare(EventTime(b)) })
	return found, nil
}

// EventTime is when an event was seen last.
func EventTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
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
		fmt.Fprintf(&out, "%s %-7s %-20s %s/%s: %s%s\n", EventTime(e).UTC().Format("15:04:05"), e.Type, e.Reason,
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
