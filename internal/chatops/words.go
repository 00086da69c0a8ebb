package chatops

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
)

// maxShown bounds what is repeated of somebody's text, in bytes.
const maxShown = 200

// code shows foreign text verbatim on one line: nothing in it is Markdown, calls anybody or ends a table's cell.
func code(s string) string {
	s = strings.TrimSpace(display.Line(s))
	if len(s) > maxShown {
		end := maxShown
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + "…"
	}
	if s == "" {
		return ""
	}
	s = strings.NewReplacer("|", "¦", "@", "@\u200b").Replace(s)
	ticks := "`"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// fenced shows a command to be copied.
func fenced(line string) string { return "```\n" + display.Line(line) + "\n```" }

// others are commands of other bots that are near to ours.
var others = []string{"retest", "recheck", "block"} //nolint:gochecknoglobals // a constant list; Go has no constant slices

// nearest finds the command that somebody most likely meant; only a slip or two away, since other bots listen here, too.
func nearest(name string) (Command, bool) {
	if slices.Contains(others, name) {
		return Command{}, false
	}
	bare := func(s string) string { return strings.ReplaceAll(s, "-", "") }
	for _, c := range Commands() {
		allowed := 1
		if len(bare(c.Name)) >= 6 {
			allowed = 2
		}
		if len(name) <= 2*len(c.Name) && distance(bare(name), bare(c.Name)) <= allowed {
			return c, true
		}
	}
	return Command{}, false
}

// distance counts the slips between two words; swapped neighbours are one.
func distance(a, b string) int {
	before, previous := []int(nil), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(previous[j]+1, row[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, previous = previous, row
	}
	return previous[len(b)]
}
