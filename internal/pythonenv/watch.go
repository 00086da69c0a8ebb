package pythonenv

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/slipwayhq/slipway/internal/runner"
)

// watcher reads the installer's output as it passes, for the words that tell why it failed.
type watcher struct {
	mu       sync.Mutex
	last     string // the last line that says ERROR
	network  string
	conflict bool
}

var (
	errorLine   = regexp.MustCompile(`^(?i:error):\s*(.+)|^\s*(?:×|╰─▶)\s*(.+)`)
	networkLine = regexp.MustCompile(`Temporary failure in name resolution|Name or service not known|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Connection refused|Connection reset by peer|Network is unreachable|Failed to fetch: |dns error|HTTP error 5\d\d|5\d\d Server Error|error sending request`)
)

func (w *watcher) line(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := errorLine.FindStringSubmatch(line); m != nil {
		w.last = m[1] + m[2]
	}
	if w.network == "" && networkLine.MatchString(line) {
		w.network = strings.TrimSpace(line)
	}
	w.conflict = w.conflict || strings.Contains(line, "ResolutionImpossible")
}

// failure says what a failed installation means. That the index could not be reached is not the commit's fault.
func (w *watcher) failure(what, tool string, exit runner.Exit) *Failure {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := &Failure{Title: what + " failed", Exit: exit}
	f.Cause = fmt.Sprintf("%s failed: %s ended with %s.", what, tool, ending(exit))
	switch {
	case exit.OutOfMemory:
		f.Cause = fmt.Sprintf("%s failed: %s was killed because memory ran out.", what, tool)
	case w.network != "":
		f.Infrastructure = true
		f.Cause = fmt.Sprintf("%s failed: the package index could not be reached (%s).", what, shorten(w.network))
	case w.last != "":
		f.Cause = fmt.Sprintf("%s failed: %s", what, shorten(w.last))
	}
	return f
}

func ending(exit runner.Exit) string {
	if exit.Signal != "" {
		return "signal " + exit.Signal
	}
	return fmt.Sprintf("exit code %d", exit.Code)
}

func shorten(text string) string {
	const limit = 300
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}
