package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/redact"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// verdictOf is the verdict of a stage that ended by an error, or because its context did.
func (j *job) verdictOf(ctx context.Context, s *session, err error) pipeline.Verdict {
	var (
		cancelled *cancelledError
		timeout   *timeoutError
		failure   *Failure
		short     *redact.TooShortError
		engine    *sandbox.EngineError
	)
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &cancelled):
		return pipeline.Verdict{
			Status: pipeline.StatusCancelled, Title: "Cancelled: " + cancelled.reason,
			Cause: fmt.Sprintf("The stage was cancelled%s: %s.", during(s), cancelled.reason),
		}
	case errors.As(cause, &timeout):
		return pipeline.Verdict{
			Status: pipeline.StatusTimedOut, Title: "Timed out after " + shortDuration(timeout.limit),
			Cause: fmt.Sprintf("The stage ran longer than its limit of %s and was stopped%s.", shortDuration(timeout.limit), during(s)),
		}
	case errors.As(err, &failure):
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: failure.Title, Cause: failure.Cause}
	case errors.As(err, &short):
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "Secret " + short.Name + " is too short to be masked", Cause: short.Error() + "."}
	case errors.As(err, &engine):
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "Image " + engine.Image + " cannot be used", Cause: engine.Error() + "."}
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	return pipeline.Verdict{
		Status: pipeline.StatusFailure, Infrastructure: true, Title: "The runner had trouble of its own", Cause: fmt.Sprintf("%v.", err),
	}
}

// withCause adds what the stage itself has to say of its end.
func withCause(verdict pipeline.Verdict, cause string) pipeline.Verdict {
	if cause != "" {
		verdict.Cause = strings.TrimSpace(verdict.Cause + " " + cause)
	}
	return verdict
}

// during names the step that was going on last.
func during(s *session) string {
	if step := s.lastStep(); step != "" {
		return " during " + step
	}
	return ""
}

// shortDuration leaves out zero parts: 30m, not 30m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if len(text) > len(zero) && text[len(text)-len(zero):] == zero {
			text = text[:len(text)-2]
		}
	}
	return text
}
