package checks

import (
	"math"
	"slices"
	"time"
)

// pace bounds what comments take of an installation's content, of which GitHub allows 80 a minute and 500 an hour to all
// comments, signs and deployments together.
type pace struct{ written []time.Time }

// at is when the next comment may be written.
func (p *pace) at(now time.Time, soon bool) time.Time {
	p.written = slices.DeleteFunc(p.written, func(t time.Time) bool { return now.Sub(t) > time.Hour })
	hourly := stickiesPerHour
	if soon {
		hourly += soonPerHour
	}
	at := now
	if n := len(p.written); n >= hourly {
		at = p.written[n-hourly].Add(time.Hour)
	}
	if n := len(p.written); n >= stickiesPerMinute {
		at = later(at, p.written[n-stickiesPerMinute].Add(time.Minute))
	}
	return at
}

// mayAt is when a comment of an installation may be written: when that leaves enough for checks.
func (s *Stickies) mayAt(installation int64, soon bool) time.Time {
	now := s.clock.Now()
	if s.github.Available(installation) == math.MaxInt {
		return now
	}
	reserve := progressReserve
	if soon {
		reserve /= 3
	}
	at := s.github.AvailableAt(installation, reserve+pointsOfWrite)
	return later(at, s.paceOf(installation).at(now, soon))
}

func (s *Stickies) paceOf(installation int64) *pace {
	p, known := s.paces[installation]
	if !known {
		p = &pace{}
		s.paces[installation] = p
	}
	return p
}
