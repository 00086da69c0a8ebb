package cluster_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/test/cluster"
)

// pod has two names of the same image: as people write it, and where the registry really is.
const pod = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tools"}, "spec": {
	"terminationGracePeriodSeconds": 0, "containers": [
		{"name": "short", "image": "busybox:1", "command": ["sleep", "1000"]},
		{"name": "long", "image": "%s/library/busybox:1", "command": ["sleep", "1000"]}]}}`

func TestPod(t *testing.T) {
	namespace := cluster.Namespace(t)
	cluster.Kubectl(t, fmt.Sprintf(pod, cluster.Registry(t)), "apply", "--namespace", namespace, "--filename", "-")
	cluster.Kubectl(t, "", "wait", "--namespace", namespace, "--for=condition=Ready", "--timeout=2m", "pod/tools")

	// The API server has a name and an address of a service: names and the rules of services work.
	out := cluster.Kubectl(t, "GET / HTTP/1.0\r\n\r\n", "exec", "--stdin", "--namespace", namespace, "tools", "--container", "short", "--",
		"nc", "-w", "10", "kubernetes.default", "443")
	if !strings.Contains(out, "HTTP request to an HTTPS server") {
		t.Errorf("the API server does not answer a pod: %q", out)
	}
	if _, err := cluster.TryKubectl(t, "", "exec", "--namespace", namespace, "tools", "--", "nslookup", "nobody.default.svc.cluster.local"); err == nil {
		t.Error("a name that nobody has was found")
	}
}

func TestImageThatIsNotThere(t *testing.T) {
	namespace := cluster.Namespace(t)
	cluster.Kubectl(t, "", "run", "--namespace", namespace, "missing", "--image=ghcr.io/acme/missing:1")
	cluster.Kubectl(t, "", "wait", "--namespace", namespace, "--timeout=2m", "--for=jsonpath={.status.containerStatuses[0].state.waiting.message}", "pod/missing")
	// The registry here answers for all, at once and without a way out of the machine.
	if events := cluster.Kubectl(t, "", "events", "--namespace", namespace); !strings.Contains(events, "ghcr.io/acme/missing:1: not found") {
		t.Errorf("the events do not say why:\n%s", events)
	}
}

func TestRestart(t *testing.T) {
	if os.Getenv("SLIPWAY_E2E") != "1" {
		t.Skip("SLIPWAY_E2E is not 1: others may be using the cluster")
	}
	cluster.Restart(t, "kube-apiserver")
	deadline := time.Now().Add(time.Minute)
	for {
		said, err := cluster.TryKubectl(t, "", "get", "--raw", "/readyz", "--request-timeout=5s")
		if err == nil && said == "ok" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the API server does not come back: %q, %v", said, err)
		}
	}
}
