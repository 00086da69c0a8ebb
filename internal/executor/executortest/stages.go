package executortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Deps are those of the runner that a harness must start: stages that do what the suite asks for, and a checkout that
// copies a folder.
func Deps() runner.Deps {
	return runner.Deps{
		Stages: map[string]runner.Stage{
			"run":   stage(runCommands),
			"lines": stage(manyLines),
			"wait":  stage(waitForEnd),
			"tell":  stage(tellEverything),
			"wind":  stage(windDown),
			"raw":   stage(readRaw),
			"error": stage(func(context.Context, runner.Session) (pipeline.Verdict, error) {
				return pipeline.Verdict{}, errors.New("the registry is away")
			}),
			"failure": stage(func(context.Context, runner.Session) (pipeline.Verdict, error) {
				return pipeline.Verdict{}, &runner.Failure{Title: "Nothing to test", Cause: "The folder tests is missing."}
			}),
			"panic": stage(func(context.Context, runner.Session) (pipeline.Verdict, error) {
				panic("a nil map, as usual")
			}),
			"undecided": stage(func(context.Context, runner.Session) (pipeline.Verdict, error) {
				return pipeline.Verdict{}, nil
			}),
		},
		Checkout: copyFolder,
	}
}

// VanishedSource is a source whose checkout fails.
const VanishedSource = "/nowhere/at/all"

type stage func(context.Context, runner.Session) (pipeline.Verdict, error)

func (s stage) Run(ctx context.Context, session runner.Session) (pipeline.Verdict, error) {
	return s(ctx, session)
}

func copyFolder(
	_ context.Context, options runner.Options, task pipeline.Task, _ pipeline.Secrets, log func(string),
) (runner.Checkout, error) {
	if task.Source.Directory == VanishedSource {
		return runner.Checkout{}, errors.New("the commit has vanished")
	}
	dir := filepath.Join(options.WorkspaceDir, task.ID)
	log("copying " + task.Source.Directory)
	if err := os.MkdirAll(options.WorkspaceDir, 0o700); err != nil {
		return runner.Checkout{}, err
	}
	if err := os.CopyFS(dir, os.DirFS(task.Source.Directory)); err != nil {
		return runner.Checkout{}, err
	}
	return runner.Checkout{Dir: dir, Close: func() error { return runner.RemoveAll(dir) }}, nil
}

// runCommands runs the shell commands of the stage, each with all secrets.
func runCommands(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	task := s.Task()
	if _, err := s.CacheDir("shared"); err != nil {
		return pipeline.Verdict{}, err
	}
	for _, script := range task.Stage.Run {
		exit, err := s.Command(ctx, runner.Command{
			Args: []string{"bash", "-euo", "pipefail", "-c", script}, Secrets: task.Stage.Secrets, Image: task.Stage.Image,
		})
		if err != nil {
			return pipeline.Verdict{}, err
		}
		if !exit.OK() {
			cause := "A command failed."
			if exit.OutOfMemory {
				cause = "A command was killed for memory."
			}
			return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "Failed", Cause: cause, ExitCode: exit.Code, Signal: exit.Signal}, nil
		}
	}
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "Passed"}, nil
}

// manyLines logs as many lines as `with` says.
func manyLines(_ context.Context, s runner.Session) (pipeline.Verdict, error) {
	var settings struct{ Lines int }
	if err := s.Task().Settings(&settings); err != nil {
		return pipeline.Verdict{}, err
	}
	for i := range settings.Lines {
		s.Log(fmt.Sprintf("line %d", i))
	}
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "Logged"}, nil
}

// waitForEnd says that it waits, and does until it is stopped.
func waitForEnd(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	err := s.Step(ctx, "waiting", func(ctx context.Context) (string, error) {
		s.Log(waiting)
		<-ctx.Done()
		return "", context.Cause(ctx)
	})
	return pipeline.Verdict{}, err
}

const waiting = "I wait"

// windDown waits until it is stopped, and tells how far it had come.
func windDown(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	s.Log(waiting)
	<-ctx.Done()
	return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "stopped", Cause: "2 of 3 changes were made."}, nil
}

// readRaw reads what a command prints as it is, makes a token of it, and tells that.
func readRaw(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	var printed bytes.Buffer
	if _, err := s.Command(ctx, runner.Command{
		Args: []string{"bash", "-c", `echo "token-made-of-$PASSWORD"; echo "a remark on $PASSWORD" >&2`}, Stdout: &printed, Secrets: []string{"PASSWORD"},
	}); err != nil {
		return pipeline.Verdict{}, err
	}
	token := strings.TrimSpace(printed.String())
	if err := s.Conceal("the token", token); err != nil {
		return pipeline.Verdict{}, err
	}
	s.Log(fmt.Sprintf("%d characters: %s", len(token), token))
	exit, err := s.Command(ctx, runner.Command{Args: []string{"echo", "printed: " + token}})
	if err != nil || !exit.OK() {
		return pipeline.Verdict{}, fmt.Errorf("echo: %w", err)
	}
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "Read"}, nil
}

// tellEverything puts every secret into every field that a stage can fill.
func tellEverything(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	var all []string
	for _, name := range s.Task().Stage.Secrets {
		value, _ := s.Secret(name)
		all = append(all, value)
	}
	text := strings.Join(all, " ")
	err := s.Step(ctx, "step "+text, func(context.Context) (string, error) {
		s.Log(text)
		s.Progress(text)
		s.Section(pipeline.Section{
			Title: text, Text: text, Code: text, Markdown: text,
			Table: &pipeline.Table{Columns: []pipeline.Column{{Name: text}}, Rows: [][]string{{text}}},
		})
		s.Finding(pipeline.Finding{
			Tool: text, Rule: text, Path: text, Level: pipeline.LevelWarning, Title: text, Message: text, Details: text, URL: text,
		})
		s.Output("name_"+text, text)
		file := filepath.Join(s.Scratch(), "report.txt")
		if err := os.WriteFile(file, []byte("begin "+text+" end\n"), 0o600); err != nil {
			return "", err
		}
		return text, s.Artifact("report.txt", file)
	})
	return pipeline.Verdict{Status: pipeline.StatusFailure, Title: text, Cause: text}, err
}
