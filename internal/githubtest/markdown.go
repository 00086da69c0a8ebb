package githubtest

import (
	"bytes"
	"html/template"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
)

// markdown renders hostile text as GitHub does: its dialect, with the HTML in it, then sanitised.
type markdown struct {
	engine goldmark.Markdown
	policy *bluemonday.Policy
}

func newMarkdown() *markdown {
	policy := bluemonday.UGCPolicy()
	policy.AllowElements("details", "summary", "picture")
	policy.AllowAttrs("open").OnElements("details")
	policy.RequireNoReferrerOnLinks(true)
	return &markdown{
		engine: goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe())),
		policy: policy,
	}
}

// html renders a text; one that cannot be is shown as it is.
func (m *markdown) html(text string) template.HTML {
	if text == "" {
		return ""
	}
	var b bytes.Buffer
	if err := m.engine.Convert([]byte(text), &b); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(text) + "</pre>") //nolint:gosec // escaped
	}
	return template.HTML(m.policy.SanitizeBytes(b.Bytes())) //nolint:gosec // sanitised
}
