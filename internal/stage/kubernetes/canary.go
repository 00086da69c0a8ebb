package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

const (
	// canarySuffix ends the names of what is made beside a Deployment and a Service.
	canarySuffix = "-canary"
	// trackLabel is on pods of a canary, so that it and its Service select no others.
	trackLabel = annotationPrefix + "track"
	canary     = "canary"
)

// trial is what is new of some Deployments, running beside what they run now. Services that select their pods lead to both,
// so that the share of pods is the share of requests.
type trial struct {
	*rollout
	c *comparer
	// subjects are the Deployments, as they are to be.
	subjects []subject
	service  *unstructured.Unstructured
}

// subject is one Deployment that changes.
type subject struct {
	wanted *unstructured.Unstructured
	// replicas are those it has now.
	replicas int64
}

// tryOut lets a part of the pods be new and asks them, step by step, before a step of the rollout changes what runs. Where it
// fails, nothing that runs was changed. end removes what was made for it; it is called when the rollout is over.
func (r *rollout) tryOut(ctx context.Context, c *comparer, objects []*object) (end func() error, err error) {
	t := &trial{rollout: r, c: c}
	end = func() error { return t.remove(ctx, objects) }
	if err := t.find(ctx, objects); err != nil || len(t.subjects) == 0 {
		return end, err
	}
	for _, percent := range r.settings.Canary.Steps {
		name := fmt.Sprintf("Canary at %d %%", percent)
		if err := r.s.Step(ctx, name, func(ctx context.Context) (string, error) { return t.step(ctx, name, int64(percent)) }); err != nil {
			return end, err
		}
	}
	return end, nil
}

// find notes the Deployments whose pods would be others. One that is not there yet, or has no pods, has nothing to lose.
func (t *trial) find(ctx context.Context, objects []*object) error {
	for _, o := range objects {
		if o.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: "apps", Kind: "Deployment"}) {
			continue
		}
		live, err := t.world.live(ctx, o.Unstructured)
		if err != nil {
			return err
		}
		if live == nil {
			continue
		}
		wanted, err := t.c.wanted(o.Unstructured)
		if err != nil {
			return err
		}
		after, err := t.world.apply(ctx, wanted, t.take, true)
		if err != nil {
			return t.refused(o, err, "compare "+o.key().String())
		}
		replicas, found, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
		if !found {
			replicas = 1
		}
		if replicas > 0 && !equality.Semantic.DeepEqual(nested(live.Object, "spec", "template"), nested(after.Object, "spec", "template")) {
			t.subjects = append(t.subjects, subject{wanted: wanted, replicas: replicas})
		}
	}
	return nil
}

// step brings the share of new pods to a percentage, and asks them.
func (t *trial) step(ctx context.Context, name string, percent int64) (string, error) {
	waiting := make([]*object, 0, len(t.subjects))
	waiter, pods := t.waiter(), int64(0)
	for _, s := range t.subjects {
		made, err := canaryOf(s.wanted, canaryPods(s.replicas, percent))
		if err != nil {
			return "", err
		}
		doing := "apply " + keyOf(made).String()
		if err := t.world.persist(ctx, doing, func() error {
			_, err := t.world.apply(ctx, made, true, false)
			return err
		}); err != nil {
			return "", t.refused(&object{Unstructured: made}, err, doing)
		}
		waiting = append(waiting, &object{Unstructured: made})
		pods += canaryPods(s.replicas, percent)
	}
	if err := waiter.wait(ctx, waiting); err != nil {
		return "", err
	}
	if t.settings.Canary.Smoke == nil {
		return report.Count(int(pods), "new pod") + " ready", nil
	}
	return report.Count(int(pods), "new pod") + " asked", t.ask(ctx, name)
}

// canaryPods is how many pods beside those that are there make at least a percentage of all: no pod is taken away for it.
func canaryPods(replicas, percent int64) int64 {
	rest := 100 - percent
	return max(1, (replicas*percent+rest-1)/rest)
}

// canaryOf is a Deployment of the new pods. Services select them, and the Deployment that runs does not.
func canaryOf(wanted *unstructured.Unstructured, replicas int64) (*unstructured.Unstructured, error) {
	const longest = 63
	u := wanted.DeepCopy()
	if len(u.GetName())+len(canarySuffix) > longest {
		return nil, failf("The name is too long for a canary", "Deployment %s has no room for %s in its name, which may have %d characters.", u.GetName(), canarySuffix, longest)
	}
	u.SetName(u.GetName() + canarySuffix)
	u.SetLabels(with(u.GetLabels(), trackLabel, canary))
	for _, path := range [][]string{{"spec", "selector", "matchLabels", trackLabel}, {"spec", "template", "metadata", "labels", trackLabel}} {
		if err := unstructured.SetNestedField(u.Object, canary, path...); err != nil {
			return nil, fmt.Errorf("canary of %s: %w", keyOf(wanted), err)
		}
	}
	unstructured.RemoveNestedField(u.Object, "spec", "paused")
	return u, unstructured.SetNestedField(u.Object, replicas, "spec", "replicas")
}

func with(labels map[string]string, name, value string) map[string]string {
	out := maps.Clone(labels)
	if out == nil {
		out = make(map[string]string, 1)
	}
	out[name] = value
	return out
}

// ask has the smoke stage ask the new pods alone.
func (t *trial) ask(ctx context.Context, name string) error {
	settings := maps.Clone(t.settings.Canary.Smoke)
	if service, named := settings["service"].(string); named {
		if err := t.lead(ctx, service); err != nil {
			return err
		}
		settings["service"], settings["namespace"] = service+canarySuffix, t.namespace
	}
	with, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("checks of the canary: %w", err)
	}
	task := t.task
	task.Stage.With = with
	verdict, err := t.smoke.Run(ctx, asking{t.s, task, name})
	if err != nil || verdict.Status.Passed() {
		return err
	}
	return &failedError{pipeline.Verdict{
		Status: pipeline.StatusFailure, Infrastructure: verdict.Infrastructure, Title: name + " failed: " + verdict.Title,
		Cause: verdict.Cause + " The canary is removed; what ran before was not changed.",
	}}
}

// lead makes a Service of the new pods alone.
func (t *trial) lead(ctx context.Context, name string) error {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name, "namespace": t.namespace},
	}}
	live, err := t.world.live(ctx, u)
	if err != nil {
		return err
	}
	if live == nil {
		return failf("There is no such service", "The canary is to be asked through the service %s, which %s does not have.", name, t.namespace)
	}
	var ports []any
	for _, port := range mappings(nested(live.Object, "spec")["ports"]) {
		copied := maps.Clone(port)
		delete(copied, "nodePort")
		ports = append(ports, copied)
	}
	selector := maps.Clone(nested(live.Object, "spec", "selector"))
	if len(selector) == 0 || len(ports) == 0 {
		return failf("The service selects nothing", "The canary is to be asked through the service %s, which selects no pods.", name)
	}
	selector[trackLabel] = canary
	u.SetName(name + canarySuffix)
	u.SetLabels(with(t.marks.labels, trackLabel, canary))
	u.Object["spec"] = map[string]any{"type": "ClusterIP", "ports": ports, "selector": selector}
	t.service = u
	_, err = t.world.apply(ctx, u, true, false)
	return explained(err, "make the service of the canary")
}

// remove takes away what was made for trials of these objects, by this attempt or one that was cut off.
func (t *trial) remove(ctx context.Context, objects []*object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	var errs []error
	for _, o := range objects {
		if kind := o.GetKind(); kind != "Deployment" && kind != "Service" {
			continue
		}
		made := o.DeepCopy()
		made.SetName(o.GetName() + canarySuffix)
		errs = append(errs, t.removeOne(ctx, made))
	}
	if t.service != nil {
		errs = append(errs, t.removeOne(ctx, t.service))
	}
	return errors.Join(errs...)
}

func (t *trial) removeOne(ctx context.Context, made *unstructured.Unstructured) error {
	live, err := t.world.live(ctx, made)
	if err != nil || live == nil || live.GetLabels()[trackLabel] != canary || live.GetLabels()[inventoryLabel] != t.marks.labels[inventoryLabel] {
		return err
	}
	return t.removeLive(ctx, live)
}

// removeLive deletes what was made for a trial, and waits until it takes no more requests.
func (r *rollout) removeLive(ctx context.Context, live *unstructured.Unstructured) error {
	err := r.world.persist(ctx, "delete "+keyOf(live).String(), func() error { return r.world.remove(ctx, live) })
	if err != nil && !apierrors.IsNotFound(err) {
		return cluster.Explain(err, "delete "+keyOf(live).String())
	}
	if err := r.waiter().gone(ctx, live); err != nil {
		return err
	}
	r.s.Log(keyOf(live).in(r.namespace) + ": deleted")
	return nil
}

// sweepCanaries removes what trials of attempts that were cut off have left, whatever the strategy is by now: Services would
// lead to those pods for ever.
func (r *rollout) sweepCanaries(ctx context.Context) error {
	namespaces := []string{r.namespace}
	for _, o := range r.objects {
		if ns := o.GetNamespace(); ns != "" && !slices.Contains(namespaces, ns) {
			namespaces = append(namespaces, ns)
		}
	}
	ours := metav1.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{trackLabel: canary, inventoryLabel: r.marks.labels[inventoryLabel]}).String()}
	for _, namespace := range namespaces {
		for _, kind := range []schema.GroupVersionKind{{Version: "v1", Kind: "Service"}, {Group: "apps", Version: "v1", Kind: "Deployment"}} {
			client, err := r.world.client(kind, namespace)
			if err != nil {
				return err
			}
			var list *unstructured.UnstructuredList
			doing := "list canaries"
			err = r.world.persist(ctx, doing, func() error {
				list, err = client.List(ctx, ours)
				return err
			})
			if apierrors.IsForbidden(err) {
				return (&trial{rollout: r}).remove(ctx, r.objects) // those that can be told by their names
			}
			if err != nil {
				return cluster.Explain(err, doing)
			}
			for i := range list.Items {
				if err := r.removeLive(ctx, &list.Items[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// asking is the session of a smoke stage within this one.
type asking struct {
	runner.Session

	task pipeline.Task
	name string
}

// Task implements runner.Session.
func (a asking) Task() pipeline.Task { return a.task }

// Section implements runner.Session.
func (a asking) Section(s pipeline.Section) {
	s.Title = a.name + ": " + s.Title
	a.Session.Section(s)
}

// Step implements runner.Session: the steps of the smoke stage are told by their own names within ours.
func (a asking) Step(ctx context.Context, name string, fn func(context.Context) (string, error)) error {
	detail, err := fn(ctx)
	if detail != "" {
		a.Log(name + ": " + detail)
	}
	return err
}

// Canary is how what is new is tried beside what runs.
type Canary struct {
	// Steps are percentages of the pods, rising.
	Steps []int `json:"steps"`
	// Smoke are the settings of a smoke stage that asks the new pods after each step; nil: that they are ready is enough.
	Smoke map[string]any `json:"smoke,omitempty"`
}

// defaultSteps of a canary.
func defaultSteps() []int { return []int{25} }

// canaries reports whether a rollout tries things out first. What brings back a release does not wait.
func (r *rollout) canaries(objects []*object) bool {
	return r.settings.Strategy == canary && !r.quiet && !r.rollback() &&
		slices.ContainsFunc(objects, func(o *object) bool { return o.GetKind() == "Deployment" })
}
