package checks

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of a table; wider ones are unreadable in a check.
const (
	maxColumns = 20
	maxCell    = 400
)

// table shows rows of Markdown cells; newTable makes one of hostile text.
type table struct {
	columns []pipeline.Column
	rows    [][]string
}

func newTable(t pipeline.Table) table {
	columns := t.Columns[:min(len(t.Columns), maxColumns)]
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = make([]string, len(columns))
		for j := range min(len(columns), len(row)) {
			rows[i][j] = cell(row[j], maxCell)
		}
	}
	return table{columns: columns, rows: rows}
}

func (t table) render(limit int) (string, bool) {
	if len(t.columns) == 0 {
		return "", true
	}
	names, rules := make([]string, len(t.columns)), make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i], rules[i] = cell(c.Name, maxCell), "---"
		if c.Right {
			rules[i] = "---:"
		}
	}
	var b strings.Builder
	b.WriteString(tableRow(names) + "\n" + tableRow(rules))
	const remark = 50
	if b.Len() > limit-remark {
		return "", false
	}
	for i, row := range t.rows {
		line := tableRow(row)
		if b.Len()+1+len(line) > limit-remark {
			return b.String() + fmt.Sprintf("\n\n… and %s.", display.Count(len(t.rows)-i, "more row")), false
		}
		b.WriteString("\n" + line)
	}
	return b.String(), true
}

func tableRow(cells []string) string { return "| " + strings.Join(cells, " | ") + " |" }
