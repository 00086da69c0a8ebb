package githubclient

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// GitHub's limits on content creation, per installation.
const (
	contentPerMinute = 80
	contentPerHour   = 500
)

// margin makes our windows longer than GitHub's, since what leaves here in 60 s may arrive there in less.
const margin = time.Second

// budget is the one rate state of an installation: who may send when. Without a limit of points only GitHub's own refusals
// delay anything; with one, writes go one at a time, as GitHub asks of integrations.
type budget struct {
	clock Clock

	mu            sync.Mutex
	limited       bool
	points        window
	contentMinute window
	contentHour   window
	// pausedUntil holds back everything, writesPausedUntil only what changes something.
	pausedUntil       time.Time
	writesPausedUntil time.Time
	writing           bool
	waiters           []*waiter // by priority, then in order of arrival
	stopTimer         func() bool
	timerAt           time.Time

	strikes int // refusals for rate in a row
	faults  int // server errors in a row
}

type waiter struct {
	class    Class
	priority Priority
	granted  chan struct{}
}

func newBudget(clock Clock, pointsPerMinute int) *budget {
	return &budget{
		clock:         clock,
		limited:       pointsPerMinute > 0,
		points:        newWindow(pointsPerMinute, time.Minute+margin),
		contentMinute: newWindow(contentPerMinute, time.Minute+margin),
		contentHour:   newWindow(contentPerHour, time.Hour+margin),
	}
}

// acquire waits until a request of that class may be sent. The permit must be released once the answer has come.
func (b *budget) acquire(ctx context.Context, class Class, priority Priority) (*permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	w := &waiter{class: class, priority: priority, granted: make(chan struct{})}
	at, _ := slices.BinarySearchFunc(b.waiters, priority, func(other *waiter, p Priority) int {
		if other.priority <= p {
			return -1
		}
		return 1
	})
	b.waiters = slices.Insert(b.waiters, at, w)
	b.dispatch()
	b.mu.Unlock()

	select {
	case <-w.granted:
		return &permit{budget: b, class: class}, nil
	default:
	}
	select {
	case <-w.granted:
		return &permit{budget: b, class: class}, nil
	case <-ctx.Done():
		b.abandon(w)
		return nil, ctx.Err()
	}
}

func (b *budget) abandon(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiters, w); i >= 0 {
		b.waiters = slices.Delete(b.waiters, i, i+1)
	} else {
		b.giveBack(w.class)
	}
	b.dispatch()
}

// dispatch grants all it can, in order, and sets one timer for the next moment at which it can grant more. A request that
// lacks points holds back those behind it; one that waits for something of its own class does not.
func (b *budget) dispatch() {
	now := b.clock.Now()
	var next time.Time
	kept := b.waiters[:0]
	starved := false
	for _, w := range b.waiters {
		if starved {
			kept = append(kept, w)
			continue
		}
		at, ok := b.ready(w.class, now)
		if ok {
			b.take(w.class, now)
			close(w.granted)
			continue
		}
		kept = append(kept, w)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
		starved = b.limited && b.points.left(now) < w.class.points()
	}
	clear(b.waiters[len(kept):])
	b.waiters = kept
	b.arm(now, next)
}

// ready reports whether a class may go now, else when to look again (zero: when a permit is released).
func (b *budget) ready(class Class, now time.Time) (time.Time, bool) {
	at := b.pausedUntil
	if class != ClassRead && b.writesPausedUntil.After(at) {
		at = b.writesPausedUntil
	}
	if b.limited {
		at = later(at, b.points.freeAt(now, class.points()))
		if class == ClassContent {
			at = later(at, b.contentMinute.freeAt(now, 1))
			at = later(at, b.contentHour.freeAt(now, 1))
		}
	}
	if at.After(now) {
		return at, false
	}
	if b.limited && class != ClassRead && b.writing {
		return time.Time{}, false
	}
	return now, true
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (b *budget) take(class Class, now time.Time) {
	if !b.limited {
		return
	}
	b.points.spend(now, class.points())
	if class == ClassContent {
		b.contentMinute.spend(now, 1)
		b.contentHour.spend(now, 1)
	}
	b.writing = b.writing || class != ClassRead
}

// giveBack undoes take for a request that was never sent.
func (b *budget) giveBack(class Class) {
	if !b.limited {
		return
	}
	b.points.refund(class.points())
	if class == ClassContent {
		b.contentMinute.refund(1)
		b.contentHour.refund(1)
	}
	if class != ClassRead {
		b.writing = false
	}
}

// charge counts a request that is sent without asking: the repetition with a new token.
func (b *budget) charge(class Class) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limited {
		b.points.spend(b.clock.Now(), class.points())
	}
}

func (b *budget) arm(now, next time.Time) {
	if b.stopTimer != nil {
		if next.Equal(b.timerAt) {
			return
		}
		b.stopTimer()
		b.stopTimer = nil
	}
	if next.IsZero() {
		return
	}
	b.timerAt = next
	b.stopTimer = b.clock.AfterFunc(max(next.Sub(now), time.Millisecond), b.wake)
}

func (b *budget) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopTimer = nil
	b.dispatch()
}

// available is how many points may be spent at once; none while GitHub has told us to wait.
func (b *budget) available() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	switch {
	case now.Before(b.pausedUntil), now.Before(b.writesPausedUntil):
		return 0
	case !b.limited:
		return math.MaxInt
	default:
		return max(b.points.left(now), 0)
	}
}

// availableAt is when that many points will be available if nothing more is spent.
func (b *budget) availableAt(points int) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	at := later(later(now, b.pausedUntil), b.writesPausedUntil)
	if b.limited {
		at = later(at, b.points.freeAt(now, min(points, b.points.limit)))
	}
	return at
}

// permit is the right to send one request.
type permit struct {
	budget *budget
	class  Class
	once   sync.Once
	used   bool
}

// release ends the request: the next write may go. Points of a permit that was not used return.
func (p *permit) release() {
	p.once.Do(func() {
		b := p.budget
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case !p.used:
			b.giveBack(p.class)
		case b.limited && p.class != ClassRead:
			b.writing = false
		default:
			return
		}
		b.dispatch()
	})
}
