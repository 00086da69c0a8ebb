package checks

import (
	"html"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/markdown"
)

// noMention keeps an @ from calling somebody: nothing visible stands between it and the name.
const noMention = "@\u200b"

// plain escapes one line of hostile text, so that Markdown shows it as it is.
func plain(s string) string { return markdown.Plain(s) }

func escaped(s string) string { return markdown.Escaped(s) }

// cell is plain text for a table, at most limit characters long.
func cell(s string, limit int) string { return plain(clip(display.Line(s), limit)) }

// code shows one line verbatim between backticks; an empty one shows nothing.
func code(s string) string { return markdown.Code(s) }

// spans is plain, but what stands between backticks is shown as code: our own explanations quote that way.
func spans(s string) string { return markdown.Spans(s) }

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
