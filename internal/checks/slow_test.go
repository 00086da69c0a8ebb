package checks

import (
	"strings"
	"testing"
	"time"
)

// TestForeignMarkdownIsCheapToTame tries what is known to make Markdown parsers slow; each takes well under a second, and the
// bound only tells that from a hang.
func TestForeignMarkdownIsCheapToTame(t *testing.T) {
	for _, piece := range []string{
		"[", "![", "*a ", "**a ", "_a", "<", "<a ", "`a``b```", "> ", "- ", "1. ", "[a](", "[a][", "|a", "~", "&", "<details>", "</td>", "\\", "<!--", "a\n===\n", "| a |\n|---|\n",
	} {
		begun := time.Now()
		text, _ := foreign(strings.Repeat(piece, maxForeign/len(piece))).render(maxText)
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("%q takes %s", piece, took)
		} else {
			t.Logf("%q: %s, %d bytes", piece, took, len(text))
		}
	}
}
