package dashboard

import (
	"fmt"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestArrange(t *testing.T) {
	t.Parallel()
	for name, vertices := range map[string][]vertex{
		"nothing":       {},
		"one":           {{key: "a"}},
		"chain":         {{key: "a"}, {key: "b", needs: []string{"a"}}, {key: "c", needs: []string{"b", "a"}}},
		"diamond":       {{key: "a"}, {key: "b", needs: []string{"a"}}, {key: "c", needs: []string{"a"}}, {key: "d", needs: []string{"b", "c"}}},
		"long way":      {{key: "a"}, {key: "b", needs: []string{"a"}}, {key: "c", needs: []string{"b"}}, {key: "x"}, {key: "d", needs: []string{"c", "x"}}},
		"backwards":     {{key: "c", needs: []string{"b"}}, {key: "b", needs: []string{"a"}}, {key: "a"}},
		"circle":        {{key: "a", needs: []string{"b"}}, {key: "b", needs: []string{"a"}}, {key: "c", needs: []string{"a"}}},
		"itself":        {{key: "a", needs: []string{"a", "nobody", "nobody"}}},
		"same key":      {{key: "a"}, {key: "a", needs: []string{"a"}}},
		"many to many":  manyToMany(40),
		"two separate":  {{key: "a"}, {key: "b", needs: []string{"a"}}, {key: "x"}, {key: "y", needs: []string{"x"}}},
		"wide to joint": {{key: "a"}, {key: "b"}, {key: "c"}, {key: "d", needs: []string{"a", "b", "c"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, vertices, arrange(vertices))
		})
	}
}

func manyToMany(n int) []vertex {
	var vertices []vertex
	var first []string
	for i := range n {
		first = append(first, fmt.Sprint("a", i))
		vertices = append(vertices, vertex{key: fmt.Sprint("a", i)})
	}
	for i := range n {
		vertices = append(vertices, vertex{key: fmt.Sprint("b", i), needs: first})
	}
	return vertices
}

// check holds what a picture must hold: boxes inside it, none over another, every line from left to right.
func check(t *testing.T, vertices []vertex, d drawing) {
	t.Helper()
	if len(d.boxes) != len(vertices) {
		t.Fatalf("%d boxes for %d stages", len(d.boxes), len(vertices))
	}
	for i, a := range d.boxes {
		if a.x < 0 || a.y < 0 || a.x+boxWidth > d.width || a.y+boxHeight > d.height {
			t.Errorf("box %d at %v is outside of %v x %v", i, a, d.width, d.height)
		}
		for j, b := range d.boxes[:i] {
			if a.x < b.x+boxWidth && b.x < a.x+boxWidth && a.y < b.y+boxHeight && b.y < a.y+boxHeight {
				t.Errorf("boxes %d and %d lie over each other", i, j)
			}
		}
	}
	for _, l := range d.lines {
		for i := 1; i < len(l.points); i++ {
			if l.points[i].x <= l.points[i-1].x {
				t.Errorf("line from %d to %d goes back", l.from, l.to)
			}
		}
	}
}

func TestEdgesThatSayNothingNewAreLeftOut(t *testing.T) {
	t.Parallel()
	d := arrange([]vertex{{key: "a"}, {key: "b", needs: []string{"a"}}, {key: "c", needs: []string{"a", "b"}}})
	if len(d.lines) != 2 {
		t.Errorf("%d lines, want a-b and b-c", len(d.lines))
	}
}

func TestGraphGroupsLegsOfABigMatrix(t *testing.T) {
	t.Parallel()
	run := displaytest.New()
	for i := range 20 {
		run.Stages = append(run.Stages, pipeline.StageRun{
			ID: int64(500 + i), Attempt: 1, Status: pipeline.StatusSuccess,
			Spec: pipeline.StageSpec{Key: fmt.Sprintf("big (%d)", i), ID: "big", Matrix: pipeline.MatrixLeg{{Name: "n", Value: fmt.Sprint(i)}}},
		})
	}
	displaytest.Stage(&run, "big (7)").Status = pipeline.StatusFailure
	v := graphOf(run, displaytest.Now(), "big (3)", func(key string) string { return key })
	box := v.Boxes[len(v.Boxes)-1]
	if len(v.Boxes) != 11 || box.Detail != "1 failed, 19 passed" || box.URL != "big (7)" || !box.Selected {
		t.Errorf("%d boxes, the last %+v", len(v.Boxes), box)
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for seconds := 1; seconds < 400_000; seconds = seconds*3/2 + 1 {
		if n := len(ticks(time.Duration(seconds) * time.Second)); n > 6 {
			t.Errorf("%d marks for %d s", n, seconds)
		}
	}
}
