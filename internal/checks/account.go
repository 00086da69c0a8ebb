package checks

import (
	"container/heap"
	"context"
	"math"
	"time"

	"github.com/slipwayhq/slipway/internal/githubclient"
)

// Pace of an account.
const (
	// unbudgetedWriters is how many requests are under way at once where GitHub sets no limit; otherwise one, as it advises.
	unbudgetedWriters = 16
	progressInterval  = 2 * time.Second
	// budgetedProgressInterval leaves more room, since points are counted.
	budgetedProgressInterval = 4 * time.Second
	// beginInterval is the pause before a check says that its stage has begun: most stages start right after their creation.
	beginInterval = time.Second
	// progressReserve and progressReserveMost bound the points that progress leaves to conclusions.
	progressReserve     = 300
	progressReserveMost = 700
	pointsOfWrite       = 5
)

// account is the queue of one installation. All fields are guarded by the reporter's lock.
type account struct {
	installation int64
	ready        readyHeap
	delayed      delayedHeap
	writers      int
	// open counts the attempts of the runs that are remembered: what may still conclude.
	open int
	// waiting are writers that wait for points, with the priority they wait at.
	waiting   map[*waitingWriter]struct{}
	stopTimer func() bool
	timerAt   time.Time
}

type waitingWriter struct {
	priority githubclient.Priority
	cancel   context.CancelFunc
}

// place puts a task where it belongs now.
func (a *account) place(t *task, now time.Time, gate progressGate) {
	a.remove(t)
	priority, needed := t.need()
	if !needed || t.busy {
		return
	}
	t.priority, t.due = priority, t.notBefore
	if priority == githubclient.PriorityProgress {
		t.due = later(t.due, gate(a, t))
	}
	if t.due.After(now) {
		t.place = placeDelayed
		heap.Push(&a.delayed, t)
		return
	}
	t.place = placeReady
	heap.Push(&a.ready, t)
	for w := range a.waiting {
		if w.priority > priority {
			w.cancel() // it asks again, for this one
		}
	}
}

// progressGate tells when progress of a task may be written.
type progressGate func(*account, *task) time.Time

func (a *account) remove(t *task) {
	switch t.place {
	case placeReady:
		heap.Remove(&a.ready, t.at)
	case placeDelayed:
		heap.Remove(&a.delayed, t.at)
	case placeNone:
	}
	t.place = placeNone
}

// next takes the most urgent task.
func (a *account) next() *task {
	if len(a.ready) == 0 {
		return nil
	}
	t := a.ready[0]
	a.remove(t)
	return t
}

// ripen moves delayed tasks whose time has come.
func (a *account) ripen(now time.Time, gate progressGate) {
	for len(a.delayed) > 0 && !a.delayed[0].due.After(now) {
		a.place(a.delayed[0], now, gate)
	}
}

// progressAt is when a task's progress may be written: after its pause, and when enough points remain for conclusions.
func (r *Reporter) progressAt(a *account, t *task) time.Time {
	available := r.github.Available(a.installation)
	if available == math.MaxInt {
		return t.lastWrite.Add(t.pause(progressInterval))
	}
	due := t.lastWrite.Add(t.pause(budgetedProgressInterval))
	reserve := min(progressReserve+pointsOfWrite*a.open, progressReserveMost)
	if available >= reserve+pointsOfWrite {
		return due
	}
	// Never at once: the points may be there and a pause of GitHub's be what holds us back.
	soonest := r.clock.Now().Add(time.Second)
	return later(due, later(soonest, r.github.AvailableAt(a.installation, reserve+pointsOfWrite)))
}

// pause is the time between two writes of progress; the first comes sooner.
func (t *task) pause(interval time.Duration) time.Duration {
	if !t.updated {
		return beginInterval
	}
	return interval
}

func (r *Reporter) writersOf(a *account) int {
	if r.github.Available(a.installation) == math.MaxInt {
		return unbudgetedWriters
	}
	return 1
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
