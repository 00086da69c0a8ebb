package environment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/slipwayhq/slipway/internal/display"
)

// people says who a list of logins and teams is.
func people(list []string) string {
	if len(list) == 0 {
		return "somebody with write permission"
	}
	return strings.Join(list, ", ")
}

func branchList(patterns []string) string {
	if len(patterns) == 0 {
		return "every branch"
	}
	return strings.Join(patterns, ", ")
}

// maxReason bounds what somebody wrote, in columns: it stands in titles.
const maxReason = 200

// because adds what somebody wrote as a reason, made one line: it is anybody's text.
func because(reason string) string {
	reason = display.Truncate(strings.Join(strings.FieldsFunc(display.Line(reason), unicode.IsSpace), " "), maxReason)
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// sentence ends what is said with a full stop, unless somebody's own words have ended it.
func sentence(format string, args ...any) string {
	said := display.Line(fmt.Sprintf(format, args...)) // names of branches are anybody's text, too
	if strings.HasSuffix(said, ".") || strings.HasSuffix(said, "!") || strings.HasSuffix(said, "?") || strings.HasSuffix(said, "…") {
		return said
	}
	return said + "."
}

// maxMoved bounds how many moved parts are named: a plan of many images may move them all.
const maxMoved = 5

// movedList names the parts that moved.
func movedList(moved []string) string {
	if len(moved) <= maxMoved {
		return strings.Join(moved, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(moved[:maxMoved], "; "), len(moved)-maxMoved)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// inZone shows a time where its window was written, since people compare it with their own rule.
func inZone(t time.Time, zone string) string {
	if zone == "" || zone == "UTC" {
		return clock(t)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return clock(t)
	}
	return t.In(location).Format("2006-01-02 15:04 ") + zone
}

// selfList says whose approval does not count, and why.
func selfList(self map[string]string) string {
	var all []string
	for _, login := range slices.Sorted(maps.Keys(self)) {
		all = append(all, fmt.Sprintf("%s (%s)", login, self[login]))
	}
	return "These do not count: " + strings.Join(all, ", ") + "."
}

func lowerFirst(s string) string {
	if s == "" || s[0] < 'A' || s[0] > 'Z' {
		return s
	}
	return string(s[0]+'a'-'A') + s[1:]
}
