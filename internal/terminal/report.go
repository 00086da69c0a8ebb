package terminal

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of the report.
const (
	maxFindings = 15
	maxRows     = 20
)

// report is what stays on the screen of a run that has ended: what failed and why, then every stage in a table. A width
// of 0 folds and cuts nothing.
func (t *Terminal) report(run pipeline.Run, width int) []string {
	var lines []string
	for _, s := range run.Current() {
		switch {
		case display.Failed(s.Status) || s.Status == pipeline.StatusNeutral && s.Result.Verdict.Cause != "":
			lines = append(lines, t.trouble(s, width)...)
		case t.options.Verbose && len(s.Result.Sections)+len(s.Result.Findings) > 0:
			lines = append(lines, "", t.paint.bold(display.Line(s.Spec.Key)))
			lines = append(lines, t.found(s, width)...)
		}
	}
	lines = append(lines, "")
	lines = append(lines, t.summary(run, width)...)
	lines = append(lines, "", t.total(run))
	if run.Reason != "" {
		lines = append(lines, "  "+display.Line(run.Reason))
	}
	if t.options.Artifacts != nil {
		if where := t.options.Artifacts(run); where != "" {
			lines = append(lines, "Artifacts: "+display.Line(where))
		}
	}
	return lines
}

// trouble tells a failed stage's cause, what to do, what it found, and the end of its log.
func (t *Terminal) trouble(s pipeline.StageRun, width int) []string {
	face := display.Status(s.Status)
	head := t.paint.tone(face.Tone, face.Sign+" "+name(s)+" "+face.Word)
	if title := display.Line(s.Result.Verdict.Title); title != "" {
		head += ": " + title
	}
	lines := []string{"", head}
	for part := range strings.SplitSeq(display.Cause(s), "\n") {
		lines = append(lines, fold(part, "  ", "  ", width)...)
	}
	if d := s.Result.Diagnosis; d != nil {
		if d.Evidence != "" {
			lines = append(lines, t.paint.dim("  > "+display.Line(d.Evidence)))
		}
		if len(d.Remedy) > 0 {
			lines = append(lines, t.paint.bold("  What to do"))
		}
		for i, step := range d.Remedy {
			lines = append(lines, fold(display.Line(step), fmt.Sprintf("  %d. ", i+1), "     ", width)...)
		}
	}
	lines = append(lines, t.found(s, width)...)
	return append(lines, t.logEnd(s)...)
}

// found lists findings and tables.
func (t *Terminal) found(s pipeline.StageRun, width int) []string {
	var lines []string
	for i, f := range s.Result.Findings {
		if i == maxFindings {
			more := len(s.Result.Findings) - i + s.Result.FindingsDropped
			lines = append(lines, t.paint.dim("  … "+display.Count(more, "more finding")))
			break
		}
		lines = append(lines, fold(t.finding(f), "  ", "      ", width)...)
	}
	for _, section := range s.Result.Sections {
		if !section.Folded {
			lines = append(lines, t.section(section, width)...)
		}
	}
	return lines
}

func (t *Terminal) finding(f pipeline.Finding) string {
	var parts []string
	if f.Path != "" {
		place := display.Line(f.Path)
		if f.Line > 0 {
			place += fmt.Sprintf(":%d", f.Line)
		}
		parts = append(parts, place+":")
	}
	for _, text := range []string{string(f.Severity), f.Rule, f.Title} {
		if text = display.Line(text); text != "" && text != string(pipeline.SeverityNone) {
			parts = append(parts, text)
		}
	}
	if message := display.Line(f.Message); message != "" && message != display.Line(f.Title) {
		parts = append(parts, "-", message)
	}
	return strings.Join(parts, " ")
}

func (t *Terminal) section(section pipeline.Section, width int) []string {
	var lines []string
	if title := display.Line(section.Title); title != "" {
		lines = append(lines, t.paint.bold("  "+title))
	}
	for _, text := range []string{section.Text, section.Markdown} {
		if text = display.Text(text); text != "" {
			for part := range strings.SplitSeq(text, "\n") {
				lines = append(lines, fold(part, "  ", "  ", width)...)
			}
		}
	}
	if section.Table != nil {
		lines = append(lines, t.table(*section.Table, width)...)
	}
	if code := display.Text(section.Code); code != "" {
		for part := range strings.SplitSeq(code, "\n") {
			lines = append(lines, "    "+part)
		}
	}
	return lines
}

// logEnd shows the end of the log, from the record or, when the verdict brought none, from what went by.
func (t *Terminal) logEnd(s pipeline.StageRun) []string {
	var end []string
	total := len(s.Result.LogTail)
	for _, line := range s.Result.LogTail[max(total-tailLines, 0):] {
		end = append(end, logText(line))
	}
	if kept := t.tails[s.ID]; kept != nil && kept.total >= total {
		end, total = kept.lines, kept.total
	}
	if len(end) == 0 {
		return nil
	}
	head := "  The log"
	if len(end) < total {
		head = fmt.Sprintf("  The last %d lines of the log", len(end))
	}
	lines := []string{t.paint.bold(head)}
	for _, line := range end {
		lines = append(lines, t.paint.dim("  | ")+line)
	}
	return lines
}

func (t *Terminal) total(run pipeline.Run) string {
	face := display.Status(run.Status)
	return fmt.Sprintf("%s %s in %s: %s", t.paint.tone(face.Tone, face.Sign), t.paint.tone(face.Tone, "Run "+face.Word),
		display.Duration(display.RunTook(run, t.options.Clock.Now())), display.Tally(run.Current()))
}

// summary is the table of all stages.
func (t *Terminal) summary(run pipeline.Run, width int) []string {
	now := t.options.Clock.Now()
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Stage"}, {Name: "Result"}, {Name: "Time", Right: true}, {Name: "What it said"}}}
	var faces []display.Face
	for _, s := range run.Current() {
		took := ""
		if !s.StartedAt.IsZero() {
			took = display.Duration(s.Duration(now))
		}
		face := display.Status(s.Status)
		faces = append(faces, face)
		table.Rows = append(table.Rows, []string{name(s), face.Sign + " " + face.Word, took, display.Says(run, s)})
	}
	return t.grid(table, "", width, func(row, column int, text string) string {
		if column == 1 {
			return t.paint.tone(faces[row].Tone, text)
		}
		return text
	})
}
