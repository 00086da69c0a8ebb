package checks

import (
	"time"
)

// schedule has a comment looked at after its delay.
func (s *Stickies) schedule(p *pullSticky, soon bool) {
	if p.gaveUp || s.stopping {
		return
	}
	delay, interval := stickyDelay, stickyInterval
	if soon {
		delay, interval = stickySoon, stickySoonInterval
	}
	due := later(s.clock.Now().Add(delay), p.lastWrite.Add(interval))
	if p.due.IsZero() || due.Before(p.due) {
		p.due = due
	}
	p.soon = p.soon || soon
	s.arm()
}

// arm sets the timer for what is due first.
func (s *Stickies) arm() {
	if !s.started || s.stopping {
		return
	}
	var first time.Time
	for _, p := range s.pulls {
		if at := later(p.due, p.notBefore); !p.due.IsZero() && !p.busy && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	switch {
	case first.IsZero():
		s.disarm()
		return
	case s.stopTimer != nil && s.timerAt.Equal(first):
		return
	}
	s.disarm()
	s.timerAt = first
	s.stopTimer = s.clock.AfterFunc(max(first.Sub(s.clock.Now()), 0), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stopTimer = nil
		s.dispatch()
	})
}

func (s *Stickies) disarm() {
	if s.stopTimer != nil {
		s.stopTimer()
		s.stopTimer = nil
	}
}

// dispatch has what is due written, as many at once as may be.
func (s *Stickies) dispatch() {
	if !s.started || s.stopping {
		return
	}
	now := s.clock.Now()
	for _, p := range s.pulls {
		if s.writers >= stickyWriters {
			return // the next one that ends goes on
		}
		if p.due.IsZero() || p.busy || p.due.After(now) || p.notBefore.After(now) {
			continue
		}
		j := stickyJob{p, p.repository, p.soon}
		p.due, p.soon, p.busy = time.Time{}, false, true
		s.busy++
		s.writers++
		s.work.Go(func() { s.write(j) })
	}
	s.arm()
}
