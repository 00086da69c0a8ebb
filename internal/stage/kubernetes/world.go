package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/report"
)

// fieldManager is who we are to the API server.
const fieldManager = "slipway"

// world is the cluster as one task asks it.
type world struct {
	*cluster.Access
	now func() time.Time
	log func(string)
}

// mapping finds how the cluster calls a kind. known is false where it has none of it.
func (w *world) mapping(gvk schema.GroupVersionKind) (m *meta.RESTMapping, known bool, err error) {
	m, err = w.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	switch {
	case meta.IsNoMatchError(err):
		return nil, false, nil
	case err != nil:
		return nil, false, cluster.Explain(err, "list its kinds")
	}
	return m, true, nil
}

// scope tells what the cluster knows of kinds, and else what the objects themselves say.
func (w *world) scope(own scope) scope {
	return func(gvk schema.GroupVersionKind) (bool, bool) {
		if m, known, err := w.mapping(gvk); err == nil && known {
			return m.Scope.Name() == meta.RESTScopeNameNamespace, true
		}
		return own(gvk)
	}
}

// errUnknownKind says that the cluster has no such kind.
var errUnknownKind = errors.New("the cluster knows no such kind")

// client is the way to objects of one kind in one namespace.
func (w *world) client(gvk schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	m, known, err := w.mapping(gvk)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fmt.Errorf("%w: %s of %s", errUnknownKind, gvk.Kind, gvk.GroupVersion())
	}
	if m.Scope.Name() == meta.RESTScopeNameNamespace {
		return w.Dynamic.Resource(m.Resource).Namespace(namespace), nil
	}
	return w.Dynamic.Resource(m.Resource), nil
}

// live reads an object as it is; nil: there is none.
func (w *world) live(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	client, err := w.client(u.GroupVersionKind(), u.GetNamespace())
	if errors.Is(err, errUnknownKind) {
		return nil, nil //nolint:nilnil // there is none of a kind that is not there
	}
	if err != nil {
		return nil, err
	}
	found, err := client.Get(ctx, u.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // as documented
	case err != nil:
		return nil, cluster.Explain(err, "read "+keyOf(u).String())
	}
	return found, nil
}

// apply sends an object as ours. The error is the API server's own.
func (w *world) apply(ctx context.Context, u *unstructured.Unstructured, force, dry bool) (*unstructured.Unstructured, error) {
	client, err := w.client(u.GroupVersionKind(), u.GetNamespace())
	if err != nil {
		return nil, err
	}
	options := metav1.ApplyOptions{FieldManager: fieldManager, Force: force}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return client.Apply(ctx, u.GetName(), u, options)
}

// remove deletes an object and all that it made. One that is gone is no error.
func (w *world) remove(ctx context.Context, u *unstructured.Unstructured) error {
	client, err := w.client(u.GroupVersionKind(), u.GetNamespace())
	if err != nil {
		return err
	}
	policy := metav1.DeletePropagationForeground
	uid := u.GetUID()
	options := metav1.DeleteOptions{PropagationPolicy: &policy}
	if uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	if err := client.Delete(ctx, u.GetName(), options); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

// capabilities are what charts may ask of the cluster.
func (w *world) capabilities() (capabilities, error) {
	c := capabilities{version: w.Version.GitVersion}
	_, lists, err := w.Discovery.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return c, cluster.Explain(err, "list its kinds")
	}
	for _, list := range lists {
		c.apis = append(c.apis, list.GroupVersion)
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") {
				c.apis = append(c.apis, list.GroupVersion+"/"+r.Kind)
			}
		}
	}
	return c, nil
}

const (
	// patience is how long the way to the cluster may be interrupted.
	patience  = 3 * time.Minute
	firstWait = 250 * time.Millisecond
	longWait  = 5 * time.Second
)

// persist repeats what fails because the server is away, busy or has just changed its mind: a control plane that is
// restarted is gone for a while.
func (w *world) persist(ctx context.Context, what string, try func() error) error {
	began, told := w.now(), ""
	for pause := firstWait; ; pause = min(2*pause, longWait) {
		err := try()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		if w.now().Sub(began) > patience {
			return err
		}
		if text := cluster.Explain(err, what).Error(); text != told {
			told = text
			w.log("Trying again for up to " + report.Duration(patience) + ": " + text)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// passing reports whether a failure is likely to go by itself.
func passing(err error) bool {
	return cluster.Passing(err) || apierrors.IsInternalError(err) && !strings.Contains(err.Error(), "webhook")
}

// sleep pauses, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
