// Package smoke is the stage that asks the deployed service a few questions and looks at its answers.
package smoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Options are what the stage needs of the world beside its session.
type Options struct {
	Now func() time.Time
}

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage { return &Stage{options: o} }

var _ runner.Stage = (*Stage)(nil)

// Run finds the service, asks each question until its answer is right, and shows what every request brought.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	t := test{s: s, task: s.Task(), now: st.options.Now}
	if err := t.task.Settings(&t.settings); err != nil {
		return pipeline.Verdict{}, fmt.Errorf("settings of stage %s: %w", t.task.Stage.ID, err)
	}
	t.settings.complete()
	verdict, err := t.run(ctx)
	if ctx.Err() != nil {
		return verdict, err
	}
	if failed, is := errors.AsType[*failedError](err); is {
		s.Log(failed.cause)
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: failed.title, Cause: failed.cause}, nil
	}
	if p, is := errors.AsType[*cluster.Problem](err); is {
		s.Log(p.Cause)
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: p.Title, Cause: p.Cause, Infrastructure: p.Unreachable}, nil
	}
	return verdict, err
}

// failedError is an end that people can do something about.
type failedError struct{ title, cause string }

func (e *failedError) Error() string { return e.cause }

func failf(title, format string, args ...any) error {
	return &failedError{title, fmt.Sprintf(format, args...)}
}

// test is one task of the stage.
type test struct {
	s        runner.Session
	task     pipeline.Task
	settings Settings
	now      func() time.Time

	// access is the cluster; nil where an address is asked.
	access    *cluster.Access
	namespace string
	requests  []request
}

func (t *test) run(ctx context.Context) (pipeline.Verdict, error) {
	var way endpoint
	err := t.s.Step(ctx, "Find the service", func(ctx context.Context) (string, error) {
		var err error
		way, err = t.endpoint(ctx)
		return way.said, err
	})
	if err != nil {
		return pipeline.Verdict{}, err
	}
	var broken *request
	for _, check := range t.settings.Checks {
		attempts := t.settings.Attempts
		if broken != nil {
			attempts = 1 // only to tell more
		}
		last, err := t.try(ctx, way, check, attempts)
		if err != nil {
			return pipeline.Verdict{}, err
		}
		if last.wrong != "" && broken == nil {
			broken = &last
		}
	}
	t.s.Section(t.table(way))
	if broken == nil {
		return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: t.passed()}, nil
	}
	t.showAnswer(*broken)
	t.showCluster(ctx)
	return pipeline.Verdict{
		Status: pipeline.StatusFailure,
		Title:  fmt.Sprintf("Health check failed after %s", report.Count(broken.attempt, "attempt")),
		Cause:  fmt.Sprintf("Health check failed after %s: %s %s.", report.Count(broken.attempt, "attempt"), broken.check, broken.wrong),
	}, nil
}

// try asks one question until its answer is right.
func (t *test) try(ctx context.Context, way endpoint, check Check, attempts int) (last request, err error) {
	err = t.s.Step(ctx, check.String(), func(ctx context.Context) (string, error) {
		for n := 1; ; n++ {
			if attempts > 1 {
				t.s.Progress(fmt.Sprintf("%s, attempt %d of %d", check, n, attempts))
			}
			if last, err = t.ask(ctx, way, check); err != nil {
				return "", err
			}
			last.attempt = n
			t.requests = append(t.requests, last)
			if last.wrong == "" {
				return fmt.Sprintf("%d in %d ms", last.status, last.took.Milliseconds()), nil
			}
			t.s.Log(fmt.Sprintf("Attempt %d of %d: %s %s", n, attempts, check, last.wrong))
			if n == attempts {
				return last.wrong, errWrongAnswer
			}
			if err := sleep(ctx, time.Duration(t.settings.Interval)); err != nil {
				return "", err
			}
		}
	})
	if errors.Is(err, errWrongAnswer) {
		err = nil
	}
	return last, err
}

// errWrongAnswer lets a step be shown as failed.
var errWrongAnswer = errors.New("the answer is not as it must be")

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
