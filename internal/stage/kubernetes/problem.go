package kubernetes

import (
	"errors"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// tool heads findings of this stage.
const tool = "kubernetes"

// wrong is something wrong with the manifests themselves.
type wrong struct {
	path    string
	line    int
	rule    string
	message string
}

func (w wrong) String() string {
	if w.path == "" {
		return w.message
	}
	if w.line == 0 {
		return w.path + ": " + w.message
	}
	return fmt.Sprintf("%s:%d: %s", w.path, w.line, w.message)
}

func (w wrong) finding() pipeline.Finding {
	return pipeline.Finding{
		Tool: tool, Rule: w.rule, Path: w.path, Line: w.line, EndLine: w.line, Level: pipeline.LevelFailure,
		Title: "Manifest cannot be used", Message: w.message,
	}
}

// wrongs are all that is wrong, told at once.
type wrongs []wrong

func (w *wrongs) addf(path string, line int, rule, format string, args ...any) {
	*w = append(*w, wrong{path: path, line: line, rule: rule, message: fmt.Sprintf(format, args...)})
}

// err makes an error of them; nil: there are none.
func (w wrongs) err() error {
	if len(w) == 0 {
		return nil
	}
	return &invalidError{w}
}

// invalidError carries everything that is wrong with the manifests.
type invalidError struct{ wrongs wrongs }

func (e *invalidError) Error() string {
	lines := make([]string, len(e.wrongs))
	for i, w := range e.wrongs {
		lines[i] = w.String()
	}
	return strings.Join(lines, "\n")
}

// tell shows what is wrong and is the verdict of it.
func (e *invalidError) tell(s runner.Session) pipeline.Verdict {
	for _, w := range e.wrongs {
		s.Log(w.String())
		s.Finding(w.finding())
	}
	first := e.wrongs[0].String()
	cause := first + "."
	if n := len(e.wrongs); n > 1 {
		cause = fmt.Sprintf("%s, and %d more; all of them are among the findings.", first, n-1)
	}
	return pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: report.Count(len(e.wrongs), "problem") + " in the manifests", Cause: cause,
	}
}

// verdictOf makes the verdict of an error that people can do something about; false: it is our own trouble.
func verdictOf(s runner.Session, err error) (pipeline.Verdict, bool) {
	if invalid, ok := errors.AsType[*invalidError](err); ok {
		return invalid.tell(s), true
	}
	if p, ok := errors.AsType[*cluster.Problem](err); ok {
		s.Log(p.Cause)
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: p.Title, Cause: p.Cause, Infrastructure: p.Unreachable}, true
	}
	if failed, ok := errors.AsType[*failedError](err); ok {
		s.Log(failed.verdict.Cause)
		return failed.verdict, true
	}
	return pipeline.Verdict{}, false
}

// failedError carries a verdict through steps, so that they are shown as failed.
type failedError struct{ verdict pipeline.Verdict }

func (e *failedError) Error() string { return e.verdict.Cause }

func failf(title, format string, args ...any) error {
	return &failedError{pipeline.Verdict{Status: pipeline.StatusFailure, Title: title, Cause: fmt.Sprintf(format, args...)}}
}
