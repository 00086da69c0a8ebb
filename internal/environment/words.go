package environment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
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

func because(reason string) string {
	if reason = strings.TrimSpace(reason); reason == "" {
		return ""
	}
	return ": " + strings.TrimSuffix(reason, ".")
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
