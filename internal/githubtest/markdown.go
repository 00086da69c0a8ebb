package githubtest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"html/template"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
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
func (m *markdown) html(source string) template.HTML {
	if source == "" {
		return ""
	}
	src := []byte(source)
	root := m.engine.Parser().Parse(text.NewReader(src))
	charts := takeCharts(root, src)
	var b bytes.Buffer
	if err := m.engine.Renderer().Render(&b, src, root); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(source) + "</pre>") //nolint:gosec // escaped
	}
	safe := string(m.policy.SanitizeBytes(b.Bytes()))
	for mark, chart := range charts {
		safe = strings.ReplaceAll(safe, mark, string(chart))
	}
	return template.HTML(safe) //nolint:gosec // sanitised, and our own pictures put in afterwards
}

// takeCharts puts marks that nobody can guess in the places of Mermaid charts, and returns what is to be shown there.
func takeCharts(root ast.Node, source []byte) map[string]template.HTML {
	charts := map[string]template.HTML{}
	var blocks []*ast.FencedCodeBlock
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) { // the walker returns no error
		if block, ok := n.(*ast.FencedCodeBlock); ok && entering && string(block.Language(source)) == "mermaid" {
			blocks = append(blocks, block)
		}
		return ast.WalkContinue, nil
	})
	for _, block := range blocks {
		mark := "chart-" + rand.Text()
		charts[mark] = chart(string(block.Lines().Value(source)))
		place := ast.NewParagraph()
		place.AppendChild(place, ast.NewString([]byte(mark)))
		block.Parent().ReplaceChild(block.Parent(), block, place)
	}
	return charts
}

// chart is a Mermaid chart as a picture, or as it was written where it is more than a plain one.
func chart(source string) template.HTML {
	drawn, ok := drawMermaid(source)
	if !ok {
		return template.HTML(fmt.Sprintf("<span class=\"soft\">a Mermaid chart, which GitHub draws</span><code class=\"chart\">%s</code>", //nolint:gosec // escaped
			template.HTMLEscapeString(source)))
	}
	return drawn
}
