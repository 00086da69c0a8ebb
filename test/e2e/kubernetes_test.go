package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/test/cluster"
)

// clusterShop is what is deployed: a server that says a word, is ready some seconds after its start, and is asked for a word after that.
func clusterShop(namespace, says, asked string, seconds int) githubtest.Files {
	return githubtest.Files{
		".github/slipway.yml": fmt.Sprintf(`on: {push: {branches: [main]}, pull_request: {branches: [main]}}
stages:
  deploy:
    uses: kubernetes
    secrets: [KUBECONFIG]
    with: {manifests: k8s, namespace: %s, rollback-on-failure: true}
  smoke-tests:
    uses: smoke
    needs: [deploy]
    secrets: [KUBECONFIG]
    with: {service: web, attempts: 20, interval: 500ms, checks: [{get: /word, contains: [%s]}]}
  deployment-summary: {uses: summary}
environments:
  production:
    branches: [main]
    cluster: {kubeconfig: KUBECONFIG}
`, namespace, asked),
		"k8s/web.yaml": fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: docker.io/library/busybox:1
          command: [sh, -c, 'sleep %d; mkdir /www; echo %s > /www/word; exec httpd -f -p 8080 -h /www']
          readinessProbe: {httpGet: {path: /word, port: 8080}, periodSeconds: 1}
          resources: {requests: {cpu: 1m, memory: 8Mi}, limits: {memory: 64Mi}}
`, seconds, says),
	}
}

// What is pushed is deployed to a real cluster and asked there; a bot that is killed meanwhile goes on; what smoke tests find
// wrong is taken back; and a release is brought back by its number.
func TestDeployToACluster(t *testing.T) {
	if os.Getenv("SLIPWAY_E2E") != "1" {
		t.Skip("tests that take a cluster run with SLIPWAY_E2E=1, once scripts/cluster up has started one: make e2e")
	}
	kubeconfig, err := os.ReadFile(cluster.Kubeconfig(t))
	must(t, err)
	namespace := cluster.Namespace(t)
	s := newSite(t, clusterShop(namespace, "one", "one", 0))
	dir := filepath.Join(s.data, "secrets", "acme", "shop", "production")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "KUBECONFIG"), kubeconfig, 0o600))
	s.start()
	running := func(word string) {
		t.Helper()
		got := cluster.Kubectl(t, "", "-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].command[2]} ready {.status.readyReplicas}")
		if !strings.Contains(got, "echo "+word+" ") || !strings.HasSuffix(got, "ready 1") {
			t.Errorf("the cluster runs %q, want %s", got, word)
		}
	}
	says := func(parts ...string) func(githubtest.CheckRun) bool {
		return func(run githubtest.CheckRun) bool {
			for _, part := range parts {
				if !strings.Contains(run.Title+"\n"+run.Summary, part) {
					return false
				}
			}
			return concluded(run)
		}
	}
	active := func() string { // the commits whose deployment is the one that runs
		var all []string
		for _, d := range s.deployments("production") {
			if d.State == "success" {
				all = append(all, d.SHA)
			}
		}
		return strings.Join(all, " ")
	}

	first := s.push("main", githubtest.Files{"a": "1"}, "one")
	s.check(first, "smoke-tests (production)", passed)
	s.check(first, "deployment-summary", passed)
	running("one")
	s.waitFor("release 1", func() bool { return active() == first })

	// Killed in the middle of the second rollout.
	second := s.push("main", clusterShop(namespace, "two", "two", 6), "two")
	s.waitFor("the second rollout", func() bool {
		got, err := cluster.TryKubectl(t, "", "-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].command[2]}")
		return err == nil && strings.Contains(got, "echo two ")
	})
	s.kill()
	s.start()
	s.check(second, "smoke-tests (production)", passed)
	s.check(second, "deployment-summary", passed)
	running("two")
	s.waitFor("release 2", func() bool { return active() == second })

	// The third says what it is not asked for.
	third := s.push("main", clusterShop(namespace, "rubbish", "three", 0), "three")
	s.check(third, "smoke-tests (production)", func(run githubtest.CheckRun) bool { return run.Conclusion == "failure" })
	s.check(third, "deploy (production)", says("ROLLED BACK to release 2: smoke-tests (production) failed"))
	s.check(third, "deployment-summary", concluded)
	running("two")
	s.waitFor("the third deployment to have failed", func() bool {
		for _, d := range s.deployments("production") {
			if d.SHA == third {
				return d.State == "failure"
			}
		}
		return false
	})
	if active() != second {
		t.Errorf("release 2 is not what runs: %+v", s.deployments("production"))
	}

	// Back to the first.
	s.push("proposal", githubtest.Files{"b": "1"}, "a proposal")
	pull, err := s.github.As("alice").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "A proposal", Head: "proposal", Base: "main"})
	must(t, err)
	s.say("alice", pull.Number, "/rollback production --to 1", "rocket")
	s.check(first, "deploy (production)", says("Release 1 runs again"))
	s.waitFor("release 3", func() bool { return active() == first })
	running("one")
	if got := cluster.Kubectl(t, "", "-n", namespace, "get", "deployment", "web", "-o", "jsonpath={.metadata.annotations.kubernetes\\.io/change-cause} {.metadata.managedFields[*].manager}"); !strings.Contains(got, "slipway") {
		t.Error(got)
	}
}
