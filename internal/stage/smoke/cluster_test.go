package smoke

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
	"github.com/slipwayhq/slipway/test/cluster"
)

const shopManifests = `apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: admin, port: 9000, targetPort: 8080}, {name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shop, labels: {app: shop}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: docker.io/library/busybox:1
      command: [sh, -c, 'mkdir /www && echo "{\"name\": \"Pen\"}" > /www/items && mkdir /www/cgi-bin && printf "%s\\n" "#!/bin/sh" "echo; echo asked as \$HTTP_HOST" > /www/cgi-bin/host && chmod +x /www/cgi-bin/host && echo serving items && exec httpd -f -p 8080 -h /www']
      readinessProbe: {httpGet: {path: /items, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: database}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: db, image: docker.io/library/busybox:1, command: [sh, -c, 'echo the disk is full; exec sleep 3600']}]
`

// asker deploys the shop, and returns what asks it as a stage does.
func asker(t *testing.T) (namespace string, ask func(with string) (*stagetest.Session, pipeline.Verdict)) {
	t.Helper()
	if os.Getenv("SLIPWAY_E2E") != "1" {
		t.Skip("tests that take a cluster run with SLIPWAY_E2E=1, once scripts/cluster up has started one: make e2e")
	}
	text, err := os.ReadFile(cluster.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	namespace = cluster.Namespace(t)
	cluster.Kubectl(t, shopManifests, "-n", namespace, "apply", "-f", "-")
	cluster.Kubectl(t, "", "-n", namespace, "wait", "--for=condition=Ready", "pod/shop", "pod/database", "--timeout=4m")
	return namespace, func(with string) (*stagetest.Session, pipeline.Verdict) {
		t.Helper()
		session := stagetest.New(t, stagetest.Options{
			Secrets: map[string]string{"KUBECONFIG": string(text)},
			Task: pipeline.Task{
				Stage:       pipeline.StageSpec{ID: "smoke-tests", Uses: "smoke", Environment: "test", With: []byte(with), Secrets: []string{"KUBECONFIG"}},
				Environment: &pipeline.EnvironmentDefinition{Name: "test", Cluster: &pipeline.ClusterDefinition{Kubeconfig: "KUBECONFIG"}},
				Env:         map[string]string{"SLIPWAY_OUTPUT_DEPLOY_KUBERNETES_NAMESPACE": namespace},
			},
		})
		verdict, err := New(Options{Now: time.Now}).Run(t.Context(), session)
		if err != nil {
			t.Fatal(err)
		}
		return session, verdict
	}
}

// TestServiceOfACluster asks a service through the API server of a real cluster.
func TestServiceOfACluster(t *testing.T) {
	if os.Getenv("SLIPWAY_E2E") != "1" {
		t.Skip("tests that take a cluster run with SLIPWAY_E2E=1, once scripts/cluster up has started one: make e2e")
	}
	namespace, ask := asker(t)
	session, verdict := ask(`{"service": "shop", "port": 80, "attempts": 50, "interval": "200ms", "checks": [
		{"method": "GET", "path": "/items", "jsonpath": {"$.name": "Pen"}}, {"method": "GET", "path": "/nothing", "status": [404]}]}`)
	if verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("%+v\n%s", verdict, session.LogText())
	}
	if section, _ := session.SectionTitled("Requests"); !strings.Contains(section.Text, "service shop in "+namespace+", port 80, through the API server") {
		t.Error(section.Text)
	}

	session, verdict = ask(`{"service": "shop", "attempts": 3, "interval": "10ms", "checks": [{"method": "GET", "path": "/missing"}]}`)
	if verdict.Status != pipeline.StatusFailure || verdict.Title != "Health check failed after 3 attempts" {
		t.Errorf("%+v", verdict)
	}
	for name, words := range map[string]string{"logs/shop-web.log": "serving items", "logs/database-db.log": "the disk is full"} {
		if !strings.Contains(string(session.Recorded.Artifacts[name]), words) {
			t.Errorf("%s holds %q", name, session.Recorded.Artifacts[name])
		}
	}

	_, verdict = ask(`{"service": "empty", "attempts": 1, "checks": [{"method": "GET", "path": "/"}]}`)
	if !strings.Contains(verdict.Cause, "no endpoints available for service") {
		t.Errorf("%+v", verdict)
	}
	_, verdict = ask(`{"service": "shoop", "attempts": 1, "checks": [{"method": "GET", "path": "/"}]}`)
	if verdict.Title != "There is no such service" || !strings.Contains(verdict.Cause, "empty, shop") {
		t.Errorf("%+v", verdict)
	}
	_, verdict = ask(`{"service": "shop", "port": 81, "attempts": 1, "checks": [{"method": "GET", "path": "/"}]}`)
	if !strings.Contains(verdict.Cause, "has no port 81; it has 9000, 80") {
		t.Errorf("%+v", verdict)
	}
	_, verdict = ask(`{"service": "shop", "attempts": 1, "checks": [{"method": "GET", "path": "/", "headers": {"authorization": "Bearer x"}}]}`)
	if verdict.Title != "A header cannot be sent" {
		t.Errorf("%+v", verdict)
	}
}

// The test cluster has no balancers: what they would write into the status of a Service and of an Ingress is written here, with
// the node's own address, at which kube-proxy then leads to the pods.
func TestServiceBehindABalancer(t *testing.T) {
	namespace, ask := asker(t)
	balanced := func(kind, name string) {
		t.Helper()
		node := cluster.Kubectl(t, "", "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
		cluster.Kubectl(t, "", "-n", namespace, "patch", kind, name, "--subresource=status", "--type=merge",
			"-p", `{"status": {"loadBalancer": {"ingress": [{"ip": "`+node+`"}]}}}`)
	}
	cluster.Kubectl(t, `apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: LoadBalancer, selector: {app: shop}, ports: [{name: http, port: 18080, targetPort: 8080}]}
`, "-n", namespace, "apply", "-f", "-")
	balanced("service", "outside")
	session, verdict := ask(`{"service": "outside", "attempts": 100, "interval": "200ms", "checks": [{"method": "GET", "path": "/items", "jsonpath": {"$.name": "Pen"}}]}`)
	if verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("%+v\n%s", verdict, session.LogText())
	}
	if section, _ := session.SectionTitled("Requests"); !strings.Contains(section.Text, "load balancer http://") || !strings.Contains(section.Text, ":18080") {
		t.Error(section.Text)
	}

	// An Ingress whose balancer has the name's requests at its own address, port 80.
	cluster.Kubectl(t, `apiVersion: v1
kind: Service
metadata: {name: controller}
spec: {type: LoadBalancer, selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec: {rules: [{host: shop.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}}]}
`, "-n", namespace, "apply", "-f", "-")
	balanced("service", "controller")
	balanced("ingress", "shop")
	session, verdict = ask(`{"service": "shop", "port": 80, "attempts": 100, "interval": "200ms", "checks": [{"method": "GET", "path": "/cgi-bin/host", "contains": ["asked as shop.example.com"]}]}`)
	if verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("%+v\n%s", verdict, session.LogText())
	}
	if section, _ := session.SectionTitled("Requests"); !strings.Contains(section.Text, "ingress shop, http://shop.example.com") {
		t.Error(section.Text)
	}
}
