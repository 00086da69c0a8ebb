// Package example deploys the example as a person would, with kubectl alone: what Slipway does must come to the same.
package example

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/test/cluster"
	"github.com/slipwayhq/slipway/test/cluster/image"
)

const (
	checkout  = "../../.."
	example   = checkout + "/examples/inventory-manager"
	namespace = "inventory-manager"
)

func TestExample(t *testing.T) {
	kubeconfig, registry := cluster.Kubeconfig(t), cluster.Registry(t)
	root, err := filepath.Abs(checkout)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.App(t.Context(), registry, "acme/inventory-manager", image.Source{Checkout: root, Scratch: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if there := cluster.Kubectl(t, "", "get", "namespace", namespace, "--ignore-not-found", "--output=name"); there != "" {
		t.Fatalf("%s is there already; is it a demo's? kubectl delete %s", there, there)
	}
	t.Cleanup(func() { cluster.Kubectl(t, "", "delete", "namespace", namespace, "--ignore-not-found") })

	createSecrets(t, kubeconfig)
	cluster.Kubectl(t, "", "apply", "--filename", manifests(t, "docker.io/acme/inventory-manager@"+digest))
	for _, what := range []string{"statefulset/mongodb", "deployment/redis", "deployment/inventory-manager"} {
		if _, err := cluster.TryKubectl(t, "", "--namespace", namespace, "rollout", "status", what, "--timeout=3m"); err != nil {
			explain(t)
			t.Fatal(err)
		}
	}
	talk(t)
}

// createSecrets runs the example's own script.
func createSecrets(t *testing.T, kubeconfig string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(cluster.Program(t), filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), example+"/scripts/create-secrets.sh")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "PATH="+bin+":"+os.Getenv("PATH"), "MONGO_USERNAME=inventory", "MONGO_PASSWORD=a long / odd: password@")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("create-secrets.sh: %v: %s", err, out)
	}
}

// manifests are the example's with the image by its digest, as the pipeline puts it in.
func manifests(t *testing.T, reference string) string {
	t.Helper()
	dir := t.TempDir()
	found, err := filepath.Glob(example + "/k8s/*.yaml")
	if err != nil || len(found) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	replaced := 0
	for _, file := range found {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		replaced += strings.Count(string(text), "image: inventory-manager\n")
		changed := strings.ReplaceAll(string(text), "image: inventory-manager\n", "image: "+reference+"\n")
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if replaced != 1 {
		t.Fatalf("the image stands %d times in the manifests, want once", replaced)
	}
	return dir
}

// talk asks the application through the API server, which is how Slipway's smoke tests reach a service too.
func talk(t *testing.T) {
	t.Helper()
	items := serve(t) + "/api/v1/namespaces/" + namespace + "/services/inventory-manager-service:http/proxy/api/items"
	if status, body := ask(t, http.MethodGet, items, ""); status != http.StatusOK {
		t.Errorf("GET /api/items: %d %s", status, body)
	}
	status, body := ask(t, http.MethodPost, items, `{"name": "Test Item", "quantity": 10, "price": 29.99}`)
	if status != http.StatusCreated {
		t.Fatalf("POST /api/items: %d %s", status, body)
	}
	var made struct{ ID, Name string }
	if err := json.Unmarshal(body, &made); err != nil || made.ID == "" {
		t.Fatalf("POST /api/items: %s: %v", body, err)
	}
	// Whichever replica answers, and from the cache or not.
	for range 10 {
		status, body := ask(t, http.MethodGet, items+"/"+made.ID, "")
		if status != http.StatusOK || !strings.Contains(string(body), "Test Item") {
			t.Errorf("GET of the new item: %d %s", status, body)
		}
	}
}

// serve has kubectl pass requests on to the API server, and returns where.
func serve(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), cluster.Program(t), "proxy", "--port=0")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Kubeconfig(t))
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // it is killed when the test has ended
	line, err := bufio.NewReader(out).ReadString('\n')
	_, address, ok := strings.Cut(strings.TrimSpace(line), "Starting to serve on ")
	if err != nil || !ok {
		t.Fatalf("kubectl proxy says %q: %v", line, err)
	}
	return "http://" + address
}

func ask(t *testing.T, method, url, body string) (status int, answer []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// explain shows what stands in the way of a rollout.
func explain(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{
		{"get", "pods,persistentvolumeclaims", "--output=wide"},
		{"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "--selector=app.kubernetes.io/part-of=inventory-manager", "--all-pods", "--prefix", "--tail=20"},
	} {
		out, err := cluster.TryKubectl(t, "", append([]string{"--namespace", namespace}, args...)...)
		t.Logf("kubectl %s:\n%s%v", strings.Join(args, " "), out, err)
	}
}
