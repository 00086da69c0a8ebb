package pipelinefile

import (
	"strings"
	"time"
	_ "time/tzdata" // time zones must be known on machines that have no database of them

	"github.com/robfig/cron/v3"
)

// checkCron accepts the five classic fields. The parser would also take a TZ= prefix (and panics on a broken one); the
// time zone has a key of its own.
func checkCron(text string) string {
	if strings.Contains(text, "=") || strings.HasPrefix(text, "@") {
		return "must be five cron fields (minute hour day month weekday) such as 0 18 * * FRI; the zone stands under time-zone"
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	schedule, err := parser.Parse(text)
	if err != nil {
		return "must be five cron fields (minute hour day month weekday) such as 0 18 * * FRI: " + err.Error()
	}
	if schedule.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return "names a day that never comes"
	}
	return ""
}

func checkTimeZone(text string) string {
	if _, err := time.LoadLocation(text); err != nil || text == "Local" {
		return "must be a time zone such as Europe/Berlin or UTC"
	}
	return ""
}
