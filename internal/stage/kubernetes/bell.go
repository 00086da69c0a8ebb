package kubernetes

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// lookEvery is how often objects are looked at of whose changes the cluster does not tell.
	lookEvery = 300 * time.Millisecond
	// quietFor is how long nothing is looked at of whose changes it does.
	quietFor = 3 * time.Second
	// maxWatched bounds the watches that are open at a time; objects beyond are looked at now and then.
	maxWatched = 50
	// watchFor is less than the time that any request may take.
	watchFor = 25 * time.Second
)

// bell rings when the cluster tells that one of some objects may have changed. What has rung is to be looked at: the bell
// is no source of truth, so that a watch that breaks loses nothing.
type bell struct {
	*world
	stop   context.CancelFunc
	ended  sync.WaitGroup
	signal chan struct{} // with room for one
	// lastAll is when everything was looked at last.
	lastAll time.Time

	mu      sync.Mutex
	changed map[key]bool
	deaf    bool
}

// listen watches objects until stop is called. Credentials need not be allowed to watch: then the bell is deaf.
func (w *world) listen(ctx context.Context, objects []*object) *bell {
	ctx, stop := context.WithCancel(ctx)
	b := &bell{world: w, stop: stop, signal: make(chan struct{}, 1), changed: make(map[key]bool), deaf: len(objects) > maxWatched, lastAll: time.Now()}
	for _, o := range objects[:min(len(objects), maxWatched)] {
		b.ended.Go(func() { b.follow(ctx, o) })
	}
	return b
}

// close ends all watches. There may be none.
func (b *bell) close() {
	if b == nil {
		return
	}
	b.stop()
	b.ended.Wait()
}

// next waits for a change, and without one for a while. It returns what has changed; nil: anything may have. However often
// it rings, everything is due after that while: not all objects are watched.
func (b *bell) next(ctx context.Context) (changed map[key]bool, err error) {
	timer := time.NewTimer(time.Until(b.lastAll.Add(b.pause())))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			b.lastAll = time.Now()
			return nil, nil //nolint:nilnil // as documented
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-b.signal:
			timer.Reset(time.Until(b.lastAll.Add(b.pause())))
			if changed := b.rung(); len(changed) > 0 && time.Since(b.lastAll) < b.pause() {
				return changed, nil
			}
		}
	}
}

func (b *bell) pause() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deaf {
		return lookEvery
	}
	return quietFor
}

// rung takes what has rung.
func (b *bell) rung() map[key]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := b.changed
	b.changed = make(map[key]bool)
	return changed
}

// follow watches one object, anew after each end of a watch: API servers end them now and then.
func (b *bell) follow(ctx context.Context, o *object) {
	options := metav1.ListOptions{
		FieldSelector:  fields.OneTermEqualSelector(metav1.ObjectNameField, o.GetName()).String(),
		TimeoutSeconds: new(int64(watchFor.Seconds())),
	}
	for ctx.Err() == nil {
		client, err := b.client(o.GroupVersionKind(), o.GetNamespace())
		if err != nil {
			b.goDeaf()
			return
		}
		watching, err := client.Watch(ctx, options)
		switch {
		case apierrors.IsForbidden(err), apierrors.IsMethodNotSupported(err), apierrors.IsNotFound(err):
			b.goDeaf()
			return
		case err == nil:
			b.hear(ctx, watching.ResultChan(), o.key())
			watching.Stop()
		}
		b.ring(o.key())
		if sleep(ctx, time.Second) != nil {
			return
		}
	}
}

// hear rings for what a watch tells, until it ends.
func (b *bell) hear(ctx context.Context, told <-chan watch.Event, k key) {
	for {
		select {
		case _, open := <-told:
			if !open {
				return
			}
			b.ring(k)
		case <-ctx.Done():
			return
		}
	}
}

func (b *bell) ring(k key) {
	b.mu.Lock()
	b.changed[k] = true
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}:
	default: // it rings already
	}
}

func (b *bell) goDeaf() {
	b.mu.Lock()
	b.deaf = true
	b.mu.Unlock()
	select {
	case b.signal <- struct{}{}: // whoever waits goes on with the shorter pause
	default:
	}
}
