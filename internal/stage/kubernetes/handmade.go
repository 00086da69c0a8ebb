package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// What somebody adds to pods by hand (`kubectl set env`) is nobody's business for an apply: it changes only what it is given.
// A rollback is to bring back what ran, so that it shows such additions and takes them away. Only those of pod templates: what
// is added elsewhere, as replicas or the address of a Service, is often a controller's.

// templateOf is where workloads describe their pods.
var templateOf = fieldpath.MakePathOrDie("spec", "template") //nolint:gochecknoglobals // a constant path

// foreignFields are the fields of an object's pods that others set and that our manifest does not. What we have never applied
// is not ours to tidy up.
func foreignFields(live *unstructured.Unstructured) (*fieldpath.Set, error) {
	ours, theirs := fieldpath.NewSet(), fieldpath.NewSet()
	if !slices.ContainsFunc(live.GetManagedFields(), isOurs) {
		return theirs, nil
	}
	for _, entry := range live.GetManagedFields() {
		set, err := fieldsIn(entry)
		if err != nil {
			return nil, err
		}
		switch {
		case isOurs(entry):
			ours = ours.Union(set)
		case isByHand(entry):
			theirs = theirs.Union(ofTemplate(set))
		}
	}
	return theirs.Difference(ours), nil
}

func isOurs(entry metav1.ManagedFieldsEntry) bool {
	return entry.Manager == fieldManager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == ""
}

// isByHand: what applies, as we do, has manifests of its own; what writes to a subresource is a controller.
func isByHand(entry metav1.ManagedFieldsEntry) bool {
	return entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Subresource == ""
}

func fieldsIn(entry metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := fieldpath.NewSet()
	if entry.FieldsV1 == nil {
		return set, nil
	}
	if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return nil, fmt.Errorf("fields managed by %s: %w", entry.Manager, err)
	}
	return set, nil
}

func ofTemplate(set *fieldpath.Set) *fieldpath.Set {
	found := fieldpath.NewSet()
	set.Iterate(func(p fieldpath.Path) {
		if len(p) > len(templateOf) && p[:len(templateOf)].Equals(templateOf) {
			found.Insert(p.Copy())
		}
	})
	return found
}

// additions are what pods have besides what the manifest says and the API server fills in: that is seen in a dry run of the
// same manifest under another name.
func (c *comparer) additions(ctx context.Context, wanted, live, after *unstructured.Unstructured) ([]change, error) {
	if foreign, err := foreignFields(live); err != nil || foreign.Empty() {
		return nil, err
	}
	other := wanted.DeepCopy()
	other.SetName(wanted.GetName() + "-slipway")
	fresh, err := c.apply(ctx, other, true, true)
	if err != nil {
		return nil, err
	}
	pods := func(u *unstructured.Unstructured) map[string]any {
		return map[string]any{"spec": map[string]any{"template": nested(u.Object, "spec", "template")}}
	}
	return differences(wanted.GetKind(), pods(after), pods(fresh)), nil
}

// adopt makes additions to an object's pods ours, so that the apply that follows takes them away.
func (w *world) adopt(ctx context.Context, live *unstructured.Unstructured) error {
	foreign, err := foreignFields(live)
	if err != nil || foreign.Empty() {
		return err
	}
	entries := live.GetManagedFields()
	for i := range entries {
		set, err := fieldsIn(entries[i])
		if err != nil {
			return err
		}
		switch {
		case isOurs(entries[i]):
			set = set.Union(foreign)
		case isByHand(entries[i]):
			set = set.Difference(foreign)
		default:
			continue
		}
		text, err := set.ToJSON()
		if err != nil {
			return fmt.Errorf("fields managed by %s: %w", entries[i].Manager, err)
		}
		entries[i].FieldsV1 = metav1.NewFieldsV1(string(text))
	}
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": live.GetResourceVersion()}, // nobody else's change is overwritten
	})
	if err != nil {
		return fmt.Errorf("fields of %s: %w", keyOf(live), err)
	}
	client, err := w.client(live.GroupVersionKind(), live.GetNamespace())
	if err != nil {
		return err
	}
	_, err = client.Patch(ctx, live.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
	return err
}

// adoptAdditions is adopt of an object as it is now.
func (r *rollout) adoptAdditions(ctx context.Context, wanted *unstructured.Unstructured) error {
	for {
		live, err := r.world.live(ctx, wanted)
		if err != nil || live == nil {
			return err
		}
		if err := r.world.adopt(ctx, live); !apierrors.IsConflict(err) {
			return err
		}
	}
}
