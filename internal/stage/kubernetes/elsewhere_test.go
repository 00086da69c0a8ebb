package kubernetes

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestNothingIsFetched: whatever a commit names, nobody is asked for it, not even to find that it is not there.
func TestNothingIsFetched(t *testing.T) {
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	kustomization := func(text string) map[string]string {
		return map[string]string{"k8s/kustomization.yaml": text, "k8s/x.yaml": configMap}
	}
	chart := func(schema string) map[string]string {
		return map[string]string{
			"k8s/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "k8s/values.yaml": "a: b\n", "k8s/values.schema.json": schema,
			"k8s/templates/x.yaml": configMap,
		}
	}
	with := func(files map[string]string, name, text string) map[string]string {
		files[name] = text
		return files
	}
	const transformer = "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: URL/p\n"
	for name, files := range map[string]map[string]string{
		"a generator's file":             kustomization("configMapGenerator: [{name: a, files: [URL/y]}]"),
		"a generator's file with a key":  kustomization("configMapGenerator: [{name: a, files: [\"x=URL/y\"]}]"),
		"a secret's file with a key":     kustomization("secretGenerator: [{name: a, files: [\"x= URL/y\", \"y=URL/y\"]}]"),
		"a generator's variables":        kustomization("configMapGenerator: [{name: a, envs: [URL/y]}]"),
		"a generator's old variables":    kustomization("configMapGenerator: [{name: a, env: URL/y}]"),
		"a generator in place":           kustomization("generators:\n- |-\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n  metadata: {name: a}\n  files: [\"x=URL/y\"]\n"),
		"a transformer in one line":      kustomization("resources: [x.yaml]\ntransformers: ['{apiVersion: builtin, kind: PatchTransformer, metadata: {name: p}, path: \"URL/p\"}']"),
		"a transformer spelt otherwise":  kustomization("resources: [x.yaml]\ntransformers:\n- |-\n  apiVersion: \"\\x62uiltin\"\n  kind: PatchTransformer\n  metadata: {name: p}\n  path: \"\\x68TAIL/p\"\n"),
		"a second transformer of a file": with(kustomization("resources: [x.yaml]\ntransformers: [t.yaml]"), "k8s/t.yaml", strings.ReplaceAll(transformer, "URL/p", "x.yaml")+"---\n"+strings.ReplaceAll(transformer, "name: p", "name: q")),
		"a list of transformers":         with(kustomization("resources: [x.yaml]\ntransformers: [t.yaml]"), "k8s/t.yaml", "apiVersion: v1\nkind: List\nitems:\n- "+strings.ReplaceAll(strings.TrimSpace(transformer), "\n", "\n  ")+"\n"),
		"a chart's schema":               chart(`{"$ref": "URL/schema.json"}`),
		"a schema beside another":        chart(`{"$id": "URL/a.json", "properties": {"a": {"$ref": "b.json"}}}`),
		"a schema of schemas":            chart(`{"$schema": "URL/draft", "type": "object"}`),
		"a schema of the machine":        chart(`{"$ref": "file:///etc/hostname"}`),
		"a schema of a chart within": with(with(with(chart(`{}`), "k8s/charts/in/Chart.yaml", "apiVersion: v2\nname: in\nversion: 1.0.0\n"),
			"k8s/charts/in/values.yaml", "a: b\n"), "k8s/charts/in/values.schema.json", `{"$ref": "URL/schema.json"}`),
	} {
		t.Run(name, func(t *testing.T) {
			for file, text := range files {
				files[file] = strings.NewReplacer("URL", server.URL, "TAIL", server.URL[1:]).Replace(text)
			}
			_, err := read(checkout(t, files), Settings{Manifests: []string{"k8s"}}, capabilities{version: "v1.36.3"})
			if failed, is := errors.AsType[*failedError](err); !is || !strings.Contains(failed.verdict.Title, "fetches from elsewhere") {
				t.Errorf("%v", err)
			}
			if len(asked) > 0 {
				t.Errorf("the server was asked for %s", <-asked)
			}
		})
	}
}

// What only looks like an address of elsewhere is fine.
func TestAddressesThatAreNotFetched(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"a patch in place": {"k8s/kustomization.yaml": "resources: [x.yaml]\npatchesStrategicMerge:\n- |-\n  apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: settings}\n  data: {URL: \"a=https://example.com\"}\n"},
		"a literal":        {"k8s/kustomization.yaml": "resources: [x.yaml]\nconfigMapGenerator: [{name: a, literals: [\"x=https://example.com\"]}]\n"},
		"a file of addresses": {
			"k8s/kustomization.yaml": "resources: [x.yaml]\nconfigMapGenerator: [{name: a, files: [app.conf]}]\n", "k8s/app.conf": "a = https://example.com\n---\nb: [\n",
		},
		"a schema's own name": {
			"k8s/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n", "k8s/values.yaml": "a: b\n", "k8s/templates/x.yaml": configMap,
			"k8s/values.schema.json": `{"$id": "https://127.0.0.1:1/a.json", "$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"$ref": "#/definitions/text"}}, "definitions": {"text": {"type": "string"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if files["k8s/Chart.yaml"] == "" {
				files["k8s/x.yaml"] = configMap
			}
			if _, err := read(checkout(t, files), Settings{Manifests: []string{"k8s"}}, capabilities{version: "v1.36.3"}); err != nil {
				t.Error(err)
			}
		})
	}
}
