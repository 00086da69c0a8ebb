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
	zone, err := zoneOf(w.TimeZone)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("freeze in the zone %q: %w", w.TimeZone, err)
	}
	from, err := schedule(w.From)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("freeze from %q: %w", w.From, err)
	}
	to, err := schedule(w.To)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("freeze to %q: %w", w.To, err)
	}
	closed := lastFiring(from, zone, now)
	if closed.IsZero() {
		return false, time.Time{}, nil
	}
	opens := nextFiring(to, zone, closed)
	if opens.IsZero() {
		return true, time.Time{}, nil
	}
	return opens.After(now), opens, nil
}

func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	return time.LoadLocation(name)
}

// schedule is of the times that a clock on the wall shows, written as if they were UTC: the library leaves out what a change
// of summer time leaves out, so that a freeze that begins or ends in such an hour would be off by a week.
func schedule(text string) (cron.Schedule, error) {
	return cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse("CRON_TZ=UTC " + text)
}

// onWall is what a clock on the wall of a zone shows, written as if it were UTC.
func onWall(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// moments are when a clock on the wall shows a time: one moment, or, while clocks are changed, the first and the last of
// two. Of an hour that is left out they are the moments that it would be by the clock before and after.
func moments(wall time.Time, zone *time.Location) (first, last time.Time) {
	_, before := wall.Add(-36 * time.Hour).In(zone).Zone()
	_, after := wall.Add(36 * time.Hour).In(zone).Zone()
	a, b := wall.Add(-time.Duration(before)*time.Second), wall.Add(-time.Duration(after)*time.Second)
	aShows, bShows := onWall(a, zone).Equal(wall), onWall(b, zone).Equal(wall)
	switch {
	case aShows && !bShows:
		return a, a
	case bShows && !aShows:
		return b, b
	case a.Before(b):
		return a, b
	default:
		return b, a
	}
}

// slack is more than any clock is ever put forward or back.
const slack = 3 * time.Hour

// lookBack are the spans in which a last firing is looked for, shortest first, so that a schedule that fires often is not
// walked through for years. Nine years hold every day there is, 29 February included, also around 2100, which has none.
var lookBack = [...]time.Duration{ //nolint:gochecknoglobals // a constant table; Go has no constant arrays
	6 * time.Hour, 48 * time.Hour, 32 * 24 * time.Hour, 367 * 24 * time.Hour, 9 * 366 * 24 * time.Hour,
}

// lastFiring is when a schedule fired last, now included; zero: not within years. Of an hour that comes twice it is the first.
func lastFiring(s cron.Schedule, zone *time.Location, now time.Time) time.Time {
	wall := onWall(now, zone)
	for _, span := range lookBack {
		var last time.Time
		for at := s.Next(wall.Add(-span)); !at.IsZero() && !at.After(wall.Add(slack)); at = s.Next(at) {
			if first, _ := moments(at, zone); !first.After(now) && first.After(last) {
				last = first
			}
		}
		if !last.IsZero() {
			return last
		}
	}
	return time.Time{}
}

// nextFiring is when a schedule fires next; zero: never. Of an hour that comes twice it is the last: in doubt it stays closed.
func nextFiring(s cron.Schedule, zone *time.Location, after time.Time) time.Time {
	for at := s.Next(onWall(after, zone).Add(-slack)); !at.IsZero(); at = s.Next(at) {
		if _, last := moments(at, zone); last.After(after) {
			return last
		}
	}
	return time.Time{}
}
