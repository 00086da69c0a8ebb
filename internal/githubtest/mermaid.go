package githubtest

import (
	"cmp"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// GitHub draws Mermaid with a library of megabytes. The pages here draw the plain flow charts that a CI system writes, and
// show everything else as it was written.

// flowChart is a graph of boxes from left to right.
type flowChart struct {
	boxes []flowBox
	arcs  []flowArc
	looks map[string]map[string]string // classDef: fill, stroke, color
	index map[string]int
}

type flowBox struct {
	label, class string
	column, row  int
}

type flowArc struct {
	from, to int
	dashed   bool
}

var (
	flowStart = regexp.MustCompile(`^(?:graph|flowchart)\s+(?:LR|RL|TD|TB|BT)$`)
	flowNode  = regexp.MustCompile(`^(\w+)\["([^"]*)"\](?::::(\w+))?$`)
	flowLink  = regexp.MustCompile(`^(\w+)\s+(-->|-\.->)\s+(\w+)$`)
	flowClass = regexp.MustCompile(`^classDef\s+(\w+)\s+(.+)$`)
	flowColor = regexp.MustCompile(`^#[0-9a-fA-F]{3,8}$`)
	entity    = regexp.MustCompile(`#(\d{1,7});`)
)

const maxFlowBoxes = 200

// drawMermaid is the picture of a chart; false for what is more than boxes and arrows.
func drawMermaid(source string) (template.HTML, bool) {
	chart, ok := parseFlow(source)
	if !ok {
		return "", false
	}
	chart.arrange()
	return chart.svg(), true
}

func parseFlow(source string) (*flowChart, bool) {
	c := &flowChart{looks: map[string]map[string]string{}, index: map[string]int{}}
	lines := strings.Split(strings.TrimSpace(source), "\n")
	if !flowStart.MatchString(strings.TrimSpace(lines[0])) {
		return nil, false
	}
	for _, line := range lines[1:] {
		if line = strings.TrimSpace(line); line != "" && !c.read(line) {
			return nil, false
		}
	}
	return c, len(c.boxes) > 0 && len(c.boxes) <= maxFlowBoxes
}

func (c *flowChart) read(line string) bool {
	if m := flowNode.FindStringSubmatch(line); m != nil {
		if _, twice := c.index[m[1]]; twice {
			return false
		}
		c.index[m[1]] = len(c.boxes)
		c.boxes = append(c.boxes, flowBox{label: unescaped(m[2]), class: m[3]})
		return true
	}
	if m := flowLink.FindStringSubmatch(line); m != nil {
		from, known := c.index[m[1]]
		to, alsoKnown := c.index[m[3]]
		c.arcs = append(c.arcs, flowArc{from, to, m[2] == "-.->"})
		return known && alsoKnown && from != to
	}
	if m := flowClass.FindStringSubmatch(line); m != nil {
		c.looks[m[1]] = map[string]string{}
		for pair := range strings.SplitSeq(m[2], ",") {
			if key, value, found := strings.Cut(pair, ":"); found && flowColor.MatchString(value) {
				c.looks[m[1]][key] = value
			}
		}
		return true
	}
	return false
}

// unescaped reads Mermaid's way to write characters by their numbers.
func unescaped(label string) string {
	return entity.ReplaceAllStringFunc(label, func(s string) string {
		n, err := strconv.ParseInt(s[1:len(s)-1], 10, 32)
		if err != nil {
			return s
		}
		return string(rune(n))
	})
}

// arrange gives every box its column, behind all that come before it, and a row.
func (c *flowChart) arrange() {
	for range c.boxes { // no path is longer than there are boxes; a circle ends all the same
		moved := false
		for _, a := range c.arcs {
			if next := c.boxes[a.from].column + 1; next > c.boxes[a.to].column && next < len(c.boxes) {
				c.boxes[a.to].column, moved = next, true
			}
		}
		if !moved {
			break
		}
	}
	rows := map[int]int{}
	for i := range c.boxes {
		c.boxes[i].row = rows[c.boxes[i].column]
		rows[c.boxes[i].column]++
	}
}

// Measures of the picture, in pixels.
const (
	boxHeight = 30
	boxGap    = 14
	columnGap = 46
	letter    = 7
)

func (c *flowChart) svg() template.HTML {
	columns := slices.MaxFunc(c.boxes, func(a, b flowBox) int { return cmp.Compare(a.column, b.column) }).column + 1
	rows := slices.MaxFunc(c.boxes, func(a, b flowBox) int { return cmp.Compare(a.row, b.row) }).row + 1
	widths, lefts := make([]int, columns), make([]int, columns+1)
	for _, b := range c.boxes {
		widths[b.column] = max(widths[b.column], 24+letter*len([]rune(b.label)))
	}
	for i, w := range widths {
		lefts[i+1] = lefts[i] + w + columnGap
	}
	width, height := lefts[columns]-columnGap+2, rows*(boxHeight+boxGap)-boxGap+2
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class="flow" xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="-1 -1 %d %d" role="img">`, width, height, width, height)
	top := func(b flowBox) int { return b.row * (boxHeight + boxGap) }
	for _, a := range c.arcs {
		from, to := c.boxes[a.from], c.boxes[a.to]
		x1, y1, x2, y2 := lefts[from.column]+widths[from.column], top(from)+boxHeight/2, lefts[to.column], top(to)+boxHeight/2
		dash := ""
		if a.dashed {
			dash = ` stroke-dasharray="4 3"`
		}
		fmt.Fprintf(&s, `<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#818b98"%s/>`, x1, y1, x1+columnGap/2, y1, x2-columnGap/2, y2, x2, y2, dash)
	}
	for _, b := range c.boxes {
		look := func(key, fallback string) string { return cmp.Or(c.looks[b.class][key], fallback) }
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="%s" stroke="%s"/>`,
			lefts[b.column], top(b), widths[b.column], boxHeight, look("fill", "#f6f8fa"), look("stroke", "#818b98"))
		fmt.Fprintf(&s, `<text x="%d" y="%d" font-size="12.5" font-family="sans-serif" text-anchor="middle" fill="%s">%s</text>`,
			lefts[b.column]+widths[b.column]/2, top(b)+boxHeight/2+4, look("color", "#1f2328"), template.HTMLEscapeString(b.label))
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // labels are escaped, the rest is numbers and colours
}
