package environment

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// frozen reports whether a window is closed at a time, and until when; a zero time is never. A window closes with each
// firing of From and opens with the next firing of To.
func frozen(w pipeline.FreezeWindow, now time.Time) (bool, time.Time, error) {
	from, err := schedule(w.From, w.TimeZone)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("freeze from %q: %w", w.From, err)
	}
	to, err := schedule(w.To, w.TimeZone)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("freeze to %q: %w", w.To, err)
	}
	closed := lastFiring(from, now)
	if closed.IsZero() {
		return false, time.Time{}, nil
	}
	opens := to.Next(closed)
	if opens.IsZero() {
		return true, time.Time{}, nil
	}
	return opens.After(now), opens, nil
}

func schedule(text, zone string) (cron.Schedule, error) {
	if zone == "" {
		zone = "UTC"
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	return parser.Parse("CRON_TZ=" + zone + " " + text)
}

// lookBack are the spans in which a last firing is looked for, shortest first, so that a schedule that fires often is not
// walked through for years. Five years hold every day there is, 29 February included.
var lookBack = [...]time.Duration{ //nolint:gochecknoglobals // a constant table; Go has no constant arrays
	2 * time.Hour, 48 * time.Hour, 32 * 24 * time.Hour, 367 * 24 * time.Hour, 5 * 366 * 24 * time.Hour,
}

// lastFiring is when a schedule fired last, now included; zero: not within five years.
func lastFiring(s cron.Schedule, now time.Time) time.Time {
	for _, span := range lookBack {
		var last time.Time
		for at := s.Next(now.Add(-span)); !at.IsZero() && !at.After(now); at = s.Next(at) {
			last = at
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}
