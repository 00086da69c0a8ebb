package runner

import (
	"strings"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/redact"
)

// mask returns the event with every text in it masked and bounded. The given one is not changed.
func mask(r *redact.Redactor, event pipeline.StageEvent) pipeline.StageEvent {
	remark := func(text string) string { return clip(r.String(text), maxRemark) }
	event.Progress = clip(strings.ReplaceAll(r.String(event.Progress), "\n", " "), maxProgress)
	if event.Log != nil {
		event.Log = &pipeline.LogLine{Step: remark(event.Log.Step), Text: remark(event.Log.Text)}
	}
	if event.Step != nil {
		step := *event.Step
		step.Name, step.Detail = remark(step.Name), remark(step.Detail)
		event.Step = &step
	}
	if event.Section != nil {
		event.Section = maskSection(r, *event.Section)
	}
	if event.Finding != nil {
		finding := *event.Finding
		for _, text := range []*string{
			&finding.Tool, &finding.Rule, &finding.Path, &finding.Title, &finding.Message, &finding.Details, &finding.URL,
		} {
			*text = remark(*text)
		}
		event.Finding = &finding
	}
	if event.Output != nil {
		output := make(map[string]string, len(event.Output))
		for name, value := range event.Output {
			output[remark(name)] = clip(r.String(value), maxText)
		}
		event.Output = output
	}
	if event.Artifact != nil {
		artifact := *event.Artifact
		artifact.Name = remark(artifact.Name) // Path is ours
		event.Artifact = &artifact
	}
	if event.Part != nil {
		part := *event.Part // its value is compared with what is applied: a masked one would never be equal
		part.Detail, part.ExtraApproval, part.Lost = remark(part.Detail), remark(part.ExtraApproval), remark(part.Lost)
		event.Part = &part
	}
	if event.Verdict != nil {
		verdict := *event.Verdict
		verdict.Title, verdict.Cause, verdict.Signal = remark(verdict.Title), remark(verdict.Cause), remark(verdict.Signal)
		event.Verdict = &verdict
	}
	return event
}

func maskSection(r *redact.Redactor, section pipeline.Section) *pipeline.Section {
	for _, text := range []*string{&section.Title, &section.Text, &section.Code, &section.Markdown} {
		*text = clip(r.String(*text), maxText)
	}
	if section.Table == nil {
		return &section
	}
	table := pipeline.Table{Columns: make([]pipeline.Column, len(section.Table.Columns)), Rows: make([][]string, len(section.Table.Rows))}
	for i, column := range section.Table.Columns {
		column.Name = r.String(column.Name)
		table.Columns[i] = column
	}
	for i, row := range section.Table.Rows {
		table.Rows[i] = make([]string, len(row))
		for j, cell := range row {
			table.Rows[i][j] = clip(r.String(cell), maxRemark)
		}
	}
	section.Table = &table
	return &section
}

// clip bounds a text, which it makes valid UTF-8.
func clip(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	const ellipsis = "…"
	cut := limit - len(ellipsis)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + ellipsis
}
