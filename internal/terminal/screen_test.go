package terminal

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/display"
)

// emulator is as much of a terminal as the package uses: what is on it when the writing is over.
type emulator struct {
	t      *testing.T
	lines  [][]string // a cell holds a character and what combines with it
	row    int
	column int
	hidden bool
	writes int
}

func (e *emulator) Write(p []byte) (int, error) {
	e.writes++
	text := string(p)
	for len(text) > 0 {
		if n := display.Escape(text); n > 0 {
			e.control(text[:n])
			text = text[n:]
			continue
		}
		r := []rune(text)[0]
		e.put(r)
		text = text[len(string(r)):]
	}
	return len(p), nil
}

func (e *emulator) control(sequence string) {
	switch final := sequence[len(sequence)-1]; {
	case sequence == showCursor || sequence == hideCursor:
		e.hidden = sequence == hideCursor
	case final == 'A':
		n, err := strconv.Atoi(sequence[2 : len(sequence)-1])
		if err != nil || n > e.row {
			e.t.Errorf("cursor goes up %q from row %d", sequence, e.row)
			n = e.row
		}
		e.row -= n
	case sequence == clearLine:
		e.line()
		e.lines[e.row] = e.lines[e.row][:min(e.column, len(e.lines[e.row]))]
	case sequence == clearBelow:
		e.line()
		e.lines = e.lines[:e.row+1]
		e.lines[e.row] = e.lines[e.row][:min(e.column, len(e.lines[e.row]))]
	case final == 'm', sequence == noWrap, sequence == wrap:
	default:
		e.t.Errorf("unknown control sequence %q", sequence)
	}
}

func (e *emulator) line() {
	for len(e.lines) <= e.row {
		e.lines = append(e.lines, nil)
	}
}

func (e *emulator) put(r rune) {
	switch {
	case r == '\n':
		e.row++
	case r == '\r':
		e.column = 0
	case r < 0x20 || r == 0x7f:
		e.t.Errorf("control character %q reached the terminal", r)
	default:
		e.line()
		for len(e.lines[e.row]) <= e.column {
			e.lines[e.row] = append(e.lines[e.row], " ")
		}
		e.lines[e.row][e.column] = string(r)
		e.column++
	}
}

func (e *emulator) String() string {
	var out strings.Builder
	for _, line := range e.lines {
		out.WriteString(strings.TrimRight(strings.Join(line, ""), " ") + "\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func TestTheBlockIsRedrawnInPlace(t *testing.T) {
	t.Parallel()
	e := &emulator{t: t}
	s := screen{w: e}
	steps := []struct {
		lines, live []string
		last        bool
		want        string
	}{
		{[]string{"above"}, []string{"one", "two", "three"}, false, "above\none\ntwo\nthree\n"},
		{nil, []string{"one", "two"}, false, "above\none\ntwo\n"},
		{[]string{"more", "and more"}, []string{"1"}, false, "above\nmore\nand more\n1\n"},
		{[]string{"end"}, nil, false, "above\nmore\nand more\nend\n"},
		{nil, []string{"again"}, false, "above\nmore\nand more\nend\nagain\n"},
		{nil, []string{"left"}, true, "above\nmore\nand more\nend\nleft\n"},
	}
	for i, step := range steps {
		if err := s.show(step.lines, step.live, 80, step.last); err != nil {
			t.Fatal(err)
		}
		if e.String() != step.want {
			t.Fatalf("step %d: %q, want %q", i, e.String(), step.want)
		}
	}
	if e.hidden {
		t.Error("the cursor stays hidden")
	}
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	t.Parallel()
	e := &emulator{t: t}
	s := screen{w: e}
	for range 5 {
		if err := s.show(nil, []string{"same"}, 80, false); err != nil {
			t.Fatal(err)
		}
	}
	if e.writes != 1 {
		t.Errorf("%d writes, want 1", e.writes)
	}
}

func TestRowsInANarrowerWindow(t *testing.T) {
	t.Parallel()
	s := screen{widths: widths([]string{strings.Repeat("x", 79), "short", "", "\x1b[31m日本語\x1b[0m"})}
	for columns, want := range map[int]int{80: 4, 79: 4, 40: 5, 20: 7, 5: 16 + 1 + 1 + 2} {
		if got := s.rows(columns); got != want {
			t.Errorf("%s columns: %d rows, want %d", fmt.Sprint(columns), got, want)
		}
	}
}
