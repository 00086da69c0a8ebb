package terminal

import (
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxCell bounds a column of a stranger's table.
const maxCell = 60

// table draws a table of a section.
func (t *Terminal) table(table pipeline.Table, width int) []string {
	more := len(table.Rows) - maxRows
	if more > 0 {
		table.Rows = table.Rows[:maxRows]
	}
	lines := t.grid(table, "    ", width, func(_, _ int, text string) string { return text })
	if more > 0 {
		lines = append(lines, t.paint.dim("    … "+display.Count(more, "more row")))
	}
	return lines
}

// grid sets a table in columns two blanks apart. The last column takes what room is left; what does not fit is cut.
// paint colours a cell after it was padded.
func (t *Terminal) grid(table pipeline.Table, indent string, width int, paint func(row, column int, text string) string) []string {
	if len(table.Columns) == 0 {
		return nil
	}
	cells := cellsOf(table)
	wide := columnWidths(cells, len(indent), width)
	lines := make([]string, 0, len(cells))
	for i, row := range cells {
		var line strings.Builder
		line.WriteString(indent)
		for j, text := range row {
			if j > 0 {
				line.WriteString("  ")
			}
			text = display.Truncate(text, wide[j])
			if j < len(row)-1 || table.Columns[j].Right {
				text = display.Pad(text, wide[j], table.Columns[j].Right)
			}
			if i == 0 {
				text = t.paint.dim(text)
			} else {
				text = paint(i-1, j, text)
			}
			line.WriteString(text)
		}
		lines = append(lines, strings.TrimRight(line.String(), " "))
	}
	return lines
}

// cellsOf cleans a table; its first row are the headings, every row has as many cells as there are columns.
func cellsOf(table pipeline.Table) [][]string {
	cells := make([][]string, len(table.Rows)+1)
	for j := range table.Columns {
		cells[0] = append(cells[0], display.Line(table.Columns[j].Name))
		for i, row := range table.Rows {
			text := ""
			if j < len(row) {
				text = display.Line(row[j])
			}
			cells[i+1] = append(cells[i+1], text)
		}
	}
	return cells
}

func columnWidths(cells [][]string, indent, width int) []int {
	wide := make([]int, len(cells[0]))
	last := len(wide) - 1
	for _, row := range cells {
		for j, text := range row {
			wide[j] = max(wide[j], display.Width(text))
		}
	}
	used := indent
	for j := range wide[:last] {
		wide[j] = min(wide[j], maxCell)
		used += wide[j] + 2
	}
	if width > 0 {
		wide[last] = min(wide[last], max(width-1-used, 8))
	}
	return wide
}

// fold breaks a clean line at blanks; a width of 0 leaves it whole.
func fold(text, first, others string, width int) []string {
	if text == "" {
		return nil
	}
	if width <= 0 || display.Width(first+text) < width {
		return []string{first + text}
	}
	var lines []string
	line, prefix := "", first
	for word := range strings.FieldsSeq(text) {
		if line != "" && display.Width(prefix+line)+1+display.Width(word) >= width {
			lines = append(lines, prefix+line)
			line, prefix = "", others
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, prefix+line)
}
