package kubernetes

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// scope tells whether a kind lives in namespaces; known is false where neither the cluster nor we know the kind.
type scope func(schema.GroupVersionKind) (namespaced, known bool)

// clusterKinds are Kubernetes' own kinds that live in no namespace, for when the cluster cannot be asked.
var clusterKinds = map[string][]string{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"":                             {"Namespace", "Node", "PersistentVolume", "ComponentStatus"},
	"rbac.authorization.k8s.io":    {"ClusterRole", "ClusterRoleBinding"},
	"apiextensions.k8s.io":         {"CustomResourceDefinition"},
	"apiregistration.k8s.io":       {"APIService"},
	"admissionregistration.k8s.io": {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"},
	"scheduling.k8s.io":            {"PriorityClass"},
	"storage.k8s.io":               {"StorageClass", "CSIDriver", "CSINode", "VolumeAttachment", "VolumeAttributesClass"},
	"networking.k8s.io":            {"IngressClass", "ServiceCIDR", "IPAddress"},
	"node.k8s.io":                  {"RuntimeClass"},
	"certificates.k8s.io":          {"CertificateSigningRequest", "ClusterTrustBundle"},
	"flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
	"gateway.networking.k8s.io":    {"GatewayClass"},
	"policy":                       {"PodSecurityPolicy"},
}

// ownScope knows Kubernetes' own kinds and those that the objects themselves define.
func ownScope(objects []*object) scope {
	defined := make(map[schema.GroupKind]bool)
	for _, o := range objects {
		if kind, namespaced, is := definition(o); is {
			defined[kind] = namespaced
		}
	}
	return func(gvk schema.GroupVersionKind) (bool, bool) {
		if namespaced, is := defined[gvk.GroupKind()]; is {
			return namespaced, true
		}
		if slices.Contains(clusterKinds[gvk.Group], gvk.Kind) {
			return false, true
		}
		// Groups without a dot and those of k8s.io are Kubernetes' own.
		own := !strings.Contains(gvk.Group, ".") || strings.HasSuffix(gvk.Group, ".k8s.io")
		return true, own
	}
}

// definition reads the kind that a CustomResourceDefinition defines.
func definition(o *object) (kind schema.GroupKind, namespaced, is bool) {
	gvk := o.GroupVersionKind()
	if gvk.Group != "apiextensions.k8s.io" || gvk.Kind != "CustomResourceDefinition" {
		return schema.GroupKind{}, false, false
	}
	spec := nested(o.Object, "spec")
	names := nested(spec, "names")
	return schema.GroupKind{Group: textOf(spec["group"]), Kind: textOf(names["kind"])}, textOf(spec["scope"]) != "Cluster", true
}

// setNamespaces gives every object its namespace. With a namespace in the settings, objects that name none get it and
// those that name another are refused; without one, objects that name none get the fallback.
func setNamespaces(objects []*object, allowed, fallback string, of scope, w *wrongs) {
	for _, o := range objects {
		namespaced, _ := of(o.GroupVersionKind())
		switch own := o.GetNamespace(); {
		case !namespaced:
			if own != "" {
				o.SetNamespace("") // what kubectl does too: it means nothing there
			}
			if allowed != "" && o.GroupVersionKind().GroupKind() == (schema.GroupKind{Kind: "Namespace"}) && o.GetName() != allowed {
				w.addf(o.path, o.lineOf("metadata", "name"), "namespace",
					"makes the namespace %s, and the stage may deploy to %s only (`namespace` of the stage)", o.GetName(), allowed)
			}
		case own == "":
			if allowed != "" {
				o.SetNamespace(allowed)
			} else {
				o.SetNamespace(fallback)
			}
		case allowed != "" && own != allowed:
			w.addf(o.path, o.lineOf("metadata", "namespace"), "namespace",
				"%s is for the namespace %s, and the stage may deploy to %s only (`namespace` of the stage)", o.key(), own, allowed)
		}
	}
	twice(objects, w)
}
