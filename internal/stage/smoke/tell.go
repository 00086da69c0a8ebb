package smoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

const shownRequests = 60

// table shows every request.
func (t *test) table(way endpoint) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{
		{Name: "Request"}, {Name: "Attempt", Right: true}, {Name: "Status", Right: true}, {Name: "ms", Right: true}, {Name: "Result"},
	}}
	rows := t.requests
	text := "Asked: " + way.said + "."
	if n := len(rows); n > shownRequests {
		rows = rows[n-shownRequests:]
		text += fmt.Sprintf(" The last %d of %d requests.", shownRequests, n)
	}
	for _, r := range rows {
		status := "–"
		if r.status > 0 {
			status = strconv.Itoa(r.status)
		}
		table.Rows = append(table.Rows, []string{
			r.check.String(), strconv.Itoa(r.attempt), status, strconv.FormatInt(r.took.Milliseconds(), 10), cmp.Or(r.wrong, "as expected"),
		})
	}
	return pipeline.Section{Title: "Requests", Table: &table, Text: text}
}

func (t *test) passed() string {
	var slowest time.Duration
	for _, r := range t.requests {
		if r.wrong == "" {
			slowest = max(slowest, r.took)
		}
	}
	title := fmt.Sprintf("%s passed, slowest answer %d ms", report.Count(len(t.settings.Checks), "check"), slowest.Milliseconds())
	if more := len(t.requests) - len(t.settings.Checks); more > 0 {
		title += fmt.Sprintf(", %s before they did", report.Count(more, "try"))
		title = strings.Replace(title, "trys", "tries", 1)
	}
	return title
}

const shownBody = 2000

// showAnswer shows the beginning of an answer that was not right.
func (t *test) showAnswer(r request) {
	if len(r.body) == 0 {
		return
	}
	text := fmt.Sprintf("(%d bytes that are no text)", len(r.body))
	if utf8.Valid(r.body[:min(len(r.body), shownBody/2)]) {
		text = clip(string(r.body), shownBody)
	}
	t.s.Section(pipeline.Section{Title: "Answer to " + r.check.String(), Code: text})
}

const (
	shownPods  = 6
	shownLines = 25
	// lookingBack bounds what is gathered after a failure.
	lookingBack = 30 * time.Second
)

// showCluster shows the pods behind the service and beside it, and what they said last: the application and its stores.
func (t *test) showCluster(ctx context.Context) {
	if t.access == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookingBack)
	defer cancel()
	pods, err := t.pods(ctx)
	if err != nil {
		t.s.Log("The pods could not be looked at: " + err.Error())
		return
	}
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Pod"}, {Name: "Phase"}, {Name: "Ready"}, {Name: "Restarts", Right: true}}}
	for _, pod := range pods {
		ready, restarts := 0, int32(0)
		for _, c := range pod.Status.ContainerStatuses {
			restarts += c.RestartCount
			if c.Ready {
				ready++
			}
		}
		table.Rows = append(table.Rows, []string{
			pod.Name, string(pod.Status.Phase), fmt.Sprintf("%d of %d", ready, len(pod.Spec.Containers)), strconv.Itoa(int(restarts)),
		})
	}
	section := pipeline.Section{Title: "Pods in " + t.namespace, Table: &table}
	if len(pods) == 0 {
		section.Table, section.Text = nil, "There is no pod."
	}
	t.s.Section(section)
	for _, pod := range pods[:min(len(pods), shownPods)] {
		for _, c := range pod.Spec.Containers {
			t.showLog(ctx, pod.Name, c.Name)
		}
	}
	t.showEvents(ctx)
}

// pods are those the service leads to, then the others of its namespace.
func (t *test) pods(ctx context.Context) ([]corev1.Pod, error) {
	list, err := t.access.Kube.CoreV1().Pods(t.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, cluster.Explain(err, "list pods")
	}
	service, err := t.access.Kube.CoreV1().Services(t.namespace).Get(ctx, t.settings.Service, metav1.GetOptions{})
	if err != nil {
		return nil, cluster.Explain(err, "read the service")
	}
	behind := func(pod corev1.Pod) bool {
		return len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels))
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Pod) int {
		switch {
		case behind(a) == behind(b):
			return cmp.Compare(a.Name, b.Name)
		case behind(a):
			return -1
		default:
			return 1
		}
	})
	return list.Items, nil
}

func (t *test) showLog(ctx context.Context, pod, container string) {
	text, err := t.access.Logs(ctx, t.namespace, pod, container, false)
	if err != nil {
		t.s.Log("The logs of " + pod + " could not be read: " + err.Error())
		return
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	t.s.Section(pipeline.Section{
		Title: "Logs of " + container + " (" + pod + ")", Code: strings.Join(lines[max(0, len(lines)-shownLines):], "\n"), Folded: true,
	})
	t.keep("logs/"+pod+"-"+container+".log", text)
}

func (t *test) showEvents(ctx context.Context) {
	events, err := t.access.Events(ctx, t.namespace)
	if err != nil {
		t.s.Log("The events could not be read: " + err.Error())
		return
	}
	if len(events) > 0 {
		t.keep("events.txt", cluster.EventLines(events))
	}
}

// keep keeps a file that helps people; that it could not be kept does not change how the stage went.
func (t *test) keep(name, text string) {
	if err := t.artifact(name, text); err != nil {
		t.s.Log(err.Error())
	}
}

func (t *test) artifact(name, text string) error {
	file, err := os.CreateTemp(t.s.Scratch(), "kept-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // the folder goes with the stage
	if _, err := file.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("keep %s: %w", name, err), file.Close())
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return t.s.Artifact(name, file.Name())
}
