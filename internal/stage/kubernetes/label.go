package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// annotationPrefix heads every label and annotation of ours.
const annotationPrefix = "slipwayhq.github.io/"

// Labels say which deploy an object is of; annotations say more.
const (
	inventoryLabel = annotationPrefix + "inventory"
	commitLabel    = annotationPrefix + "commit"
	runLabel       = annotationPrefix + "run"
	releaseLabel   = annotationPrefix + "release"

	stageAnnotation = annotationPrefix + "stage"
	changeCause     = "kubernetes.io/change-cause"
	// configurationAnnotation, on pods, changes when what they read at their start does: so they are restarted.
	configurationAnnotation = annotationPrefix + "configuration"
	// versionAnnotation, on Secrets, changes when their values do, and tells nothing of them.
	versionAnnotation = annotationPrefix + "version"
	// replaceAnnotation, in manifests, lets an object be deleted and made anew where a field of it cannot be changed.
	replaceAnnotation = annotationPrefix + "replace"
)

// inventoryID names the set of objects that one stage deploys to one environment; it is the value of a label.
func inventoryID(task pipeline.Task) string {
	sum := sha256.Sum256([]byte(strconv.FormatInt(task.Trigger.Repository.ID, 10) + "/" + task.Stage.Environment + "/" + task.Stage.ID))
	return hex.EncodeToString(sum[:8])
}

// marks are what a deploy writes on its objects.
type marks struct {
	labels, annotations map[string]string
	cause               string
}

// marksOf are those of a task.
func marksOf(task pipeline.Task) marks {
	t := task.Trigger
	m := marks{
		labels: map[string]string{
			inventoryLabel: inventoryID(task), commitLabel: labelValue(t.SHA), runLabel: strconv.FormatInt(task.RunNumber, 10),
		},
		annotations: map[string]string{stageAnnotation: t.Repository.FullName() + ": " + task.Stage.Key},
	}
	short := t.SHA[:min(len(t.SHA), 12)]
	m.cause = fmt.Sprintf("%s@%s, run %d of Slipway", t.Repository.FullName(), short, task.RunNumber)
	if title := strings.Join(strings.Fields(t.Title), " "); title != "" {
		m.cause += ": " + clip(title, 120)
	}
	next := int64(1)
	if task.Current != nil {
		next = task.Current.Number + 1
	}
	m.labels[releaseLabel] = strconv.FormatInt(next, 10)
	if r := task.Restores; r != nil {
		m.cause = fmt.Sprintf("release %d again (%s@%s), run %d of Slipway", r.Number, t.Repository.FullName(), r.Commit[:min(len(r.Commit), 12)], task.RunNumber)
		m.labels[commitLabel] = labelValue(r.Commit)
	}
	return m
}

func labelValue(text string) string { return text[:min(len(text), 63)] }

// mark writes them on a copy of an object.
func (m marks) mark(u *unstructured.Unstructured) *unstructured.Unstructured {
	marked := u.DeepCopy()
	labels := marked.GetLabels()
	if labels == nil {
		labels = make(map[string]string)
	}
	maps.Copy(labels, m.labels)
	marked.SetLabels(labels)
	annotations := marked.GetAnnotations()
	if annotations == nil {
		annotations = make(map[string]string)
	}
	maps.Copy(annotations, m.annotations)
	if gk := u.GroupVersionKind().GroupKind(); gk.Group == "apps" && annotations[changeCause] == "" {
		annotations[changeCause] = m.cause
	}
	marked.SetAnnotations(annotations)
	return marked
}

// unmarked is an object without what every deploy changes of it: for comparisons.
func unmarked(fields map[string]any) map[string]any {
	u := (&unstructured.Unstructured{Object: fields}).DeepCopy()
	labels, annotations := u.GetLabels(), u.GetAnnotations()
	for _, name := range []string{inventoryLabel, commitLabel, runLabel, releaseLabel} {
		delete(labels, name)
	}
	for _, name := range []string{
		stageAnnotation, changeCause, versionAnnotation, phaseAnnotation, "deployment.kubernetes.io/revision", "kubectl.kubernetes.io/last-applied-configuration",
		"deprecated.daemonset.template.generation", "autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics",
	} {
		delete(annotations, name)
	}
	u.SetLabels(emptyIsNil(labels))
	u.SetAnnotations(emptyIsNil(annotations))
	for _, name := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(u.Object, "metadata", name)
	}
	delete(u.Object, "status")
	return u.Object
}

func emptyIsNil(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// reads lists the ConfigMaps and Secrets that pods of a template read at their start.
func reads(t template, namespace string) []key {
	var found []key
	add := func(kind, name string) {
		if k := (key{kind: kind, namespace: namespace, name: name}); name != "" && !slices.Contains(found, k) {
			found = append(found, k)
		}
	}
	sources := func(in map[string]any) {
		add("ConfigMap", textOf(nested(in, "configMapRef")["name"]))
		add("Secret", textOf(nested(in, "secretRef")["name"]))
		add("ConfigMap", textOf(nested(in, "configMapKeyRef")["name"]))
		add("Secret", textOf(nested(in, "secretKeyRef")["name"]))
		add("ConfigMap", textOf(nested(in, "configMap")["name"]))
		add("Secret", textOf(nested(in, "secret")["secretName"]))
		add("Secret", textOf(nested(in, "secret")["name"])) // of a projected volume
	}
	for _, c := range t.containers() {
		for _, entry := range mappings(c.fields["envFrom"]) {
			sources(entry)
		}
		for _, entry := range mappings(c.fields["env"]) {
			sources(nested(entry, "valueFrom"))
		}
	}
	for _, volume := range mappings(t.spec["volumes"]) {
		sources(volume)
		for _, part := range mappings(nested(volume, "projected")["sources"]) {
			sources(part)
		}
	}
	return found
}

func mappings(list any) []map[string]any {
	items, _ := list.([]any)
	found := make([]map[string]any, 0, len(items))
	for _, item := range items {
		if m, is := item.(map[string]any); is {
			found = append(found, m)
		}
	}
	return found
}

// restartOnChange notes on the pods of workloads what their configuration is, so that pods are made anew when only that
// has changed. versions are of the ConfigMaps and Secrets of this deploy.
func restartOnChange(u *unstructured.Unstructured, versions map[key]string) {
	switch u.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "Deployment"}, schema.GroupKind{Group: "apps", Kind: "StatefulSet"}, schema.GroupKind{Group: "apps", Kind: "DaemonSet"}:
	default:
		return
	}
	for _, t := range podTemplates(u) {
		var seen []string
		for _, k := range reads(t, u.GetNamespace()) {
			if version, ours := versions[k]; ours {
				seen = append(seen, k.text()+"="+version)
			}
		}
		if len(seen) == 0 {
			continue
		}
		slices.Sort(seen)
		sum := sha256.Sum256([]byte(strings.Join(seen, "\n")))
		meta, _ := t.meta["metadata"].(map[string]any)
		if meta == nil {
			meta = make(map[string]any)
			t.meta["metadata"] = meta
		}
		annotations, _ := meta["annotations"].(map[string]any)
		if annotations == nil {
			annotations = make(map[string]any)
			meta["annotations"] = annotations
		}
		annotations[configurationAnnotation] = hex.EncodeToString(sum[:8])
	}
}

// contentVersion is the version of a ConfigMap: of what it holds.
func contentVersion(u *unstructured.Unstructured) string {
	text, err := json.Marshal([]any{u.Object["data"], u.Object["binaryData"]})
	if err != nil {
		return "" // only what is no data cannot be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// clip shortens a text to n bytes at most, at the beginning of a character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
