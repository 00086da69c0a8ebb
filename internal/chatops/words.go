package chatops

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/spelling"
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
		if len(name) <= 2*len(c.Name) && spelling.Distance(bare(name), bare(c.Name)) <= allowed {
			return c, true
		}
	}
	return Command{}, false
}
