package markdown

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
)

// noMention keeps an @ from calling somebody: nothing visible stands between it and the name.
const noMention = "@\u200b"

// lineStart is what makes a list, a heading underline or a numbered item of a line that begins with it.
var lineStart = regexp.MustCompile(`^(?:[-+=#:]|\d{1,9}[.)])`)

// Plain escapes one line of hostile text, so that Markdown shows it as it is.
func Plain(s string) string { return plainPart(strings.TrimSpace(display.Line(s))) }

// plainPart is Plain for the clean beginning of a line.
func plainPart(s string) string {
	if start := lineStart.FindString(s); start != "" {
		return start[:len(start)-1] + `\` + start[len(start)-1:] + Escaped(s[len(start):])
	}
	return Escaped(s)
}

// Escaped is Plain for what does not begin a line and is clean.
func Escaped(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, r := range s {
		switch r {
		case '\\', '`', '*', '[', ']', '|', '~', '$':
			b.WriteRune('\\')
			b.WriteRune(r)
		case '_':
			if !insideWord(s, i) {
				b.WriteRune('\\')
			}
			b.WriteRune(r)
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '@':
			b.WriteString(noMention)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// insideWord reports whether the underscore at i is one that Markdown never takes for emphasis.
func insideWord(s string, i int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	after, _ := utf8.DecodeRuneInString(s[i+1:])
	return wordRune(before) && wordRune(after)
}

func wordRune(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// Code shows one line verbatim between backticks; an empty one shows nothing.
func Code(s string) string {
	s = strings.TrimSpace(display.Line(s))
	if s == "" {
		return ""
	}
	ticks := strings.Repeat("`", LongestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	// A bar ends a table's cell even between backticks, and its escape shows outside of tables: another sign stands for it.
	return ticks + strings.ReplaceAll(s, "|", "¦") + ticks
}

// LongestRun is how often a sign stands in a row at most.
func LongestRun(s string, of byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// Spans is Plain, but what stands between backticks is shown as code: our own explanations quote that way.
func Spans(s string) string {
	parts := strings.Split(strings.TrimSpace(display.Line(s)), "`")
	if len(parts)%2 == 0 { // one of them has no partner
		return Plain(s)
	}
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 1:
			b.WriteString(Code(part))
		case i == 0:
			b.WriteString(plainPart(part))
		default:
			b.WriteString(Escaped(part))
		}
	}
	return b.String()
}
