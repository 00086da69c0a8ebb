package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// removedAPI is a version of an API that Kubernetes serves no more.
type removedAPI struct{ removed, use string }

// removedAPIs are by "group/version/kind"; https://kubernetes.io/docs/reference/using-api/deprecation-guide/.
var removedAPIs = map[string]removedAPI{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"extensions/v1beta1/Deployment":                                         {"1.16", "apps/v1"},
	"extensions/v1beta1/DaemonSet":                                          {"1.16", "apps/v1"},
	"extensions/v1beta1/ReplicaSet":                                         {"1.16", "apps/v1"},
	"extensions/v1beta1/NetworkPolicy":                                      {"1.16", "networking.k8s.io/v1"},
	"extensions/v1beta1/PodSecurityPolicy":                                  {"1.16", "the admission of Pod Security Standards"},
	"extensions/v1beta1/Ingress":                                            {"1.22", "networking.k8s.io/v1"},
	"apps/v1beta1/Deployment":                                               {"1.16", "apps/v1"},
	"apps/v1beta1/StatefulSet":                                              {"1.16", "apps/v1"},
	"apps/v1beta2/Deployment":                                               {"1.16", "apps/v1"},
	"apps/v1beta2/DaemonSet":                                                {"1.16", "apps/v1"},
	"apps/v1beta2/StatefulSet":                                              {"1.16", "apps/v1"},
	"apps/v1beta2/ReplicaSet":                                               {"1.16", "apps/v1"},
	"networking.k8s.io/v1beta1/Ingress":                                     {"1.22", "networking.k8s.io/v1"},
	"networking.k8s.io/v1beta1/IngressClass":                                {"1.22", "networking.k8s.io/v1"},
	"rbac.authorization.k8s.io/v1beta1/Role":                                {"1.22", "rbac.authorization.k8s.io/v1"},
	"rbac.authorization.k8s.io/v1beta1/RoleBinding":                         {"1.22", "rbac.authorization.k8s.io/v1"},
	"rbac.authorization.k8s.io/v1beta1/ClusterRole":                         {"1.22", "rbac.authorization.k8s.io/v1"},
	"rbac.authorization.k8s.io/v1beta1/ClusterRoleBinding":                  {"1.22", "rbac.authorization.k8s.io/v1"},
	"apiextensions.k8s.io/v1beta1/CustomResourceDefinition":                 {"1.22", "apiextensions.k8s.io/v1"},
	"admissionregistration.k8s.io/v1beta1/MutatingWebhookConfiguration":     {"1.22", "admissionregistration.k8s.io/v1"},
	"admissionregistration.k8s.io/v1beta1/ValidatingWebhookConfiguration":   {"1.22", "admissionregistration.k8s.io/v1"},
	"storage.k8s.io/v1beta1/StorageClass":                                   {"1.22", "storage.k8s.io/v1"},
	"scheduling.k8s.io/v1beta1/PriorityClass":                               {"1.22", "scheduling.k8s.io/v1"},
	"coordination.k8s.io/v1beta1/Lease":                                     {"1.22", "coordination.k8s.io/v1"},
	"batch/v1beta1/CronJob":                                                 {"1.25", "batch/v1"},
	"policy/v1beta1/PodDisruptionBudget":                                    {"1.25", "policy/v1"},
	"policy/v1beta1/PodSecurityPolicy":                                      {"1.25", "the admission of Pod Security Standards"},
	"discovery.k8s.io/v1beta1/EndpointSlice":                                {"1.25", "discovery.k8s.io/v1"},
	"events.k8s.io/v1beta1/Event":                                           {"1.25", "events.k8s.io/v1"},
	"node.k8s.io/v1beta1/RuntimeClass":                                      {"1.25", "node.k8s.io/v1"},
	"autoscaling/v2beta1/HorizontalPodAutoscaler":                           {"1.25", "autoscaling/v2"},
	"autoscaling/v2beta2/HorizontalPodAutoscaler":                           {"1.26", "autoscaling/v2"},
	"flowcontrol.apiserver.k8s.io/v1beta2/FlowSchema":                       {"1.29", "flowcontrol.apiserver.k8s.io/v1"},
	"flowcontrol.apiserver.k8s.io/v1beta2/PriorityLevelConfiguration":       {"1.29", "flowcontrol.apiserver.k8s.io/v1"},
	"flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema":                       {"1.32", "flowcontrol.apiserver.k8s.io/v1"},
	"flowcontrol.apiserver.k8s.io/v1beta3/PriorityLevelConfiguration":       {"1.32", "flowcontrol.apiserver.k8s.io/v1"},
	"admissionregistration.k8s.io/v1beta1/ValidatingAdmissionPolicy":        {"1.34", "admissionregistration.k8s.io/v1"},
	"admissionregistration.k8s.io/v1beta1/ValidatingAdmissionPolicyBinding": {"1.34", "admissionregistration.k8s.io/v1"},
}

// lint tells what in the manifests is likely to hurt later. names are the images the pipeline replaces.
func lint(objects []*object, names map[string]string) []pipeline.Finding {
	var findings []pipeline.Finding
	for _, o := range objects {
		findings = append(findings, lintObject(o)...)
		for _, t := range podTemplates(o.Unstructured) {
			findings = append(findings, lintPod(o, t)...)
			for _, c := range t.containers() {
				findings = append(findings, lintContainer(o, c, names)...)
				if f, is := lintProbe(o, t, c, objects); is {
					findings = append(findings, f)
				}
			}
		}
	}
	return findings
}

// remark makes a finding on the line of a field.
func remark(o *object, path []string, rule string, severity pipeline.Severity, title, format string, args ...any) pipeline.Finding {
	line := o.lineOf(path...)
	level := pipeline.LevelWarning
	if severity == pipeline.SeverityLow || severity == pipeline.SeverityNone {
		level = pipeline.LevelNotice
	}
	return pipeline.Finding{
		Tool: tool, Rule: rule, Path: o.path, Line: line, EndLine: line, Level: level, Severity: severity,
		Title: title, Message: fmt.Sprintf(format, args...),
	}
}

func lintObject(o *object) []pipeline.Finding {
	var findings []pipeline.Finding
	if old, is := removedAPIs[o.GetAPIVersion()+"/"+o.GetKind()]; is {
		findings = append(findings, remark(o, []string{"apiVersion"}, "deprecated-api", pipeline.SeverityHigh, "API version that is no more",
			"%s of %s is not served since Kubernetes %s: use %s.", o.GetKind(), o.GetAPIVersion(), old.removed, old.use))
	}
	if isSecret(o.Unstructured) {
		for _, entry := range committed(o) {
			findings = append(findings, remark(o, entry[:], "committed-secret", pipeline.SeverityHigh, "Secret value in the repository",
				"The value of %s of %s stands in the repository, where everybody who reads it finds it. Set it as a secret of Slipway and write $(NAME) here.", entry[1], o.key()))
		}
	}
	return findings
}

func lintPod(o *object, t template) []pipeline.Finding {
	var findings []pipeline.Finding
	for _, field := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if t.spec[field] == true {
			findings = append(findings, remark(o, append(slices.Clone(t.path), field), "host-namespace", pipeline.SeverityHigh, "Pod in the node's own namespace",
				"The pods of %s have %s: they see what belongs to the node.", o.key(), field))
		}
	}
	volumes, _ := t.spec["volumes"].([]any)
	for i, v := range volumes {
		volume, _ := v.(map[string]any)
		if host := nested(volume, "hostPath"); host != nil {
			findings = append(findings, remark(o, append(slices.Clone(t.path), "volumes", fmt.Sprint(i)), "host-path", pipeline.SeverityHigh, "Folder of the node",
				"The pods of %s mount %s of the node.", o.key(), textOf(host["path"])))
		}
	}
	return findings
}

func lintContainer(o *object, c container, names map[string]string) []pipeline.Finding {
	var findings []pipeline.Finding
	add := func(path []string, rule string, severity pipeline.Severity, title, format string, args ...any) {
		findings = append(findings, remark(o, slices.Concat(c.path, path), rule, severity, title, format, args...))
	}
	security := nested(c.fields, "securityContext")
	if security["privileged"] == true {
		add([]string{"securityContext", "privileged"}, "privileged", pipeline.SeverityHigh, "Privileged container",
			"The container %s of %s is privileged: who gets into it has the node.", c.name(), o.key())
	}
	resources := nested(c.fields, "resources")
	if len(nested(resources, "requests")) == 0 {
		add(nil, "no-requests", pipeline.SeverityLow, "No requests", "The container %s of %s requests no cpu and memory: the scheduler cannot plan with it, and it is evicted first.", c.name(), o.key())
	}
	if _, limited := nested(resources, "limits")["memory"]; !limited {
		add(nil, "no-limits", pipeline.SeverityLow, "No memory limit", "The container %s of %s has no memory limit: a leak of it takes the whole node.", c.name(), o.key())
	}
	if !replacedByName(c.image(), names) && c.image() != "" && !pinned(c.image()) {
		add([]string{"image"}, "latest-tag", pipeline.SeverityLow, "Image that moves", "The container %s of %s uses %s: what runs changes without a deploy. Give it a version or a digest.", c.name(), o.key(), c.image())
	}
	return findings
}

// lintProbe: whether a container gets requests is known of those that declare ports, which nobody has to, and of the only one
// of pods that a Service of the manifests leads to. A worker that gets none needs no probe.
func lintProbe(o *object, t template, c container, objects []*object) (pipeline.Finding, bool) {
	asked := hasPorts(c) || alone(t) && served(o, t, objects)
	if !asked || !longRunning(o) || c.init || c.fields["readinessProbe"] != nil {
		return pipeline.Finding{}, false
	}
	return remark(o, c.path, "no-probe", pipeline.SeverityLow, "No readiness probe",
		"The container %s of %s has no readinessProbe: it gets requests before it can answer them, and a broken rollout looks like a good one.", c.name(), o.key()), true
}

func alone(t template) bool {
	containers, _ := t.spec["containers"].([]any)
	return len(containers) == 1
}

// served reports whether a Service among the objects leads to pods of a template.
func served(o *object, t template, objects []*object) bool {
	labels := nested(t.meta, "metadata", "labels")
	return slices.ContainsFunc(objects, func(s *object) bool {
		selector := nested(s.Object, "spec", "selector")
		return s.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Service"} && s.GetNamespace() == o.GetNamespace() &&
			len(selector) > 0 && within(selector, labels)
	})
}

// pinned reports whether an image has a digest, or a tag other than latest.
func pinned(image string) bool {
	tag := tagOf(image)
	return strings.Contains(image, "@") || tag != "" && tag != "latest"
}

func replacedByName(image string, names map[string]string) bool {
	for name := range names {
		if sameRepository(image, name) {
			return true
		}
	}
	return false
}

func longRunning(o *object) bool {
	return slices.Contains([]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, o.GetKind())
}

func hasPorts(c container) bool {
	ports, _ := c.fields["ports"].([]any)
	return len(ports) > 0
}
