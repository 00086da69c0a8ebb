package chatops

import "strings"

// span is a piece of a paragraph that GitHub shows as code, or not at all.
type span struct{ from, to int }

// partners are what ends a piece that GitHub does not show as text: HTML comments, code and tags, addresses, images.
var partners = [...][2]string{ //nolint:gochecknoglobals // a constant table; Go has no constant arrays
	{"<!--", "-->"}, {"<code", "</code"}, {"<pre", "</pre"}, {"<", ">"}, {"](", ")"}, {"![", "]"},
}

// hiddenSpans finds the pieces of a paragraph in which no command can stand, in order. A beginning without its end hides
// nothing.
func hiddenSpans(text string) []span {
	var spans []span
	text = asciiLower(text)
	code := newBackticks(text)
	for at := 0; at < len(text); {
		var to int
		switch text[at] {
		case '\\':
			at += 2
			continue
		case '`':
			run := runLength(text, at)
			to = code.end(at, run)
			if to < 0 {
				at += run
				continue
			}
		case '<', ']', '!':
			to = code.partner(at)
		default:
			at++
			continue
		}
		if to < 0 {
			at++
			continue
		}
		spans = append(spans, span{at, to})
		at = to
	}
	return spans
}

func runLength(text string, at int) int {
	n := 0
	for at+n < len(text) && text[at+n] == '`' {
		n++
	}
	return n
}

// backticks knows where runs of each length stand, so that every look for a partner goes on where the last one ended.
type backticks struct {
	text string
	runs map[int][]int
	last map[string]int
}

func newBackticks(text string) *backticks {
	b := &backticks{text: text, runs: make(map[int][]int), last: make(map[string]int)}
	for at := 0; at < len(text); {
		if n := runLength(text, at); n > 0 {
			b.runs[n] = append(b.runs[n], at)
			at += n
			continue
		}
		at++
	}
	for _, p := range partners {
		b.last[p[1]] = strings.LastIndex(text, p[1])
	}
	return b
}

// end is where the code that begins at a run of backticks ends; -1: it is no code.
func (b *backticks) end(at, run int) int {
	places := b.runs[run]
	for len(places) > 0 && places[0] <= at {
		places = places[1:]
	}
	b.runs[run] = places
	if len(places) == 0 {
		return -1
	}
	return places[0] + run
}

// partner is where the piece that begins here ends; -1: none begins.
func (b *backticks) partner(at int) int {
	rest := b.text[at:]
	for _, p := range partners {
		if !strings.HasPrefix(rest, p[0]) || b.last[p[1]] < at+len(p[0]) {
			continue
		}
		if p[0] == "<" && !opensTag(rest) {
			continue
		}
		if end := strings.Index(rest[len(p[0]):], p[1]); end >= 0 {
			return at + len(p[0]) + end + len(p[1])
		}
	}
	return -1
}

// opensTag: a letter, a slash, an exclamation or a question mark makes a tag of what would be "less than".
func opensTag(rest string) bool {
	if len(rest) < 2 {
		return false
	}
	return rest[1] >= 'a' && rest[1] <= 'z' || strings.IndexByte("/!?", rest[1]) >= 0
}
