package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// action is what a deploy does to one object.
type action string

const (
	toCreate  action = "create"
	toChange  action = "change"
	toReplace action = "replace"
	toLeave   action = "unchanged"
	toDelete  action = "delete"
	// refused: the API server would not take it.
	refused action = "refused"
)

// comparison is one object held against the cluster.
type comparison struct {
	*object
	action  action
	changes []change
	// conflicts are fields that somebody else manages and that the object sets.
	conflicts []conflict
	// why is the API server's word where it refuses the object, or where it could not be asked.
	why string
	// immutable: a field cannot be changed.
	immutable bool
	// warnings are the API server's.
	warnings []string
}

// conflict is a field and who manages it.
type conflict struct{ field, owner string }

// outlook is what a deploy would do.
type outlook struct {
	compared []comparison
	// leftovers are objects of earlier deploys that are no more in the manifests; kept are those of them that are left.
	prune, kept []leftover
}

// comparer holds objects against the cluster.
type comparer struct {
	*world
	secrets secretValues
	marks   marks
	// versions are of the ConfigMaps and Secrets of the deploy.
	versions map[key]string
	// back: what is compared is brought back, and what others added to it is to go.
	back bool
	// own holds the objects by key, for what comes with them.
	own map[key]*object
}

// compareAll compares every object, in order.
func (c *comparer) compareAll(ctx context.Context, objects []*object, take bool) ([]comparison, error) {
	found := make([]comparison, len(objects))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, o := range objects {
		group.Go(func() (err error) {
			found[i], err = c.compare(inner, o, take)
			return err
		})
	}
	return found, group.Wait()
}

func (c *comparer) compare(ctx context.Context, o *object, take bool) (comparison, error) {
	result := comparison{object: o}
	if _, known, err := c.mapping(o.GroupVersionKind()); err != nil {
		return result, err
	} else if !known {
		return c.ofUnknownKind(o), nil
	}
	wanted, err := c.wanted(o.Unstructured)
	if err != nil {
		return result, err
	}
	live, err := c.live(ctx, wanted)
	if err != nil {
		return result, err
	}
	ctx = cluster.WithWarnings(ctx, func(text string) { result.warnings = append(result.warnings, text) })
	after, err := c.apply(ctx, wanted, take, true)
	if found := conflictsOf(err); len(found) > 0 {
		result.conflicts = found
		after, err = c.apply(ctx, wanted, true, true)
	} else if take && live != nil {
		// What is taken is shown too.
		_, refusal := c.apply(ctx, wanted, false, true)
		result.conflicts = conflictsOf(refusal)
	}
	if err != nil {
		return c.refusal(result, live, err)
	}
	switch live {
	case nil:
		result.action = toCreate
	default:
		result.action = toLeave
		if c.back {
			if result.changes, err = c.additions(ctx, wanted, live, after); passing(err) {
				return c.refusal(result, live, err)
			} else if err != nil {
				result.warnings = append(result.warnings, "what others added to its pods, which this takes away, could not be found out: "+serverSays(err))
			}
		}
		if result.changes = append(result.changes, differences(o.GetKind(), live.Object, after.Object)...); len(result.changes) > 0 {
			result.action = toChange
		}
		if jobFailed(live) {
			result.action, result.why = toReplace, "it has failed, and is tried again"
		}
	}
	return result, nil
}

// wanted is an object as it is sent: with its secrets, our marks, and what its pods read noted on them.
func (c *comparer) wanted(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	filled, err := c.secrets.fill(u)
	if err != nil {
		return nil, err
	}
	marked := c.marks.mark(filled)
	restartOnChange(marked, c.versions)
	if version := c.versions[keyOf(u)]; version != "" && isSecret(u) {
		annotations := marked.GetAnnotations()
		annotations[versionAnnotation] = version
		marked.SetAnnotations(annotations)
	}
	return marked, nil
}

// ofUnknownKind: a kind that this deploy itself brings is fine, and cannot be compared yet.
func (c *comparer) ofUnknownKind(o *object) comparison {
	result := comparison{object: o, action: toCreate, why: "not checked by the server: its kind comes with this deploy"}
	for _, other := range c.own {
		if kind, _, is := definition(other); is && kind == o.GroupVersionKind().GroupKind() {
			return result
		}
	}
	result.action = refused
	result.why = fmt.Sprintf("the cluster knows no kind %s of %s", o.GetKind(), o.GetAPIVersion())
	return result
}

// refusal explains why the API server would not take an object; an error is none of the object's.
func (c *comparer) refusal(result comparison, live *unstructured.Unstructured, err error) (comparison, error) {
	switch {
	case passing(err), apierrors.IsUnauthorized(err), errors.Is(err, context.Canceled):
		return result, cluster.Explain(err, "check "+result.key().String())
	case missingNamespace(err) && c.own[key{kind: "Namespace", name: result.GetNamespace()}] != nil:
		result.action, result.why = toCreate, "not checked by the server: its namespace comes with this deploy"
		return result, nil
	case missingNamespace(err):
		result.action = refused
		result.why = fmt.Sprintf("the namespace %s does not exist: add it to the manifests, or make it once (`kubectl create namespace %s`)", result.GetNamespace(), result.GetNamespace())
		return result, nil
	}
	result.why, result.immutable = serverSays(err), live != nil && fixed(err)
	if result.immutable && replaceable(result.object) {
		if why := inUse(live); why != "" {
			result.action, result.why = refused, why
			return result, nil
		}
		result.action = toReplace
		result.changes = differences(result.GetKind(), live.Object, merge(live.Object, result.Object))
		return result, nil
	}
	result.action = refused
	return result, nil
}

// replaceable reports whether an object may be deleted and made anew: Jobs, which are done once, and what asks for it.
func replaceable(o *object) bool {
	return o.GroupVersionKind().GroupKind() == (schema.GroupKind{Group: "batch", Kind: "Job"}) || o.GetAnnotations()[replaceAnnotation] == "true"
}

// inUse is why an object cannot be replaced now: a Job that is still at work.
func inUse(live *unstructured.Unstructured) string {
	if live.GetKind() == "Job" && !jobEnded(live) {
		return fmt.Sprintf("%s of an earlier deploy is still running, and its pods cannot be changed: wait for its end, or delete it", keyOf(live))
	}
	return ""
}

func jobEnded(live *unstructured.Unstructured) bool {
	return jobIs(live, "Complete") || jobFailed(live)
}

// jobFailed: a Job that has failed stays so, and waiting for it would be of no use.
func jobFailed(live *unstructured.Unstructured) bool { return jobIs(live, "Failed") }

func jobIs(live *unstructured.Unstructured, condition string) bool {
	if live.GetKind() != "Job" {
		return false
	}
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	return slices.ContainsFunc(mappings(any(conditions)), func(c map[string]any) bool { return c["type"] == condition && c["status"] == "True" })
}

// conflictsOf reads from a refusal which fields belong to whom.
func conflictsOf(err error) []conflict {
	status, is := errors.AsType[*apierrors.StatusError](err)
	if !is || status.ErrStatus.Details == nil {
		return nil
	}
	var found []conflict
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type == metav1.CauseTypeFieldManagerConflict {
			found = append(found, conflict{field: strings.TrimPrefix(cause.Field, "."), owner: owner(cause.Message)})
		}
	}
	return found
}

// owner takes the name out of: conflict with "kubectl-edit" using apps/v1.
func owner(message string) string {
	_, rest, found := strings.Cut(message, `"`)
	name, _, ended := strings.Cut(rest, `"`)
	if !found || !ended {
		return message
	}
	return name
}

func missingNamespace(err error) bool {
	status, is := errors.AsType[*apierrors.StatusError](err)
	return is && apierrors.IsNotFound(err) && status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "namespaces"
}

// fixed reports whether a field was to be changed that cannot be.
func fixed(err error) bool {
	text := err.Error()
	for _, words := range []string{"field is immutable", "updates to statefulset spec for fields other than", "may not change fields other than", "cannot change roleRef"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// serverSays is the message of the API server in one piece.
func serverSays(err error) string {
	text := err.Error()
	if status, is := errors.AsType[*apierrors.StatusError](err); is && status.ErrStatus.Message != "" {
		text = status.ErrStatus.Message
	}
	return clip(strings.TrimSpace(text), 1500)
}
