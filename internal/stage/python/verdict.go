package python

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// Exit codes of pytest (https://docs.pytest.org/en/stable/reference/exit-codes.html).
const (
	exitFailed      = 1
	exitInterrupted = 2
	exitInternal    = 3
	exitUsage       = 4
	exitNoTests     = 5
)

// summary is the title: "48 tests, 2 failed, coverage 86.4 %".
func summary(result outcome) string {
	if !result.reported {
		return "The tests could not run"
	}
	parts := []string{report.Count(result.tests.Total, "test")}
	for _, part := range []struct {
		n    int
		noun string
	}{{result.tests.Failed, "%d failed"}, {result.tests.Errors, "%d with errors"}, {result.tests.Skipped, "%d skipped"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf(part.noun, part.n))
		}
	}
	if result.coverage != nil {
		parts = append(parts, "coverage "+result.coverage.Total().String())
	}
	return strings.Join(parts, ", ")
}

// verdict judges the outcome: first how pytest ended, then the minimum.
func (a *attempt) verdict(result outcome) pipeline.Verdict {
	verdict := pipeline.Verdict{
		Status: pipeline.StatusSuccess, Title: summary(result), ExitCode: result.exit.Code, Signal: result.exit.Signal,
	}
	if cause := cause(result); cause != "" {
		verdict.Status, verdict.Cause = pipeline.StatusFailure, cause
		return verdict
	}
	if cause := a.shortfall(result); cause != "" {
		verdict.Status, verdict.Cause = pipeline.StatusFailure, cause
	}
	return verdict
}

func cause(result outcome) string {
	switch {
	case result.exit.OutOfMemory:
		return "pytest was killed because memory ran out."
	case result.exit.Signal != "":
		return fmt.Sprintf("pytest crashed: signal %s.", result.exit.Signal)
	case result.exit.Code == 0 && result.reported:
		return ""
	case result.exit.Code == 0:
		return "pytest ended without a test report. " + strings.Join(result.problems, " ")
	case result.exit.Code == exitUsage:
		return "pytest refused its arguments" + colon(result.console.usage)
	case result.exit.Code == exitNoTests:
		return "pytest found no tests. It collects test_*.py and *_test.py; `tests` of the stage says where."
	case result.exit.Code == exitInternal:
		return "pytest ended with an internal error" + colon(result.console.crash)
	case result.exit.Code == exitInterrupted && len(result.console.errors) > 0:
		return fmt.Sprintf("%s could not be imported: %s.", report.Count(len(result.console.errors), "test file"), strings.Join(result.console.errors, "; "))
	case result.exit.Code == exitInterrupted:
		return "pytest was interrupted before all tests had run."
	case result.tests.Broken() > 0:
		return failed(result.tests)
	case result.console.shortfall != "":
		return "pytest-cov ended the run: " + result.console.shortfall
	case result.exit.Code == exitFailed:
		return "pytest ended with exit code 1 although no test failed: something after the tests did, see the end of the log."
	}
	return fmt.Sprintf("pytest ended with exit code %d.", result.exit.Code)
}

func colon(text string) string {
	if text == "" {
		return "; see the log."
	}
	return ": " + text
}

// failed names the first broken tests.
func failed(tests report.Tests) string {
	const named = 3
	names := make([]string, 0, named)
	for _, c := range tests.Failures[:min(len(tests.Failures), named)] {
		names = append(names, fmt.Sprintf("%s (%s)", c.ID(), c.Reason()))
	}
	text := fmt.Sprintf("%d of %s failed: %s", tests.Broken(), report.Count(tests.Total, "test"), strings.Join(names, "; "))
	if rest := tests.Broken() - len(names); rest > 0 {
		text += fmt.Sprintf("; and %d more", rest)
	}
	return text + "."
}

// shortfall holds the total against coverage-min.
func (a *attempt) shortfall(result outcome) string {
	least := a.settings.CoverageMin
	switch {
	case least == nil || *least <= 0:
		return ""
	case result.coverage == nil && !a.env.HasModule("pytest_cov"):
		return fmt.Sprintf("coverage-min is %s %%, but coverage was not measured: the requirements do not hold pytest-cov.", figure(*least))
	case result.coverage == nil:
		return fmt.Sprintf("coverage-min is %s %%, but coverage was not measured. %s", figure(*least), strings.Join(result.problems, " "))
	case result.coverage.Total().Percent() < *least:
		return fmt.Sprintf("Coverage is %s, below the minimum of %s %%.", result.coverage.Total(), figure(*least))
	}
	return ""
}

func figure(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
