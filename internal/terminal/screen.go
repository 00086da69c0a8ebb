package terminal

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/slipwayhq/slipway/internal/display"
)

// Control sequences (ECMA-48) and the two private ones every terminal knows for the cursor.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	clearLine  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// screen keeps a block of lines at the bottom of what was written and redraws it in place.
type screen struct {
	w      io.Writer
	live   []string
	widths []int
	hidden bool
}

// show writes lines above the block and the block below them. Nothing is written when nothing changed.
func (s *screen) show(lines, live []string, columns int, last bool) error {
	if len(lines) == 0 && slices.Equal(live, s.live) && !last {
		return nil
	}
	var out bytes.Buffer
	if len(live) > 0 && !s.hidden && !last {
		out.WriteString(hideCursor)
		s.hidden = true
	}
	if up := s.rows(columns); up > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", up)
	}
	if len(s.live) > 0 {
		out.WriteString("\r")
	}
	for _, line := range slices.Concat(lines, live) {
		out.WriteString(line + clearLine + "\r\n")
	}
	if len(s.live) > 0 {
		out.WriteString(clearBelow)
	}
	if s.hidden && (last || len(live) == 0) {
		out.WriteString(showCursor)
		s.hidden = false
	}
	s.live, s.widths = live, widths(live)
	if out.Len() == 0 {
		return nil
	}
	_, err := s.w.Write(out.Bytes())
	return err
}

// rows is how many rows the block takes now: in a window that became narrower its lines were folded.
func (s *screen) rows(columns int) int {
	rows := 0
	for _, width := range s.widths {
		rows += max((width+columns-1)/columns, 1)
	}
	return rows
}

func widths(lines []string) []int {
	list := make([]int, len(lines))
	for i, line := range lines {
		list[i] = display.Width(display.Plain(line))
	}
	return list
}
