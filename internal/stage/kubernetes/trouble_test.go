package kubernetes

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/internal/golden"
)

// podText is a pod as the API server tells it, with one container in a state.
func podText(status string) string {
	return "metadata: {name: web-1}\nstatus:\n  phase: Pending\n  containerStatuses:\n  - " + strings.ReplaceAll(strings.TrimSpace(status), "\n", "\n    ") + "\n"
}

const pullEvent = `
- reason: Failed
  involvedObject: {kind: Pod, name: web-1}
  message: 'Failed to pull image "r.example/shop:1": rpc error: code = NotFound desc = failed to pull and unpack image "r.example/shop:1": failed to resolve reference "r.example/shop:1": r.example/shop:1: not found'
`

const probeEvent = `
- reason: Unhealthy
  involvedObject: {kind: Pod, name: web-1}
  message: 'Readiness probe failed: HTTP probe failed with statuscode: 503'
- reason: Unhealthy
  involvedObject: {kind: Pod, name: other}
  message: 'Readiness probe failed: not ours'
`

// TestTroubles are states as real clusters tell them.
func TestTroubles(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct{ name, pod, events string }{
		{"nothing wrong", podText("name: web\nready: true\nstate: {running: {}}"), ""},
		{"being made", podText("name: web\nstate: {waiting: {reason: ContainerCreating}}"), ""},
		{"no such image", podText("name: web\nimage: r.example/shop:1\nstate: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image \"r.example/shop:1\"'}}"), pullEvent},
		{"registry away", podText("name: web\nimage: r.example/shop:1\nstate: {waiting: {reason: ErrImagePull, message: 'rpc error: code = Unknown desc = failed to pull and unpack image \"r.example/shop:1\": failed to resolve reference \"r.example/shop:1\": failed to do request: Head \"https://r.example/v2/shop/manifests/1\": dial tcp: connection refused'}}"), ""},
		{"no rights", podText("name: web\nimage: r.example/shop:1\nstate: {waiting: {reason: ErrImagePull, message: 'failed to resolve reference \"r.example/shop:1\": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed'}}"), ""},
		{"no name", podText("name: web\nimage: 'UPPER CASE'\nstate: {waiting: {reason: InvalidImageName, message: 'couldn''t parse image name \"UPPER CASE\": invalid reference format'}}"), ""},
		{"crashes", podText("name: web\nrestartCount: 4\nstate: {waiting: {reason: CrashLoopBackOff}}\nlastState: {terminated: {exitCode: 3, reason: Error}}"), ""},
		{"crashed once", podText("name: web\nrestartCount: 1\nstate: {waiting: {reason: CrashLoopBackOff}}\nlastState: {terminated: {exitCode: 3, reason: Error, message: no database}}"), ""},
		{"memory", podText("name: web\nrestartCount: 3\nstate: {waiting: {reason: CrashLoopBackOff}}\nlastState: {terminated: {exitCode: 137, reason: OOMKilled}}"), ""},
		{"liveness", podText("name: web\nrestartCount: 3\nstate: {waiting: {reason: CrashLoopBackOff}}\nlastState: {terminated: {exitCode: 143, reason: Error}}"), strings.ReplaceAll(probeEvent, "Readiness", "Liveness")},
		{"not ready", podText("name: web\nready: false\nstate: {running: {}}"), probeEvent},
		{"not ready yet", podText("name: web\nready: false\nstate: {running: {}}"), ""},
		{"failed", podText("name: web\nstate: {terminated: {exitCode: 2}}"), ""},
		{"secret missing", podText("name: web\nstate: {waiting: {reason: CreateContainerConfigError, message: 'secret \"credentials\" not found'}}"), ""},
		{"no node", "metadata: {name: web-1}\nstatus:\n  phase: Pending\n  conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/1 nodes are available: 1 Insufficient cpu.'}]\n", ""},
		{"no volume", "metadata: {name: web-1}\nstatus: {phase: Pending}\n", "- {reason: FailedMount, involvedObject: {kind: Pod, name: web-1}, message: 'MountVolume.SetUp failed for volume \"a\" : configmap \"a\" not found'}\n"},
		{"evicted", "metadata: {name: web-1}\nstatus: {phase: Failed, reason: Evicted, message: 'The node was low on resource: memory.'}\n", ""},
	} {
		var (
			pod    corev1.Pod
			events []corev1.Event
		)
		if err := sigsyaml.UnmarshalStrict([]byte(c.pod), &pod); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := sigsyaml.UnmarshalStrict([]byte(c.events), &events); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		fmt.Fprintf(&out, "%s\n", c.name)
		for _, tr := range troublesOf([]corev1.Pod{pod}, events, time.Time{}) {
			fmt.Fprintf(&out, "  %s (final: %t, logs: %t) %s: %s\n", tr.kind, tr.final, tr.logs, tr.where(), tr.text)
		}
	}
	for _, message := range []string{
		`pods "web-1" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0`,
		`admission webhook "policy.acme.example" denied the request: no team label`,
		`pods "web-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`,
		`pods "web-" is forbidden: error looking up service account shop/robot: serviceaccount "robot" not found`,
		`something else`,
	} {
		tr, is := creationTrouble([]said{{text: message}}, time.Time{})
		fmt.Fprintf(&out, "%t %s: %s\n", is, tr.kind, tr.text)
	}
	golden.Equal(t, "testdata/trouble.golden.txt", out.String())
}

func TestTheGravestTroubleIsToldFirst(t *testing.T) {
	failed := rolloutError{object: key{kind: "Deployment", name: "web"}, state: "0 of 1 updated", after: time.Minute, troubles: []trouble{
		{kind: "ImagePullBackOff", pod: "web-1", container: "web", text: "the image x cannot be pulled: not found"}, {kind: "ProbeFailed", pod: "web-2", text: "y"},
	}}
	if got := failed.Error(); got != "Deployment web did not become ready within 1m 0s: ImagePullBackOff: container web of pod web-1: the image x cannot be pulled: not found" {
		t.Error(got)
	}
	failed.troubles = nil
	if got := failed.title(); got != "Deployment web is not ready: 0 of 1 updated" {
		t.Error(got)
	}
}

// TestRefusals are answers as the API server gives them.
func TestRefusals(t *testing.T) {
	conflicts := &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonConflict, Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{
		{Type: metav1.CauseTypeFieldManagerConflict, Message: `conflict with "kubectl-edit" using apps/v1`, Field: ".spec.replicas"},
		{Type: metav1.CauseTypeFieldManagerConflict, Message: `conflict with "helm" with subresource "scale" using apps/v1`, Field: `.spec.template.spec.containers[name="web"].image`},
	}}}}
	got := conflictsOf(conflicts)
	if len(got) != 2 || got[0] != (conflict{"spec.replicas", "kubectl-edit"}) || got[1].owner != "helm" {
		t.Errorf("%+v", got)
	}
	for text, want := range map[string]bool{
		`Deployment.apps "web" is invalid: spec.selector: Invalid value: x: field is immutable`:                                         true,
		`StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden`: true,
		`RoleBinding.rbac.authorization.k8s.io "r" is invalid: roleRef: Invalid value: x: cannot change roleRef`:                        true,
		`Service "web" is invalid: spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535, inclusive`:                    false,
		`Pod "web" is invalid: spec: Forbidden: pod updates may not change fields other than` + " `spec.containers[*].image`":           true,
	} {
		if fixed(errors.New(text)) != want {
			t.Error(text)
		}
	}
}

func TestReadiness(t *testing.T) {
	for text, want := range map[string]readiness{
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nstatus: {active: 1, succeeded: 1}":                                                                                                {text: "running, 1 pods done"},
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nstatus: {conditions: [{type: Complete, status: 'True'}]}":                                                                         {ready: true, text: "complete"},
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nstatus: {conditions: [{type: Failed, status: 'True', message: backoff limit}]}":                                                   {failed: true, text: "the Job failed: backoff limit"},
		"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {suspend: true}":                                                                                                            {ready: true, text: "suspended"},
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}":                                                                                                                                   {ready: true, text: "ready"},
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, generation: 2}\nspec: {replicas: 3}\nstatus: {observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 1}": {text: "2 of 3 updated, 1 available"},
	} {
		u := &unstructured.Unstructured{}
		if err := sigsyaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		encoded, err := u.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if err := unmarshalJSON(encoded, &fields); err != nil {
			t.Fatal(err)
		}
		if got := readinessOf(&unstructured.Unstructured{Object: fields}); got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	if readinessOf(nil).ready {
		t.Error("what is not there is ready")
	}
}
