package checks

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

var mention = regexp.MustCompile(`@[A-Za-z0-9]`)

// assertWithinLimits holds a check against GitHub's limits and against what its Markdown may contain.
func assertWithinLimits(t *testing.T, c Check) {
	t.Helper()
	for name, limit := range map[string]struct {
		text string
		most int
	}{"title": {c.Title, 255}, "summary": {c.Summary, 65535}, "text": {c.Text, 65535}} {
		if len(limit.text) > limit.most || !utf8.ValidString(limit.text) {
			t.Errorf("%s has %d bytes, valid %v", name, len(limit.text), utf8.ValidString(limit.text))
		}
	}
	if c.Title == "" || strings.ContainsAny(c.Title, "\n\r") || c.Summary == "" {
		t.Errorf("title %q, summary of %d bytes", c.Title, len(c.Summary))
	}
	if (c.Status == statusCompleted) != (c.Conclusion != "") {
		t.Errorf("status %s with conclusion %q", c.Status, c.Conclusion)
	}
	if len(c.Actions) > 3 {
		t.Errorf("%d buttons", len(c.Actions))
	}
	for _, a := range c.Actions {
		if len(a.Label) > 20 || len(a.Description) > 40 || len(a.Identifier) > 20 {
			t.Errorf("button %+v", a)
		}
	}
	for _, a := range c.Annotations {
		if a.Path == "" || a.StartLine < 1 || a.EndLine < a.StartLine || a.Message == "" || len(a.Message) > 64<<10 ||
			len(a.RawDetails) > 64<<10 || len(a.Title) > 255 || (a.StartColumn != 0 && a.StartLine != a.EndLine) {
			t.Errorf("annotation %.300v", a)
		}
	}
	assertSound(t, c.Summary)
	assertSound(t, c.Text)
}

func assertSound(t *testing.T, markdown string) {
	t.Helper()
	if markdown == "" {
		return
	}
	if !endsClean(markdown) {
		t.Errorf("what follows is swallowed:\n%s", shortened(markdown))
	}
	if again := rewriteOutsideCode(markdown); again != markdown {
		t.Errorf("mentions, or HTML that is not allowed or not closed:\n%s", shortened(markdown))
	}
	source := []byte(markdown)
	_ = ast.Walk(parse(source), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if text, ok := n.(*ast.Text); ok && entering && n.Parent().Kind() != ast.KindCodeSpan && mention.Match(text.Segment.Value(source)) {
			t.Errorf("mention in %q", text.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
}

func shortened(s string) string {
	if len(s) > 1500 {
		return s[:700] + "\n[…]\n" + s[len(s)-700:]
	}
	return s
}

var pieces = []string{
	"```", "~~~~", "`", "``", "@user", "@org/team", "|", "\\", "\n", "\n\n", "    ", "\t", "- ", "1. ", "> ", "# ", "---", "===",
	"<details>", "</details>", "<summary>", "<script>", "<!--", "-->", "<pre>", "<td colspan=3>", "</table>", "<br>", "<https://x.y>",
	"![i](http://e/x)", "[l](javascript:x)", "[r]: http://e", "&lt;", "&", "$x$", "**", "_", "__a__", "é", "日本語", "🚀", "\x00",
	"\x1b[31m", "\u202e", "\u200b", "\xff\xfe", "word", "a_b", "+", "=", ":", ":-:", "| a | b |\n|---|---|\n", "<", ">", "<a href=x>",
	"<![CDATA[", "<?php", "</", "[^1]", "http://e.com/", "www.e.com", "~", "!", "[", "]", "(", ")", "\r\n", "<kbd>", "</kbd>", "<sub/>",
}

func hostile(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(12) {
		piece := pieces[r.IntN(len(pieces))]
		repeat := 1
		if r.IntN(20) == 0 {
			repeat = 1 + r.IntN(max(most/len(piece), 1))
		}
		b.WriteString(strings.Repeat(piece, repeat))
		if b.Len() > most {
			break
		}
	}
	return b.String()
}

func hostileRun(r *rand.Rand) pipeline.Run {
	text := func(most int) string { return hostile(r, most) }
	statuses := []pipeline.Status{"queued", "ready", "waiting", "running", "success", "failure", "neutral", "skipped", "cancelled", "timed_out"}
	s := pipeline.StageRun{Spec: spec("k"), Status: statuses[r.IntN(len(statuses))], Reason: text(500), Progress: text(500), Attempt: 1 + r.IntN(3), AttemptReason: text(500)}
	s.StartedAt, s.FinishedAt = noon, noon.Add(time.Minute)
	s.Result.Verdict = pipeline.Verdict{Title: text(2000), Cause: text(100_000), Infrastructure: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		s.Result.Diagnosis = &pipeline.Diagnosis{Cause: text(1000), Remedy: []string{text(1000), text(100)}, Evidence: text(50_000)}
	}
	big := 3000
	if r.IntN(4) == 0 {
		big = 120_000
	}
	for range r.IntN(6) {
		section := pipeline.Section{Title: text(300), Text: text(big), Code: text(big), Markdown: text(big), Folded: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			section.Table = &pipeline.Table{Columns: []pipeline.Column{{Name: text(60)}, {Name: text(60), Right: true}}}
			for range r.IntN(300) {
				section.Table.Rows = append(section.Table.Rows, []string{text(300), text(30)})
			}
		}
		s.Result.Sections = append(s.Result.Sections, section)
	}
	for range r.IntN(700) {
		s.Result.Findings = append(s.Result.Findings, pipeline.Finding{
			Tool: text(30), Rule: text(30), Path: []string{"", "a/b.py", text(40), "/abs", "../up"}[r.IntN(5)], Line: r.IntN(9) - 2, EndLine: r.IntN(9) - 2,
			Column: r.IntN(5) - 1, Level: "failure", Title: text(300), Message: text(big), Details: text(200), URL: []string{"", "https://x.y/" + text(20), "javascript:1"}[r.IntN(3)],
		})
	}
	for range r.IntN(200) {
		s.Result.LogTail = append(s.Result.LogTail, text(2000))
		s.Result.Steps = append(s.Result.Steps, pipeline.Step{Name: text(100), Detail: text(100), Status: "success"})
		s.Result.Artifacts = append(s.Result.Artifacts, pipeline.Artifact{Name: text(100)})
	}
	run := sampleRun(s)
	run.Trigger.Branch = text(200)
	return run
}

func TestWhateverARunHoldsItsChecksAreWithinLimits(t *testing.T) {
	rounds := 120
	if testing.Short() {
		rounds = 30
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			run := hostileRun(r)
			assertWithinLimits(t, Render(run, run.Stages[0], RenderOptions{PageURL: "https://ci.example.org", Now: noon}))
		})
	}
}

func FuzzForeignMarkdown(f *testing.F) {
	for _, piece := range pieces {
		f.Add(piece+"text\n\n"+piece, 500)
	}
	f.Fuzz(func(t *testing.T, source string, limit int) {
		limit = min(max(limit, 0), 20_000)
		shown, _ := foreign(source).render(limit)
		if len(shown) > limit {
			t.Errorf("%d bytes of %d", len(shown), limit)
		}
		assertSound(t, shown)
	})
}

func FuzzPlain(f *testing.F) {
	for _, piece := range pieces {
		f.Add(piece + "text" + piece)
	}
	f.Fuzz(func(t *testing.T, source string) {
		shown, _ := paragraphs(source).render(10_000)
		if len(shown) > 10_000 {
			t.Errorf("%d bytes", len(shown))
		}
		assertSound(t, shown)
		if shown == "" {
			return
		}
		_ = ast.Walk(parse([]byte(shown)), func(n ast.Node, _ bool) (ast.WalkStatus, error) {
			switch n.Kind() {
			case ast.KindLink, ast.KindImage, ast.KindEmphasis, ast.KindCodeSpan, ast.KindRawHTML:
				t.Errorf("%q holds %s", shown, n.Kind())
			}
			return ast.WalkContinue, nil
		})
		for n := parse([]byte(shown)).FirstChild(); n != nil; n = n.NextSibling() {
			if n.Kind() != ast.KindParagraph {
				t.Errorf("%q is read as %s", shown, n.Kind())
			}
		}
	})
}

func TestALongTextSaysWhatIsLeftOut(t *testing.T) {
	s := failedTests()
	table := &pipeline.Table{Columns: []pipeline.Column{{Name: "Case"}}}
	for i := range 9000 {
		table.Rows = append(table.Rows, []string{fmt.Sprintf("case %d", i)})
	}
	s.Result.Sections = append(s.Result.Sections, pipeline.Section{Title: "All cases", Table: table})
	run := sampleRun(s)
	check := Render(run, run.Stages[0], RenderOptions{PageURL: "https://ci.example.org", Now: noon})
	assertWithinLimits(t, check)
	for _, want := range []string{"more rows.", "_Shortened here for length: All cases._ [Everything is on the run's page](https://ci.example.org/acme/shop/runs/12?stage=build-and-test)", "### Artifacts"} {
		if !strings.Contains(check.Summary, want) {
			t.Errorf("%q is not in the summary", want)
		}
	}
}
