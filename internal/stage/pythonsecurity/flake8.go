package pythonsecurity

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

const (
	toolFlake8 = "flake8"
	maxRemarks = 100_000
)

// excluded folders hold no code of the project, whatever it calls its virtual environment.
const excluded = ".git,__pycache__,.tox,.nox,.eggs,*.egg,.venv,venv,env,node_modules,build,dist"

func (c *check) flake8(ctx context.Context, r *result) error {
	r.tool = report.Tool{Name: toolFlake8, Version: version(lintTools, toolFlake8), URL: "https://flake8.pycqa.org"}
	return c.s.Step(ctx, toolFlake8, func(ctx context.Context) (string, error) {
		output := "flake8.txt"
		args := []string{
			c.lint.Bin(toolFlake8), "--exit-zero", "--format=%(path)s\t%(row)d\t%(col)d\t%(code)s\t%(text)s",
			"--output-file=" + filepath.Join(c.s.Scratch(), output), "--extend-exclude=" + excluded,
		}
		args = append(append(args, c.flake8Defaults()...), c.settings.Flake8.Args...)
		exit, last, err := c.tool(ctx, c.lint, args)
		if err != nil {
			return "", err
		}
		if !exit.OK() {
			return "", broke(toolFlake8, exit, last)
		}
		if r.findings, err = c.readFlake8(output); err != nil {
			return "", unreadable(toolFlake8, err)
		}
		return report.Count(len(r.findings), "remark"), nil
	})
}

// flake8Defaults are used where the repository configures nothing: those of GitHub's own workflow for Python.
func (c *check) flake8Defaults() []string {
	for _, name := range []string{".flake8", "setup.cfg", "tox.ini"} {
		if text, err := pythonenv.ReadFile(c.s.Root(), name); err != nil || strings.Contains(text, "[flake8]") {
			return nil
		}
	}
	return []string{"--max-line-length=127", "--max-complexity=10"}
}

// breaksCode names the classes of flake8 that are no matter of taste: syntax errors, comparisons that cannot be meant,
// statements out of place, names that do not exist.
func breaksCode(rule string) bool {
	for _, class := range []string{"E9", "F63", "F7", "F82"} {
		if strings.HasPrefix(rule, class) {
			return true
		}
	}
	return false
}

func (c *check) readFlake8(name string) (findings []pipeline.Finding, err error) {
	f, done, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		finding, ok := flake8Finding(lines.Text())
		if !ok {
			continue
		}
		if len(findings) == maxRemarks {
			return findings, fmt.Errorf("more than %d remarks", maxRemarks)
		}
		findings = append(findings, finding)
	}
	return findings, lines.Err()
}

func flake8Finding(line string) (pipeline.Finding, bool) {
	parts := strings.SplitN(line, "\t", 5)
	if len(parts) != 5 {
		return pipeline.Finding{}, false
	}
	row, err := strconv.Atoi(parts[1])
	if err != nil || row < 0 {
		return pipeline.Finding{}, false
	}
	column, err := strconv.Atoi(parts[2])
	if err != nil || column < 0 {
		return pipeline.Finding{}, false
	}
	return pipeline.Finding{
		Tool: toolFlake8, Rule: parts[3], Path: path.Clean(parts[0]), Line: max(row, 1), EndLine: max(row, 1), Column: column,
		Level: pipeline.LevelWarning, Severity: pipeline.SeverityNone, Title: "flake8 " + parts[3], Message: parts[3] + " " + parts[4],
	}, true
}

// tool runs one of our tools on the checkout and keeps the last words of its standard error.
func (c *check) tool(ctx context.Context, env pythonenv.Env, args []string, secrets ...string) (runner.Exit, string, error) {
	var mu sync.Mutex
	last := ""
	exit, err := c.s.Command(ctx, runner.Command{
		Args: args, Env: append(env.Variables(), "PYTHONWARNINGS=ignore"), Image: env.Interpreter.Image, Quiet: true, Secrets: secrets,
		Line: func(line string) {
			mu.Lock()
			defer mu.Unlock()
			if line = strings.TrimSpace(line); line != "" {
				last = line
			}
		},
	})
	if err != nil {
		return exit, "", fmt.Errorf("run %s: %w", filepath.Base(args[0]), err)
	}
	mu.Lock()
	defer mu.Unlock()
	return exit, last, nil
}

// broke is the verdict of a tool that could not work: mostly a mistake in the repository's configuration of it.
func broke(tool string, exit runner.Exit, last string) *pythonenv.Failure {
	cause := fmt.Sprintf("%s ended with exit code %d", tool, exit.Code)
	switch {
	case exit.OutOfMemory:
		cause = tool + " was killed because memory ran out"
	case exit.Signal != "":
		cause = fmt.Sprintf("%s was ended by signal %s", tool, exit.Signal)
	case last != "":
		cause += ": " + last
	}
	return &pythonenv.Failure{Title: tool + " could not run", Cause: cause + ".", Exit: exit}
}

func unreadable(tool string, err error) *pythonenv.Failure {
	return &pythonenv.Failure{Title: "The report of " + tool + " cannot be used", Cause: fmt.Sprintf("The report of %s cannot be used: %v.", tool, err)}
}

// open opens a report in the scratch folder.
func (c *check) open(name string) (*os.File, func() error, error) {
	scratch, err := os.OpenRoot(c.s.Scratch())
	if err != nil {
		return nil, nil, err
	}
	f, err := report.Open(scratch, name)
	if err != nil {
		return nil, nil, errors.Join(err, scratch.Close())
	}
	return f, func() error { return errors.Join(f.Close(), scratch.Close()) }, nil
}

var pin = regexp.MustCompile(`(?m)^([\w.-]+)==(\S+)$`)

// version is what a pinned list says of a tool.
func version(list, tool string) string {
	for _, m := range pin.FindAllStringSubmatch(list, -1) {
		if m[1] == tool {
			return m[2]
		}
	}
	return ""
}
