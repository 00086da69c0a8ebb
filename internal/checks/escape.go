package checks

import (
	"html"
	"net/url"
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

// plain escapes one line of hostile text, so that Markdown shows it as it is.
func plain(s string) string { return plainPart(strings.TrimSpace(display.Line(s))) }

// plainPart is plain for the clean beginning of a line.
func plainPart(s string) string {
	if start := lineStart.FindString(s); start != "" {
		return start[:len(start)-1] + `\` + start[len(start)-1:] + escaped(s[len(start):])
	}
	return escaped(s)
}

func escaped(s string) string {
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

// cell is plain text for a table, at most limit characters long.
func cell(s string, limit int) string { return plain(clip(display.Line(s), limit)) }

// code shows one line verbatim between backticks; an empty one shows nothing.
func code(s string) string {
	s = strings.TrimSpace(display.Line(s))
	if s == "" {
		return ""
	}
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	// A bar ends a table's cell even between backticks, and its escape shows outside of tables: another sign stands for it.
	return ticks + strings.ReplaceAll(s, "|", "¦") + ticks
}

func longestRun(s string, of byte) int {
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

// spans is plain, but what stands between backticks is shown as code: our own explanations quote that way.
func spans(s string) string {
	parts := strings.Split(strings.TrimSpace(display.Line(s)), "`")
	if len(parts)%2 == 0 { // one of them has no partner
		return plain(s)
	}
	var b strings.Builder
	for i, part := range parts {
		switch {
		case i%2 == 1:
			b.WriteString(code(part))
		case i == 0:
			b.WriteString(plainPart(part))
		default:
			b.WriteString(escaped(part))
		}
	}
	return b.String()
}

// htmlText is one line of hostile text inside an HTML element, where Markdown's escapes do not count.
func htmlText(s string) string {
	return strings.ReplaceAll(html.EscapeString(strings.TrimSpace(clip(display.Line(s), maxCell))), "@", noMention)
}

// clip cuts a clean line to at most limit bytes, on a rune's boundary, and says so by an ellipsis.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const mark = "…"
	if limit < len(mark) {
		return ""
	}
	return strings.TrimRight(cutBytes(s, limit-len(mark)), " ") + mark
}

// cutBytes is the longest beginning of s that has at most limit bytes and ends between runes.
func cutBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	limit = max(limit, 0)
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// link points to an address of ours.
func link(text, address string) string { return "[" + text + "](" + safeAddress(address) + ")" }

// safeAddress keeps an address from ending its link early.
func safeAddress(address string) string {
	return strings.NewReplacer("(", "%28", ")", "%29", "<", "%3C", ">", "%3E", " ", "%20", "\\", "%5C", "|", "%7C", "`", "%60", "@", "%40",
		"\n", "", "\r", "").Replace(address)
}

// foreignAddress is the address in a finding if it is one of the web; otherwise false.
func foreignAddress(s string) (string, bool) {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil || display.Line(s) != s || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || len(s) > 1000 {
		return "", false
	}
	return safeAddress(u.String()), true
}
