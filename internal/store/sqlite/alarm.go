package sqlite

import (
	"sync"
	"time"
)

// alarm remembers the first moment at which a delayed job is due.
type alarm struct {
	now func() time.Time
	// rings holds a token when the alarm went off.
	rings chan struct{}

	mu    sync.Mutex
	at    time.Time
	timer *time.Timer
}

func newAlarm(now func() time.Time) *alarm { return &alarm{now: now, rings: make(chan struct{}, 1)} }

// set makes it go off at that time, unless it goes off earlier anyway.
func (a *alarm) set(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.at.IsZero() && !at.Before(a.at) {
		return
	}
	a.at = at
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(max(0, at.Sub(a.now())), a.ring)
}

func (a *alarm) ring() {
	a.mu.Lock()
	a.at = time.Time{}
	a.mu.Unlock()
	select {
	case a.rings <- struct{}{}:
	default:
	}
}

func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	a.at = time.Time{}
}
