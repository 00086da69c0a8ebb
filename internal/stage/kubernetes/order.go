package kubernetes

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// phaseAnnotation keeps on an object which of the file's own phases it belongs to, so that a rollback keeps the order.
const phaseAnnotation = annotationPrefix + "phase"

// step is a group of objects that are applied together and, where it says so, waited for before the next.
type step struct {
	name    string
	objects []*object
	wait    bool
}

// awaited are those of a step that are waited for. A claim may itself wait for the pod that uses it, which comes later.
func (s step) awaited() []*object {
	if !s.wait {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.objects), func(o *object) bool {
		return o.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "PersistentVolumeClaim"}
	})
}

// The steps that follow from what objects are.
const (
	stepFoundation = iota
	stepRights
	stepConfiguration
	stepStores
	stepApplication
	stepEntrance
)

var stepNames = []string{"namespaces and definitions", "rights and limits", "configuration", "data stores", "application", "ingress"} //nolint:gochecknoglobals // a constant list

// steps puts objects in the order they are applied in.
func steps(objects []*object, images map[string]string) []step {
	if slices.ContainsFunc(objects, func(o *object) bool { return o.GetAnnotations()[phaseAnnotation] != "" }) {
		return ownPhases(objects)
	}
	groups := make([][]*object, len(stepNames))
	stores := storesAmong(objects, images)
	for _, o := range objects {
		at := stepOf(o, stores)
		groups[at] = append(groups[at], o)
	}
	var ordered []step
	for i, group := range groups {
		if len(group) > 0 {
			slices.SortStableFunc(group, func(a, b *object) int { return rank(a) - rank(b) })
			ordered = append(ordered, step{
				name: stepNames[i], objects: group,
				wait: i == stepFoundation || i == stepStores || i == stepApplication || i == stepEntrance,
			})
		}
	}
	return ordered
}

func ownPhases(objects []*object) []step {
	groups := make(map[int][]*object)
	last := 0
	for _, o := range objects {
		n, err := strconv.Atoi(o.GetAnnotations()[phaseAnnotation])
		if err != nil || n < 1 {
			n = 1 // someone wrote the annotation into a manifest
		}
		groups[n] = append(groups[n], o)
		last = max(last, n)
	}
	var ordered []step
	for n := range last + 1 {
		if group := groups[n]; len(group) > 0 {
			slices.SortStableFunc(group, func(a, b *object) int { return rank(a) - rank(b) })
			ordered = append(ordered, step{name: fmt.Sprintf("phase %d", n), objects: group, wait: true})
		}
	}
	return ordered
}

// setPhases notes the file's own phases on the objects. What no pattern matches comes last.
func setPhases(objects []*object, phases [][]string, roots []string, w *wrongs) {
	if len(phases) == 0 {
		return
	}
	used := make(map[string]bool)
	for _, o := range objects {
		n := len(phases) + 1
		for i, patterns := range slices.Backward(phases) {
			for _, pattern := range patterns {
				if matchesFile(pattern, o.path, roots) {
					n, used[pattern] = i+1, true
				}
			}
		}
		annotate(o, phaseAnnotation, strconv.Itoa(n))
	}
	for i, patterns := range phases {
		for _, pattern := range patterns {
			if !used[pattern] {
				w.addf("", 0, "phase", "phase %d names %s, and no manifest matches it", i+1, pattern)
			}
		}
	}
}

func matchesFile(pattern, file string, roots []string) bool {
	pattern = path.Clean(pattern)
	if ok, err := doublestar.Match(pattern, file); err == nil && ok {
		return true
	}
	for _, root := range roots {
		if inner, below := strings.CutPrefix(file, root+"/"); below {
			if ok, err := doublestar.Match(pattern, inner); err == nil && ok {
				return true
			}
		}
	}
	return false
}

func annotate(o *object, name, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = make(map[string]string)
	}
	annotations[name] = value
	o.SetAnnotations(annotations)
}

// stepOf is the step that follows from what an object is.
func stepOf(o *object, stores map[key]bool) int {
	gk := o.GroupVersionKind().GroupKind()
	switch {
	case stores[o.key()]:
		return stepStores
	case gk.Group == "" && gk.Kind == "Namespace", gk.Group == "apiextensions.k8s.io", gk.Group == "scheduling.k8s.io",
		gk.Group == "storage.k8s.io", gk.Group == "node.k8s.io":
		return stepFoundation
	case gk.Group == "rbac.authorization.k8s.io", gk.Group == "networking.k8s.io" && gk.Kind == "NetworkPolicy",
		gk.Group == "" && slices.Contains([]string{"ServiceAccount", "ResourceQuota", "LimitRange"}, gk.Kind):
		return stepRights
	case gk.Group == "" && slices.Contains([]string{"ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim"}, gk.Kind):
		return stepConfiguration
	case gk.Group == "networking.k8s.io" && (gk.Kind == "Ingress" || gk.Kind == "IngressClass"), gk.Group == "gateway.networking.k8s.io",
		gk.Group == "apiregistration.k8s.io", gk.Group == "admissionregistration.k8s.io":
		return stepEntrance
	default:
		return stepApplication
	}
}

// rank orders objects within a step: what others refer to comes first.
func rank(o *object) int {
	order := []string{
		"Namespace", "CustomResourceDefinition", "ServiceAccount", "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding",
		"ConfigMap", "Secret", "PersistentVolume", "PersistentVolumeClaim", "Service", "PodDisruptionBudget", "Job", "StatefulSet", "Deployment",
	}
	if at := slices.Index(order, o.GetKind()); at >= 0 {
		return at
	}
	return len(order)
}

// storeImages are names of images that keep data.
var storeImages = []string{ //nolint:gochecknoglobals // a constant list
	"mongo", "mongodb", "ferretdb", "percona-server-mongodb", "redis", "valkey", "keydb", "dragonfly", "memcached", "postgres", "postgresql",
	"postgis", "timescaledb", "mysql", "mariadb", "percona", "cockroach", "rabbitmq", "kafka", "zookeeper", "nats", "elasticsearch",
	"opensearch", "cassandra", "scylla", "etcd", "minio", "influxdb", "couchdb", "clickhouse", "neo4j", "mssql-server",
}

// storesAmong finds the data stores and the services that lead to them: what the application needs before it starts.
func storesAmong(objects []*object, images map[string]string) map[key]bool {
	stores := make(map[key]bool)
	var pods []map[string]any // labels
	for _, o := range objects {
		if !isStore(o, images) {
			continue
		}
		stores[o.key()] = true
		for _, t := range podTemplates(o.Unstructured) {
			if labels := nested(t.meta, "metadata", "labels"); len(labels) > 0 {
				pods = append(pods, labels)
			}
		}
	}
	for _, o := range objects {
		if o.GroupVersionKind().GroupKind() != (schema.GroupKind{Kind: "Service"}) {
			continue
		}
		selector := nested(o.Object, "spec", "selector")
		if len(selector) > 0 && slices.ContainsFunc(pods, func(labels map[string]any) bool { return within(selector, labels) }) {
			stores[o.key()] = true
		}
	}
	return stores
}

// isStore: a StatefulSet, or a Deployment of a database's image, unless the pipeline builds it.
func isStore(o *object, images map[string]string) bool {
	gk := o.GroupVersionKind().GroupKind()
	if gk.Group != "apps" || gk.Kind != "StatefulSet" && gk.Kind != "Deployment" {
		return false
	}
	known := false
	for _, t := range podTemplates(o.Unstructured) {
		for _, c := range t.containers() {
			for name := range images {
				if sameRepository(c.image(), name) {
					return false
				}
			}
			known = known || slices.Contains(storeImages, path.Base(repository(c.image())))
		}
	}
	return known || gk.Kind == "StatefulSet"
}

func within(selector, labels map[string]any) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return true
}
