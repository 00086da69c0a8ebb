package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestReadSARIF(t *testing.T) {
	findings, dropped, err := ReadSARIF(open(t, "scanner.sarif"), "/work/shop")
	if err != nil || dropped != 0 {
		t.Fatal(err, dropped)
	}
	want := []pipeline.Finding{
		{Tool: "Scanner", Rule: "SQLI", Path: "app/my db.py", Line: 7, EndLine: 9, Column: 5, Level: pipeline.LevelFailure, Severity: pipeline.SeverityCritical, Title: "SQL built from input", Message: "input reaches execute()", URL: "https://example.com/sqli"},
		{Tool: "Scanner", Rule: "WEAK", Path: "app/hash.py", Line: 3, EndLine: 3, Level: pipeline.LevelWarning, Severity: pipeline.SeverityMedium, Title: "WEAK", Message: "md5"},
		{Tool: "Scanner", Rule: "NOTE/7", Level: pipeline.LevelNotice, Severity: pipeline.SeverityNone, Title: "NOTE/7", Message: "outside"},
	}
	if diff := cmp.Diff(want, findings); diff != "" {
		t.Error(diff)
	}
}

func TestReadSARIFRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, message string }{
		"nothing":      {"", "empty"},
		"half a file":  {`{"version": "2.1.0", "runs": [`, "ends in the middle"},
		"old version":  {`{"version": "1.0.0"}`, `"1.0.0" is not 2.1.0`},
		"another type": {`{"version": 2}`, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := ReadSARIF(strings.NewReader(test.text), ""); err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error = %v, want %q", err, test.message)
			}
		})
	}
}

func TestReadSARIFCountsWhatItDrops(t *testing.T) {
	text := `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[` +
		strings.Repeat(`{"message":{"text":"m"}},`, pipeline.MaxFindings+4) + `{"message":{"text":"m"}}]}]}`
	findings, dropped, err := ReadSARIF(strings.NewReader(text), "")
	if err != nil || len(findings) != pipeline.MaxFindings || dropped != 5 {
		t.Errorf("%d findings, %d dropped, %v", len(findings), dropped, err)
	}
}

func TestWriteSARIFReadsBack(t *testing.T) {
	want := []pipeline.Finding{
		{Tool: "bandit", Rule: "B602", Path: "a b/run.py", Line: 3, EndLine: 4, Column: 2, Level: pipeline.LevelWarning, Severity: pipeline.SeverityHigh, Title: "shell", Message: "shell=True", URL: "https://example.com/b602"},
		{Tool: "bandit", Rule: "B602", Path: "run.py", Line: 9, EndLine: 9, Level: pipeline.LevelFailure, Severity: pipeline.SeverityCritical, Title: "shell", Message: "again", URL: "https://example.com/b602"},
		{Tool: "bandit", Rule: "X", Level: pipeline.LevelNotice, Severity: pipeline.SeverityNone, Title: "t", Message: "no place"},
	}
	var text bytes.Buffer
	if err := WriteSARIF(&text, Tool{Name: "bandit", Version: "1"}, want); err != nil {
		t.Fatal(err)
	}
	got, _, err := ReadSARIF(&text, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
