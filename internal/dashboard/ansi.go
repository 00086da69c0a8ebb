package dashboard

import (
	"html/template"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
)

// maxSpans bounds the styled parts of one line; what follows is shown plain, so that a line of a thousand colour
// changes cannot make a page of a thousand elements.
const maxSpans = 100

// style is the state of SGR (ECMA-48 8.3.117) as far as a log needs it. Colours are numbers from 1 to 16; 0: none.
type style struct {
	fg, bg                             int
	bold, faint, italic, under, strike bool
}

func (s style) classes() string {
	var names []string
	if s.fg > 0 {
		names = append(names, "f"+strconv.Itoa(s.fg-1))
	}
	if s.bg > 0 {
		names = append(names, "g"+strconv.Itoa(s.bg-1))
	}
	for _, flag := range []struct {
		set  bool
		name string
	}{{s.bold, "b"}, {s.faint, "d"}, {s.italic, "i"}, {s.under, "u"}, {s.strike, "s"}} {
		if flag.set {
			names = append(names, flag.name)
		}
	}
	return strings.Join(names, " ")
}

// colored renders a log line as HTML: SGR sequences become classes (a strict CSP allows no style attributes, so colours
// of 256 and of 24 bits become the nearest of sixteen), every other sequence and control character goes. Of a line that
// a tool wrote over and over with carriage returns the last state is shown.
func colored(text string) template.HTML {
	text = lastState(text)
	var out strings.Builder
	var now style
	spans := 0
	emit := func(part string) {
		part = cleanPart(part)
		if part == "" {
			return
		}
		classes := now.classes()
		if classes == "" || spans >= maxSpans {
			out.WriteString(template.HTMLEscapeString(part))
			return
		}
		spans++
		out.WriteString(`<i class="` + classes + `">` + template.HTMLEscapeString(part) + `</i>`)
	}
	start := 0
	for i := 0; i < len(text); {
		n := display.Escape(text[i:])
		if n == 0 {
			i++
			continue
		}
		emit(text[start:i])
		if parameters, ok := sgr(text[i : i+n]); ok {
			now = now.apply(parameters)
		}
		i += n
		start = i
	}
	emit(text[start:])
	return template.HTML(out.String()) //nolint:gosec // every piece of text above went through HTMLEscapeString
}

func lastState(text string) string {
	text = strings.TrimRight(text, "\r\n")
	if i := strings.LastIndexByte(text, '\r'); i >= 0 {
		return text[i+1:]
	}
	return text
}

// cleanPart is display.Line without losing the blanks at the end: they may stand before the next colour.
func cleanPart(part string) string {
	return strings.TrimSuffix(display.Line(part+"\u2060"), "\u2060")
}

// sgr returns the parameters of ESC [ … m.
func sgr(sequence string) ([]int, bool) {
	body, ok := strings.CutPrefix(sequence, "\x1b[")
	if !ok {
		return nil, false
	}
	if body, ok = strings.CutSuffix(body, "m"); !ok || len(body) > 64 {
		return nil, false
	}
	var parameters []int
	for field := range strings.FieldsFuncSeq(strings.ReplaceAll(body, ";", " 0"), func(r rune) bool { return r == ' ' || r == ':' }) {
		n, err := strconv.Atoi(field)
		if err != nil || n < 0 {
			return nil, false
		}
		parameters = append(parameters, n)
	}
	if len(parameters) == 0 {
		parameters = []int{0}
	}
	return parameters, true
}

func (s style) apply(parameters []int) style {
	for i := 0; i < len(parameters); i++ {
		switch p := parameters[i]; p {
		case 38, 48:
			color, used := extended(parameters[i+1:])
			i += used
			if p == 38 {
				s.fg = color
			} else {
				s.bg = color
			}
		default:
			s = s.with(p)
		}
	}
	return s
}

func (s style) with(p int) style {
	switch {
	case p == 0:
		return style{}
	case p == 1:
		s.bold = true
	case p == 2:
		s.faint = true
	case p == 3:
		s.italic = true
	case p == 4:
		s.under = true
	case p == 9:
		s.strike = true
	case p == 22:
		s.bold, s.faint = false, false
	case p == 23:
		s.italic = false
	case p == 24:
		s.under = false
	case p == 29:
		s.strike = false
	case p >= 30 && p <= 37:
		s.fg = p - 30 + 1
	case p == 39:
		s.fg = 0
	case p >= 40 && p <= 47:
		s.bg = p - 40 + 1
	case p == 49:
		s.bg = 0
	case p >= 90 && p <= 97:
		s.fg = p - 90 + 9
	case p >= 100 && p <= 107:
		s.bg = p - 100 + 9
	}
	return s
}

// extended reads 5;N or 2;R;G;B and returns one of the sixteen colours and how many parameters it took.
func extended(rest []int) (color, used int) {
	switch {
	case len(rest) >= 2 && rest[0] == 5:
		return indexed(rest[1]) + 1, 2
	case len(rest) >= 4 && rest[0] == 2:
		return nearest(rest[1], rest[2], rest[3]) + 1, 4
	default:
		return 0, len(rest)
	}
}

// indexed maps the palette of 256: sixteen named ones, a cube of 6×6×6, a ramp of greys.
func indexed(n int) int {
	switch {
	case n < 16:
		return n
	case n < 232:
		n -= 16
		return nearest(n/36*51, n/6%6*51, n%6*51)
	case n < 256:
		grey := 8 + (n-232)*10
		return nearest(grey, grey, grey)
	default:
		return 7
	}
}

// nearest reduces a colour to a bit each for red, green and blue, and one for bright.
func nearest(r, g, b int) int {
	top := max(r, g, b)
	if top < 48 {
		return 0
	}
	color, floor := 0, top*2/3
	for bit, v := range []int{r, g, b} {
		if v >= floor {
			color |= 1 << bit
		}
	}
	if color == 7 && top < 144 {
		return 8
	}
	if top > 208 {
		color += 8
	}
	return color
}
