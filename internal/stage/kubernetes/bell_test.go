package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/internal/cluster"
)

func settings(t *testing.T, n int) []*object {
	t.Helper()
	var objects []*object
	for i := range n {
		objects = append(objects, &object{Unstructured: told(t, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s%d, namespace: shop, uid: u%d}\n", i, i))})
	}
	return objects
}

// watched has all watches of a world be one, to which a test tells what it likes.
func watched(t *testing.T) (*world, *watch.FakeWatcher) {
	t.Helper()
	w, fake := fakeWorld()
	watcher := watch.NewFakeWithChanSize(100, false)
	fake.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) { return true, watcher, nil })
	return w, watcher
}

// TestTheBellRings at once, and says for what.
func TestTheBellRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, watcher := watched(t)
		objects := settings(t, 1)
		rings := w.listen(t.Context(), objects)
		defer rings.close()
		watcher.Modify(objects[0])
		began := time.Now()
		changed, err := rings.next(t.Context())
		if err != nil || !changed[objects[0].key()] || time.Since(began) > 0 {
			t.Errorf("%v, %v after %s", changed, err, time.Since(began))
		}
		// Nothing more is told: all is due after a while.
		changed, err = rings.next(t.Context())
		if err != nil || changed != nil || time.Since(began) != quietFor {
			t.Errorf("%v, %v after %s", changed, err, time.Since(began))
		}
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errSaid)
		if _, err := rings.next(ended); !errors.Is(err, errSaid) {
			t.Error(err)
		}
	})
}

var errSaid = errors.New("somebody said stop")

// TestRingingDoesNotHideTheOthers: an object that changes all the time must not keep those from being looked at whose changes
// nobody tells.
func TestRingingDoesNotHideTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, watcher := watched(t)
		objects := settings(t, maxWatched+1)
		rings := w.listen(t.Context(), objects[:1])
		defer rings.close()
		began := time.Now()
		for range 100 {
			watcher.Modify(objects[0])
			changed, err := rings.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if changed == nil {
				if got := time.Since(began); got > quietFor+lookEvery {
					t.Errorf("everything was due after %s", got)
				}
				return
			}
			time.Sleep(lookEvery) // of the bubble's clock: what a look takes
		}
		t.Error("everything was never due")
	})
}

// TestADeafBell looks often: it is not told of changes.
func TestADeafBell(t *testing.T) {
	for name, c := range map[string]struct {
		objects int
		answer  error
	}{
		"it may not watch":        {1, apierrors.NewForbidden(schema.GroupResource{}, "", nil)},
		"what cannot be watched":  {1, apierrors.NewMethodNotSupported(schema.GroupResource{}, "watch")},
		"more than it can listen": {maxWatched + 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, fake := fakeWorld()
				if c.answer != nil {
					fake.PrependWatchReactor("*", func(clienttesting.Action) (bool, watch.Interface, error) { return true, nil, c.answer })
				}
				rings := w.listen(t.Context(), settings(t, c.objects))
				defer rings.close()
				synctest.Wait()
				began := time.Now()
				if changed, err := rings.next(t.Context()); err != nil || changed != nil || time.Since(began) > lookEvery {
					t.Errorf("%v, %v after %s", changed, err, time.Since(began))
				}
			})
		})
	}
}

// TestGoneOutlivesAnOutage: a server that is away for a moment says nothing of what was deleted.
func TestGoneOutlivesAnOutage(t *testing.T) {
	for name, lasts := range map[string]time.Duration{"a moment": 20 * time.Second, "for good": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, fake := fakeWorld()
				began := time.Now()
				fake.PrependReactor("get", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
					if time.Since(began) < lasts {
						return true, nil, apierrors.NewServiceUnavailable("away")
					}
					return false, nil, nil
				})
				err := (&waiter{world: w, timeout: time.Minute, progress: func(string) {}}).gone(t.Context(), settings(t, 1)[0].Unstructured)
				if ends := lasts < patience; ends != (err == nil) || err != nil && !cluster.Unreachable(err) {
					t.Errorf("%v after %s", err, time.Since(began))
				}
			})
		})
	}
}
