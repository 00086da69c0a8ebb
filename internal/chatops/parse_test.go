package chatops

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

func TestParse(t *testing.T) {
	cases := []struct {
		name, body string
		want       []string
	}{
		{"one", "/help", []string{"/help"}},
		{"with an argument", "/retry test (3.12, slim)", []string{"/retry test (3.12, slim)"}},
		{"blanks behind", "/cancel \t ", []string{"/cancel"}},
		{"blanks between", "/retry \t build", []string{"/retry build"}},
		{"case of the name", "/OK-to-test ABCDEF", []string{"/ok-to-test ABCDEF"}},
		{"after text", "Looks good.\n/retry", []string{"/retry"}},
		{"before text", "/retry\nthank you", []string{"/retry"}},
		{"several", "/retry a\n/retry b\n\n/status", []string{"/retry a", "/retry b", "/status"}},
		{"Windows", "hello\r\n/retry build\r\n/status\r\n", []string{"/retry build", "/status"}},
		{"old Macs", "hello\r/status\r", []string{"/status"}},
		{"not ours is for others to judge", "/lgtm", []string{"/lgtm"}},
		{"in a list below", "- one\n- two\n\n/status", []string{"/status"}},

		{"nothing", "", nil},
		{"inside a line", "please /retry", nil},
		{"indented", " /retry", nil},
		{"indented code", "    /retry", nil},
		{"a path", "/usr/bin/env", nil},
		{"punctuation", "/retry, please", nil},
		{"a sentence's end", "/retry.", nil},
		{"two slashes", "//retry", nil},
		{"a slash alone", "/", nil},
		{"a digit first", "/2fa", nil},

		{"fenced", "```\n/retry\n```", nil},
		{"fenced with a language", "```sh\n/retry\n```\n/status", []string{"/status"}},
		{"fenced by tildes", "~~~ x`y\n/retry\n```\n/retry\n~~~\n/status", []string{"/status"}},
		{"a fence closes with as many", "````\n```\n/retry\n````\n/status", []string{"/status"}},
		{"a fence without end", "```\n/retry\n\n/status", nil},
		{"a fence with a word does not close", "```\n``` x\n/retry\n```", nil},
		{"a fence in a list", "- a\n  ```\n  /retry\n  ```\n\n/status", []string{"/status"}},
		{"fenced, old Macs", "x\r```\r/retry\r```\r/status", []string{"/status"}},
		{"backticks that are no fence", "``` a`b\n\n/status", []string{"/status"}},

		{"quoted", "> /retry", nil},
		{"a quote goes on", "> as said:\n/retry", nil},
		{"a quote in a list goes on", "- 1. > as said:\n/retry", nil},
		{"after a quote", "> /retry\n\n/status", []string{"/status"}},
		{"a quote by HTML", "<blockquote>\n\n/retry\n\n</blockquote>\n\n/status", []string{"/status"}},

		{"in a comment", "<!-- \n/retry\n\n/retry\n-->\n/status", []string{"/status"}},
		{"behind a comment", "<!-- x -->\n/status", []string{"/status"}},
		{"the shortest comment", "<!-->\n/status", []string{"/status"}},
		{"a comment without end", "<!--\n/retry\n\n/retry", nil},
		{"a comment after a comment", "<!-- a --> <!-- b\n/retry\n-->\n/status", []string{"/status"}},
		{"a comment in a paragraph", "hello <!-- there\n/retry\n--> you\n/status", []string{"/status"}},
		{"a comment in a list", "- <!-- x\n\n/retry\n\n-->\n\n/status", nil},
		{"a short comment in a list", "- <!-- x -->\n- y\n\n/status", []string{"/status"}},
		{"no comment in a paragraph", "hello <!-- there\n\n/status", []string{"/status"}},
		{"preformatted", "<pre>\n/retry\n\n/retry</pre>\n/status", []string{"/status"}},
		{"code by HTML", "see <CODE>\n/retry\n</CODE> for\n/status", []string{"/status"}},

		{"code over lines", "see `\n/retry\n` for\n/status", []string{"/status"}},
		{"a backtick alone", "it`s late\n/status", []string{"/status"}},
		{"an escaped backtick", "a \\`\n/status\n`", []string{"/status"}},
		{"less than", "1 < 2\n/status\n2 > 1", []string{"/status"}},
		{"a tag over lines", "<a title=\"\n/retry\n\">\n/status", []string{"/status"}},
		{"an address over lines", "[x](\n/retry\n)\n/status", []string{"/status"}},
		{"what a picture shows instead", "![x\n/retry\n](y)\n/status", []string{"/status"}},
		{"the definition of a link", "[x]:\n/retry\n\n/status", []string{"/status"}},
		{"the title of a definition", "[x]: /y '\n/retry\n'\n\n/status", []string{"/status"}},

		{"fullwidth slash", "／retry", nil},
		{"division slash", "∕retry", nil},
		{"Cyrillic letters", "/rеtry", nil},
		{"Kelvin sign", "/o\u212A-to-test", nil},
		{"no-break space", "/retry\u00a0build", nil},
		{"zero-width space in front", "\u200b/retry", nil},
		{"byte order mark", "\ufeff/retry", nil},
		{"line separator", "x\u2028/retry", nil},
		{"zero byte", "/retry\x00", nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, i := range Parse(tc.body) {
				got = append(got, i.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// hostileBodies are what a parser stumbles over when it looks at everything again and again.
func hostileBodies() map[string]string {
	bodies := map[string]string{}
	for _, part := range []string{
		"/help\n", "`", "```\n", "``\n/a\n", "<!--", "<!-- -->", "<pre></pre>", "<", "<a", "![", "](", "[", "]:\n", "> ", "\\", "\r", "/", "/a ",
		"`\n``\n```\n/a\n", "<!--\n/a\n", "<b \n/a\n", "<?", "<!", "-->", "> a\n/a\n",
	} {
		bodies[part] = strings.Repeat(part, 65_536/len(part))
		bodies["raw "+part] = "<!--\n" + bodies[part] + "-->"
	}
	var growing strings.Builder
	for n := 1; growing.Len() < 65_000; n++ {
		growing.WriteString(strings.Repeat("`", n) + "\n/a\n")
	}
	bodies["growing"] = growing.String()
	return bodies
}

// BenchmarkParseHostile shows that no body costs more than its length: each reports how many times longer it takes than one
// of half the length, which is 2 for a parser in proportion and 4 for one that looks back.
func BenchmarkParseHostile(b *testing.B) {
	for name, body := range hostileBodies() {
		b.Run(name, func(b *testing.B) {
			var half, whole time.Duration
			for b.Loop() {
				started := time.Now()
				Parse(body[:len(body)/2])
				middle := time.Now()
				Parse(body)
				half += middle.Sub(started)
				whole += time.Since(middle)
			}
			b.ReportMetric(float64(whole)/float64(half), "x-of-half")
		})
	}
}

// The longest comment GitHub takes is answered, whatever it is made of: a parser that looks back does not end within the
// time a test has.
func TestParseEndsOnHostileBodies(t *testing.T) {
	for name, body := range hostileBodies() {
		for _, i := range Parse(body) {
			if i.Name == "" {
				t.Errorf("%q repeated gives a command without a name", name)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/help", "x\n/retry a\n", "> q\n/a", "- > q\n/a", "1. * > q\n  > r\n/a", "<!\n>A00\n/A", "\t`\n`;b\n/A\n`", "1 <!--\n> -->\n/a", "- <!--\n``` -->\n/a", "```\n/a\n```", "<!-- \n/a\n-->\n/b", "`\n/a\n`", "[x](\n/a\n)", "- l\n\n  ```\n/a", "[a]: b\n/c",
		"1. x\n\n       y\n/a", "| a |\n|---|\n/a", "<div>\n/a\n</div>", "<a\n/a\n>", "![a\n/b](c)", "a\n===\n/a", "\t> x\n/a", "<pre\n/a", "~~~\n/a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		found := Parse(body)
		if strings.ContainsAny(body, "\r\x00") || len(body) > 500 {
			return // the other parser counts lines otherwise, and takes its time
		}
		for _, i := range found {
			if i.Name == "" || strings.Trim(i.Name, "abcdefghijklmnopqrstuvwxyz-") != "" || strings.ContainsAny(i.Args, "\n\r") {
				t.Errorf("%q", i)
			}
			if !shown(body, i) {
				t.Errorf("%q is taken from what is code, a quote or hidden in %q", i, body)
			}
		}
	})
}

// shown asks a whole Markdown parser whether a command stands in ordinary text somewhere.
func shown(body string, i Invocation) bool {
	source := []byte(body)
	found := false
	root := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	walk := func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindCodeBlock, ast.KindFencedCodeBlock, ast.KindBlockquote, ast.KindHTMLBlock, ast.KindCodeSpan, ast.KindRawHTML, ast.KindImage:
			return ast.WalkSkipChildren, nil
		}
		var segment text.Segment
		switch leaf := n.(type) {
		case *ast.Text:
			segment = leaf.Segment
		case *ast.AutoLink:
			return ast.WalkSkipChildren, nil
		default:
			return ast.WalkContinue, nil
		}
		from := segment.Start
		atStart := from == 0 || source[from-1] == '\n'
		if atStart && strings.HasPrefix(asciiLower(string(source[from:])), "/"+i.Name) {
			found = true
		}
		return ast.WalkContinue, nil
	}
	return ast.Walk(root, walk) == nil && found
}
