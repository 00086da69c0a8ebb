package dashboard

import (
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// timelineView shows when stages worked. Places are per cent of the whole, written for an SVG attribute.
type timelineView struct {
	Rows  []timelineRow
	Ticks []tick
}

type timelineRow struct {
	Key, URL string
	Face     display.Face
	Took     span
	Bars     []bar
}

type bar struct {
	X, Width string
	Tone     display.Tone
	Title    string
	Old      bool
}

type tick struct {
	X     string
	Label string
}

// timelineOf has a row for each stage that has started, earlier attempts in the row of the last one.
func timelineOf(run pipeline.Run, now time.Time, stageURL func(string) string) timelineView {
	from, to := bounds(run, now)
	if !to.After(from) {
		return timelineView{}
	}
	whole := to.Sub(from)
	place := func(t time.Time) float64 { return 100 * float64(t.Sub(from)) / float64(whole) }
	var v timelineView
	row := map[string]int{}
	for _, s := range run.Stages {
		if s.StartedAt.IsZero() {
			continue
		}
		i, known := row[s.Spec.Key]
		if !known {
			i = len(v.Rows)
			row[s.Spec.Key] = i
			v.Rows = append(v.Rows, timelineRow{Key: display.Line(s.Spec.Key), URL: stageURL(s.Spec.Key)})
		}
		end := s.FinishedAt
		if end.IsZero() {
			end = now
		}
		face := display.Status(s.Status)
		x := min(max(place(s.StartedAt), 0), 99.4)
		v.Rows[i].Face, v.Rows[i].Took = face, stageSpan(s, now)
		v.Rows[i].Bars = append(v.Rows[i].Bars, bar{
			X: percent(x), Width: percent(min(max(place(end)-x, 0.6), 100-x)), Tone: face.Tone, Old: s.Superseded,
			Title: fmt.Sprintf("%s after %s, took %s", face.Word, display.Duration(s.StartedAt.Sub(from)), display.Duration(s.Duration(now))),
		})
	}
	v.Ticks = ticks(whole)
	return v
}

// bounds are the first start and the last end.
func bounds(run pipeline.Run, now time.Time) (from, to time.Time) {
	for _, s := range run.Stages {
		if s.StartedAt.IsZero() {
			continue
		}
		end := s.FinishedAt
		if end.IsZero() {
			end = now
		}
		if from.IsZero() || s.StartedAt.Before(from) {
			from = s.StartedAt
		}
		if end.After(to) {
			to = end
		}
	}
	return from, to
}

// ticks divides the whole at round times: three to six marks.
func ticks(whole time.Duration) []tick {
	steps := []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour,
	}
	step := steps[len(steps)-1]
	for _, candidate := range steps {
		if whole/candidate < 6 {
			step = candidate
			break
		}
	}
	var marks []tick
	for at := step; at < whole && len(marks) < 12; at += step {
		x := 100 * float64(at) / float64(whole)
		if x > 94 {
			break // its label would leave the picture
		}
		marks = append(marks, tick{X: percent(x), Label: roundTime(at)})
	}
	return marks
}

func roundTime(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0 && d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return display.Duration(d)
	}
}

func percent(p float64) string { return fmt.Sprintf("%.2f%%", p) }
