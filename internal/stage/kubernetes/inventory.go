package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// Keys of the ConfigMap that lists what a stage has deployed.
const (
	inventoryObjects = "objects"
	inventoryHash    = "manifests"
	inventoryStage   = "stage"
	// inventoryHolder is who applies at the moment; empty: nobody.
	inventoryHolder = "applying"
	inventoryBeat   = "beat"
)

// inventory is the list of what a stage has deployed, kept in the cluster itself, and the sign that somebody is at it.
type inventory struct {
	*world
	name, namespace string
	// holder is this run, beat this attempt's latest sign of life.
	holder string
	stage  string
}

// leftover is an object of an earlier deploy that is no more in the manifests.
type leftover struct {
	key
	live *unstructured.Unstructured
	// why it is kept all the same.
	why string
}

func (i *inventory) read(ctx context.Context) (*corev1.ConfigMap, error) {
	found, err := i.Kube.CoreV1().ConfigMaps(i.namespace).Get(ctx, i.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // nothing was deployed yet
	case err != nil:
		return nil, cluster.Explain(err, "read the inventory "+i.name)
	}
	return found, nil
}

// keys are what the ConfigMap lists.
func keysIn(from *corev1.ConfigMap) []key {
	if from == nil {
		return nil
	}
	var keys []key
	for line := range strings.SplitSeq(from.Data[inventoryObjects], "\n") {
		if k, is := parseKey(line); is {
			keys = append(keys, k)
		}
	}
	return keys
}

// leftovers finds what earlier deploys left in the cluster and the objects no longer hold. Only what still carries our
// mark is ours to delete.
func (i *inventory) leftovers(ctx context.Context, objects []*object, id string) (gone, kept []leftover, err error) {
	list, err := i.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	wanted := make(map[key]bool, len(objects))
	for _, o := range objects {
		wanted[o.key()] = true
	}
	for _, k := range keysIn(list) {
		if wanted[k] {
			continue
		}
		live, err := i.find(ctx, k)
		if err != nil {
			return nil, nil, err
		}
		if live == nil {
			continue
		}
		l := leftover{key: k, live: live, why: keptBecause(live, id)}
		if l.why != "" {
			kept = append(kept, l)
			continue
		}
		gone = append(gone, l)
	}
	slices.SortFunc(gone, func(a, b leftover) int { return compareKeys(a.key, b.key) })
	slices.SortFunc(kept, func(a, b leftover) int { return compareKeys(a.key, b.key) })
	return gone, kept, nil
}

// find reads an object of whatever version the cluster has.
func (i *inventory) find(ctx context.Context, k key) (*unstructured.Unstructured, error) {
	m, err := i.Mapper.RESTMapping(schema.GroupKind{Group: k.group, Kind: k.kind})
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // a kind that is gone has no objects
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(m.GroupVersionKind)
	u.SetNamespace(k.namespace)
	u.SetName(k.name)
	return i.live(ctx, u)
}

// keptBecause is why a leftover is not deleted; empty: it is.
func keptBecause(live *unstructured.Unstructured, id string) string {
	if live.GetDeletionTimestamp() != nil {
		return "it is being deleted"
	}
	if live.GetLabels()[inventoryLabel] != id {
		return "it no longer carries the mark of this stage: somebody else has it now"
	}
	switch live.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Kind: "Namespace"}, schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:
		return "everything in it would go with it: delete it by hand"
	case schema.GroupKind{Kind: "PersistentVolumeClaim"}, schema.GroupKind{Kind: "PersistentVolume"}:
		return "it holds data: delete it by hand"
	}
	return ""
}

const (
	// beatEvery is how often a deploy says that it is still there; one that has been silent for deadAfter is taken for dead.
	beatEvery = 10 * time.Second
	deadAfter = 45 * time.Second
)

// hold takes the inventory for this run: two deploys of one stage at a time would mix. It waits for another that is at it,
// and takes over from one that has fallen silent, for which no patience is too short. again reports that this very run had
// begun before.
func (i *inventory) hold(ctx context.Context, patience time.Duration, progress func(string)) (again bool, err error) {
	patience = max(patience, 2*deadAfter)
	began := i.now()
	var seen string
	silentSince := began
	for {
		list, err := i.read(ctx)
		if err != nil && !cluster.Unreachable(err) {
			return false, err
		}
		other := ""
		if list != nil {
			other = list.Data[inventoryHolder]
		}
		if err == nil && (other == "" || other == i.holder || i.now().Sub(silentSince) > deadAfter) {
			switch err := i.write(ctx, list, map[string]string{inventoryHolder: i.holder}); {
			case err == nil:
				return other == i.holder, nil
			case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err):
				return false, err
			}
			continue // somebody was quicker
		}
		switch {
		case err != nil:
			silentSince = i.now() // a server that is away keeps the other from telling that it is alive
		case list != nil && list.Data[inventoryHolder]+list.Data[inventoryBeat] != seen:
			seen, silentSince = list.Data[inventoryHolder]+list.Data[inventoryBeat], i.now()
		}
		if i.now().Sub(began) > patience {
			return false, failf("Another deploy of this stage is going on", "%s deploys here and did not end within %s. Nothing was applied.", other, patience)
		}
		progress("waits for " + other + ", which deploys here")
		if err := sleep(ctx, time.Second); err != nil {
			return false, err
		}
	}
}

// write changes entries of the ConfigMap, which it makes where there is none. Nobody else's change is overwritten.
func (i *inventory) write(ctx context.Context, list *corev1.ConfigMap, entries map[string]string) error {
	maps := i.Kube.CoreV1().ConfigMaps(i.namespace)
	if list == nil {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: i.name, Namespace: i.namespace}, Data: i.stamped(nil, entries)}
		_, err := maps.Create(ctx, made, metav1.CreateOptions{FieldManager: fieldManager})
		return err
	}
	changed := list.DeepCopy()
	changed.Data = i.stamped(changed.Data, entries)
	_, err := maps.Update(ctx, changed, metav1.UpdateOptions{FieldManager: fieldManager})
	return err
}

func (i *inventory) stamped(data, entries map[string]string) map[string]string {
	out := maps.Clone(data)
	if out == nil {
		out = make(map[string]string)
	}
	maps.Copy(out, entries)
	out[inventoryStage], out[inventoryBeat] = i.stage, i.now().UTC().Format(time.RFC3339Nano)
	return out
}

// change repeats a change until nobody came between.
func (i *inventory) change(ctx context.Context, entries func(*corev1.ConfigMap) map[string]string) error {
	return i.persist(ctx, "write the inventory", func() error {
		for {
			list, err := i.read(ctx)
			if err != nil {
				return err
			}
			if list != nil && list.Data[inventoryHolder] != i.holder {
				return fmt.Errorf("%w: now %s", errTakenOver, list.Data[inventoryHolder])
			}
			if err = i.write(ctx, list, entries(list)); !apierrors.IsConflict(err) {
				return err
			}
		}
	})
}

// errTakenOver says that another deploy took this one for dead.
var errTakenOver = errors.New("another deploy of this stage has taken over")

// begin notes what is going to be there, besides what was: nothing that is applied is ever missing from the list.
func (i *inventory) begin(ctx context.Context, objects []*object, hash string) error {
	return i.change(ctx, func(list *corev1.ConfigMap) map[string]string {
		return map[string]string{inventoryObjects: joinKeys(objects, keysIn(list)), inventoryHash: hash}
	})
}

// end notes what is there, and that nobody is at it any more.
func (i *inventory) end(ctx context.Context, objects []*object, left []key) error {
	return i.change(ctx, func(*corev1.ConfigMap) map[string]string {
		return map[string]string{inventoryObjects: joinKeys(objects, left), inventoryHolder: ""}
	})
}

// release lets go without a word on the objects.
func (i *inventory) release(ctx context.Context) error {
	return i.change(ctx, func(*corev1.ConfigMap) map[string]string { return map[string]string{inventoryHolder: ""} })
}

// beat shows until the context ends that this deploy is alive; lost is called once another has taken over.
func (i *inventory) beat(ctx context.Context, lost func(error)) {
	for sleep(ctx, beatEvery) == nil {
		if err := i.change(ctx, func(*corev1.ConfigMap) map[string]string { return nil }); errors.Is(err, errTakenOver) {
			lost(err)
			return
		}
	}
}

func joinKeys(objects []*object, more []key) string {
	keys := slices.Clone(more)
	for _, o := range objects {
		keys = append(keys, o.key())
	}
	slices.SortFunc(keys, compareKeys)
	keys = slices.Compact(keys)
	lines := make([]string, len(keys))
	for n, k := range keys {
		lines[n] = k.text()
	}
	return strings.Join(lines, "\n")
}
