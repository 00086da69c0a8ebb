package terminal

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// spinner turns once a second; one picture each tenth.
const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

// row is one line of the tree before it is fitted to the window.
type row struct {
	// branch is drawn before the sign: the lines of the tree.
	branch string
	name   string
	face   display.Face
	took   string
	says   string
	// weight says how much a row is wanted when not all fit.
	weight int
	// head rows name a run or a matrix and have no state.
	head bool
}

// tree draws every run that goes on; the lock is held. The last picture stays on the screen, so nothing in it moves.
func (t *Terminal) tree(columns, rows int, last bool) []string {
	now := t.options.Clock.Now()
	var list []row
	for _, run := range t.open {
		list = append(list, row{name: heading(run), weight: 9, head: true})
		list = append(list, t.stages(run, now)...)
	}
	var rest string
	if !last {
		list, rest = fit(list, rows-1)
	}
	lines := make([]string, 0, len(list)+1)
	names := nameWidth(list, columns)
	for _, r := range list {
		lines = append(lines, t.line(r, names, columns, now, last))
	}
	if rest != "" {
		lines = append(lines, t.paint.dim(display.Truncate("  "+rest, columns-1)))
	}
	return lines
}

// stages lists a run's stages; the legs of a matrix hang below its name.
func (t *Terminal) stages(run pipeline.Run, now time.Time) []row {
	var list []row
	stages := run.Current()
	for i, s := range stages {
		r := row{name: name(s), face: display.Status(s.Status), says: t.saying(run, s), weight: weight(s.Status)}
		if !s.StartedAt.IsZero() && (s.Status == pipeline.StatusRunning || s.Status.Final()) {
			r.took = display.Duration(display.Worked(s, now))
		}
		if s.Spec.Matrix != nil {
			first := i == 0 || stages[i-1].Spec.ID != s.Spec.ID
			last := i == len(stages)-1 || stages[i+1].Spec.ID != s.Spec.ID
			if first && !last {
				list = append(list, row{name: display.Line(s.Spec.ID), weight: 8, head: true, branch: "  "})
			}
			switch {
			case first && last:
			case last:
				r.branch, r.name = "└ ", legName(s)
			default:
				r.branch, r.name = "├ ", legName(s)
			}
		}
		list = append(list, r)
	}
	return append(list, asks(run)...)
}

// asks are the lines that people may write to let go on what waits for them, one a line.
func asks(run pipeline.Run) []row {
	var list []row
	for _, e := range run.Entries {
		if e.State != pipeline.EntryWaiting || e.Hold == nil {
			continue
		}
		for _, m := range e.Hold.Missing {
			if m.Command != "" {
				list = append(list, row{branch: "  ", name: asked(m), weight: 5, head: true})
			}
		}
	}
	return list
}

func asked(m pipeline.Missing) string {
	line := "→ " + display.Line(m.Command)
	if who := display.Line(m.Who); who != "" {
		line += ", by " + who
	}
	return line
}

// saying is the stage's own line, or while it runs and says nothing, the last line of its log.
func (t *Terminal) saying(run pipeline.Run, s pipeline.StageRun) string {
	says := display.Says(run, s)
	if end := t.tails[s.ID]; says == "" && s.Status == pipeline.StatusRunning && end != nil && len(end.lines) > 0 {
		return end.lines[len(end.lines)-1]
	}
	return says
}

func legName(s pipeline.StageRun) string {
	values := make([]string, len(s.Spec.Matrix))
	for i, v := range s.Spec.Matrix {
		values[i] = display.Line(v.Value)
	}
	return strings.Join(values, ", ")
}

func weight(s pipeline.Status) int {
	switch s {
	case pipeline.StatusRunning:
		return 7
	case pipeline.StatusFailure, pipeline.StatusTimedOut:
		return 6
	case pipeline.StatusWaiting:
		return 5
	case pipeline.StatusReady:
		return 4
	case pipeline.StatusQueued:
		return 3
	case pipeline.StatusSuccess, pipeline.StatusNeutral, pipeline.StatusSkipped, pipeline.StatusCancelled:
		return 1
	default:
		return 1
	}
}

// fit leaves out the rows that are wanted least when the window is too low for all, and says what is left out: a block
// that is higher than the window cannot be redrawn in place.
func fit(list []row, rows int) (kept []row, rest string) {
	if len(list) <= rows {
		return list, ""
	}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(list[b].weight, list[a].weight) })
	order = order[:max(rows-1, 1)]
	left := map[string]int{}
	var words []string
	for i, r := range list {
		switch {
		case slices.Contains(order, i):
			kept = append(kept, r)
		case !r.head:
			if left[r.face.Word] == 0 {
				words = append(words, r.face.Word)
			}
			left[r.face.Word]++
		}
	}
	for i, word := range words {
		words[i] = display.Count(left[word], "more stage") + " " + word
	}
	return kept, "… " + strings.Join(words, ", ")
}

// nameWidth is the column of the names: as wide as the longest, at most two fifths of the window.
func nameWidth(list []row, columns int) int {
	width := 0
	for _, r := range list {
		if !r.head {
			width = max(width, display.Width(r.branch)+display.Width(r.name))
		}
	}
	return min(width, columns*2/5)
}

// line fits a row to the window: one column stays free, so that no terminal folds it.
func (t *Terminal) line(r row, names, columns int, now time.Time, last bool) string {
	if r.head {
		return t.paint.bold(display.Truncate(r.branch+r.name, columns-1))
	}
	sign := r.face.Sign
	if r.face.Tone == display.ToneRunning && !last {
		frames := []rune(spinner)
		sign = string(frames[now.UnixMilli()/pace.Milliseconds()%int64(len(frames))])
	}
	label := display.Pad(display.Truncate(r.name, names-display.Width(r.branch)), names-display.Width(r.branch), false)
	room := columns - 1 - (4 + names + 1 + 7 + 2)
	line := "  " + t.paint.dim(r.branch) + t.paint.tone(r.face.Tone, sign) + " " + label + " " + t.paint.dim(display.Pad(r.took, 7, true))
	if says := display.Truncate(r.says, room); says != "" {
		line += "  " + t.paint.dim(says)
	}
	if room < 0 {
		return display.Truncate(display.Plain(line), columns-1)
	}
	return strings.TrimRight(line, " ")
}
