package chatops

import (
	"regexp"
	"strings"
)

// blocks walks through the lines of Markdown and keeps those of ordinary paragraphs apart from code, quotes and raw HTML
// (CommonMark 0.31, sections 4 and 5).
type blocks struct {
	paragraph paragraph
	fence     string // what ends the fenced code: its sign, as often as it opened it
	raw       string // what ends the raw HTML, lower case
	html      bool   // until the next empty line: other raw HTML
	lost      bool   // it is unknown what the rest is: no command
	skip      bool   // until the next empty line: a quote goes on so, and perhaps indented text
}

// fenceStart are three backticks or tildes or more; what follows backticks may hold none.
var fenceStart = regexp.MustCompile("^ {0,3}(?:(`{3,})[^`]*|(~{3,}).*)$")

// indented by four columns.
var indented = regexp.MustCompile("^(?: {4}| {0,3}\t)")

// quoteStart may stand in an item of a list.
var quoteStart = regexp.MustCompile(`^[ \t]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*>`)

// blockTag begins raw HTML wherever it stands, loneTag where a paragraph could begin.
var (
	blockTag = regexp.MustCompile(`^ {0,3}</?(?i:address|article|aside|base|basefont|blockquote|body|caption|center|col|` +
		`colgroup|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|` +
		`hr|html|iframe|legend|li|link|main|menu|menuitem|meta|nav|noframes|ol|optgroup|option|p|param|search|section|source|` +
		`summary|table|tbody|td|tfoot|th|thead|title|tr|track|ul)(?:[ \t]|/?>|$)`)
	loneTag = regexp.MustCompile(`^ {0,3}</?[A-Za-z][^>]*>[ \t]*$`)
)

// rawStarts begin raw HTML that ends where their partner stands: comments, instructions, and text shown as it is.
var rawStarts = [...][2]string{ //nolint:gochecknoglobals // a constant table; Go has no constant arrays
	{"<!--", "-->"}, {"<?", "?>"}, {"<![cdata[", "]]>"}, {"<!", ">"}, {"<pre", "</pre"}, {"<script", "</script"},
	{"<style", "</style"}, {"<textarea", "</textarea"}, {"<blockquote", "</blockquote"}, {"<code", "</code"},
}

// takes adds a line to the paragraph; false: the line ends it and is no part of one.
func (b *blocks) takes(text string) bool {
	blank := strings.Trim(text, " \t") == ""
	switch {
	case b.lost:
		return false
	case b.fence != "":
		if closes(text, b.fence) {
			b.fence = ""
		}
		return false
	case b.raw != "":
		b.followRaw(asciiLower(text))
		if b.raw == "" { // if it was no raw HTML after all, its end is something else
			b.skip, b.lost = quoteStart.MatchString(text), fenceStart.MatchString(text)
		}
		return false
	case blank:
		b.skip, b.html = false, false
		return false
	case b.opensRaw(text), b.html:
		return false
	case blockTag.MatchString(text), len(b.paragraph) == 0 && loneTag.MatchString(text):
		b.html = true
		return false
	case b.opensFence(text):
		return false
	case len(b.paragraph) == 0 && indented.MatchString(text):
		b.skip = true // code, or a paragraph of a list's item that goes on
		return false
	case quoteStart.MatchString(text):
		b.skip = true // what follows without an empty line belongs to the quote
		return false
	case b.skip:
		return false
	}
	b.paragraph = append(b.paragraph, text)
	return true
}

func (b *blocks) opensFence(text string) bool {
	m := fenceStart.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	b.fence, b.skip = m[1]+m[2], false
	return true
}

func closes(text, fence string) bool {
	rest := strings.TrimRight(text, " \t")
	bare := strings.TrimLeft(rest, " ")
	return len(rest)-len(bare) <= 3 && len(bare) >= len(fence) && strings.Trim(bare, fence[:1]) == ""
}

// containers are the signs that may stand before the beginning of a block: of quotes and of list items.
const containers = " \t>-+*0123456789.)"

// rawStart is what ends the raw HTML that begins a text; empty: none begins.
func rawStart(lower string) string {
	for _, start := range rawStarts {
		if !strings.HasPrefix(lower, start[0]) {
			continue
		}
		if start[0] == "<!" && (len(lower) < 3 || lower[2] < 'a' || lower[2] > 'z') {
			continue // only a declaration begins so
		}
		return start[1]
	}
	return ""
}

// opensRaw reports whether a line begins raw HTML of several lines or of one.
func (b *blocks) opensRaw(text string) bool {
	bare := strings.TrimLeft(text, " ")
	lower := asciiLower(strings.TrimLeft(bare, containers))
	if strings.HasPrefix(lower, "<code") && len(b.paragraph) > 0 {
		return false // it stands in the paragraph
	}
	if b.raw = rawStart(lower); b.raw == "" {
		return false
	}
	b.followRaw(lower[2:])               // <!--> is a whole comment
	contained := len(lower) != len(bare) // in a list or a quote, which may end before it does
	b.lost = contained && b.raw != ""
	return !contained || b.lost
}

// followRaw goes through a line of raw HTML, of which more may begin behind the end of the first.
func (b *blocks) followRaw(lower string) {
	for {
		end := strings.Index(lower, b.raw)
		if end < 0 {
			return
		}
		lower = lower[end+len(b.raw):]
		for b.raw = ""; b.raw == ""; {
			next := strings.IndexByte(lower, '<')
			if next < 0 {
				return
			}
			b.raw = rawStart(lower[next:])
			lower = lower[next+1:]
		}
	}
}

// asciiLower leaves everything but A to Z as it is, and every byte in its place.
func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
