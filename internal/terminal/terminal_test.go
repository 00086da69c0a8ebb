package terminal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func window(columns, rows int) func() (int, int) { return func() (int, int) { return columns, rows } }

func feed(term *Terminal, runs ...pipeline.Run) {
	for _, run := range runs {
		term.RunChanged(run)
	}
}

func TestLiveTree(t *testing.T) {
	t.Parallel()
	running, failed, passed := displaytest.Running(), displaytest.Failed(), displaytest.Passed()
	passed.Stages[0].Reused = nil
	for name, test := range map[string]struct {
		size    func() (int, int)
		color   bool
		runs    []pipeline.Run
		verbose bool
	}{
		"running-100.txt":    {window(100, 40), false, []pipeline.Run{displaytest.New(), running}, false},
		"running-50.txt":     {window(50, 40), false, []pipeline.Run{running}, false},
		"running-20.txt":     {window(20, 40), false, []pipeline.Run{running}, false},
		"running-low.txt":    {window(100, 7), false, []pipeline.Run{running}, false},
		"waiting-100.txt":    {window(100, 40), false, []pipeline.Run{displaytest.Waiting()}, false},
		"running-color.txt":  {window(100, 40), true, []pipeline.Run{running}, false},
		"failed-100.txt":     {window(100, 40), false, []pipeline.Run{running, failed}, false},
		"passed-100.txt":     {window(100, 40), false, []pipeline.Run{passed}, false},
		"passed-verbose.txt": {window(100, 40), false, []pipeline.Run{running, passed}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var raw bytes.Buffer
			e := &emulator{t: t}
			term := prepare(io.MultiWriter(e, &raw), Options{
				TTY: true, Size: test.size, Color: test.color, Verbose: test.verbose, Clock: displaytest.Clock{},
				Artifacts: func(pipeline.Run) string { return "/tmp/slipway/runs/12" },
			})
			for _, run := range test.runs {
				feed(term, run)
				for _, s := range run.Stages {
					if s.Spec.Key == "compatibility (3.13)" && s.Status == pipeline.StatusRunning {
						term.LogAppended(s.ID, displaytest.Log(s.ID)[:8])
					}
				}
				term.draw(false)
			}
			if test.color {
				golden.Equal(t, "testdata/"+name, strings.ReplaceAll(raw.String(), "\x1b", "ESC"))
				return
			}
			golden.Equal(t, "testdata/"+name, e.String())
		})
	}
}

func TestPlainLines(t *testing.T) {
	t.Parallel()
	for name, verbose := range map[string]bool{"plain.txt": false, "plain-verbose.txt": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			term := prepare(&out, Options{Clock: displaytest.Clock{}, Verbose: verbose})
			feed(term, displaytest.New(), displaytest.Running())
			id := displaytest.Stage(new(displaytest.Running()), "docker-build-push").ID
			term.LogAppended(id, displaytest.Log(id)[:4])
			feed(term, displaytest.Running(), displaytest.Failed(), displaytest.Failed())
			term.draw(true)
			golden.Equal(t, "testdata/"+name, out.String())
		})
	}
}

func TestPlainLinesTellWhatIsWaitedForBeforeAnEnvironment(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	term := prepare(&out, Options{Clock: displaytest.Clock{}})
	feed(term, displaytest.Locked(), displaytest.Locked(), displaytest.Waiting(), displaytest.Waiting())
	term.draw(true)
	golden.Equal(t, "testdata/plain-waiting.txt", out.String())
}

func TestHostileTextCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	for _, tty := range []bool{true, false} {
		e := &emulator{t: t} // complains about every control sequence that is not ours
		term := prepare(crlf{e}, Options{TTY: tty, Size: window(120, 50), Clock: displaytest.Clock{}, Verbose: true})
		open := displaytest.Hostile()
		open.Status, open.FinishedAt = pipeline.StatusRunning, time.Time{}
		open.Stages[1].Status = pipeline.StatusRunning
		feed(term, open)
		term.LogAppended(open.Stages[1].ID, []pipeline.StoredLine{{Seq: 1, LogLine: pipeline.LogLine{Text: "a\x1b[2J\x1b]0;x\x07\rb\x08\u202e\u009b31m"}}})
		term.draw(false)
		feed(term, displaytest.Hostile())
		term.Say("\x1b[31mwarning\n")
		term.draw(true)
		if strings.ContainsAny(e.String(), "\u202e\u009b") || e.hidden {
			t.Errorf("tty %v: something came through", tty)
		}
	}
}

// crlf does what a terminal's driver does with line feeds.
type crlf struct{ w io.Writer }

func (c crlf) Write(p []byte) (int, error) {
	if _, err := c.w.Write(bytes.ReplaceAll(bytes.ReplaceAll(p, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func TestNoLineIsWiderThanTheWindow(t *testing.T) {
	t.Parallel()
	wide := displaytest.Running()
	for i := range wide.Stages {
		wide.Stages[i].Progress = strings.Repeat("日本語 👩‍🚀 ", 30)
	}
	wide.Trigger.Title = strings.Repeat("界", 100)
	for _, columns := range []int{20, 21, 37, 60, 80, 200} {
		term := prepare(io.Discard, Options{TTY: true, Color: true, Size: window(columns, 50), Clock: displaytest.Clock{}})
		feed(term, wide)
		for _, line := range term.tree(columns, 50, false) {
			if got := display.Width(display.Plain(line)); got >= columns {
				t.Errorf("%d columns: a line takes %d: %q", columns, got, line)
			}
		}
	}
}

func TestARunIsReportedOnceAndAgainAfterARerun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	term := prepare(&out, Options{Clock: displaytest.Clock{}})
	run := displaytest.Failed()
	feed(term, run, run, run)
	term.draw(false)
	if n := strings.Count(out.String(), "Run failed in"); n != 1 {
		t.Errorf("reported %d times", n)
	}
	again := displaytest.Running()
	feed(term, again)
	run.FinishedAt = run.FinishedAt.Add(time.Minute)
	feed(term, run)
	term.draw(true)
	if n := strings.Count(out.String(), "Run failed in"); n != 2 {
		t.Errorf("reported %d times after a re-run", n)
	}
	if len(term.open)+len(term.tails)+len(term.names)+len(term.told) != 0 {
		t.Error("something is kept of runs that have ended")
	}
}

func TestCloseLeavesAWholePictureAndTheCursor(t *testing.T) {
	t.Parallel()
	e := &emulator{t: t}
	term := New(e, Options{TTY: true, Size: window(100, 40), Clock: displaytest.Clock{}})
	term.RunChanged(displaytest.Running())
	if err := term.Close(); err != nil {
		t.Fatal(err)
	}
	if err := term.Close(); err != nil {
		t.Fatal(err)
	}
	if e.hidden || strings.ContainsAny(e.String(), spinner) || !strings.Contains(e.String(), "security-and-linting") {
		t.Errorf("left behind:\n%s", e)
	}
}

// stuck never takes anything.
type stuck struct{ release chan struct{} }

func (s stuck) Write([]byte) (int, error) {
	<-s.release
	return 0, errors.New("gone")
}

func TestNobodyWaitsForASlowTerminal(t *testing.T) {
	t.Parallel()
	w := stuck{make(chan struct{})}
	term := New(w, Options{Verbose: true, Clock: displaytest.Clock{}})
	run := displaytest.Running()
	term.RunChanged(run)
	lines := slices.Repeat(displaytest.Log(1)[:10], 100)
	for range 2 * maxPending / len(lines) { // would hang here
		term.LogAppended(run.Stages[1].ID, lines)
	}
	close(w.release)
	if err := term.Close(); err == nil {
		t.Error("the error of writing is lost")
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	options := Detect(file, func(string) string { return "xterm" })
	if columns, rows := options.Size(); options.TTY || options.Color || columns != 80 || rows != 24 {
		t.Errorf("a file that is no terminal: %+v", options)
	}
}
