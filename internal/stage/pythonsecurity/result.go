package pythonsecurity

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// result is what one tool said.
type result struct {
	tool     report.Tool
	findings []pipeline.Finding
	// note is something the reader must know: files that were left out, a list that could not be had.
	note string
	// unknown: the tool could not do its work and its silence means nothing.
	unknown bool
}

// results of all tools that are on.
type results struct{ style, code, dependencies result }

// unknownAs is how bad it counts that the dependencies could not be audited, for instance because the vulnerability
// database cannot be reached: whoever fails on medium findings wants certainty, whoever fails on critical ones does not
// want to stand still because another host is down.
const unknownAs = pipeline.SeverityMedium

// fails reports whether a finding of this severity fails the stage.
func (c *check) fails(severity pipeline.Severity) bool {
	least := report.SeverityRank(c.settings.FailOn)
	return least > 0 && report.SeverityRank(severity) >= least
}

func (c *check) conclude(r results) (pipeline.Verdict, error) {
	var failing []string
	for _, tool := range []*result{&r.dependencies, &r.code, &r.style} {
		for i, finding := range tool.findings {
			if c.fatal(finding) {
				tool.findings[i].Level = pipeline.LevelFailure
				failing = append(failing, describe(finding))
			}
		}
	}
	if r.dependencies.unknown && c.fails(unknownAs) {
		failing = append(failing, r.dependencies.note)
	}
	if err := c.tell(r); err != nil {
		return pipeline.Verdict{}, err
	}
	verdict := pipeline.Verdict{Status: pipeline.StatusSuccess, Title: c.title(r)}
	if len(failing) > 0 {
		verdict.Status, verdict.Cause = pipeline.StatusFailure, causeOf(failing)
	}
	return verdict, nil
}

// fatal findings fail the stage: those of flake8's classes that mean broken code, and those as severe as fail-on.
func (c *check) fatal(f pipeline.Finding) bool {
	if f.Tool == toolFlake8 {
		return breaksCode(f.Rule) && c.settings.FailOn != pipeline.SeverityNone
	}
	return c.fails(f.Severity)
}

func describe(f pipeline.Finding) string {
	text := f.Message
	if f.Tool == toolSafety {
		text = f.Title
	}
	if f.Path != "" {
		text = fmt.Sprintf("%s:%d: %s", f.Path, f.Line, text)
	}
	if f.Severity != "" && f.Severity != pipeline.SeverityNone {
		text += " (" + string(f.Severity) + ")"
	}
	return text
}

func causeOf(failing []string) string {
	const named = 3
	text := strings.Join(failing[:min(len(failing), named)], "; ")
	if rest := len(failing) - named; rest > 0 {
		text += fmt.Sprintf("; and %d more", rest)
	}
	return strings.TrimSuffix(text, ".") + "."
}

// title is "0 critical, 1 high, 12 style remarks".
func (c *check) title(r results) string {
	counts := map[pipeline.Severity]int{}
	for _, f := range append(append([]pipeline.Finding{}, r.code.findings...), r.dependencies.findings...) {
		counts[f.Severity]++
	}
	parts := []string{
		fmt.Sprintf("%d critical", counts[pipeline.SeverityCritical]), fmt.Sprintf("%d high", counts[pipeline.SeverityHigh]),
	}
	for _, severity := range []pipeline.Severity{pipeline.SeverityMedium, pipeline.SeverityLow} {
		if counts[severity] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[severity], severity))
		}
	}
	if !c.settings.Bandit.Enabled && !c.settings.Dependencies.Enabled {
		parts = nil
	}
	if c.settings.Flake8.Enabled {
		broken := 0
		for _, f := range r.style.findings {
			if breaksCode(f.Rule) {
				broken++
			}
		}
		if broken > 0 {
			parts = append(parts, report.Count(broken, "error")+" in the code")
		}
		parts = append(parts, report.Count(len(r.style.findings)-broken, "style remark"))
	}
	if r.dependencies.unknown {
		parts = append(parts, "dependencies not audited")
	}
	return strings.Join(parts, ", ")
}

// tell emits the overview, the lists, the annotations (the worst first, for their number is bounded) and the artifacts.
func (c *check) tell(r results) error {
	c.s.Section(c.overview(r))
	for _, tool := range []result{r.dependencies, r.code, r.style} {
		if tool.tool.Name == "" {
			continue
		}
		section, some := report.FindingsSection(tool.tool.Name, tool.findings)
		section.Folded = tool.tool.Name == toolFlake8
		if tool.note != "" {
			section.Text = strings.TrimSpace(tool.note + "\n\n" + section.Text)
		}
		if !some {
			section.Table = nil
		}
		if some || tool.note != "" {
			c.s.Section(section)
		}
		if err := c.keep(tool); err != nil {
			return err
		}
	}
	for _, level := range []pipeline.Level{pipeline.LevelFailure, pipeline.LevelWarning, pipeline.LevelNotice} {
		for _, tool := range []result{r.dependencies, r.code, r.style} {
			for _, finding := range tool.findings {
				if finding.Level == level {
					c.s.Finding(finding)
				}
			}
		}
	}
	return nil
}

func (c *check) overview(r results) pipeline.Section {
	severities := []pipeline.Severity{pipeline.SeverityCritical, pipeline.SeverityHigh, pipeline.SeverityMedium, pipeline.SeverityLow, pipeline.SeverityNone}
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Check"}, {Name: "Critical", Right: true}, {Name: "High", Right: true}, {Name: "Medium", Right: true}, {Name: "Low", Right: true}, {Name: "Remarks", Right: true}}}
	for _, row := range []struct {
		name string
		on   bool
		r    result
	}{{"Dependencies (safety)", c.settings.Dependencies.Enabled, r.dependencies}, {"Code (bandit)", c.settings.Bandit.Enabled, r.code}, {"Style (flake8)", c.settings.Flake8.Enabled, r.style}} {
		cells := []string{row.name}
		for _, severity := range severities {
			n := 0
			for _, f := range row.r.findings {
				if f.Severity == severity {
					n++
				}
			}
			cells = append(cells, figure(row.on, row.r.unknown, n))
		}
		table.Rows = append(table.Rows, cells)
	}
	text := "Fails from severity " + string(c.settings.FailOn) + " on, and for code that cannot work (flake8's E9, F63, F7, F82)."
	if c.settings.FailOn == pipeline.SeverityNone {
		text = "Nothing fails the stage: fail-on is none."
	}
	return pipeline.Section{Title: "Findings", Text: text, Table: &table}
}

func figure(on, unknown bool, n int) string {
	switch {
	case !on:
		return "off"
	case unknown:
		return "?"
	}
	return strconv.Itoa(n)
}

// keep writes what a tool found as SARIF, for code scanning and for other programs.
func (c *check) keep(r result) error {
	var text bytes.Buffer
	if err := report.WriteSARIF(&text, r.tool, r.findings); err != nil {
		return err
	}
	name := r.tool.Name + ".sarif"
	path := filepath.Join(c.s.Scratch(), name)
	// The tool is done, but what the repository started may still run: a file of that name must not be followed.
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // made anew, never through a link
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err = f.Write(text.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	// Losing a file is no reason to lose the verdict.
	if err := c.s.Artifact(name, path); err != nil {
		c.s.Log(err.Error())
	}
	return nil
}
