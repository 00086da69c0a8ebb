package handlers

import (
	"fmt"
	"strings"
)

// skipReason tells whether a commit's message asks for nothing to run, with GitHub Actions' own words: a tag anywhere
// in the message, or the trailer skip-checks: true after two empty lines. `request-checks: true` overrules.
// Source: docs.github.com, "Skipping workflow runs" and "About status checks".
func skipReason(message string) string {
	message = strings.ReplaceAll(message, "\r\n", "\n")
	lower := strings.ToLower(message)
	_, trailers, found := strings.Cut(lower, "\n\n\n")
	if found && hasTrailer(trailers, "request-checks") {
		return ""
	}
	for _, tag := range []string{"[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"} {
		if strings.Contains(lower, tag) {
			return fmt.Sprintf("the commit message says %s", tag)
		}
	}
	if found && hasTrailer(trailers, "skip-checks") {
		return "the commit message says skip-checks: true"
	}
	return ""
}

func hasTrailer(trailers, name string) bool {
	for line := range strings.Lines(trailers) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name && strings.TrimSpace(value) == "true" {
			return true
		}
	}
	return false
}

// firstLine is the headline of a commit message.
func firstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return strings.TrimSpace(line)
}
