package sqlite

import (
	"context"
	"sync"
)

// keyedLock serialises work on the same key and lets work on different keys go on side by side.
type keyedLock[K comparable] struct {
	mu    sync.Mutex
	holds map[K]*hold
}

type hold struct {
	waiting int
	turn    chan struct{} // holds a token while nobody works
}

// lock waits for its turn and returns what ends it.
func (l *keyedLock[K]) lock(ctx context.Context, key K) (unlock func(), err error) {
	l.mu.Lock()
	if l.holds == nil {
		l.holds = make(map[K]*hold)
	}
	h, ok := l.holds[key]
	if !ok {
		h = &hold{turn: make(chan struct{}, 1)}
		h.turn <- struct{}{}
		l.holds[key] = h
	}
	h.waiting++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if h.waiting--; h.waiting == 0 {
			delete(l.holds, key)
		}
	}
	select {
	case <-h.turn:
		return func() { h.turn <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}
