// Package command is the stage of a repository's own shell commands.
package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Changes tells which lines of the checkout the run's commit adds or alters. It is asked before the commands run.
type Changes func(ctx context.Context, s runner.Session) (report.Changes, error)

// Options are what the stage needs of the world beside its session.
type Options struct {
	// Changes may be nil: then the coverage of changed lines is not told.
	Changes Changes
}

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage { return &Stage{options: o} }

var _ runner.Stage = (*Stage)(nil)

// Run restores the caches, carries out the commands until one fails, reads the reports whatever came of them, and saves
// the caches when all passed.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	task := s.Task()
	changes := st.changes(ctx, s)
	stores, err := restore(ctx, s, task.Stage.Cache)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	verdict, err := st.commands(ctx, s, task.Stage)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	readReports(ctx, s, changes, &verdict)
	if verdict.Status == pipeline.StatusSuccess {
		save(ctx, s, stores)
	}
	return verdict, nil
}

// changes are asked for before the repository's commands run: they could rewrite the history the lines are read from.
func (st *Stage) changes(ctx context.Context, s runner.Session) report.Changes {
	if st.options.Changes == nil || len(s.Task().Stage.Reports.Cobertura) == 0 {
		return nil
	}
	changes, err := st.options.Changes(ctx, s)
	if err != nil {
		s.Log("The coverage of the changed lines will not be told: " + err.Error())
		return nil
	}
	return changes
}

func (st *Stage) commands(ctx context.Context, s runner.Session, spec pipeline.StageSpec) (pipeline.Verdict, error) {
	for i, text := range spec.Run {
		name := stepName(i, len(spec.Run), text)
		s.Progress(name)
		exit, err := script(ctx, s, spec, i, name, text)
		if err != nil {
			return pipeline.Verdict{}, err
		}
		if !exit.OK() || exit.OutOfMemory {
			return failed(i, len(spec.Run), text, exit), nil
		}
	}
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: report.Count(len(spec.Run), "command") + " passed"}, nil
}

// script carries out one entry as a script of its own: the shell ends with it, its variables too.
func script(ctx context.Context, s runner.Session, spec pipeline.StageSpec, i int, name, text string) (exit runner.Exit, err error) {
	path := filepath.Join(s.Scratch(), fmt.Sprintf("command-%d.sh", i+1))
	if err := write(path, text); err != nil {
		return exit, fmt.Errorf("write the command: %w", err)
	}
	err = s.Step(ctx, name, func(ctx context.Context) (string, error) {
		var err error
		exit, err = s.Command(ctx, runner.Command{
			Args:    []string{"bash", "--noprofile", "--norc", "-euo", "pipefail", path},
			Secrets: available(s, spec.Secrets), Image: spec.Image,
		})
		switch {
		case err != nil:
			return "", err
		case !exit.OK() || exit.OutOfMemory:
			return ending(exit), &redError{ending(exit)}
		}
		return "", nil
	})
	if red(err) {
		err = nil
	}
	return exit, err
}

// available are the secrets this run has: a fork's has none, and what it does not use it does not miss.
func available(s runner.Session, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, set := s.Secret(name)
		return !set
	})
}

// write makes the file anew: an earlier command may have put a link in its place.
func write(path, script string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // made anew, never through a link
	if err != nil {
		return err
	}
	if _, err := f.WriteString(script); err != nil {
		_ = f.Close() // the first error tells
		return err
	}
	return f.Close()
}

// stepName is the first line that says something: "2/3: make test".
func stepName(i, n int, script string) string {
	first := ""
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "set ") {
			first = line
			break
		}
	}
	if first == "" {
		first = "command"
	}
	if n == 1 {
		return printable(first)
	}
	return fmt.Sprintf("%d/%d: %s", i+1, n, printable(first))
}

func printable(text string) string {
	const limit = 80
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

func failed(i, n int, script string, exit runner.Exit) pipeline.Verdict {
	title := fmt.Sprintf("command %d of %d %s", i+1, n, ending(exit))
	if n == 1 {
		title = "the command " + ending(exit)
	}
	return pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: title,
		Cause:    fmt.Sprintf("`%s` %s.", stepName(0, 1, script), ending(exit)),
		ExitCode: exit.Code, Signal: exit.Signal,
	}
}

func ending(exit runner.Exit) string {
	switch {
	case exit.OutOfMemory:
		return "was killed because memory ran out"
	case exit.Signal != "":
		return "was ended by signal " + exit.Signal
	}
	return fmt.Sprintf("exited with %d", exit.Code)
}
