package githubclient

import (
	"context"
	"sync"
	"time"
)

// flightTimeout bounds a shared question, which outlives the caller that began it.
const flightTimeout = 2 * time.Minute

// gate lets many callers share the answer to a question that must be asked after each of them has come: whoever arrives
// while an answer is under way shares the next one, so nobody gets one that is older than its own question. A burst of
// events thus costs two requests, not two thousand.
type gate[T any] struct {
	mu    sync.Mutex
	doors map[string]*door[T]
}

type door[T any] struct{ next *flight[T] }

type flight[T any] struct {
	done  chan struct{}
	value T
	err   error
}

func (g *gate[T]) do(ctx context.Context, key string, ask func(context.Context) (T, error)) (T, error) {
	g.mu.Lock()
	if g.doors == nil {
		g.doors = map[string]*door[T]{}
	}
	d, busy := g.doors[key]
	if !busy {
		d = &door[T]{}
		g.doors[key] = d
	}
	if d.next == nil {
		d.next = &flight[T]{done: make(chan struct{})}
	}
	mine := d.next
	if !busy {
		go g.fly(context.WithoutCancel(ctx), key, d, ask)
	}
	g.mu.Unlock()

	select {
	case <-mine.done:
		return mine.value, mine.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// fly asks as long as there are callers who came after the last question was sent.
func (g *gate[T]) fly(ctx context.Context, key string, d *door[T], ask func(context.Context) (T, error)) {
	for {
		g.mu.Lock()
		current := d.next
		if current == nil {
			delete(g.doors, key)
			g.mu.Unlock()
			return
		}
		d.next = nil
		g.mu.Unlock()
		once, cancel := context.WithTimeout(ctx, flightTimeout)
		current.value, current.err = ask(once)
		cancel()
		close(current.done)
	}
}
