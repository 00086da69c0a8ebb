package checks

import (
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/markdown"
)

// maxForeign bounds the Markdown taken from one section: parsing it must stay cheap.
const maxForeign = 16 << 10

// foreign is Markdown written by a repository's own commands. It is shown as Markdown, but it cannot call people, hide
// or swallow what stands after it, or pose as more than its section; where that cannot be had, it is shown verbatim.
type foreign string

func (f foreign) render(limit int) (string, bool) {
	source := strings.TrimSpace(display.Text(string(f)))
	const reserve = 200
	// Escapes lengthen what is shown: shorten until it fits.
	for room := min(limit-reserve, maxForeign); room > 100; room = room * 2 / 3 {
		cut := cutLines(source, room)
		whole := len(cut) == len(source)
		shown, ok := tame(cut)
		if !ok {
			lines := strings.Split(source, "\n")
			verbatim, complete := fence{lines: lines}.render(limit)
			return verbatim, complete
		}
		if !whole {
			shown += "\n\n…"
		}
		if len(shown) <= limit {
			return shown, whole
		}
	}
	return "", source == ""
}

// cutLines keeps whole lines of at most limit bytes together; of a single longer line its beginning.
func cutLines(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	head := cutBytes(s, limit)
	if i := strings.LastIndexByte(head, '\n'); i > 0 {
		return head[:i]
	}
	return head
}

// tags are the HTML elements a summary may use, as GitHub's own tools write them; true: with an end tag.
var tags = map[string]bool{ //nolint:gochecknoglobals // a constant table
	"details": true, "summary": true, "sub": true, "sup": true, "kbd": true, "br": false, "hr": false,
	"table": true, "thead": true, "tbody": true, "tr": true, "th": true, "td": true,
}

var (
	tagPattern      = regexp.MustCompile(`^<(/?)([a-zA-Z0-9]+)(?:\s[^<>]*)?/?>`)
	autolinkPattern = regexp.MustCompile(`^<https?://[^\s<>@]+>`)
)

// tame rewrites Markdown and makes sure that what follows it is read as if it were not there.
func tame(source string) (string, bool) {
	// What was HTML is Markdown once it is escaped, and may then hold other code: rewrite until nothing changes.
	const rounds = 4
	for range rounds {
		next := rewriteOutsideCode(source)
		if next == source {
			return closed(source)
		}
		source = next
	}
	return "", false
}

// closed ends an open fence, which would swallow what comes next.
func closed(source string) (string, bool) {
	closers := []string{"", "\n" + strings.Repeat("`", max(3, markdown.LongestRun(source, '`'))), "\n" + strings.Repeat("~", max(3, markdown.LongestRun(source, '~')))}
	for _, closer := range closers {
		candidate := source + closer
		if endsClean(candidate) && rewriteOutsideCode(candidate) == candidate {
			return candidate, true
		}
	}
	return "", false
}

// endsClean reports whether a paragraph written after it stands by itself at the top of the document.
func endsClean(source string) bool {
	const sentinel = "sentinel"
	doc := []byte(source + "\n\n" + sentinel)
	last := parse(doc).LastChild()
	if last == nil || last.Kind() != ast.KindParagraph || last.Lines().Len() != 1 {
		return false
	}
	segment := last.Lines().At(0)
	return string(segment.Value(doc)) == sentinel
}

func parse(source []byte) ast.Node {
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
}

// rewriteOutsideCode breaks mentions, escapes HTML that is not allowed and balances what is, leaving code as it is. Applied
// to its own result it changes nothing.
func rewriteOutsideCode(source string) string {
	code := codeRanges([]byte(source))
	var out strings.Builder
	var open []string
	for i := 0; i < len(source); {
		if len(code) > 0 && i >= code[0].Start {
			out.WriteString(source[i:max(i, code[0].Stop)])
			i = max(i, code[0].Stop)
			code = code[1:]
			continue
		}
		switch source[i] {
		case '@':
			out.WriteString("@")
			if !strings.HasPrefix(source[i:], noMention) {
				out.WriteString(noMention[1:])
			}
			i++
		case '<':
			written, length := markup(source[i:], &open)
			out.WriteString(written)
			i += length
		default:
			out.WriteByte(source[i])
			i++
		}
	}
	for _, name := range slices.Backward(open) {
		out.WriteString("\n</" + name + ">")
	}
	return out.String()
}

// markup rewrites what begins with < and returns how much of the source it stands for.
func markup(s string, open *[]string) (written string, length int) {
	const escaped = "&lt;"
	if address := autolinkPattern.FindString(s); address != "" {
		return address, len(address)
	}
	found := tagPattern.FindStringSubmatch(s)
	if found == nil {
		return escaped, 1
	}
	name := strings.ToLower(found[2])
	paired, allowed := tags[name]
	switch {
	case !allowed:
		return escaped, 1
	case found[1] == "" && !paired:
		return "<" + name + ">", len(found[0])
	case found[1] == "":
		*open = append(*open, name)
		return "<" + name + ">", len(found[0])
	case len(*open) > 0 && (*open)[len(*open)-1] == name:
		*open = (*open)[:len(*open)-1]
		return "</" + name + ">", len(found[0])
	default:
		return escaped, 1
	}
}

// codeRanges are the parts that are shown verbatim, in order.
func codeRanges(source []byte) []text.Segment {
	var ranges []text.Segment
	_ = ast.Walk(parse(source), func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker returns no error
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n.Kind() {
		case ast.KindFencedCodeBlock, ast.KindCodeBlock:
			for i := range n.Lines().Len() {
				ranges = append(ranges, n.Lines().At(i))
			}
		case ast.KindCodeSpan:
			for c := n.FirstChild(); c != nil; c = c.NextSibling() {
				if t, ok := c.(*ast.Text); ok {
					ranges = append(ranges, t.Segment)
				}
			}
		default:
		}
		return ast.WalkContinue, nil
	})
	slices.SortFunc(ranges, func(a, b text.Segment) int { return a.Start - b.Start })
	return ranges
}
