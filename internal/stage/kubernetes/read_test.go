package kubernetes

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/golden"
)

// checkout makes a folder of files; names ending in → are links to what follows.
func checkout(t *testing.T, files map[string]string) *os.Root {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if target, is := strings.CutPrefix(text, "→ "); is {
			if err := os.Symlink(target, file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root
}

func names(objects []*object) string {
	var out []string
	for _, o := range objects {
		out = append(out, o.key().String()+" "+place(o))
	}
	return strings.Join(out, "\n")
}

const (
	deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: shop
`
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  MODE: \"on\"\n"
)

func TestReadFolder(t *testing.T) {
	root := checkout(t, map[string]string{
		"k8s/b.yaml":      "# nothing yet\n---\n" + configMap + "---\n# a remark\n" + deployment,
		"k8s/a.json":      `{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}}, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}}]}`,
		"k8s/README.md":   "not a manifest",
		"k8s/sub/c.yaml":  "apiVersion: v1\nkind: Secret\nmetadata: {name: not-looked-into}\n",
		"more/extra.yaml": "--- {apiVersion: v1, kind: ServiceAccount, metadata: {name: robot}}\n",
	})
	got, err := read(root, Settings{Manifests: []string{"k8s", "more/extra.yaml"}}, capabilities{})
	if err != nil {
		t.Fatal(err)
	}
	want := "Service a k8s/a.json:1\nService b k8s/a.json:1\nConfigMap settings k8s/b.yaml:3\nDeployment web k8s/b.yaml:11\nServiceAccount robot more/extra.yaml:1"
	if diff := cmp.Diff(want, names(got.objects)); diff != "" {
		t.Error(diff)
	}
	if line := got.objects[3].lineOf("spec", "template", "spec", "containers", "0", "image"); line != 21 {
		t.Errorf("the image stands on line %d", line)
	}
}

// TestWhatCannotBeRead: every problem at once, each with its place.
func TestWhatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		files     map[string]string
		manifests []string
		want      string
	}{
		"no such folder":    {nil, []string{"k8s"}, "The commit has no k8s, which `manifests` of the stage names."},
		"an empty folder":   {map[string]string{"k8s/x.txt": ""}, []string{"k8s"}, "The folder k8s holds no .yaml, .yml or .json file. Folders within it are not looked into: name them under `manifests`."},
		"comments only":     {map[string]string{"k8s/x.yaml": "# soon\n"}, []string{"k8s"}, "k8s holds no Kubernetes object."},
		"no YAML":           {map[string]string{"k8s/x.yaml": configMap + "---\na: [1\nb: }\n"}, []string{"k8s"}, "k8s/x.yaml:8: is no YAML: did not find expected ',' or ']'"},
		"a list at the top": {map[string]string{"k8s/x.yaml": "- a\n- b\n"}, []string{"k8s"}, "k8s/x.yaml:1: is no Kubernetes object: a mapping with apiVersion and kind is expected here"},
		"a key twice":       {map[string]string{"k8s/x.yaml": "apiVersion: v1\nkind: ConfigMap\nkind: Secret\n"}, []string{"k8s"}, "k8s/x.yaml:3: is no YAML: key \"kind\" already set in map"},
		"incomplete": {
			map[string]string{"k8s/x.yaml": "kind: A\nmetadata: {name: a}\n---\napiVersion: v1\nmetadata: {name: a}\n---\napiVersion: v1\nkind: C\n---\napiVersion: v1\nkind: D\nmetadata: {}\n---\napiVersion: v1\nkind: E\nmetadata:\n  generateName: e-\n---\napiVersion: v1\nkind: F\nmetadata: {name: f, namespace: Not_One}\n"},
			[]string{"k8s"},
			"k8s/x.yaml:1: has no apiVersion\nk8s/x.yaml:4: has no kind\nk8s/x.yaml:7: C has no metadata\nk8s/x.yaml:12: D has no name\n" +
				"k8s/x.yaml:17: E has generateName: what is applied again needs the same name each time; give it a name\nk8s/x.yaml:21: F f names no valid namespace",
		},
		"two of one name": {map[string]string{"k8s/a.yaml": configMap, "k8s/b.yaml": "\n" + configMap}, []string{"k8s"}, "k8s/b.yaml:2: ConfigMap settings is there twice: also at k8s/a.yaml:1"},
		"a link out":      {map[string]string{"k8s/a.yaml": "→ /etc/hostname"}, []string{"k8s/a.yaml"}, "k8s/a.yaml cannot be read: statat k8s/a.yaml: path escapes from parent."},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(checkout(t, c.files), Settings{Manifests: c.manifests}, capabilities{})
			if err == nil {
				t.Fatal("it was read")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestKustomize(t *testing.T) {
	files := map[string]string{
		"base/kustomization.yaml":         "resources: [deployment.yaml]\nconfigMapGenerator:\n  - name: settings\n    files: [app.conf]\n",
		"base/deployment.yaml":            "# ours\n" + deployment,
		"base/app.conf":                   "mode = on\n",
		"overlays/prod/kustomization.yml": "namePrefix: prod-\nnamespace: shop\nresources: [../../base]\ncommonAnnotations: {docs: https://example.com/docs}\npatches:\n  - path: replicas.yaml\n",
		"overlays/prod/replicas.yaml":     "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
	}
	got, err := read(checkout(t, files), Settings{Manifests: []string{"overlays/prod"}}, capabilities{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := exact(got.objects)
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/kustomize.golden.yaml", string(text))
	if got.objects[0].node == nil {
		t.Error("the deployment's text was not found")
	}
}

// TestKustomizeStaysInTheCommit: nothing is fetched, no program is started, nothing outside is read.
func TestKustomizeStaysInTheCommit(t *testing.T) {
	for name, c := range map[string]struct{ kustomization, extra, want string }{
		"a remote base":            {"resources: [\"https://127.0.0.1:1/base.yaml\"]", "", "fetches from elsewhere"},
		"a remote base by name":    {"resources: [github.com/acme/base]", "", "fetches from elsewhere"},
		"a base over ssh":          {"resources: [\"git@127.0.0.1:acme/base\"]", "", "fetches from elsewhere"},
		"a base by git::":          {"bases: [\"git::file:///etc\"]", "", "fetches from elsewhere"},
		"a remote component":       {"components: [\"ssh://127.0.0.1/x\"]", "", "fetches from elsewhere"},
		"a remote patch":           {"resources: [x.yaml]\npatches: [{path: \"http://127.0.0.1:1/p\"}]", "", "fetches from elsewhere"},
		"a remote generator file":  {"configMapGenerator: [{name: a, files: [\"x=https://127.0.0.1:1/y\"]}]", "", "fetches from elsewhere"},
		"a transformer elsewhere":  {"resources: [x.yaml]\ntransformers: [extra.yaml]", "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: https://127.0.0.1:1/p\n", "fetches from elsewhere"},
		"a transformer in place":   {"resources: [x.yaml]\ntransformers:\n  - |-\n    apiVersion: builtin\n    kind: PatchTransformer\n    metadata: {name: p}\n    path: https://127.0.0.1:1/p\n", "", "fetches from elsewhere"},
		"a program":                {"generators: [extra.yaml]", "apiVersion: acme.example/v1\nkind: Gen\nmetadata:\n  name: g\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: ./run.sh}\n", "cannot be built"},
		"a chart of kustomize":     {"helmCharts: [{name: x, repo: \"oci://127.0.0.1:1/x\"}]", "", "fetches from elsewhere"},
		"a chart that is there":    {"helmCharts: [{name: x}]", "", "cannot be built"},
		"a file above":             {"resources: [../../secret.yaml]", "", "cannot be built"},
		"a file of the machine":    {"resources: [/etc/hostname]", "", "cannot be built"},
		"a link out of the commit": {"resources: [link.yaml]", "", "cannot be built"},
	} {
		t.Run(name, func(t *testing.T) {
			root := checkout(t, map[string]string{
				"k8s/app/kustomization.yaml": c.kustomization, "k8s/app/x.yaml": configMap, "k8s/app/extra.yaml": c.extra, "secret.yaml": configMap, "k8s/app/link.yaml": "→ /etc/hostname",
			})
			_, err := read(root, Settings{Manifests: []string{"k8s/app"}}, capabilities{})
			if err == nil {
				t.Fatal("it was built")
			}
			var failed *failedError
			if !errors.As(err, &failed) {
				t.Fatalf("%v", err)
			}
			text := failed.verdict.Title + ": " + failed.verdict.Cause
			for wanted := range strings.SplitSeq(c.want, "|") {
				if strings.Contains(text, wanted) {
					t.Log(text)
					return
				}
			}
			t.Errorf("%s, want %s", text, c.want)
		})
	}
}

func TestChart(t *testing.T) {
	files := map[string]string{
		"chart/Chart.yaml":                      "apiVersion: v2\nname: shop\nversion: 1.0.0\nkubeVersion: '>=1.20'\n",
		"chart/values.yaml":                     "image: {repository: shop, tag: v1}\nreplicas: 1\n",
		"chart/templates/_helpers.tpl":          "{{- define \"shop.name\" -}}{{ .Release.Name }}-web{{- end -}}\n",
		"chart/templates/deployment.yaml":       "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: {{ include \"shop.name\" . }}}\nspec:\n  replicas: {{ .Values.replicas }}\n  template:\n    spec: {containers: [{name: web, image: \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"}]}\n",
		"chart/templates/maybe.yaml":            "{{- if .Capabilities.APIVersions.Has \"acme.example/v1\" }}\napiVersion: acme.example/v1\nkind: Thing\nmetadata: {name: thing}\n{{- end }}\n",
		"chart/templates/tests/connection.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: test, annotations: {helm.sh/hook: test}}\nspec: {containers: [{name: a, image: b}]}\n",
		"chart/templates/NOTES.txt":             "Thank you!",
		"chart/crds/thing.yaml":                 "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.acme.example}\nspec: {group: acme.example, scope: Namespaced, names: {kind: Thing}}\n",
		"prod.yaml":                             "replicas: 2\nimage: {tag: v2}\n",
	}
	settings := Settings{Manifests: []string{"chart"}, Helm: Helm{Release: "live", Values: []string{"prod.yaml"}, Set: map[string]string{"image.tag": "v3,x"}}}
	got, err := read(checkout(t, files), settings, capabilities{version: "v1.36.3", apis: []string{"v1", "acme.example/v1"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := exact(got.objects)
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/chart.golden.yaml", string(text))

	for name, c := range map[string]struct{ file, text, want string }{
		"too old a cluster":  {"chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\nkubeVersion: '>=1.99'\n", "it wants Kubernetes >=1.99, and the cluster has v1.36.3"},
		"a broken template":  {"chart/templates/maybe.yaml", "{{ .Values.nothing.there }}", "nil pointer evaluating interface {}.there"},
		"missing charts":     {"chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies: [{name: redis, version: 1.x, repository: \"https://127.0.0.1:1\"}]\n", "the charts it depends on (redis) are not in its folder charts/"},
		"no look outside":    {"chart/templates/maybe.yaml", "{{ env \"HOME\" }}", "function \"env\" not defined"},
		"values that are no": {"prod.yaml", "a: [", "prod.yaml is no YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := maps.Clone(files)
			changed[c.file] = c.text
			_, err := read(checkout(t, changed), settings, capabilities{version: "v1.36.3"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}
