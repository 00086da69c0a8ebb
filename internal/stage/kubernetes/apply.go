package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// carryOut applies exactly what was prepared, and waits until it runs.
func (d *deploy) carryOut(ctx context.Context) (pipeline.Verdict, error) {
	if err := d.readPrepared(); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := d.connect(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	d.setHome()
	list := d.inventory()
	run := &rollout{deploy: d, list: list, objects: d.objects, take: d.take(), began: d.now()}
	again, err := d.enter(ctx, list)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if again || d.task.Attempt > 1 {
		if err := d.tellState(ctx); err != nil {
			return pipeline.Verdict{}, err
		}
	}
	err = d.watched(ctx, list, run.all)
	if err == nil {
		return d.done(run), nil
	}
	return d.failed(ctx, run, err)
}

// readPrepared takes what the preparation kept, and refuses anything else.
func (d *deploy) readPrepared() error {
	text, found := d.s.File(d.releaseFile())
	at := slices.IndexFunc(d.task.Parts, func(p pipeline.Part) bool {
		return p.Kind == pipeline.PartManifests && p.Name == d.task.Stage.Key
	})
	if !found || at < 0 {
		return failf("Nothing was prepared", "What was prepared for this step is not there. Deploy again.")
	}
	if got := hashOf(text); got != d.task.Parts[at].Value {
		return failf("The manifests moved", "The manifests to apply (%.12s) are not those that were prepared and approved (%.12s). Nothing was applied.", got, d.task.Parts[at].Value)
	}
	objects, err := recorded(text)
	d.objects = objects
	return err
}

// enter takes the inventory. Its namespace may be one that this deploy makes.
func (d *deploy) enter(ctx context.Context, list *inventory) (again bool, err error) {
	take := func() (bool, error) {
		return list.hold(ctx, time.Duration(d.settings.Timeout), d.s.Progress)
	}
	again, err = take()
	if !missingNamespace(err) {
		return again, explained(err, "write the inventory")
	}
	at := slices.IndexFunc(d.objects, func(o *object) bool { return o.key() == key{kind: "Namespace", name: d.namespace} })
	if at < 0 {
		return false, failf("The namespace does not exist", "The namespace %s does not exist, and the manifests do not make it.", d.namespace)
	}
	if _, err := d.world.apply(ctx, d.marks.mark(d.objects[at].Unstructured), d.take(), false); err != nil {
		return false, cluster.Explain(err, "make the namespace "+d.namespace)
	}
	again, err = take()
	return again, explained(err, "write the inventory")
}

// explained leaves verdicts as they are.
func explained(err error, doing string) error {
	if _, is := errors.AsType[*failedError](err); is || err == nil {
		return err
	}
	return cluster.Explain(err, doing)
}

// tellState says what an attempt before this one has left, before it goes on.
func (d *deploy) tellState(ctx context.Context) error {
	there, ready := 0, 0
	for _, o := range d.objects {
		live, err := d.world.live(ctx, o.Unstructured)
		if err != nil {
			return err
		}
		if live == nil || live.GetLabels()[runLabel] != d.marks.labels[runLabel] {
			continue
		}
		there++
		if readinessOf(live).ready {
			ready++
		}
	}
	text := fmt.Sprintf("An attempt before this one was interrupted: %d of %d objects are applied, %d of those are ready. The rollout goes on from there.", there, len(d.objects), ready)
	d.s.Log(text)
	d.s.Section(pipeline.Section{Title: "Found on the way in", Text: text})
	return nil
}

// watched carries something out while the inventory shows that this deploy is alive.
func (d *deploy) watched(ctx context.Context, list *inventory, do func(context.Context) error) error {
	inner, lost := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	beating, stop := context.WithCancel(inner)
	go func() {
		defer close(stopped)
		list.beat(beating, func(err error) { lost(err) })
	}()
	err := do(inner)
	stop()
	<-stopped
	if cause := context.Cause(inner); errors.Is(cause, errTakenOver) {
		err = failf("Another deploy took over", "%v. What this one had applied by then is listed below.", cause)
	}
	lost(nil)
	return err
}

// rollout applies one set of objects in its order.
type rollout struct {
	*deploy
	list    *inventory
	objects []*object
	take    bool
	began   time.Time
	// applied are the objects so far, in order.
	applied []applied
	deleted []key
	left    []key
	// quiet: no steps of its own, for a rollback within a step.
	quiet bool
}

type applied struct {
	key
	what  string
	ready time.Duration
}

// all applies every step and waits where it says so, then deletes what is no more wanted.
func (r *rollout) all(ctx context.Context) error {
	text, err := exact(r.objects)
	if err != nil {
		return err
	}
	if err := r.list.begin(ctx, r.objects, hashOf(text)); err != nil {
		return cluster.Explain(err, "write the inventory")
	}
	r.deploy.objects = r.objects
	if err := r.sweepCanaries(ctx); err != nil {
		return err
	}
	for _, step := range steps(r.objects, r.settings.Images) {
		if err := r.step(ctx, step); err != nil {
			return err
		}
	}
	return r.inStep(ctx, "Clear up", r.clear)
}

func (r *rollout) inStep(ctx context.Context, name string, do func(context.Context) (string, error)) error {
	if r.quiet {
		_, err := do(ctx)
		return err
	}
	return r.s.Step(ctx, name, do)
}

func (r *rollout) step(ctx context.Context, step step) (err error) {
	if r.canaries(step.objects) {
		c, err := r.comparer(ctx)
		if err != nil {
			return err
		}
		end, failed := r.tryOut(ctx, c, step.objects)
		defer func() { err = errors.Join(err, end()) }()
		if failed != nil {
			return failed
		}
	}
	return r.inStep(ctx, "Apply "+step.name, func(ctx context.Context) (string, error) {
		c, err := r.comparer(ctx) // what is read at the start of pods is in place by now
		if err != nil {
			return "", err
		}
		waiter, definitions := r.waiter(), false
		for _, o := range step.objects {
			if err := r.one(ctx, c, o); err != nil {
				return "", err
			}
			_, _, is := definition(o)
			definitions = definitions || is
		}
		if err := waiter.wait(ctx, step.awaited()); err != nil {
			return "", err
		}
		if definitions {
			r.world.Mapper.Reset() // the cluster has learnt kinds
		}
		r.noteReady(step.objects)
		return report.Count(len(step.objects), "object"), nil
	})
}

// noteReady notes how long after the start of the rollout objects were ready.
func (r *rollout) noteReady(objects []*object) {
	for _, o := range objects {
		for i := range r.applied {
			if r.applied[i].key == o.key() && len(podTemplates(o.Unstructured)) > 0 {
				r.applied[i].ready = r.now().Sub(r.began)
			}
		}
	}
}

// one applies one object.
func (r *rollout) one(ctx context.Context, c *comparer, o *object) error {
	wanted, err := c.wanted(o.Unstructured)
	if err != nil {
		return err
	}
	r.s.Progress("applies " + o.key().String())
	var before, after *unstructured.Unstructured
	doing := "apply " + o.key().String()
	err = r.world.persist(ctx, doing, func() error {
		if before, err = r.world.live(ctx, wanted); err != nil {
			return err
		}
		if r.rollback() {
			if err = r.adoptAdditions(ctx, wanted); err != nil {
				return err
			}
		}
		after, err = r.world.apply(ctx, wanted, r.take, false)
		return err
	})
	if before != nil && (err == nil && jobFailed(before) || err != nil && fixed(err) && replaceable(o) && inUse(before) == "") {
		after, err = r.replace(ctx, before, wanted)
	}
	if err != nil {
		return r.refused(o, err, doing)
	}
	what := "unchanged"
	switch {
	case before == nil:
		what = "created"
	case before.GetUID() != after.GetUID():
		what = "replaced"
	case len(differences(o.GetKind(), before.Object, after.Object)) > 0:
		what = "changed"
	}
	r.applied = append(r.applied, applied{key: o.key(), what: what})
	r.s.Log(o.key().in(r.namespace) + ": " + what)
	return nil
}

// replace deletes an object and makes it anew.
func (r *rollout) replace(ctx context.Context, live, wanted *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	why := "cannot be changed in place"
	if jobFailed(live) {
		why = "has failed"
	}
	r.s.Log(keyOf(wanted).String() + " " + why + ": it is deleted and made anew")
	doing := "replace " + keyOf(wanted).String()
	if err := r.world.persist(ctx, doing, func() error { return r.world.remove(ctx, live) }); err != nil {
		return nil, err
	}
	if err := r.waiter().gone(ctx, live); err != nil {
		return nil, err
	}
	var made *unstructured.Unstructured
	err := r.world.persist(ctx, doing, func() (err error) {
		made, err = r.world.apply(ctx, wanted, r.take, false)
		return err
	})
	return made, err
}

// refused explains why an object could not be applied.
func (r *rollout) refused(o *object, err error, doing string) error {
	if found := conflictsOf(err); len(found) > 0 {
		parts := make([]string, len(found))
		for i, f := range found {
			parts[i] = f.field + " (" + f.owner + ")"
		}
		return failf("Fields are managed by somebody else", "%s was changed by others since it was compared: %s.", o.key(), strings.Join(parts, ", "))
	}
	if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsInternalError(err) {
		return failf("The cluster refuses "+o.key().String(), "%s (%s): %s.", o.key(), place(o), strings.TrimSuffix(serverSays(err), "."))
	}
	return explained(err, doing)
}

// clear deletes what the manifests no longer hold, last made first, and closes the inventory.
func (r *rollout) clear(ctx context.Context) (string, error) {
	gone, kept, err := r.list.leftovers(ctx, r.objects, inventoryID(r.task))
	if err != nil {
		return "", err
	}
	for _, l := range kept {
		r.left = append(r.left, l.key)
	}
	for _, l := range slices.Backward(gone) {
		if !r.settings.Prune {
			r.left = append(r.left, l.key)
			continue
		}
		if err := r.world.persist(ctx, "delete "+l.String(), func() error { return r.world.remove(ctx, l.live) }); err != nil {
			return "", cluster.Explain(err, "delete "+l.String())
		}
		r.deleted = append(r.deleted, l.key)
		r.s.Log(l.in(r.namespace) + ": deleted")
	}
	if err := r.list.end(ctx, r.objects, r.left); err != nil {
		return "", cluster.Explain(err, "write the inventory")
	}
	return report.Count(len(r.deleted), "object") + " deleted", nil
}
