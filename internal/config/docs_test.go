package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs holds docs/settings.md against the settings: every key once, in order, with its default.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([A-Z0-9_]+)` \\|([^|]*)\\| (.+) \\|$").FindAllStringSubmatch(string(text), -1)
	all := settings()
	if len(rows) != len(all) {
		t.Fatalf("the page has %d settings, the program %d", len(rows), len(all))
	}
	for i, s := range all {
		name, fallback := rows[i][1], strings.Trim(strings.TrimSpace(rows[i][2]), "`")
		if name != s.name {
			t.Errorf("row %d is %s, want %s", i+1, name, s.name)
		}
		if s.name == "SLIPWAY_CONCURRENCY" {
			continue // its default is the machine's
		}
		if fallback != s.fallback {
			t.Errorf("%s: the page says %q, the default is %q", name, fallback, s.fallback)
		}
	}
}
