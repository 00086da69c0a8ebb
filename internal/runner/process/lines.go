package process

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// MaxLine is the greatest length of a line in bytes; longer ones become several.
const MaxLine = 16 << 10

// Lines cuts a stream into lines of valid UTF-8. Of a line that is redrawn with carriage returns (a progress bar) only
// its last state stays. It is not safe for concurrent use.
type Lines struct {
	emit    func(line string)
	current []byte
	// redrawn is the last state of the line that a carriage return overwrote.
	redrawn []byte
	// returned: a carriage return was seen and nothing after it yet.
	returned bool
}

// NewLines calls emit for each line, without its end.
func NewLines(emit func(line string)) *Lines { return &Lines{emit: emit} }

// Write implements io.Writer and never fails.
func (l *Lines) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		i := bytes.IndexAny(p, "\r\n")
		if i < 0 {
			l.append(p)
			return written, nil
		}
		l.append(p[:i])
		if p[i] == '\n' {
			l.end()
		} else {
			l.returned = true
		}
		p = p[i+1:]
	}
	return written, nil
}

// Close emits an unfinished last line.
func (l *Lines) Close() error {
	if len(l.current) > 0 || len(l.redrawn) > 0 {
		l.end()
	}
	return nil
}

func (l *Lines) append(p []byte) {
	if len(p) == 0 {
		return
	}
	if l.returned {
		if len(bytes.TrimSpace(l.current)) > 0 {
			l.redrawn = append(l.redrawn[:0], l.current...)
		}
		l.current, l.returned = l.current[:0], false
	}
	for len(l.current)+len(p) > MaxLine {
		n := wholeRunes(p, MaxLine-len(l.current))
		if n == 0 && len(l.current) == 0 {
			n = MaxLine
		}
		l.current = append(l.current, p[:n]...)
		l.text(l.current)
		l.current, l.redrawn, p = l.current[:0], l.redrawn[:0], p[n:]
	}
	l.current = append(l.current, p...)
}

func (l *Lines) end() {
	line := l.current
	if len(bytes.TrimSpace(line)) == 0 && len(l.redrawn) > 0 {
		line = l.redrawn
	}
	l.text(line)
	l.current, l.redrawn, l.returned = l.current[:0], l.redrawn[:0], false
}

// text emits bytes as valid UTF-8, which may be longer than they were.
func (l *Lines) text(line []byte) {
	text := strings.ToValidUTF8(string(line), "\uFFFD")
	for len(text) > MaxLine {
		n := wholeRunes([]byte(text[:MaxLine+1]), MaxLine)
		l.emit(text[:n])
		text = text[n:]
	}
	l.emit(text)
}

// wholeRunes is the greatest cut of p at or before n that divides no character.
func wholeRunes(p []byte, n int) int {
	for cut := n; cut > 0 && cut > n-utf8.UTFMax; cut-- {
		if cut == len(p) || utf8.RuneStart(p[cut]) {
			return cut
		}
	}
	return n
}
