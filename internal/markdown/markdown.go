// Package markdown turns Markdown written by strangers into HTML that is safe to show.
package markdown

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
)

// MaxBytes bounds what is rendered; the rest is cut off, and said so.
const MaxBytes = 256 << 10

// Renderer holds the parser and the policy; it is safe for concurrent use.
type Renderer struct {
	parser goldmark.Markdown
	policy *bluemonday.Policy
}

// New makes a renderer of GitHub's Markdown: tables, strikethrough, task lists, bare links. Raw HTML is left out by
// the parser, and what it makes passes an allow list besides: no images (a page must not call home), no attributes but
// link targets, alignment and the boxes of task lists.
func New() *Renderer {
	policy := bluemonday.NewPolicy()
	policy.AllowElements("p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li",
		"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td")
	policy.AllowAttrs("align").Matching(bluemonday.CellAlign).OnElements("th", "td")
	policy.AllowAttrs("href").OnElements("a")
	policy.AllowURLSchemes("http", "https", "mailto")
	policy.AllowRelativeURLs(false)
	policy.RequireNoFollowOnLinks(true)
	policy.RequireNoReferrerOnLinks(true)
	return &Renderer{
		parser: goldmark.New(goldmark.WithExtensions(
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
			extension.Strikethrough, extension.Linkify,
		)),
		policy: policy,
	}
}

// HTML renders source. It never fails: what cannot be parsed is shown as it is, escaped.
func (r *Renderer) HTML(source string) template.HTML {
	text, cut := bounded(source)
	var out bytes.Buffer
	if err := r.parser.Convert([]byte(text), &out); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(text) + "</pre>") //nolint:gosec // escaped on this line
	}
	html := r.policy.SanitizeBytes(out.Bytes())
	if cut > 0 {
		html = fmt.Appendf(html, "<p>… %d more bytes are not shown.</p>", cut)
	}
	return template.HTML(html) //nolint:gosec // the policy above is what makes it safe
}

func bounded(source string) (text string, cut int) {
	text = source
	if len(text) > MaxBytes {
		text = text[:MaxBytes]
		for len(text) > 0 && !utf8.RuneStart(source[len(text)]) {
			text = text[:len(text)-1]
		}
		cut = len(source) - len(text)
	}
	return strings.ToValidUTF8(text, "\uFFFD"), cut
}
