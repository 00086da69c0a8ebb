package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// right is something the credentials must be allowed to do.
type right struct{ group, resource, namespace, verb string }

func (r right) String() string {
	name := r.resource
	if r.group != "" {
		name += "." + r.group
	}
	if r.namespace == "" {
		return r.verb + " " + name + " of the cluster"
	}
	return r.verb + " " + name + " in " + r.namespace
}

// atOnce is how many questions are asked at a time.
const atOnce = 8

// rightsFor lists what applying the objects takes. Kinds the cluster does not know are left out: they come with this
// deploy, or are reported elsewhere. home is the namespace of the inventory.
func (w *world) rightsFor(objects []*object, home string, settings Settings) ([]right, error) {
	var rights []right
	add := func(r right, verbs ...string) {
		for _, verb := range verbs {
			r.verb = verb
			if !slices.Contains(rights, r) {
				rights = append(rights, r)
			}
		}
	}
	for _, o := range objects {
		m, known, err := w.mapping(o.GroupVersionKind())
		if err != nil {
			return nil, err
		}
		if !known {
			continue
		}
		r := right{group: m.Resource.Group, resource: m.Resource.Resource, namespace: o.GetNamespace()}
		add(r, "get", "create", "patch")
		tried := settings.Strategy == canary && o.GroupVersionKind().GroupKind() == schema.GroupKind{Group: "apps", Kind: "Deployment"}
		if settings.Prune || tried || replaceable(o) {
			add(r, "delete")
		}
	}
	if _, asked := settings.Canary.Smoke["service"]; asked && settings.Strategy == canary {
		add(right{resource: "services", namespace: home}, "get", "create", "patch", "delete")
	}
	add(right{resource: "configmaps", namespace: home}, "get", "create", "update")
	return rights, nil
}

// missing asks the API server which of the rights the credentials lack.
func (w *world) missing(ctx context.Context, rights []right) ([]right, error) {
	allowed := make([]bool, len(rights))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, r := range rights {
		group.Go(func() error {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Group: r.group, Resource: r.resource, Namespace: r.namespace, Verb: r.verb},
			}}
			answer, err := w.Kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return cluster.Explain(err, "say what the credentials may do")
			}
			allowed[i] = answer.Status.Allowed
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var lacking []right
	for i, r := range rights {
		if !allowed[i] {
			lacking = append(lacking, r)
		}
	}
	return lacking, nil
}

// lackSection shows missing rights, and the rules that would give them.
func lackSection(lacking []right) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Namespace"}, {Name: "Resource"}, {Name: "May not"}}}
	var order []right
	verbs := make(map[right][]string)
	for _, r := range lacking {
		verb := r.verb
		r.verb = ""
		if verbs[r] == nil {
			order = append(order, r)
		}
		verbs[r] = append(verbs[r], verb)
	}
	var rules strings.Builder
	rules.WriteString("rules:\n")
	for _, r := range order {
		namespace, resource := r.namespace, r.resource
		if namespace == "" {
			namespace = "(the cluster)"
		}
		if r.group != "" {
			resource += "." + r.group
		}
		table.Rows = append(table.Rows, []string{namespace, resource, strings.Join(verbs[r], ", ")})
		fmt.Fprintf(&rules, "- apiGroups: [%q]\n  resources: [%s]\n  verbs: [%s]\n", r.group, r.resource, strings.Join(verbs[r], ", "))
	}
	return pipeline.Section{
		Title: "Missing permissions", Table: &table, Code: rules.String(),
		Text: "A Role (in the namespace) or ClusterRole with these rules, bound to the user of the credentials, gives them.",
	}
}

func lackVerdict(lacking []right) pipeline.Verdict {
	return pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: "The credentials lack " + report.Count(len(lacking), "permission"),
		Cause: fmt.Sprintf("The credentials of the cluster may not %s%s. Nothing was applied.", lacking[0], andMore(len(lacking)-1)),
	}
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}
