package pipeline

import (
	"strings"
	"testing"
)

func TestAHostileReportStaysWithinBounds(t *testing.T) {
	c := newCollector(nil, Run{}, StageRun{})
	large := strings.Repeat("x", 1<<20)
	for range 20 {
		c.take(StageEvent{Type: StageEventSection, Section: &Section{Title: "s", Text: large}})
		c.take(StageEvent{Type: StageEventFinding, Finding: &Finding{Message: large}})
		c.take(StageEvent{Type: StageEventOutput, Output: map[string]string{"o": large}})
	}
	for range 1000 {
		c.take(StageEvent{Type: StageEventLog, Log: &LogLine{Text: large[:16<<10]}})
	}
	c.take(StageEvent{Type: StageEventFinding, Finding: &Finding{Message: "a small one still fits"}})
	c.take(StageEvent{Type: StageEventVerdict, Verdict: &Verdict{Status: StatusSuccess}})
	if c.used > MaxResultBytes || len(c.result.Findings) == 0 || c.result.FindingsDropped == 0 {
		t.Errorf("%d bytes, %d findings, %d dropped", c.used, len(c.result.Findings), c.result.FindingsDropped)
	}
	if last := c.result.Sections[len(c.result.Sections)-1]; last.Title != "Not everything is shown" {
		t.Errorf("what is left out is not told: %s", last.Title)
	}
	if n := len(c.result.LogTail); n != MaxLogTailBytes/(16<<10) {
		t.Errorf("a tail of %d lines", n)
	}
}
