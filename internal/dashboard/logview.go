package dashboard

import (
	"context"
	"fmt"
	"html/template"
	"net/url"
	"strconv"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of the part of a log that a page shows at once.
const (
	windowLines = 1000
	windowBytes = 2 << 20
	readBatch   = 1000
)

// logView is a window of a log.
type logView struct {
	Lines []logLine
	// Earlier and Later are addresses of the neighbouring windows; empty where there is nothing more.
	Earlier, Later string
	EarlierCount   int
	Raw            string
	// Following: the window is the log's end, so that new lines belong below it. Seq and Number are those of its last line.
	Following   bool
	Seq, Number int64
	StageRunID  int64
	// Empty says why there is nothing.
	Empty string
}

type logLine struct {
	Number int64
	URL    string
	Time   string
	// Step is set on the first line of a step.
	Step   string
	HTML   template.HTML
	Marked bool
}

// window is which lines of a log are asked for, by numbers from 1. The zero window is the end of the log.
type window struct {
	from int64
	mark int64
}

// windowOf reads ?from=N, or ?line=N, which puts a line in the middle and marks it.
func windowOf(values url.Values) window {
	if mark, err := strconv.ParseInt(values.Get("line"), 10, 64); err == nil && mark > 0 {
		return window{from: max(mark-windowLines/2, 1), mark: mark}
	}
	if from, err := strconv.ParseInt(values.Get("from"), 10, 64); err == nil && from > 0 {
		return window{from: from}
	}
	return window{}
}

// extract is a part of a log as it was read. first is the number of its first line.
type extract struct {
	lines []pipeline.StoredLine
	first int64
	more  bool // there are lines after the last one
}

// read walks through the log to count its lines: they are kept by the runner's sequence, which counts other events too.
func (s *server) read(ctx context.Context, stageRunID int64, want window) (extract, error) {
	e := extract{first: 1}
	var after int64
	size := 0
	for {
		batch, err := s.logs.Lines(ctx, stageRunID, after, readBatch)
		if err != nil {
			return extract{}, fmt.Errorf("read the log of stage run %d: %w", stageRunID, err)
		}
		for _, line := range batch {
			after = line.Seq
			switch number := e.first + int64(len(e.lines)); {
			case want.from > number:
				e.first++ // before the window
			case want.from > 0 && (len(e.lines) == windowLines || size > windowBytes):
				e.more = true
				return e, nil
			default:
				e.lines = append(e.lines, line)
				size += len(line.Text)
			}
		}
		if want.from == 0 {
			size -= e.keepLast()
			for size > windowBytes && len(e.lines) > 1 {
				size -= len(e.lines[0].Text)
				e.lines, e.first = e.lines[1:], e.first+1
			}
		}
		if len(batch) == 0 {
			return e, nil
		}
	}
}

// keepLast drops what is before the last window and returns how many bytes that were.
func (e *extract) keepLast() int {
	surplus := len(e.lines) - windowLines
	if surplus <= 0 {
		return 0
	}
	dropped := 0
	for _, line := range e.lines[:surplus] {
		dropped += len(line.Text)
	}
	e.lines = append([]pipeline.StoredLine(nil), e.lines[surplus:]...)
	e.first += int64(surplus)
	return dropped
}

// logView reads a window of a stage's log and makes it ready to be shown.
func (s *server) logView(ctx context.Context, run pipeline.Run, stage pipeline.StageRun, want window) (logView, error) {
	v := logView{Raw: s.links.rawLog(run.Trigger.Repository, run.Number, stage.ID), StageRunID: stage.ID, Following: want.from == 0}
	e, err := s.read(ctx, stage.ID, want)
	if err != nil {
		return logView{}, err
	}
	v.Lines = logLines(stage, e.lines, e.first)
	for i := range v.Lines {
		v.Lines[i].Marked = v.Lines[i].Number == want.mark
	}
	if len(e.lines) == 0 {
		v.Empty = emptyLog(stage, want)
		return v, nil
	}
	v.Seq, v.Number = e.lines[len(e.lines)-1].Seq, e.first+int64(len(e.lines))-1
	if e.first > 1 {
		v.Earlier, v.EarlierCount = fmt.Sprintf("%s&from=%d#log", logQuery(stage), max(e.first-windowLines, 1)), int(e.first-1)
	}
	if e.more {
		v.Later = fmt.Sprintf("%s&from=%d#log", logQuery(stage), v.Number+1)
	} else {
		v.Following = true
	}
	return v, nil
}

func emptyLog(stage pipeline.StageRun, want window) string {
	switch {
	case want.from > 0:
		return "The log has no such line."
	case stage.Reused != nil:
		return "Nothing ran here: the result of an earlier run was taken over. Its log is on that run's page."
	case stage.Status == pipeline.StatusSkipped:
		return "Nothing ran: the stage was skipped."
	case stage.Spec.Uses == "summary":
		return "A summary is written from what the other stages found; it has no log."
	case stage.StartedAt.IsZero() && !stage.Status.Final():
		return "The log begins when the stage starts."
	case !stage.Status.Final():
		return "No output yet."
	default:
		return "There is no log: the stage wrote none, or it is older than 90 days and was swept."
	}
}

// logQuery is the part of an address that all windows of one log share, relative to the run's page.
func logQuery(stage pipeline.StageRun) string {
	return "?" + url.Values{"stage": {stage.Spec.Key}, "attempt": {strconv.Itoa(stage.Attempt)}}.Encode()
}

// logLines numbers and colours lines.
func logLines(stage pipeline.StageRun, lines []pipeline.StoredLine, first int64) []logLine {
	base, step := logQuery(stage), ""
	list := make([]logLine, 0, len(lines))
	for i, line := range lines {
		number := first + int64(i)
		view := logLine{
			Number: number, URL: fmt.Sprintf("%s&line=%d#L%d", base, number, number), Time: display.Exact(line.Time),
			HTML: colored(line.Text),
		}
		if line.Step != step {
			step = line.Step
			view.Step = display.Line(step)
		}
		list = append(list, view)
	}
	return list
}
