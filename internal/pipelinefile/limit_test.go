package pipelinefile

import (
	"fmt"
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	stages := func(n int) string {
		var b strings.Builder
		b.WriteString("stages:\n")
		for i := range n {
			fmt.Fprintf(&b, "  s%d: {run: [make]}\n", i)
		}
		return b.String()
	}
	list := func(n int) string { return "[" + strings.Repeat("x, ", n-1) + "x]" }
	legs := func(n int) string {
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprint(i)
		}
		return "stages: {a: {run: [make], matrix: {v: [" + strings.Join(values, ", ") + "]}}}"
	}
	for _, test := range []struct {
		name, text string
		want       string // part of the only problem; empty: none
	}{
		{"200 stages", stages(200), ""},
		{"201 stages", stages(201), "at most 200"},
		{"256 legs", legs(256), ""},
		{"257 legs", legs(257), "more than 256 matrix legs"},
		{"256 KiB", stages(1) + "#" + strings.Repeat("x", maxBytes-len(stages(1))-1), ""},
		{"256 KiB and one byte", stages(1) + "#" + strings.Repeat("x", maxBytes-len(stages(1))), "at most 262144"},
		{"1 MiB", strings.Repeat("# remark\n", 1<<20/9), "at most 262144"},
		{"10,000 nodes", "stages: {a: {run: " + list(9990) + "}}", ""},
		{"more than 10,000 nodes", "stages: {a: {run: " + list(10_001) + "}}", "more than 10000 nodes"},
		{"deep nesting", "stages: {a: {uses: terraform, with: {vars: {x: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}}}}", "levels deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f", []byte(test.text))
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if problems := problemsOf(t, err); len(problems) != 1 || !strings.Contains(problems[0].Message, test.want) {
				t.Errorf("problems: %v", problems)
			}
		})
	}
}

// Nobody may keep the bot busy with a file: each of these is as large as a file may be.
func TestHostileFilesEnd(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, maxBytes/len(unit)) }
	longKey := strings.Repeat("k", 60_000)
	for name, text := range map[string]string{
		"brackets":        fill("["),
		"braces":          fill("{"),
		"braces and keys": fill("{a: "),
		"dashes":          fill("- "),
		"question marks":  fill("? "),
		"anchors":         fill("&a "),
		"aliases":         "a: &a x\nb: [" + strings.Repeat("*a,", 80_000) + "]",
		"comments":        fill("#\n"),
		"comments within": "stages:\n" + fill("  #x\n"),
		"quotes":          fill(`"`),
		"colons":          fill("a: "),
		"blank lines":     fill("\n"),
		"spaces":          fill(" "),
		"tabs":            fill("\t"),
		"carriage return": fill("\r"),
		"block scalar":    "a: |\n" + fill(" \n"),
		"folded scalar":   "a: >\n" + fill(" x\n\n"),
		"tags":            fill("!!a "),
		"documents":       fill("---\n"),
		"directives":      fill("%YAML 1.1\n"),
		"keys":            strings.Repeat("a: 1\n", maxBytes/5),
		"long keys":       "stages:\n  " + longKey + ":\n    " + longKey + ": 1\n    run: [1, 2]\n",
		"merges":          "stages: &s\n  a: &a {run: [x]}\n" + strings.Repeat("  b: {<<: *a}\n", 3000),
		"commas":          "a: [" + fill(",") + "]",
		"escapes":         `a: "` + fill(`\x41`) + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("f", []byte(text[:min(len(text), maxBytes)])); err == nil {
				t.Error("no problem found")
			} else if len(err.Error()) > 4<<20 {
				t.Errorf("%d bytes of problems", len(err.Error()))
			}
		})
	}
}
