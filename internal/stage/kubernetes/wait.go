package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/report"
)

// rolloutError says which object did not become ready, and why.
type rolloutError struct {
	object key
	// state is how far it came.
	state string
	// after is how long it was waited for; 0: it failed before its time.
	after    time.Duration
	troubles []trouble
	pods     []corev1.Pod
	// others were not ready either.
	others []key
}

func (e *rolloutError) Error() string {
	text := fmt.Sprintf("%s did not become ready", e.object)
	if e.after > 0 {
		text += " within " + report.Duration(e.after)
	}
	if len(e.troubles) == 0 {
		return text + ": " + e.state
	}
	t := e.troubles[0]
	if where := t.where(); where != "" {
		return fmt.Sprintf("%s: %s: %s: %s", text, t.kind, where, t.text)
	}
	return fmt.Sprintf("%s: %s: %s", text, t.kind, t.text)
}

// title is the end in one line.
func (e *rolloutError) title() string {
	if len(e.troubles) == 0 {
		return fmt.Sprintf("%s is not ready: %s", e.object, clip(e.state, 100))
	}
	return fmt.Sprintf("%s is not ready: %s", e.object, e.troubles[0].kind)
}

// diagnoseEvery is how often pods are looked into while their owner is not ready.
const diagnoseEvery = 3 * time.Second

// waiter waits for objects to become ready.
type waiter struct {
	*world
	timeout  time.Duration
	progress func(string)
	// since is when what is waited for began to be applied: what was wrong before may have been repaired.
	since time.Time
}

// wait returns when all objects are ready. A *rolloutError says which of them is not and why; it comes before the time is
// up where more time will not help.
func (w *waiter) wait(ctx context.Context, objects []*object) error {
	var (
		began    = w.now()
		pending  = slices.Clone(objects)
		states   = make(map[key]readiness, len(objects))
		lastSeen = began
		lastLook time.Time
		changed  map[key]bool
		rings    *bell // once something is to be waited for
	)
	defer func() { rings.close() }()
	for {
		var err error
		pending, err = w.look(ctx, pending, states, changed)
		changed = nil
		switch {
		case err == nil && len(pending) == 0:
			return nil
		case err == nil:
			lastSeen = w.now()
			w.progress(describe(pending, states))
			if failed := w.failedEarly(ctx, pending, states, &lastLook); failed != nil {
				return failed
			}
			if waited := w.now().Sub(began); waited > w.timeout {
				return w.late(ctx, pending, states, waited)
			}
			if rings == nil {
				rings = w.listen(ctx, pending)
			}
			changed, err = rings.next(ctx)
		default:
			err = w.outlast(ctx, err, lastSeen)
		}
		if err != nil {
			return err
		}
	}
}

// look takes those that are ready off the list. It looks at those that have changed; nil: at all.
func (w *waiter) look(ctx context.Context, pending []*object, states map[key]readiness, changed map[key]bool) ([]*object, error) {
	var left []*object
	for _, o := range pending {
		if changed != nil && !changed[o.key()] {
			left = append(left, o)
			continue
		}
		live, err := w.live(ctx, o.Unstructured)
		if err != nil {
			return pending, err
		}
		state := readinessOf(live)
		state.failed = state.failed && !stale(live, w.since)
		if state.ready && states[o.key()].text != "" {
			w.log(fmt.Sprintf("%s: %s", o.key(), state.text))
		}
		states[o.key()] = state
		if !state.ready {
			left = append(left, o)
		}
	}
	return left, nil
}

// describe is the live line.
func describe(pending []*object, states map[key]readiness) string {
	const shown = 3
	parts := make([]string, 0, shown+1)
	for n, o := range pending {
		if n == shown {
			parts = append(parts, fmt.Sprintf("%d more", len(pending)-shown))
			break
		}
		parts = append(parts, o.key().String()+": "+states[o.key()].text)
	}
	return strings.Join(parts, " · ")
}

// failedEarly looks into pods now and then, and ends the wait where it is hopeless.
func (w *waiter) failedEarly(ctx context.Context, pending []*object, states map[key]readiness, last *time.Time) error {
	for _, o := range pending {
		if states[o.key()].failed {
			return w.failure(ctx, o, states, pending, 0)
		}
	}
	if w.now().Sub(*last) < diagnoseEvery {
		return nil
	}
	*last = w.now()
	for _, o := range pending {
		if len(podTemplates(o.Unstructured)) == 0 {
			continue
		}
		live, err := w.live(ctx, o.Unstructured)
		if err != nil || live == nil {
			continue // the next look tells
		}
		found, pods, err := w.diagnose(ctx, live, w.since)
		if err != nil {
			continue // it may not be allowed to; the time limit decides then
		}
		if len(found) > 0 && found[0].final {
			return &rolloutError{object: o.key(), state: states[o.key()].text, troubles: found, pods: pods, others: keysOf(pending, o)}
		}
	}
	return nil
}

// late is the end of patience: the first object that has a cause to tell.
func (w *waiter) late(ctx context.Context, pending []*object, states map[key]readiness, waited time.Duration) error {
	var first error
	for _, o := range pending {
		err := w.failure(ctx, o, states, pending, waited)
		if failed, is := errors.AsType[*rolloutError](err); is && len(failed.troubles) > 0 {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (w *waiter) failure(ctx context.Context, o *object, states map[key]readiness, pending []*object, waited time.Duration) error {
	failed := &rolloutError{object: o.key(), state: states[o.key()].text, after: waited, others: keysOf(pending, o)}
	live, err := w.live(ctx, o.Unstructured)
	if err != nil || live == nil {
		return failed
	}
	if failed.troubles, failed.pods, err = w.diagnose(ctx, live, w.since); err != nil {
		w.log("Why it is not ready could not be looked into: " + err.Error())
	}
	return failed
}

func keysOf(objects []*object, but *object) []key {
	var keys []key
	for _, o := range objects {
		if o != but {
			keys = append(keys, o.key())
		}
	}
	return keys
}

// gone waits until an object is no more, so that one of its name can be made.
func (w *waiter) gone(ctx context.Context, u *unstructured.Unstructured) error {
	rings := w.listen(ctx, []*object{{Unstructured: u}})
	defer rings.close()
	for began, lastSeen := w.now(), w.now(); ; {
		live, err := w.live(ctx, u)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && (live == nil || live.GetUID() != u.GetUID()):
			return nil
		case err == nil && w.now().Sub(began) > w.timeout:
			return failf("An object is not going", "%s was deleted and is still there after %s: something holds it (finalizers: %s).",
				keyOf(u), report.Duration(w.timeout), strings.Join(live.GetFinalizers(), ", "))
		case err == nil:
			lastSeen = w.now()
			w.progress("waits until " + keyOf(u).String() + " is gone")
			_, err = rings.next(ctx)
		default:
			err = w.outlast(ctx, err, lastSeen)
		}
		if err != nil {
			return err
		}
	}
}

// outlast waits a moment for a cluster that does not answer. It returns the error where waiting is of no use, or was long
// enough.
func (w *waiter) outlast(ctx context.Context, err error, lastSeen time.Time) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !cluster.Passing(err) || w.now().Sub(lastSeen) > patience:
		return err
	}
	w.progress("waits for the cluster to answer again")
	return sleep(ctx, lookEvery)
}
