package terminal

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const (
	// pace is the time between two pictures of the live tree.
	pace = 100 * time.Millisecond
	// maxPending bounds the lines that wait for a slow reader; those beyond are counted and said to be missing.
	maxPending = 50_000
	// tailLines is how much of a log is shown for a stage that failed.
	tailLines = 20
)

// Options say what the terminal can do. The zero value writes plain lines without colour.
type Options struct {
	// TTY draws a live tree that is redrawn in place.
	TTY bool
	// Size tells columns and rows, asked before each picture so that a resized window is noticed; nil: 80 by 24.
	Size  func() (columns, rows int)
	Color bool
	// Verbose shows every line of the logs, with the stage's name in front, and what passed stages found.
	Verbose bool
	// Clock defaults to the system's.
	Clock pipeline.Clock
	// Artifacts tells where a run's files are; nil or an empty answer leaves the line out.
	Artifacts func(run pipeline.Run) string
}

// Terminal draws runs. Its methods never wait for the terminal: a goroutine of its own writes.
type Terminal struct {
	options Options
	paint   palette
	screen  screen
	// wake has room for one signal; done asks the goroutine to finish, ended tells that it has.
	wake, done, ended chan struct{}
	closing           sync.Once

	mu       sync.Mutex
	open     []pipeline.Run // runs that go on, oldest first
	tails    map[int64]*tail
	names    map[int64]string
	reported map[int64]time.Time // when the runs that were reported finished
	told     map[int64]told
	pending  []string // lines to be written above the live tree
	missing  int
	failure  error
}

// tail is the end of one stage's log.
type tail struct {
	lines []string
	total int
}

var _ pipeline.Observer = (*Terminal)(nil)

// New starts drawing on w. Close ends it.
func New(w io.Writer, options Options) *Terminal {
	t := prepare(w, options)
	go t.loop()
	return t
}

func prepare(w io.Writer, options Options) *Terminal {
	if options.Clock == nil {
		options.Clock = pipeline.SystemClock{}
	}
	if options.Size == nil {
		options.Size = func() (int, int) { return 80, 24 }
	}
	return &Terminal{
		options: options, paint: palette{options.Color}, screen: screen{w: w},
		wake: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}),
		tails: map[int64]*tail{}, names: map[int64]string{}, reported: map[int64]time.Time{}, told: map[int64]told{},
	}
}

// RunChanged takes in a run's new state.
func (t *Terminal) RunChanged(run pipeline.Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.signal()
	if at, done := t.reported[run.ID]; done && run.Status.Final() && at.Equal(run.FinishedAt) {
		return
	}
	i := slices.IndexFunc(t.open, func(other pipeline.Run) bool { return other.ID == run.ID })
	if i < 0 {
		i = len(t.open)
		t.open = append(t.open, run)
		if !t.options.TTY {
			t.say(t.opening(run))
		}
	}
	t.open[i] = run
	for _, s := range run.Stages {
		t.names[s.ID] = display.Line(s.Spec.Key)
	}
	if !t.options.TTY {
		t.sayChanges(run)
	}
	if run.Status.Final() {
		t.conclude(run)
		t.open = slices.Delete(t.open, i, i+1)
	}
}

// LogAppended takes in new lines of a stage's log.
func (t *Terminal) LogAppended(stageRunID int64, lines []pipeline.StoredLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.names[stageRunID]; !known {
		return // of a run that has been reported, or was never told of
	}
	defer t.signal()
	end := t.tails[stageRunID]
	if end == nil {
		end = &tail{}
		t.tails[stageRunID] = end
	}
	for _, line := range lines {
		text := logText(line.Text)
		end.total++
		end.lines = append(end.lines, text)
		if len(end.lines) > tailLines {
			end.lines = slices.Delete(end.lines, 0, len(end.lines)-tailLines)
		}
		if t.options.Verbose {
			t.say(t.paint.dim(t.names[stageRunID]+" | ") + text)
		}
	}
}

// Say writes a line of its own above the live tree.
func (t *Terminal) Say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.say(display.Line(text))
	t.signal()
}

// Close writes what is still to be written, leaves the last state of runs that go on, gives the cursor back, and
// returns the first error of writing. It may be called again.
func (t *Terminal) Close() error {
	t.closing.Do(func() { close(t.done) })
	<-t.ended
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failure
}

// conclude writes a finished run's report and forgets what was kept for it.
func (t *Terminal) conclude(run pipeline.Run) {
	t.reported[run.ID] = run.FinishedAt
	width := 0
	if t.options.TTY {
		width, _ = t.size()
		t.say(t.paint.bold(heading(run))) // plain lines began with it
	}
	for _, line := range t.report(run, width) {
		t.say(line)
	}
	for _, s := range run.Stages {
		delete(t.tails, s.ID)
		delete(t.names, s.ID)
		delete(t.told, s.ID)
	}
}

// say queues a line; the lock is held.
func (t *Terminal) say(line string) {
	if len(t.pending) >= maxPending {
		t.missing++
		return
	}
	t.pending = append(t.pending, line)
}

func (t *Terminal) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// loop writes: plain lines as they come, the live tree ten times a second while there is one.
func (t *Terminal) loop() {
	defer close(t.ended)
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	wake, tick := t.wake, ticker.C
	if t.options.TTY {
		wake = nil // the next tick is soon enough
	} else {
		tick = nil
	}
	for {
		select {
		case <-wake:
			t.draw(false)
		case <-tick:
			t.draw(false)
		case <-t.done:
			t.draw(true)
			return
		}
	}
}

// draw writes the queued lines and, on a terminal, the live tree below them.
func (t *Terminal) draw(last bool) {
	t.mu.Lock()
	lines, missing := t.pending, t.missing
	t.pending, t.missing = nil, 0
	var live []string
	columns, rows := t.size()
	if t.options.TTY {
		live = t.tree(columns, rows, last)
	}
	broken := t.failure != nil
	t.mu.Unlock()
	if missing > 0 {
		lines = append(lines, fmt.Sprintf("… %d lines are missing here: the reader was too slow.", missing))
	}
	if broken {
		return
	}
	if err := t.write(lines, live, columns, last); err != nil {
		t.mu.Lock()
		t.failure = fmt.Errorf("draw on the terminal: %w", err)
		t.mu.Unlock()
	}
}

func (t *Terminal) write(lines, live []string, columns int, last bool) error {
	if t.options.TTY {
		return t.screen.show(lines, live, columns, last)
	}
	var out bytes.Buffer
	for _, line := range lines {
		out.WriteString(line + "\n")
	}
	if out.Len() == 0 {
		return nil
	}
	_, err := t.screen.w.Write(out.Bytes())
	return err
}

// size is the window's, within what can be drawn on.
func (t *Terminal) size() (columns, rows int) {
	columns, rows = t.options.Size()
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return max(columns, 20), max(rows, 4)
}

// logText is a log line without escape sequences; of a line written over with carriage returns its last state.
func logText(text string) string {
	end := len(text)
	for end > 0 && text[end-1] == '\r' {
		end--
	}
	text = text[:end]
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == '\r' {
			text = text[i+1:]
			break
		}
	}
	return display.Line(text)
}
