package dashboard

import (
	"strings"
	"testing"
)

func TestColored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"plain":                 {"hello", "hello"},
		"markup":                {"<b>&\"", "&lt;b&gt;&amp;&#34;"},
		"color and reset":       {"\x1b[31mred\x1b[0m plain", `<i class="f1">red</i> plain`},
		"empty is reset":        {"\x1b[1mb\x1b[mplain", `<i class="b">b</i>plain`},
		"several at once":       {"\x1b[1;4;92;41mx", `<i class="f10 g1 b u">x</i>`},
		"left out is zero":      {"\x1b[1;;32mx", `<i class="f2">x</i>`},
		"bold off":              {"\x1b[1;2mx\x1b[22my", `<i class="b d">x</i>y`},
		"256, named":            {"\x1b[38;5;9mx", `<i class="f9">x</i>`},
		"256, cube":             {"\x1b[38;5;196mx", `<i class="f9">x</i>`},
		"256, grey":             {"\x1b[38;5;240mx", `<i class="f8">x</i>`},
		"true color":            {"\x1b[48;2;0;128;0mx", `<i class="g2">x</i>`},
		"true color, colons":    {"\x1b[38:2:255:255:0mx", `<i class="f11">x</i>`},
		"cut off":               {"\x1b[38;5mx", `x`},
		"huge numbers":          {"\x1b[99999999999999999999mx", "x"},
		"cursor moves go":       {"a\x1b[2Jb\x1b[10;10Hc", "abc"},
		"title goes":            {"a\x1b]0;owned\x07b", "ab"},
		"link goes":             {"\x1b]8;;https://evil\x1b\\x\x1b]8;;\x1b\\", "x"},
		"unfinished sequence":   {"a\x1b[31", "a"},
		"carriage return":       {"10 %\r50 %\r100 %\r", "100 %"},
		"blanks before a color": {"a  \x1b[31mb", `a  <i class="f1">b</i>`},
		"bidi goes":             {"a\u202eb", "ab"},
		"tab":                   {"a\tb", "a    b"},
		"invalid UTF-8":         {"a\xffb", "a\uFFFDb"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := string(colored(test.text)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestColoredIsBounded(t *testing.T) {
	t.Parallel()
	got := string(colored(strings.Repeat("\x1b[31mx\x1b[32my", 2000)))
	if n := strings.Count(got, "<i"); n != maxSpans {
		t.Errorf("%d spans, want %d", n, maxSpans)
	}
	if strings.Count(got, "x")+strings.Count(got, "y") != 4000 {
		t.Error("text was lost")
	}
}

func FuzzColored(f *testing.F) {
	f.Add("\x1b[38;5;1;48;2;1;2;3m<script>\x1b")
	f.Fuzz(func(t *testing.T, text string) {
		got := string(colored(text))
		if strings.ContainsAny(got, "\x1b\x00\r\n") || strings.Count(got, "<") != 2*strings.Count(got, "</i>") {
			t.Errorf("%q became %q", text, got)
		}
	})
}
