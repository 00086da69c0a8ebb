package runner

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/redact"
)

// everywhere is an event with text in every field that has some. A new field of an event shows here: the test below
// looks for the secret in its JSON.
func everywhere(text string) pipeline.StageEvent {
	return pipeline.StageEvent{
		Progress: text,
		Log:      &pipeline.LogLine{Step: text, Text: text},
		Step:     &pipeline.Step{Name: text, Status: pipeline.StatusSuccess, Detail: text},
		Section: &pipeline.Section{
			Title: text, Text: text, Code: text, Markdown: text,
			Table: &pipeline.Table{Columns: []pipeline.Column{{Name: text, Right: true}}, Rows: [][]string{{text, "plain"}}},
		},
		Finding: &pipeline.Finding{
			Tool: text, Rule: text, Path: text, Line: 3, Level: pipeline.LevelFailure, Severity: pipeline.SeverityHigh,
			Title: text, Message: text, Details: text, URL: text,
		},
		Output:   map[string]string{text: text},
		Artifact: &pipeline.Artifact{Name: text, Path: "/kept/1"},
		Verdict:  &pipeline.Verdict{Status: pipeline.StatusFailure, Title: text, Cause: text, Signal: text},
	}
}

func TestMaskCoversEveryText(t *testing.T) {
	const secret = "correct-horse"
	r, err := redact.New(map[string]string{"S": secret})
	if err != nil {
		t.Fatal(err)
	}
	original := everywhere("a " + secret + " b")
	masked, err := json.Marshal(mask(r, original))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(masked), secret) {
		t.Errorf("the secret came out: %s", masked)
	}
	if want, err := json.Marshal(everywhere("a *** b")); err != nil || string(masked) != string(want) {
		t.Errorf("got  %s\nwant %s", masked, want)
	}
	if original.Section.Table.Rows[0][0] != "a "+secret+" b" {
		t.Error("the stage's own event was changed")
	}
}

func TestClip(t *testing.T) {
	tests := map[string]struct {
		text  string
		limit int
		want  string
	}{
		"short":             {"abc", 10, "abc"},
		"long":              {"abcdefghij", 8, "abcde…"},
		"between runes":     {"ääääää", 8, "ää…"},
		"invalid is mended": {"a\xffb", 10, "a\uFFFDb"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := clip(test.text, test.limit); got != test.want || !utf8.ValidString(got) || len(got) > test.limit {
				t.Fatalf("got %q", got)
			}
		})
	}
}
