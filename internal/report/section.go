package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const (
	shownFailures = 25
	shownFiles    = 15
	shownFindings = 30
	shownSpans    = 8
)

// Section shows the figures of the tests and, where it says something, the slowest.
func (t Tests) Section() pipeline.Section {
	table := pipeline.Table{
		Columns: []pipeline.Column{right("Tests"), right("Passed"), right("Failed"), right("Errors"), right("Skipped"), right("Time")},
		Rows: [][]string{{
			strconv.Itoa(t.Total), strconv.Itoa(t.Passed()), strconv.Itoa(t.Failed), strconv.Itoa(t.Errors),
			strconv.Itoa(t.Skipped), Duration(t.Duration),
		}},
	}
	return pipeline.Section{Title: "Tests", Table: &table}
}

// SlowestSection lists the slowest tests; false when none took long enough to be worth a line.
func (t Tests) SlowestSection() (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Test"}, right("Time")}}
	for _, c := range t.Slowest {
		if c.Duration >= 100*time.Millisecond {
			table.Rows = append(table.Rows, []string{c.ID(), Duration(c.Duration)})
		}
	}
	return pipeline.Section{Title: "Slowest tests", Table: &table, Folded: true}, len(table.Rows) > 0
}

// ID names a test as its tool does, as far as the report tells.
func (c Case) ID() string {
	if c.Class == "" || c.Class == c.Name {
		return c.Name
	}
	if c.Name == "" {
		return c.Class
	}
	return c.Class + "." + c.Name
}

// Reason is the failure in one line.
func (c Case) Reason() string {
	for line := range strings.Lines(c.Message + "\n" + c.Trace) {
		if line = strings.TrimSpace(line); line != "" {
			return clip(line, 300)
		}
	}
	return clip(c.Type, 300)
}

// FailuresSection lists what failed and where; false when nothing did.
func (t Tests) FailuresSection(dir string, exists Exists) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Test"}, {Name: "Where"}, {Name: "What happened"}}}
	for _, c := range t.Failures[:min(len(t.Failures), shownFailures)] {
		table.Rows = append(table.Rows, []string{c.ID(), where(c.Locate(dir, exists)), c.Reason()})
	}
	section := pipeline.Section{Title: "Failures", Table: &table}
	if rest := t.Broken() - len(table.Rows); rest > 0 && len(table.Rows) > 0 {
		section.Text = fmt.Sprintf("The first %d of %d; all of them are in the report among the artifacts.", len(table.Rows), t.Broken())
	}
	return section, len(table.Rows) > 0
}

// Findings are the broken tests as annotations.
func (t Tests) Findings(tool, dir string, exists Exists) []pipeline.Finding {
	findings := make([]pipeline.Finding, 0, len(t.Failures))
	for _, c := range t.Failures {
		file, line := c.Locate(dir, exists)
		title := c.ID() + " failed"
		if c.Outcome == OutcomeError {
			title = c.ID() + " could not run"
		}
		findings = append(findings, pipeline.Finding{
			Tool: tool, Rule: clip(c.Type, 200), Path: file, Line: line, EndLine: line, Level: pipeline.LevelFailure,
			Title: clip(title, 250), Message: cmp.Or(c.Reason(), title), Details: c.Trace,
		})
	}
	return findings
}

// Section shows the total and the files that are covered least.
func (c Coverage) Section() pipeline.Section {
	files := slices.DeleteFunc(slices.Clone(c.Files), func(f FileCoverage) bool { return f.Total().Total == 0 })
	slices.SortStableFunc(files, func(a, b FileCoverage) int {
		return cmp.Or(cmp.Compare(a.Total().Percent(), b.Total().Percent()), cmp.Compare(a.Path, b.Path))
	})
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "File"}, right("Lines"), right("Missed"), right("Coverage"), {Name: "Not covered"}}}
	for _, f := range files[:min(len(files), shownFiles)] {
		lines := f.Lines()
		table.Rows = append(table.Rows, []string{
			f.Path, strconv.Itoa(lines.Total), strconv.Itoa(lines.Total - lines.Covered), f.Total().String(), spanList(f.UncoveredSpans()),
		})
	}
	text := fmt.Sprintf("%s of the code is covered: %d of %d lines in %s.",
		c.Total(), c.Lines().Covered, c.Lines().Total, Count(len(files), "file"))
	if b := c.Branches(); b.Total > 0 {
		text += fmt.Sprintf(" Branches: %d of %d.", b.Covered, b.Total)
	}
	if len(files) > shownFiles {
		text += fmt.Sprintf(" These %d files are covered least.", shownFiles)
	}
	return pipeline.Section{Title: "Coverage", Text: text, Table: &table}
}

// Section shows the coverage of the changed lines; false when no changed line holds code.
func (c ChangedCoverage) Section() (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "File"}, right("Changed lines"), right("Coverage"), {Name: "Not covered"}}}
	for _, f := range c.Files[:min(len(c.Files), shownFiles)] {
		table.Rows = append(table.Rows, []string{f.Path, strconv.Itoa(f.Lines.Total), f.Lines.String(), spanList(f.Uncovered)})
	}
	text := fmt.Sprintf("%s of the changed lines are covered: %d of %d.", c.Total, c.Total.Covered, c.Total.Total)
	return pipeline.Section{Title: "Changed lines", Text: text, Table: &table}, len(c.Files) > 0
}

// Findings mark changed lines that no test runs, as notices, at most n.
func (c ChangedCoverage) Findings(n int) []pipeline.Finding {
	var findings []pipeline.Finding
	for _, f := range c.Files {
		for _, r := range f.Uncovered {
			if len(findings) == n {
				return findings
			}
			message := fmt.Sprintf("Lines %d to %d are new and no test runs them.", r.From, r.To)
			if r.From == r.To {
				message = fmt.Sprintf("Line %d is new and no test runs it.", r.From)
			}
			findings = append(findings, pipeline.Finding{
				Tool: "coverage", Rule: "uncovered", Path: f.Path, Line: r.From, EndLine: r.To,
				Level: pipeline.LevelNotice, Title: "Not covered by tests", Message: message,
			})
		}
	}
	return findings
}

// FindingsSection lists findings, the worst first; false when there is none.
func FindingsSection(title string, findings []pipeline.Finding) (pipeline.Section, bool) {
	ordered := slices.Clone(findings)
	slices.SortStableFunc(ordered, func(a, b pipeline.Finding) int {
		return cmp.Or(SeverityRank(b.Severity)-SeverityRank(a.Severity), levelRank(b.Level)-levelRank(a.Level))
	})
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Severity"}, {Name: "Rule"}, {Name: "Where"}, {Name: "What"}}}
	for _, f := range ordered[:min(len(ordered), shownFindings)] {
		table.Rows = append(table.Rows, []string{severityOrLevel(f), f.Rule, where(f.Path, f.Line), clip(f.Message, 300)})
	}
	section := pipeline.Section{Title: title, Table: &table}
	if len(ordered) > shownFindings {
		section.Text = fmt.Sprintf("The first %d of %d.", shownFindings, len(ordered))
	}
	return section, len(ordered) > 0
}

// SeverityRank orders severities: none 0 to critical 4.
func SeverityRank(s pipeline.Severity) int {
	return max(slices.Index([]pipeline.Severity{
		pipeline.SeverityNone, pipeline.SeverityLow, pipeline.SeverityMedium, pipeline.SeverityHigh, pipeline.SeverityCritical,
	}, s), 0)
}

func levelRank(l pipeline.Level) int {
	return slices.Index([]pipeline.Level{pipeline.LevelNotice, pipeline.LevelWarning, pipeline.LevelFailure}, l)
}

func severityOrLevel(f pipeline.Finding) string {
	if f.Severity != "" && f.Severity != pipeline.SeverityNone {
		return string(f.Severity)
	}
	return string(f.Level)
}

func where(file string, line int) string {
	if file == "" || line == 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}

func spanList(spans []Range) string {
	parts := make([]string, 0, shownSpans+1)
	for i, r := range spans {
		if i == shownSpans {
			parts = append(parts, "…")
			break
		}
		if r.From == r.To {
			parts = append(parts, strconv.Itoa(r.From))
		} else {
			parts = append(parts, fmt.Sprintf("%d–%d", r.From, r.To))
		}
	}
	return strings.Join(parts, ", ")
}

func right(name string) pipeline.Column { return pipeline.Column{Name: name, Right: true} }

// Duration is a time as people read it, with the fractions that matter for tests: "0.02s", "4.1s", "2m 5s", "1h 4m".
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm %ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh %dm", int(d.Hours()), int(d.Minutes())%60)
}

// Count is "1 test" or "12 tests".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
