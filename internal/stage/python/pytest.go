package python

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Names of the reports in the scratch folder.
const (
	junitFile    = "junit.xml"
	coverageFile = "coverage.xml"
	htmlFolder   = "coverage-html"
)

// outcome is what pytest left behind.
type outcome struct {
	exit  runner.Exit
	tests report.Tests
	// reported: pytest wrote its report; it does not when it crashes or refuses its arguments.
	reported bool
	coverage *report.Coverage
	changed  report.ChangedCoverage
	console  *console
	// problems are reports that could not be read.
	problems []string
}

// test runs pytest and reads its reports. Failed tests are no error.
func (a *attempt) test(ctx context.Context) (outcome, error) {
	result := outcome{console: &console{progress: a.s.Progress}}
	err := a.s.Step(ctx, "Run tests", func(ctx context.Context) (string, error) {
		if !a.env.Has("pytest") {
			a.s.Log("pytest: command not found")
			return "", &pythonenv.Failure{
				Title: "pytest is not installed",
				Cause: "pytest: command not found. The requirements do not hold pytest.", Exit: runner.Exit{Code: 127},
			}
		}
		if err := a.pytest(ctx, &result); err != nil {
			return "", err
		}
		if !result.exit.OK() {
			return summary(result), errRed
		}
		return summary(result), nil
	})
	if errors.Is(err, errRed) {
		err = nil
	}
	return result, err
}

// errRed marks the step as failed; the verdict is made from the outcome.
var errRed = errors.New("the tests did not pass")

func (a *attempt) pytest(ctx context.Context, result *outcome) error {
	measured := a.env.HasModule("pytest_cov")
	exit, err := a.s.Command(ctx, runner.Command{
		Args: a.arguments(measured),
		Env:  append(a.env.Variables(), "COVERAGE_FILE="+filepath.Join(a.s.Scratch(), ".coverage")),
		// pytest and what it imports belong to the repository.
		Secrets: a.secrets(), Image: a.env.Interpreter.Image, Line: result.console.line,
	})
	if err != nil {
		return fmt.Errorf("run pytest: %w", err)
	}
	result.exit = exit
	scratch, err := os.OpenRoot(a.s.Scratch())
	if err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	defer func() { _ = scratch.Close() }() // a folder opened for reading
	a.readReports(scratch, result)
	return nil
}

func (a *attempt) arguments(measured bool) []string {
	args := append([]string{a.env.Bin("pytest")}, a.settings.Args...)
	args = append(args, "--junitxml="+filepath.Join(a.s.Scratch(), junitFile), "-o", "console_output_style=count")
	if measured {
		args = append(args, a.coverageArguments()...)
	}
	return append(args, a.settings.Tests...)
}

// coverageArguments measure the checkout, unless the repository says itself what to measure.
func (a *attempt) coverageArguments() []string {
	reports := []string{
		"--cov-report=term", "--cov-report=xml:" + filepath.Join(a.s.Scratch(), coverageFile),
		"--cov-report=html:" + filepath.Join(a.s.Scratch(), htmlFolder),
	}
	switch {
	case measures.MatchString(strings.Join(a.settings.Args, " ")), a.configuresPlugin():
		return reports
	case a.configuresSource():
		// An option must follow: --cov takes what comes after it for its value, and tests/ would be measured.
		return append([]string{"--cov"}, reports...)
	}
	return append(reports, "--cov=.")
}

// measures finds the option that says what to measure; --cov-fail-under and its like do not.
var measures = regexp.MustCompile(`(?:^|[\s"'=])--cov(?:=|\s|["']|$)`)

// configuresPlugin reports whether pytest's configuration turns coverage on.
func (a *attempt) configuresPlugin() bool {
	for _, name := range []string{"pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"} {
		if measures.MatchString(a.small(name)) {
			return true
		}
	}
	return false
}

var sourceKey = regexp.MustCompile(`(?m)^\s*source(?:_pkgs|_dirs)?\s*=`)

// configuresSource reports whether coverage.py's own configuration names what is measured.
func (a *attempt) configuresSource() bool {
	if sourceKey.MatchString(a.small(".coveragerc")) {
		return true
	}
	for name, section := range map[string]string{"pyproject.toml": "[tool.coverage.run]", "setup.cfg": "[coverage:run]", "tox.ini": "[coverage:run]"} {
		_, inside, found := strings.Cut(a.small(name), section)
		if end := strings.Index(inside, "\n["); end >= 0 {
			inside = inside[:end]
		}
		if found && sourceKey.MatchString(inside) {
			return true
		}
	}
	return false
}

// small reads a configuration file; one that is missing, huge or no file says nothing.
func (a *attempt) small(name string) string {
	text, err := pythonenv.ReadFile(a.s.Root(), name)
	if err != nil {
		return ""
	}
	return text
}

func (a *attempt) readReports(scratch *os.Root, result *outcome) {
	err := read(scratch, junitFile, func(f *os.File) (err error) {
		result.tests, err = report.ReadJUnit(f)
		return err
	})
	switch {
	case err == nil:
		result.reported = true
	case !errors.Is(err, fs.ErrNotExist):
		result.problems = append(result.problems, "The test report cannot be used: "+err.Error())
	}
	err = read(scratch, coverageFile, func(f *os.File) error {
		coverage, err := report.ReadCobertura(f, a.s.Dir(), a.exists)
		if err == nil && coverage.Lines().Total == 0 {
			err = report.ErrNoCoverage
		}
		if err == nil {
			result.coverage = &coverage
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		result.problems = append(result.problems, "The coverage report cannot be used: "+err.Error())
	}
}

func read(root *os.Root, name string, use func(*os.File) error) error {
	f, err := report.Open(root, name)
	if err != nil {
		return err
	}
	return errors.Join(use(f), f.Close())
}

func (a *attempt) exists(name string) bool {
	info, err := a.s.Root().Stat(filepath.FromSlash(name))
	return err == nil && info.Mode().IsRegular()
}

// console follows pytest's output: the live figure, and the words its reports do not hold.
type console struct {
	progress func(string)

	mu sync.Mutex
	// usage is pytest's complaint about its arguments; shortfall that of pytest-cov; crash its last words.
	usage, shortfall, crash string
	errors                  []string
}

var (
	counter       = regexp.MustCompile(`\[\s*(\d{1,7})/(\d{1,7})\]\s*$`)
	usageLine     = regexp.MustCompile(`^(?:ERROR: |pytest: error: |ERROR\s+)(.+)$`)
	shortfallLine = regexp.MustCompile(`(?:FAIL |ERROR: )?(Required test coverage of [\d.]+% not reached\. Total coverage: [\d.]+%|Coverage failure: total of [\d.]+ is less than fail-under=[\d.]+)`)
	collectLine   = regexp.MustCompile(`^ERROR (?:collecting )?(\S+\.py)(?:::\S+)?(?: - (.*))?$`)
	internalLine  = regexp.MustCompile(`^INTERNALERROR> (\S.*)$`)
)

func (c *console) line(line string) {
	if m := counter.FindStringSubmatch(line); m != nil {
		c.progress(m[1] + "/" + m[2] + " tests")
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := shortfallLine.FindStringSubmatch(line); m != nil {
		c.shortfall = m[1]
	}
	if m := internalLine.FindStringSubmatch(line); m != nil {
		c.crash = m[1]
	}
	if m := collectLine.FindStringSubmatch(line); m != nil && len(c.errors) < 20 {
		c.errors = append(c.errors, strings.TrimSuffix(m[1]+": "+m[2], ": "))
	} else if m := usageLine.FindStringSubmatch(line); m != nil && c.usage == "" && !strings.HasPrefix(m[1], "usage:") {
		c.usage = m[1]
	}
}
