package githubclient

import "time"

// grain is how finely a window remembers: spendings closer than this are one entry, which bounds its memory.
const grain = 100 * time.Millisecond

// window counts what was spent in the last span of time.
type window struct {
	span  time.Duration
	limit int
	used  int
	// entries are in rising time.
	entries []spending
}

type spending struct {
	begun time.Time // of the entry
	last  time.Time // what it contains is forgotten span after this, never earlier than GitHub does
	cost  int
}

func newWindow(limit int, span time.Duration) window { return window{limit: limit, span: span} }

func (w *window) expire(now time.Time) {
	gone := 0
	for gone < len(w.entries) && !now.Before(w.entries[gone].last.Add(w.span)) {
		w.used -= w.entries[gone].cost
		gone++
	}
	if gone > 0 {
		w.entries = append(w.entries[:0], w.entries[gone:]...)
	}
}

func (w *window) left(now time.Time) int {
	w.expire(now)
	return w.limit - w.used
}

func (w *window) spend(now time.Time, cost int) {
	w.used += cost
	if n := len(w.entries); n > 0 && now.Sub(w.entries[n-1].begun) < grain {
		w.entries[n-1].cost += cost
		w.entries[n-1].last = now
		return
	}
	w.entries = append(w.entries, spending{begun: now, last: now, cost: cost})
}

// refund takes back what was spent and not used.
func (w *window) refund(cost int) {
	if n := len(w.entries); n > 0 && w.entries[n-1].cost >= cost {
		w.entries[n-1].cost -= cost
		w.used -= cost
	}
}

// freeAt is the first moment at which cost fits if nothing more is spent.
func (w *window) freeAt(now time.Time, cost int) time.Time {
	missing := cost - w.left(now)
	if missing <= 0 {
		return now
	}
	for _, e := range w.entries {
		if missing -= e.cost; missing <= 0 {
			return e.last.Add(w.span)
		}
	}
	return now.Add(w.span)
}
