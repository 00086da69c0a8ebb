package markdown_test

import (
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/markdown"
)

func TestHTML(t *testing.T) {
	t.Parallel()
	renderer := markdown.New()
	for name, test := range map[string]struct{ source, want string }{
		"emphasis":          {"a **b** `c`", "<p>a <strong>b</strong> <code>c</code></p>"},
		"link":              {"[x](https://example.com/a?b=1)", `<p><a href="https://example.com/a?b=1" rel="nofollow noreferrer">x</a></p>`},
		"script link":       {"[x](javascript:alert(1))", "<p>x</p>"},
		"data link":         {"[x](data:text/html;base64,AAAA)", "<p>x</p>"},
		"relative link":     {"[x](/setup)", "<p>x</p>"},
		"image":             {"![x](https://example.com/t.gif)", "<p></p>"},
		"raw HTML":          {"a <b onclick=alert(1)>c</b> <script>alert(1)</script>", "<p>a c alert(1)</p>"},
		"raw block":         {"<iframe src=//evil></iframe>", ""},
		"table":             {"|a|b|\n|-|-:|\n|1|2|", `<table> <thead> <tr> <th>a</th> <th align="right">b</th> </tr> </thead> <tbody> <tr> <td>1</td> <td align="right">2</td> </tr> </tbody> </table>`},
		"style is not kept": {"# a {style=color:red}", "<h1>a {style=color:red}</h1>"},
		"invalid UTF-8":     {"a\xff", "<p>a\uFFFD</p>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(strings.Fields(string(renderer.HTML(test.source))), " ")
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestHTMLIsBounded(t *testing.T) {
	t.Parallel()
	got := string(markdown.New().HTML(strings.Repeat("ä", markdown.MaxBytes)))
	if len(got) > markdown.MaxBytes+200 || !strings.Contains(got, "more bytes are not shown") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-80:])
	}
}

func FuzzHTML(f *testing.F) {
	f.Add("<a href='javascript:x'>")
	f.Add("[x](<javascript:alert(1)>)")
	f.Fuzz(func(t *testing.T, source string) {
		got := strings.ToLower(string(markdown.New().HTML(source)))
		for _, bad := range []string{"<script", "<img", "<svg", "<iframe", "href=\"javascript", "<style"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q became %q", source, got)
			}
		}
	})
}
