package dashboard

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxLegsDrawn is how many legs of a matrix get a box each; more share one.
const maxLegsDrawn = 4

// maxBoxes is how many boxes are worth looking at; a bigger graph is left to the list.
const maxBoxes = 400

// graphView is a graph ready to be drawn.
type graphView struct {
	Width, Height string
	Boxes         []graphBox
	Lines         []graphLine
}

type graphBox struct {
	X, Y          string
	URL           string
	Label, Detail string
	Since         int64
	Face          display.Face
	Name          string // what a screen reader says and a pointer shows
	Selected      bool
	// Tight: the label is as wide as the box lets it, whatever the font; wide ones would stand out of it otherwise.
	Tight bool
}

// tight is how many characters of a label fit a box in any font.
const tight = 17

type graphLine struct {
	Path string
	Done bool
}

// group is one box: a stage, or the legs of a matrix that are too many to draw.
type group struct {
	key    string
	legs   []pipeline.StageRun
	vertex vertex
}

func graphOf(run pipeline.Run, now time.Time, selected string, stageURL func(string) string) graphView {
	groups := grouped(run.Current())
	if len(groups) < 2 || len(groups) > maxBoxes {
		return graphView{}
	}
	vertices := make([]vertex, len(groups))
	for i, g := range groups {
		vertices[i] = g.vertex
	}
	d := arrange(vertices)
	v := graphView{Width: number(d.width), Height: number(d.height)}
	for _, l := range d.lines {
		v.Lines = append(v.Lines, graphLine{Path: curve(l.points), Done: groups[l.from].passed()})
	}
	for i, g := range groups {
		box := g.box(now)
		box.X, box.Y, box.URL = number(d.boxes[i].x), number(d.boxes[i].y), stageURL(g.worst().Spec.Key)
		for _, leg := range g.legs {
			box.Selected = box.Selected || leg.Spec.Key == selected
		}
		v.Boxes = append(v.Boxes, box)
	}
	return v
}

// grouped makes the boxes and turns what stages need into what boxes need. A summary without needs waits for all the
// others: it is drawn after those nobody waits for.
func grouped(stages []pipeline.StageRun) []group {
	legs := map[string]int{}
	for _, s := range stages {
		if s.Spec.Matrix != nil {
			legs[s.Spec.ID]++
		}
	}
	boxOf := map[string]string{}
	var groups []group
	place := map[string]int{}
	for _, s := range stages {
		key := s.Spec.Key
		if legs[s.Spec.ID] > maxLegsDrawn && s.Spec.Matrix != nil {
			key = "matrix " + s.Spec.ID
		}
		boxOf[s.Spec.Key] = key
		if _, known := place[key]; !known {
			place[key] = len(groups)
			groups = append(groups, group{key: key})
		}
		groups[place[key]].legs = append(groups[place[key]].legs, s)
	}
	for i := range groups {
		groups[i].vertex = vertex{key: groups[i].key}
		for _, leg := range groups[i].legs {
			for _, need := range leg.Spec.Needs {
				groups[i].vertex.needs = append(groups[i].vertex.needs, boxOf[need.Stage])
			}
		}
	}
	summaryLast(groups)
	return groups
}

func summaryLast(groups []group) {
	needed := map[string]bool{}
	for _, g := range groups {
		for _, need := range g.vertex.needs {
			needed[need] = true
		}
	}
	for i := range groups {
		if groups[i].legs[0].Spec.Uses != "summary" || len(groups[i].vertex.needs) > 0 {
			continue
		}
		for j := range groups {
			if j != i && !needed[groups[j].key] && groups[j].legs[0].Spec.Uses != "summary" {
				groups[i].vertex.needs = append(groups[i].vertex.needs, groups[j].key)
			}
		}
	}
}

func (g group) passed() bool {
	for _, leg := range g.legs {
		if !leg.Status.Passed() {
			return false
		}
	}
	return true
}

// worst is the leg that speaks for the box: the one a person would look at first.
func (g group) worst() pipeline.StageRun {
	worst := g.legs[0]
	for _, leg := range g.legs[1:] {
		if urgency(leg.Status) > urgency(worst.Status) {
			worst = leg
		}
	}
	return worst
}

// urgency orders states by how much they want to be looked at.
func urgency(s pipeline.Status) int {
	switch s {
	case pipeline.StatusFailure, pipeline.StatusTimedOut:
		return 7
	case pipeline.StatusWaiting:
		return 6
	case pipeline.StatusRunning:
		return 5
	case pipeline.StatusReady:
		return 4
	case pipeline.StatusQueued:
		return 3
	case pipeline.StatusCancelled:
		return 2
	case pipeline.StatusNeutral:
		return 1
	case pipeline.StatusSuccess, pipeline.StatusSkipped:
		return 0
	default:
		return 0
	}
}

func (g group) box(now time.Time) graphBox {
	s := g.worst()
	face := display.Status(s.Status)
	box := graphBox{Label: display.Truncate(display.Line(s.Spec.ID), 21), Face: face}
	box.Tight = utf8.RuneCountInString(box.Label) > tight
	took := stageSpan(s, now)
	var details []string
	if len(g.legs) > 1 {
		took = span{}
		details = append(details, display.Tally(g.legs))
		box.Name = fmt.Sprintf("%s, %s: %s", display.Line(s.Spec.ID), display.Count(len(g.legs), "leg"), display.Tally(g.legs))
	} else {
		details = append(details, variant(s)...)
		box.Name = strings.TrimRight(fmt.Sprintf("%s: %s %s", display.Line(s.Spec.Key), face.Word, took.Text), " ")
	}
	switch {
	case s.Reused != nil:
		details = append(details, "reused")
	case took.Text != "" && took.Since == 0:
		details = append(details, took.Text)
	case len(g.legs) == 1:
		details = append(details, face.Word)
	}
	box.Detail = display.Truncate(strings.Join(details, " · "), 25)
	return box
}

// variant is what tells a leg or an environment stage from its like.
func variant(s pipeline.StageRun) []string {
	var parts []string
	for _, value := range s.Spec.Matrix {
		parts = append(parts, display.Line(value.Value))
	}
	if len(parts) > 0 {
		parts = []string{strings.Join(parts, ", ")}
	}
	if s.Spec.Environment != "" {
		parts = append(parts, display.Line(s.Spec.Environment))
	}
	return parts
}

// curve draws a line through its points, level where it leaves and arrives.
func curve(points []point) string {
	var path strings.Builder
	fmt.Fprintf(&path, "M%s %s", number(points[0].x), number(points[0].y))
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		middle := (a.x + b.x) / 2
		fmt.Fprintf(&path, "C%s %s %s %s %s %s", number(middle), number(a.y), number(middle), number(b.y), number(b.x), number(b.y))
	}
	return path.String()
}

// number writes a length without needless digits.
func number(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.1f", f), "0"), ".")
}
