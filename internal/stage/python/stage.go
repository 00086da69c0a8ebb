// Package python is the stage that installs a Python project's requirements and runs its tests with coverage.
package python

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Settings are the keys of `with`.
type Settings struct {
	// Python is a version ("3.13", "3.13.0") or a range (">=3.11"); empty: what the repository says.
	Python string `json:"python,omitempty"`
	// Requirements are files for pip; "pyproject.toml" is the project itself. Empty: what is there.
	Requirements []string `json:"requirements,omitempty"`
	// Tests are files, folders or node ids given to pytest; empty: pytest's own choice.
	Tests []string `json:"tests,omitempty"`
	// Args are further arguments of pytest.
	Args []string `json:"args,omitempty"`
	// CoverageMin is the least total coverage in percent; nil: none.
	CoverageMin *float64 `json:"coverage-min,omitempty"`
	// Codecov uploads the coverage report.
	Codecov bool `json:"codecov,omitempty"`
}

// Changes tells which lines of the checkout the run's commit adds or alters. It is asked before the repository's code
// runs. Without a base to compare with it returns nothing.
type Changes func(ctx context.Context, s runner.Session) (report.Changes, error)

// Options are what the stage needs of the world beside its session.
type Options struct {
	// Machine is where interpreters are looked for.
	Machine pythonenv.Machine
	// Changes may be nil: then the coverage of changed lines is not told.
	Changes Changes
	// CodecovURL is codecov.io's address or that of a self-hosted Codecov; empty: codecov.io.
	CodecovURL string
	HTTP       *http.Client
	Now        func() time.Time
}

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage { return &Stage{options: o} }

var _ runner.Stage = (*Stage)(nil)

// Run carries out the task: interpreter, environment, tests, reports.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	a := attempt{options: st.options, s: s}
	if err := s.Task().Settings(&a.settings); err != nil {
		return pipeline.Verdict{}, fmt.Errorf("settings of stage %s: %w", s.Task().Stage.ID, err)
	}
	verdict, err := a.run(ctx)
	if failure, ok := errors.AsType[*pythonenv.Failure](err); ok {
		s.Log(failure.Cause)
		return failure.Verdict(), nil
	}
	return verdict, err
}

// attempt is one run of the stage.
type attempt struct {
	options  Options
	s        runner.Session
	settings Settings
	env      pythonenv.Env
	// changes are the lines of the commit; nil when they are not known.
	changes report.Changes
}

func (a *attempt) run(ctx context.Context) (pipeline.Verdict, error) {
	a.findChanges(ctx)
	interpreter, err := a.interpreter(ctx)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.install(ctx, interpreter); err != nil {
		return pipeline.Verdict{}, err
	}
	result, err := a.test(ctx)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	a.tell(&result)
	a.codecov(ctx, result)
	return a.verdict(result), nil
}

// findChanges asks before any code of the repository runs: it could rewrite the history they are read from. The figure is
// a help, not a condition: without a base to compare with the stage is none the worse.
func (a *attempt) findChanges(ctx context.Context) {
	if a.options.Changes == nil {
		return
	}
	changes, err := a.options.Changes(ctx, a.s)
	if err != nil {
		a.s.Log("The coverage of the changed lines will not be told: " + err.Error())
		return
	}
	a.changes = changes
}

func (a *attempt) interpreter(ctx context.Context) (pythonenv.Interpreter, error) {
	var found pythonenv.Interpreter
	err := a.s.Step(ctx, "Set up Python", func(ctx context.Context) (string, error) {
		want, err := pythonenv.Wanted(a.s.Root(), a.settings.Python)
		if err != nil {
			return "", &pythonenv.Failure{Title: "The Python version cannot be read", Cause: err.Error()}
		}
		if found, err = pythonenv.Find(ctx, a.s, a.options.Machine, want); err != nil {
			return "", err
		}
		return fmt.Sprintf("Python %s, asked for by %s", found.Version, want.Source), nil
	})
	return found, err
}

func (a *attempt) install(ctx context.Context, interpreter pythonenv.Interpreter) error {
	return a.s.Step(ctx, "Install dependencies", func(ctx context.Context) (string, error) {
		requirements, err := pythonenv.Detect(a.s.Root(), a.settings.Requirements)
		if err != nil {
			return "", err
		}
		builder := pythonenv.Builder{
			Session: a.s, Machine: a.options.Machine, Now: a.options.Now, Secrets: a.secrets(), Cache: pythonenv.ProjectCache,
		}
		if a.env, err = builder.Ensure(ctx, interpreter, requirements); err != nil {
			return "", err
		}
		return describe(a.env, requirements), nil
	})
}

func describe(env pythonenv.Env, requirements pythonenv.Requirements) string {
	detail := fmt.Sprintf("%s from %s", report.Count(env.Packages, "package"), requirements)
	if env.Cached {
		detail += ", from cache"
	}
	return detail
}

// secrets are those the repository's own commands see: the ones the stage names, as far as this run has them (a fork's has
// none). The token of Codecov is not among them: the upload is ours.
func (a *attempt) secrets() []string {
	var names []string
	for _, name := range a.s.Task().Stage.Secrets {
		if _, set := a.s.Secret(name); set && (name != codecovToken || !a.settings.Codecov) {
			names = append(names, name)
		}
	}
	return names
}
