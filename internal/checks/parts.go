package checks

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func queryEscape(s string) string { return url.QueryEscape(s) }

// findings lists those that have no line to stand on, and counts the rest.
func (p page) findings(listed []pipeline.Finding, annotated int) block {
	var parts stacked
	if annotated > 0 {
		parts = append(parts, prepared(display.Count(annotated, "annotation")+" on the lines of the files."))
	}
	if len(listed) > 0 {
		rows := make([][]string, len(listed))
		for i, f := range listed {
			rows[i] = []string{cell(severity(f), 20), place(f), told(f)}
		}
		parts = append(parts, table{columns: []pipeline.Column{{Name: "Level"}, {Name: "Where"}, {Name: "Finding"}}, rows: rows})
	}
	if n := p.stage.Result.FindingsDropped; n > 0 {
		parts = append(parts, prepared(fmt.Sprintf("%s were told and not kept.", display.Count(n, "more finding"))))
	}
	if len(parts) == 0 {
		return prepared("")
	}
	return titled{"Findings", parts}
}

func severity(f pipeline.Finding) string {
	if f.Severity != "" && f.Severity != pipeline.SeverityNone {
		return string(f.Severity)
	}
	return string(f.Level)
}

func place(f pipeline.Finding) string {
	switch {
	case f.Path == "":
		return cell(f.Tool, 60)
	case f.Line > 0:
		return code(fmt.Sprintf("%s:%d", clip(display.Line(f.Path), 200), f.Line))
	default:
		return code(clip(display.Line(f.Path), 200))
	}
}

func told(f pipeline.Finding) string {
	text := cell(f.Title, 200)
	if rule := cell(f.Rule, 60); rule != "" {
		if address, ok := foreignAddress(f.URL); ok {
			rule = "[" + rule + "](" + address + ")"
		}
		text = strings.TrimSpace(rule + " " + text)
	}
	if text == "" {
		text = cell(f.Message, 200)
	}
	return text
}

// steps shows what took the time.
func (p page) steps() block {
	if len(p.stage.Result.Steps) == 0 {
		return prepared("")
	}
	rows := make([][]string, len(p.stage.Result.Steps))
	for i, s := range p.stage.Result.Steps {
		rows[i] = []string{display.Status(s.Status).Sign + " " + cell(s.Name, 100), p.took(s), cell(s.Detail, 200)}
	}
	columns := []pipeline.Column{{Name: "Step"}, {Name: "Time", Right: true}, {Name: "Detail"}}
	return titled{"Steps", table{columns: columns, rows: rows}}
}

func (p page) took(s pipeline.Step) string {
	switch {
	case s.StartedAt.IsZero():
		return ""
	case !s.FinishedAt.IsZero():
		return display.Duration(s.FinishedAt.Sub(s.StartedAt))
	case p.stage.Status.Final():
		return "not ended"
	default:
		return display.Duration(p.now.Sub(s.StartedAt))
	}
}

func (p page) artifacts() block {
	if len(p.stage.Result.Artifacts) == 0 {
		return prepared("")
	}
	rows := make([][]string, len(p.stage.Result.Artifacts))
	for i, a := range p.stage.Result.Artifacts {
		rows[i] = []string{link(cell(a.Name, 200), p.artifactURL(a.Name)), display.Bytes(a.Bytes)}
	}
	columns := []pipeline.Column{{Name: "Artifact"}, {Name: "Size", Right: true}}
	return titled{"Artifacts", table{columns: columns, rows: rows}}
}

// foot says what the check belongs to.
func (p page) foot() block {
	parts := []string{link(fmt.Sprintf("Run #%d", p.run.Number), p.stageURL()), cell(display.Why(p.run.Trigger), 200)}
	if took := display.Worked(p.stage, p.now); took > 0 && p.stage.Reused == nil {
		parts = append(parts, display.Duration(took))
	}
	return prepared("<sub>\n\n" + strings.Join(parts, " · ") + "\n\n</sub>")
}

// log is the end of the log, for the check's text.
func (p page) log() string {
	lines := p.stage.Result.LogTail
	if len(lines) == 0 {
		return ""
	}
	head := "The end of the log. " + link("The whole log", p.stageURL()) + "\n\n"
	tail, _ := fence{lines: lines, tail: true}.render(maxText - len(head))
	if tail == "" {
		return ""
	}
	return head + tail
}
