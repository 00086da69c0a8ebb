package pipelinefile

import (
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// normalPathPattern makes of a `paths` pattern what doublestar understands as its author meant it: a folder (docs/) is
// everything in it, and **.js is a file of any folder, as in GitHub's own filters.
func normalPathPattern(text string) (pattern string, exclude bool) {
	pattern, exclude = strings.CutPrefix(text, "!")
	pattern = strings.TrimPrefix(pattern, "./")
	if strings.HasSuffix(pattern, "/") {
		pattern += "**"
	}
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		if rest, found := strings.CutPrefix(part, "**"); found && rest != "" && !strings.HasPrefix(rest, "*") {
			parts[i] = "**/*" + rest
		}
	}
	return strings.Join(parts, "/"), exclude
}

func checkPathPattern(text string) string {
	pattern, _ := normalPathPattern(text)
	if pattern == "" {
		return "excludes nothing: put a pattern behind the ! sign"
	}
	return checkGlob(pattern)
}

// pathMatcher reports whether any changed path is wanted: the last pattern that matches a path decides about it.
func pathMatcher(patterns []string) func([]string) bool {
	type rule struct {
		pattern string
		exclude bool
	}
	rules := make([]rule, 0, len(patterns))
	for _, text := range patterns {
		if checkPathPattern(text) == "" {
			pattern, exclude := normalPathPattern(text)
			rules = append(rules, rule{pattern, exclude})
		}
	}
	return func(changed []string) bool {
		if len(patterns) == 0 {
			return true
		}
		for _, name := range changed {
			wanted := false
			for _, r := range rules {
				if wanted == r.exclude && doublestar.MatchUnvalidated(r.pattern, name) {
					wanted = !r.exclude
				}
			}
			if wanted {
				return true
			}
		}
		return false
	}
}
