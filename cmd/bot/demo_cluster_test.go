package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAClusterOfNoUseToTheDemo is left out, with the reason, in place of stages that fail.
func TestAClusterOfNoUseToTheDemo(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	for user, want := range map[string]string{
		"exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks, get-token], interactiveMode: Never}": "it starts a program (exec) to log in",
		"tokenFile: /var/run/token": "cannot be used",
	} {
		file := filepath.Join(t.TempDir(), "config")
		text := "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters: [{name: a, cluster: {insecure-skip-tls-verify: true, server: \"" + server.URL + "\"}}]\nusers: [{name: a, user: {" + user + "}}]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("KUBECONFIG", file)
		if c := findDemoCluster(t.Context(), demoImages{}, func(text string) { t.Log(text) }); c.client != nil && c.lacks == "" || !strings.Contains(c.lacks, want) {
			t.Errorf("%s: %q", user, c.lacks)
		}
	}
}

// TestDemoScript takes the cluster of make cluster-up only while both it and its registry answer.
func TestDemoScript(t *testing.T) {
	script, err := os.ReadFile("../../scripts/demo")
	if err != nil {
		t.Fatal(err)
	}
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			http.NotFound(w, r)
		}
	}))
	defer registry.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	address := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	for name, c := range map[string]struct {
		kubectl  string
		registry string
		want     string
	}{
		"both answer":         {"exit 0", address(registry), "demo --registry " + address(registry) + " --x KUBECONFIG=CACHE/run/kubeconfig"},
		"the cluster is down": {"exit 1", address(registry), "demo --x KUBECONFIG="},
		"no registry":         {"exit 0", address(gone), "demo --x KUBECONFIG="},
		"never started":       {"exit 0", "", "demo --x KUBECONFIG="},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			cache := filepath.Join(dir, "cache")
			for file, text := range map[string]string{
				"scripts/demo": string(script), "bin/slipway": "#!/usr/bin/env bash\necho \"$* KUBECONFIG=${KUBECONFIG:-}\"\n", "cache/bin/kubectl": "#!/usr/bin/env bash\n" + c.kubectl + "\n",
				"cache/run/kubeconfig": "x", "cache/registry/address": c.registry,
			} {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			run := exec.CommandContext(t.Context(), filepath.Join(dir, "scripts", "demo"), "--x")
			run.Env = append(os.Environ(), "SLIPWAY_CLUSTER_CACHE="+cache, "KUBECONFIG=")
			said, err := run.CombinedOutput()
			if got := strings.TrimSpace(string(said)); err != nil || got != strings.ReplaceAll(c.want, "CACHE", cache) {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}
