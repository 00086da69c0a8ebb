package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// began is when the wait of these tests began.
var began = time.Date(2026, 5, 1, 12, 0, 0, 500, time.UTC)

const (
	before = "2026-05-01T11:58:00Z"
	since  = "2026-05-01T12:00:00Z" // the API tells whole seconds
)

// TestWhatWasBeforeIsNotFinal: a deploy that is tried again once its cause is repaired waits for what is there.
func TestWhatWasBeforeIsNotFinal(t *testing.T) {
	const (
		crashed  = "name: web\nrestartCount: 5\nstate: {waiting: {reason: CrashLoopBackOff}}\nlastState: {terminated: {exitCode: 3, reason: Error, startedAt: %q}}"
		unpulled = "name: web\nimage: r.example/shop:1\nstate: {waiting: {reason: ErrImagePull, message: 'pull access denied'}}"
	)
	made := func(at, status string) string {
		return strings.Replace(podText(status), "name: web-1", "name: web-1, creationTimestamp: '"+at+"'", 1)
	}
	event := func(at string) string {
		return strings.Replace(pullEvent, "reason: Failed\n", "reason: Failed\n  lastTimestamp: '"+at+"'\n", 1)
	}
	for name, c := range map[string]struct {
		pod, events string
		final       bool
	}{
		"crashed before":                 {made(before, fmt.Sprintf(crashed, before)), "", false},
		"started and crashed since":      {made(before, fmt.Sprintf(crashed, since)), "", true},
		"of a pod made since":            {made(since, fmt.Sprintf(crashed, since)), "", true},
		"not pulled before":              {made(before, unpulled), event(before), false},
		"not pulled, nothing told":       {made(before, unpulled), "", false},
		"not pulled since":               {made(before, unpulled), event(since), true},
		"not pulled for a pod made then": {made(since, unpulled), "", true},
		"a name that is none":            {made(before, "name: web\nimage: X\nstate: {waiting: {reason: InvalidImageName, message: x}}"), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			var (
				pod    corev1.Pod
				events []corev1.Event
			)
			if err := sigsyaml.UnmarshalStrict([]byte(c.pod), &pod); err != nil {
				t.Fatal(err)
			}
			if err := sigsyaml.UnmarshalStrict([]byte(c.events), &events); err != nil {
				t.Fatal(err)
			}
			found := troublesOf([]corev1.Pod{pod}, events, began)
			if len(found) != 1 || found[0].final != c.final {
				t.Errorf("%+v, want final: %t", found, c.final)
			}
		})
	}
}

// workload is a Deployment of two replicas, the set of pods it makes, and what there is besides.
func workload(t *testing.T, more ...runtime.Object) (*world, *unstructured.Unstructured) {
	t.Helper()
	live := told(t, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, uid: d, generation: 1, annotations: {deployment.kubernetes.io/revision: "1"}}
spec: {replicas: 2, selector: {matchLabels: {app: web}}}
status: {observedGeneration: 1}
`)
	objects := append([]runtime.Object{typed[*corev1.Pod](t, "metadata: {name: other, namespace: shop}"), replicaSet(t)}, more...)
	return &world{Access: &cluster.Access{Clients: &cluster.Clients{Kube: fake.NewClientset(objects...)}}, now: time.Now, log: func(string) {}}, live
}

func TestPodsThatCouldNotBeMade(t *testing.T) {
	event := func(name, uid, at string) *corev1.Event {
		return typed[*corev1.Event](t, fmt.Sprintf("metadata: {name: e-%s, namespace: shop}\nreason: FailedCreate\nlastTimestamp: %q\ninvolvedObject: {kind: ReplicaSet, name: %s, uid: %s}\nmessage: 'pods is forbidden: exceeded quota: none'", name, at, name, uid))
	}
	pod := func(name, status string) *corev1.Pod {
		return typed[*corev1.Pod](t, fmt.Sprintf("metadata: {name: %s, namespace: shop, labels: {app: web}, ownerReferences: [{kind: ReplicaSet, name: web-1, uid: r, apiVersion: apps/v1}]}\nstatus: {%s}", name, status))
	}
	const crashing = "containerStatuses: [{name: web, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}}]"
	for name, c := range map[string]struct {
		objects []runtime.Object
		want    string
	}{
		"none":                 {[]runtime.Object{event("web-1", "r", since)}, "QuotaExceeded true"},
		"none, and it is over": {[]runtime.Object{event("web-1", "r", before)}, ""},
		"of another workload":  {[]runtime.Object{event("web-admin-1", "x", since)}, ""},
		"only some":            {[]runtime.Object{event("web-1", "r", since), pod("web-1-a", "phase: Running")}, "QuotaExceeded false"},
		"some, others crash":   {[]runtime.Object{event("web-1", "r", since), pod("web-1-a", crashing)}, "CrashLoopBackOff false"},
		"all are there by now": {[]runtime.Object{event("web-1", "r", since), pod("web-1-a", "phase: Running"), pod("web-1-b", "phase: Running")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, live := workload(t, c.objects...)
			found, _, err := w.diagnose(t.Context(), live, began)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if len(found) > 0 {
				got = fmt.Sprintf("%s %t", found[0].kind, found[0].final)
			}
			if got != c.want {
				t.Errorf("%+v, want %s", found, c.want)
			}
		})
	}
}

// TestADeadlineOfAnEarlierAttempt is not this one's.
func TestADeadlineOfAnEarlierAttempt(t *testing.T) {
	for at, want := range map[string]bool{before: true, since: false} {
		live := told(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nstatus: {conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, lastUpdateTime: '"+at+"'}]}\n")
		if !readinessOf(live).failed {
			t.Fatalf("%+v", readinessOf(live))
		}
		if got := stale(live, began); got != want {
			t.Errorf("%s: %t", at, got)
		}
	}
}
