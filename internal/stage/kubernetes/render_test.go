package kubernetes

import (
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/examples"
	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func objectsOf(t *testing.T, text string) []*object {
	t.Helper()
	var w wrongs
	objects := parse("k8s/all.yaml", text, &w)
	if err := w.err(); err != nil {
		t.Fatal(err)
	}
	return objects
}

// example are the manifests of the example application.
func example(t *testing.T) []*object {
	t.Helper()
	tree, err := examples.InventoryManager()
	if err != nil {
		t.Fatal(err)
	}
	var objects []*object
	entries := []string{"configmap", "deployment", "hpa", "ingress", "mongodb", "namespace", "networkpolicy", "rbac", "redis", "service"}
	for _, name := range entries {
		text, err := fs.ReadFile(tree, "k8s/"+name+".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var w wrongs
		objects = append(objects, parse("k8s/"+name+".yaml", string(text), &w)...)
		if err := w.err(); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

// TestOrderOfTheExample: its namespace first, its stores before it, its ingress last.
func TestOrderOfTheExample(t *testing.T) {
	var out strings.Builder
	for _, s := range steps(example(t), map[string]string{"inventory-manager": "docker-build-push"}) {
		fmt.Fprintf(&out, "%s (waited for: %t)\n", s.name, s.wait)
		for _, o := range s.objects {
			fmt.Fprintf(&out, "  %s\n", o.key())
		}
	}
	golden.Equal(t, "testdata/order.golden.txt", out.String())
}

func TestPhases(t *testing.T) {
	text := ""
	for _, name := range []string{"a", "b", "c", "d"} {
		text += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n"
	}
	objects := objectsOf(t, text)
	for i, file := range []string{"k8s/db/a.yaml", "k8s/app.yaml", "k8s/db/c.yaml", "k8s/other.yaml"} {
		objects[i].path = file
	}
	var w wrongs
	setPhases(objects, [][]string{{"db/*"}, {"k8s/app.yaml"}}, []string{"k8s"}, &w)
	if err := w.err(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps(objects, nil) {
		var inner []string
		for _, o := range s.objects {
			inner = append(inner, o.GetName())
		}
		got = append(got, s.name+": "+strings.Join(inner, " "))
	}
	if diff := cmp.Diff([]string{"phase 1: a c", "phase 2: b", "phase 3: d"}, got); diff != "" {
		t.Error(diff)
	}
	setPhases(objects, [][]string{{"nothing/*"}}, []string{"k8s"}, &w)
	if err := w.err(); err == nil || err.Error() != "phase 1 names nothing/*, and no manifest matches it" {
		t.Error(err)
	}
}

const everywhere = `apiVersion: v1
kind: Pod
metadata: {name: pod}
spec: {containers: [{name: a, image: "shop:old"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: set}
spec:
  template:
    spec:
      initContainers: [{name: a, image: docker.io/library/shop}, {name: side, image: "shop@sha256:abc", restartPolicy: Always}]
      containers: [{name: b, image: registry.example:5000/shop}, {name: c, image: shopping}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: shop}]}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec: {template: {spec: {containers: [{name: a, image: index.docker.io/shop}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: shop}
data: {image: shop}
`

func TestImagesWhereverTheyStand(t *testing.T) {
	objects := objectsOf(t, everywhere)
	var w wrongs
	done := replaceImages(objects, map[string]string{"shop": "build"}, map[string]string{"build": "r.example/shop@sha256:123"}, true, &w)
	if err := w.err(); err != nil {
		t.Fatal(err)
	}
	want := []string{"index.docker.io/shop", "r.example/shop@sha256:123", "registry.example:5000/shop", "shopping"}
	if diff := cmp.Diff(want, imagesIn(objects)); diff != "" {
		t.Error(diff)
	}
	if done[0].places != 4 {
		t.Errorf("%d places", done[0].places)
	}
}

func TestImagesThatAreNotThere(t *testing.T) {
	var w wrongs
	replaceImages(objectsOf(t, everywhere), map[string]string{"shoop": "build", "shop": "other"}, map[string]string{"build": "x@sha256:1"}, true, &w)
	want := "`images` names shoop, and no container of the manifests uses it; they use docker.io/library/shop, index.docker.io/shop, registry.example:5000/shop, shop, shop:old, shop@sha256:abc, shopping\n" +
		"`images` names the stage other for shop, and that stage has published no image in this run"
	if diff := cmp.Diff(want, w.err().Error()); diff != "" {
		t.Error(diff)
	}
	objects := objectsOf(t, deployment)
	w = nil
	done := replaceImages(objects, map[string]string{"shop": "build"}, nil, false, &w)
	if w.err() != nil || imagesIn(objects)[0] != "shop:built-by-build" || done[0].built {
		t.Errorf("%v, %v", w.err(), imagesIn(objects))
	}
}

func TestNamespaces(t *testing.T) {
	text := deployment + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r, namespace: nonsense}\n"
	objects := objectsOf(t, text)
	var w wrongs
	setNamespaces(objects, "shop", "default", ownScope(objects), &w)
	if err := w.err(); err != nil {
		t.Fatal(err)
	}
	if objects[0].GetNamespace() != "shop" || objects[1].GetNamespace() != "" || objects[2].GetNamespace() != "" {
		t.Error(names(objects))
	}
	objects = objectsOf(t, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: kube-system\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n")
	setNamespaces(objects, "shop", "", ownScope(objects), &w)
	want := "k8s/all.yaml:5: ConfigMap a is for the namespace kube-system, and the stage may deploy to shop only (`namespace` of the stage)\n" +
		"k8s/all.yaml:9: makes the namespace other, and the stage may deploy to shop only (`namespace` of the stage)"
	if diff := cmp.Diff(want, w.err().Error()); diff != "" {
		t.Error(diff)
	}
	objects = objectsOf(t, configMap+"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n")
	w = nil
	setNamespaces(objects, "", "shop", ownScope(objects), &w)
	if err := w.err(); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Errorf("two objects that become one: %v", err)
	}
}

const secretManifest = `apiVersion: v1
kind: Secret
metadata:
  name: credentials
stringData:
  URI: mongodb://$(MONGO_USERNAME):$(MONGO_PASSWORD)@mongodb
  SCRIPT: echo $(date) $$(HOME_DIR)
data:
  PASSWORD: $(MONGO_PASSWORD)
  GENERATED: JChNT05HT19QQVNTV09SRCk=
`

func secretsFor(names ...string) secretValues {
	task := pipeline.Task{
		Stage:       pipeline.StageSpec{Secrets: append(names, "KUBECONFIG")},
		Environment: &pipeline.EnvironmentDefinition{Cluster: &pipeline.ClusterDefinition{Kubeconfig: "KUBECONFIG"}},
	}
	values := map[string]string{"MONGO_USERNAME": "shop", "MONGO_PASSWORD": "hunter22", "KUBECONFIG": "the way in"}
	return newSecretValues(task, func(name string) (string, bool) {
		value, set := values[name]
		return value, set
	})
}

func TestSecretsAreFilledIn(t *testing.T) {
	objects := objectsOf(t, secretManifest)
	v := secretsFor("MONGO_USERNAME", "MONGO_PASSWORD")
	var w wrongs
	v.check(objects, &w)
	if err := w.err(); err != nil {
		t.Fatal(err)
	}
	filled, err := v.fill(objects[0].Unstructured)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"URI": "mongodb://shop:hunter22@mongodb", "SCRIPT": "echo $(date) $(HOME_DIR)"}
	if diff := cmp.Diff(want, filled.Object["stringData"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"PASSWORD": "aHVudGVyMjI=", "GENERATED": "aHVudGVyMjI="}, filled.Object["data"]); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(fmt.Sprint(objects[0].Object), "hunter22") {
		t.Error("the manifest itself was changed")
	}
}

func TestSecretsThatAreNotToBeHad(t *testing.T) {
	text := "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  A: $(NOT_NAMED)\n  B: $(NOT_SET)\n  C: $(KUBECONFIG)\n"
	var w wrongs
	secretsFor("NOT_SET").check(objectsOf(t, text), &w)
	want := "k8s/all.yaml:5: Secret a: A of stringData uses a secret that is not to be had: the stage does not name NOT_NAMED among its `secrets` (write $$(NOT_NAMED) if the text itself is meant)\n" +
		"k8s/all.yaml:6: Secret a: B of stringData uses a secret that is not to be had: the secret NOT_SET is not set for this run\n" +
		"k8s/all.yaml:7: Secret a: C of stringData uses a secret that is not to be had: the stage does not name KUBECONFIG among its `secrets` (write $$(KUBECONFIG) if the text itself is meant)"
	if diff := cmp.Diff(want, w.err().Error()); diff != "" {
		t.Error(diff)
	}
}

// TestRecord: what a release keeps becomes the same again, and what people are shown has no values of Secrets.
func TestRecord(t *testing.T) {
	objects := objectsOf(t, secretManifest+"  COMMITTED: aHVudGVyMw==\n---\n"+configMap)
	whole, err := exact(objects)
	if err != nil {
		t.Fatal(err)
	}
	again, err := recorded(whole)
	if err != nil {
		t.Fatal(err)
	}
	if again[0].path != "k8s/all.yaml" || again[1].line != objects[1].line {
		t.Error(names(again))
	}
	restored, err := exact(again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(whole), string(restored)); diff != "" {
		t.Error(diff)
	}
	shown, err := public(objects)
	if err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, "testdata/record.golden.yaml", string(shown))
}

func TestLint(t *testing.T) {
	text := `apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: old}
spec:
  template:
    spec:
      hostNetwork: true
      volumes:
        - {name: a, hostPath: {path: /etc}}
      containers:
        - name: bad
          image: tool
          ports: [{containerPort: 80}]
          securityContext:
            privileged: true
        - name: good
          image: shop
          resources: {requests: {cpu: 1m}, limits: {memory: 1Mi}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData:
  A: plain
  B: $(FROM_SLIPWAY)
`
	var out strings.Builder
	for _, f := range lint(objectsOf(t, text), map[string]string{"shop": "build"}) {
		fmt.Fprintf(&out, "%s:%d %s %s: %s\n", f.Path, f.Line, f.Level, f.Rule, f.Message)
	}
	golden.Equal(t, "testdata/lint.golden.txt", out.String())
	for _, f := range lint(example(t), map[string]string{"inventory-manager": "x"}) {
		t.Errorf("the example: %s:%d %s", f.Path, f.Line, f.Message)
	}
}

func TestDifferences(t *testing.T) {
	old := objectsOf(t, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: a, slipwayhq.github.io/run: "1"}, uid: x, resourceVersion: "7"}
spec:
  replicas: 2
  minReadySeconds: 5
  template:
    metadata: {annotations: {slipwayhq.github.io/configuration: abc}}
    spec:
      containers:
        - {name: web, image: "shop@sha256:1", args: [a, b], ports: [{containerPort: 80}]}
        - {name: gone, image: x}
status: {replicas: 2}
`)[0]
	now := objectsOf(t, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {team: a, slipwayhq.github.io/run: "2"}, uid: x, resourceVersion: "8"}
spec:
  replicas: 3
  template:
    metadata: {annotations: {slipwayhq.github.io/configuration: def}}
    spec:
      containers:
        - {name: side, image: sidecar}
        - {name: web, image: "shop@sha256:2", args: [a, c], ports: [{containerPort: 80}, {containerPort: 81}]}
`)[0]
	var out strings.Builder
	for _, c := range differences("Deployment", old.Object, now.Object) {
		fmt.Fprintln(&out, c)
	}
	before := objectsOf(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {A: aHVudGVyMjI=, B: eA==, C: eA==}\n")[0]
	after := objectsOf(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {A: aHVudGVyMjM0, C: eA==}\n")[0]
	for _, c := range differences("Secret", before.Object, after.Object) {
		fmt.Fprintln(&out, c)
	}
	golden.Equal(t, "testdata/diff.golden.txt", out.String())
	if strings.Contains(out.String(), "hunter") || strings.Contains(out.String(), "aHVudGVy") {
		t.Error("a value of a Secret is shown")
	}
	if n := len(differences("Deployment", old.Object, old.Object)); n != 0 {
		t.Errorf("%d differences to itself", n)
	}
}

func TestRestartOnChange(t *testing.T) {
	text := `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      volumes: [{name: a, projected: {sources: [{configMap: {name: projected}}]}}]
      containers:
        - name: web
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: foreign}}]
          env: [{name: A, valueFrom: {secretKeyRef: {name: credentials, key: a}}}]
`
	version := func(versions map[key]string) string {
		o := objectsOf(t, text)[0]
		restartOnChange(o.Unstructured, versions)
		return textOf(nested(o.Object, "spec", "template", "metadata", "annotations")[configurationAnnotation])
	}
	of := func(kind, name string) key { return key{kind: kind, namespace: "shop", name: name} }
	all := map[key]string{of("ConfigMap", "settings"): "1", of("Secret", "credentials"): "1", of("ConfigMap", "projected"): "1"}
	first := version(all)
	if first == "" {
		t.Fatal("no note")
	}
	for k := range all {
		changed := maps.Clone(all)
		changed[k] = "2"
		if version(changed) == first {
			t.Errorf("%s changed and the pods stay", k)
		}
	}
	all[of("ConfigMap", "unread")] = "1"
	if version(all) != first {
		t.Error("what is not read restarts pods")
	}
	if version(nil) != "" {
		t.Error("a note about nothing")
	}
}
