package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// watcher makes steps, log lines and annotations of what the builder tells.
type watcher struct {
	ctx  context.Context //nolint:containedctx // it belongs to one build, whose steps hang on it
	a    *attempt
	file string

	mu     sync.Mutex
	number map[string]int
}

func (a *attempt) watch(ctx context.Context, file string) *watcher {
	return &watcher{ctx: ctx, a: a, file: file, number: map[string]int{}}
}

var _ buildkit.Watcher = (*watcher)(nil)

// Begin implements buildkit.Watcher. A step of the session lasts as long as a function, so each has a goroutine; it is
// waited for at both ends, that log lines come between.
func (w *watcher) Begin(name string) func(buildkit.Ending) {
	n := w.numberOf(name)
	w.a.s.Progress(name)
	begun, ended, done := make(chan struct{}), make(chan buildkit.Ending, 1), make(chan struct{})
	go func() {
		defer close(done)
		// Its error is the ending's, which the build itself returns too.
		_ = w.a.s.Step(w.ctx, name, func(context.Context) (string, error) { // see above
			close(begun)
			return ending(name, <-ended)
		})
	}()
	<-begun
	w.a.s.Log(fmt.Sprintf("#%d %s", n, name))
	return func(e buildkit.Ending) {
		switch {
		case e.Problem != "" && strings.HasPrefix(name, importing):
			w.a.s.Log(fmt.Sprintf("#%d nothing is taken from there: %s", n, e.Problem))
		case e.Problem != "":
			w.a.s.Log(fmt.Sprintf("#%d failed: %s", n, e.Problem))
		case e.Cached:
			w.a.s.Log(fmt.Sprintf("#%d from cache", n))
		default:
			w.a.s.Log(fmt.Sprintf("#%d done", n))
		}
		ended <- e
		<-done
	}
}

// importing heads the steps that look for the cache of an earlier build. A branch has none before its first one, and the
// build goes on without.
const importing = "importing cache manifest"

func ending(name string, e buildkit.Ending) (string, error) {
	switch {
	case e.Problem != "" && strings.HasPrefix(name, importing):
		return "there is none", nil
	case e.Problem != "":
		return "", errors.New(e.Problem)
	}
	if e.Cached {
		return "from cache", nil
	}
	return "", nil
}

// Log implements buildkit.Watcher. Steps write at the same time, so that each line says whose it is.
func (w *watcher) Log(step, line string) { w.a.s.Log(fmt.Sprintf("#%d %s", w.numberOf(step), line)) }

// Warn implements buildkit.Watcher.
func (w *watcher) Warn(warning buildkit.Warning) {
	w.a.s.Log(warning.Message)
	w.a.s.Finding(pipeline.Finding{
		Tool: "buildkit", Rule: "dockerfile", Path: w.file, Line: warning.Line, EndLine: warning.Line, Level: pipeline.LevelWarning,
		Title: "Remark of the builder", Message: warning.Message, URL: warning.URL,
	})
}

func (w *watcher) numberOf(step string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.number[step]; !known {
		w.number[step] = len(w.number) + 1
	}
	return w.number[step]
}
