// Package pythonsecurity is the stage that looks for style remarks, insecure code and vulnerable dependencies of a
// Python project.
package pythonsecurity

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Settings are the keys of `with`.
type Settings struct {
	Flake8       Tool `json:"flake8"`
	Bandit       Tool `json:"bandit"`
	Dependencies Tool `json:"dependencies"`
	// FailOn is the least severity that fails the stage; none: nothing does.
	FailOn pipeline.Severity `json:"fail-on"`
}

// Tool is on or off, with arguments of the repository's own.
type Tool struct {
	Enabled bool     `json:"enabled"`
	Args    []string `json:"args,omitempty"`
}

// Options are what the stage needs of the world beside its session.
type Options struct {
	Machine pythonenv.Machine
	Now     func() time.Time
}

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage { return &Stage{options: o} }

var _ runner.Stage = (*Stage)(nil)

// The tools' own requirements. They come from environments of ours, not from the repository's: what checks the code
// must not be chosen by it.
var (
	//go:embed lint.txt
	lintTools string
	//go:embed audit.txt
	auditTools string
)

// oldestForTools is the least Python the pinned tools run on.
const oldestForTools = ">=3.10"

// toolCache names the cache of the tools' environments.
const toolCache = "python-tools"

// Run carries out the task.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	c := check{options: st.options, s: s, settings: Settings{
		Flake8: Tool{Enabled: true}, Bandit: Tool{Enabled: true}, Dependencies: Tool{Enabled: true}, FailOn: pipeline.SeverityCritical,
	}}
	if err := s.Task().Settings(&c.settings); err != nil {
		return pipeline.Verdict{}, fmt.Errorf("settings of stage %s: %w", s.Task().Stage.ID, err)
	}
	verdict, err := c.run(ctx)
	if failure, ok := errors.AsType[*pythonenv.Failure](err); ok {
		s.Log(failure.Cause)
		return failure.Verdict(), nil
	}
	return verdict, err
}

// check is one run of the stage.
type check struct {
	options  Options
	s        runner.Session
	settings Settings
	// project is the interpreter the repository asks for; tools that of the tools, which need a newer one at times.
	project, tools pythonenv.Interpreter
	lint, audit    pythonenv.Env
}

func (c *check) run(ctx context.Context) (pipeline.Verdict, error) {
	if !c.settings.Flake8.Enabled && !c.settings.Bandit.Enabled && !c.settings.Dependencies.Enabled {
		return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "Every check is off"}, nil
	}
	if err := c.interpreters(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := c.install(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	var results results
	group, inner := errgroup.WithContext(ctx)
	if c.settings.Flake8.Enabled {
		group.Go(func() error { return c.flake8(inner, &results.style) })
	}
	if c.settings.Bandit.Enabled {
		group.Go(func() error { return c.bandit(inner, &results.code) })
	}
	if c.settings.Dependencies.Enabled {
		group.Go(func() error { return c.dependencies(inner, &results.dependencies) })
	}
	if err := group.Wait(); err != nil {
		return pipeline.Verdict{}, err
	}
	return c.conclude(results)
}

func (c *check) interpreters(ctx context.Context) error {
	return c.s.Step(ctx, "Set up Python", func(ctx context.Context) (string, error) {
		want, err := pythonenv.Wanted(c.s.Root(), "")
		if err != nil {
			return "", &pythonenv.Failure{Title: "The Python version cannot be read", Cause: err.Error()}
		}
		if c.project, err = pythonenv.Find(ctx, c.s, c.options.Machine, want); err != nil {
			return "", err
		}
		c.tools = c.project
		needed, err := pythonenv.ParseRequest(oldestForTools, "the checking tools")
		if err != nil {
			return "", err
		}
		if !needed.Allows(c.project.Version) {
			if c.tools, err = pythonenv.Find(ctx, c.s, c.options.Machine, needed); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("Python %s, asked for by %s", c.project.Version, want.Source), nil
	})
}

func (c *check) install(ctx context.Context) error {
	return c.s.Step(ctx, "Install tools", func(ctx context.Context) (string, error) {
		detail := "from cache"
		for _, set := range []struct {
			wanted bool
			env    *pythonenv.Env
			r      pythonenv.Requirements
		}{
			{c.settings.Flake8.Enabled || c.settings.Bandit.Enabled, &c.lint, pythonenv.Requirements{Pinned: lintTools, Name: "flake8 and bandit"}},
			{c.settings.Dependencies.Enabled, &c.audit, pythonenv.Requirements{Pinned: auditTools, Name: "safety"}},
		} {
			if !set.wanted {
				continue
			}
			env, err := c.builder(toolCache, nil).Ensure(ctx, c.tools, set.r)
			if err != nil {
				return "", err
			}
			if *set.env = env; !env.Cached {
				detail = "installed"
			}
		}
		return detail, nil
	})
}

func (c *check) builder(cache string, secrets []string) pythonenv.Builder {
	return pythonenv.Builder{Session: c.s, Machine: c.options.Machine, Now: c.options.Now, Cache: cache, Secrets: secrets}
}
