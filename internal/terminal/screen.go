package terminal

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/slipwayhq/slipway/internal/display"
)

// Control sequences: those of ECMA-48, and DEC's for the cursor and for folding lines, which every terminal knows.
const (
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	noWrap     = "\x1b[?7l"
	wrap       = "\x1b[?7h"
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
	for _, line := range lines {
		out.WriteString(line + clearLine + "\r\n")
	}
	drawBlock(&out, live)
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

// drawBlock writes the block's lines, each on a row of its own whatever happens. Some terminals (tmux) fold what is on
// the screen to a new width a moment before they tell us of it; a picture drawn in between would be folded too, and the
// next one would begin too low. Drawn without folding it leaves the block's top where rows will look for it.
func drawBlock(out *bytes.Buffer, live []string) {
	if len(live) == 0 {
		return
	}
	out.WriteString(noWrap)
	for _, line := range live {
		out.WriteString(line + clearLine + "\r\n")
	}
	out.WriteString(wrap)
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
