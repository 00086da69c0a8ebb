package display

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Line makes one safe line of hostile text: escape sequences go, line breaks and tabs become blanks, control characters
// and those that turn the direction of writing go too. What is left can neither move a cursor nor pose as other text.
func Line(s string) string {
	return strings.TrimRight(clean(Plain(s), " "), " ")
}

// Text is Line for text of several lines: line breaks stay, tabs become blanks.
func Text(s string) string {
	s = strings.ReplaceAll(Plain(s), "\r\n", "\n")
	return strings.Trim(clean(s, "\n"), "\n")
}

func clean(s, newline string) string {
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r':
			b.WriteString(newline)
		case r == '\t':
			b.WriteString("    ")
		case r == utf8.RuneError:
			b.WriteRune('\uFFFD')
		case hidden(r):
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden are control characters, and the format characters that reorder or hide text around them (Trojan Source). The
// zero-width joiner stays: emoji are made with it.
func hidden(r rune) bool {
	return unicode.IsControl(r) ||
		(r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069) || (r >= 0xE0000 && r <= 0xE007F) ||
		r == 0x200B || r == 0x200E || r == 0x200F || r == 0x061C || r == 0x2028 || r == 0x2029 || r == 0xFEFF
}

// Plain takes terminal escape sequences (ECMA-48: CSI, OSC, DCS and the two-byte ones) out of text; a sequence that
// never ends swallows no more than its own line.
func Plain(s string) string {
	if !strings.ContainsAny(s, "\x1b\u009b") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if n := Escape(s[i:]); n > 0 {
			i += n
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

// Escape returns how many bytes at the start of s are one terminal escape sequence; 0: none.
func Escape(s string) int {
	switch {
	case strings.HasPrefix(s, "\u009b"):
		return len("\u009b") + csi(s[len("\u009b"):])
	case s == "" || s[0] != 0x1b:
		return 0
	case len(s) == 1:
		return 1
	}
	switch s[1] {
	case '[':
		return 2 + csi(s[2:])
	case ']', 'P', 'X', '^', '_':
		return 2 + untilTerminator(s[2:])
	default:
		return twoByte(s)
	}
}

// csi measures parameters, intermediates and the final byte of a control sequence.
func csi(s string) int {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x40 && c <= 0x7e:
			return i + 1
		case c < 0x20 || c > 0x7e:
			return i
		}
	}
	return len(s)
}

// untilTerminator measures a string up to BEL or ST; without one it ends before the line break, so that it cannot
// swallow what follows.
func untilTerminator(s string) int {
	for i := range len(s) {
		switch {
		case s[i] == 0x07:
			return i + 1
		case s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\':
			return i + 2
		case s[i] == '\n':
			return i
		}
	}
	return len(s)
}

func twoByte(s string) int {
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f {
		i++
	}
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		i++
	}
	return i
}

// Width is the number of terminal columns a clean line takes.
func Width(s string) int {
	total := 0
	for _, r := range s {
		total += runeWidth(r)
	}
	return total
}

func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r == 0x7f:
		return 0
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf), r >= 0x1160 && r <= 0x11ff:
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.Neutral, width.EastAsianAmbiguous, width.EastAsianNarrow, width.EastAsianHalfwidth:
		return 1
	default:
		return 1
	}
}

// Truncate cuts a clean line to at most columns, with an ellipsis where something is missing.
func Truncate(s string, columns int) string {
	if columns <= 0 {
		return ""
	}
	if Width(s) <= columns {
		return s
	}
	used := 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > columns-1 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
		used += w
	}
	return s
}

// Pad fills a clean line with blanks up to columns, on the left when right is set.
func Pad(s string, columns int, right bool) string {
	fill := strings.Repeat(" ", max(columns-Width(s), 0))
	if right {
		return fill + s
	}
	return s + fill
}
