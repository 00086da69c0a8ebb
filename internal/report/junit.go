package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Outcome is how a test case ended.
type Outcome string

// The outcomes of JUnit: a failure is a broken expectation, an error is a test that could not be carried out.
const (
	OutcomePassed  Outcome = "passed"
	OutcomeFailed  Outcome = "failed"
	OutcomeError   Outcome = "error"
	OutcomeSkipped Outcome = "skipped"
)

// Case is one test. File and Line are those the report names, as it names them; Locate finds better ones.
type Case struct {
	Suite, Class, Name string
	File               string
	Line               int
	Duration           time.Duration
	Outcome            Outcome
	// Type and Message are the exception's class and its first words; Trace is the whole text.
	Type, Message, Trace string
}

// Tests are the figures of one or more JUnit reports. Total counts every case, skipped ones too.
type Tests struct {
	Total, Failed, Errors, Skipped int
	Duration                       time.Duration
	// Slowest holds at most ten, slowest first.
	Slowest []Case
	// Failures are failed and erroneous cases in the report's order, at most 1000.
	Failures []Case
}

// Passed counts the cases that ended well.
func (t Tests) Passed() int { return t.Total - t.Failed - t.Errors - t.Skipped }

// Broken counts failed and erroneous cases.
func (t Tests) Broken() int { return t.Failed + t.Errors }

// ReadJUnit reads a report of pytest, surefire, gotestsum, jest and their like.
func ReadJUnit(r io.Reader) (Tests, error) {
	var p junitParser
	err := walker{start: p.start, end: p.end, text: p.chars}.walk(r)
	if err != nil {
		return Tests{}, fmt.Errorf("JUnit report: %w", err)
	}
	return p.tests, nil
}

// Merge adds the figures of another report, for instance of one surefire file a class.
func (t *Tests) Merge(other Tests) {
	t.Total += other.Total
	t.Failed += other.Failed
	t.Errors += other.Errors
	t.Skipped += other.Skipped
	t.Duration += other.Duration
	for _, c := range other.Slowest {
		t.slow(c)
	}
	room := max(maxFailures-len(t.Failures), 0)
	t.Failures = append(t.Failures, other.Failures[:min(room, len(other.Failures))]...)
}

func (t *Tests) add(c Case) {
	t.Total++
	t.Duration += c.Duration
	switch c.Outcome {
	case OutcomeFailed:
		t.Failed++
	case OutcomeError:
		t.Errors++
	case OutcomeSkipped:
		t.Skipped++
	case OutcomePassed:
	}
	if c.Outcome == OutcomeFailed || c.Outcome == OutcomeError {
		if len(t.Failures) < maxFailures {
			t.Failures = append(t.Failures, c)
		}
	}
	t.slow(c)
}

// slow keeps the slowest in order; equal ones stay in the report's.
func (t *Tests) slow(c Case) {
	c.Trace, c.Message = "", ""
	at, _ := slices.BinarySearchFunc(t.Slowest, c.Duration, func(have Case, d time.Duration) int {
		if have.Duration >= d {
			return -1
		}
		return 1
	})
	if at == maxSlowest {
		return
	}
	t.Slowest = slices.Insert(t.Slowest, at, c)
	t.Slowest = t.Slowest[:min(len(t.Slowest), maxSlowest)]
}

// junitParser follows the stream. Totals are counted, not taken from the attributes of a suite, which tools fill
// differently and a nested suite would count twice.
type junitParser struct {
	tests  Tests
	suites []string
	open   *Case
	trace  strings.Builder
}

func (p *junitParser) start(path []string, element xml.StartElement) error {
	name := element.Name.Local
	if len(path) == 1 && name != "testsuites" && name != "testsuite" {
		return fmt.Errorf("<%s> is not a JUnit report", clip(name, maxName))
	}
	switch name {
	case "testsuite":
		p.suites = append(p.suites, clip(attribute(element, "name"), maxName))
	case "testcase":
		if p.tests.Total == maxCases {
			return fmt.Errorf("more than %d test cases", maxCases)
		}
		p.begin(element)
	case "failure", "error", "skipped", "rerunFailure", "rerunError":
		p.outcome(name, element)
	}
	return nil
}

func (p *junitParser) begin(element xml.StartElement) {
	p.open = &Case{
		Class:    clip(attribute(element, "classname"), maxName),
		Name:     clip(attribute(element, "name"), maxName),
		File:     clip(attribute(element, "file"), maxName),
		Line:     number(attribute(element, "line")),
		Duration: seconds(attribute(element, "time")),
		Outcome:  OutcomePassed,
	}
	if len(p.suites) > 0 {
		p.open.Suite = p.suites[len(p.suites)-1]
	}
}

// outcome notes the worst word about a case: pytest writes a failure of the test and an error of its teardown into one.
// Surefire's rerun elements belong to a case that passed in the end.
func (p *junitParser) outcome(name string, element xml.StartElement) {
	if p.open == nil {
		return
	}
	outcome := map[string]Outcome{"failure": OutcomeFailed, "error": OutcomeError, "skipped": OutcomeSkipped}[name]
	if outcome == "" || p.open.Outcome == OutcomeFailed || p.open.Outcome == OutcomeError {
		return
	}
	p.open.Outcome = outcome
	p.open.Type = clip(attribute(element, "type"), maxName)
	p.open.Message = clip(attribute(element, "message"), maxText)
	p.trace.Reset()
}

func (p *junitParser) chars(path []string, text string) {
	if p.open == nil {
		return
	}
	switch path[len(path)-1] {
	case "failure", "error":
		if room := maxText - p.trace.Len(); room > 0 {
			p.trace.WriteString(clip(text, room))
		}
	}
}

func (p *junitParser) end(path []string) error {
	switch path[len(path)-1] {
	case "testsuite":
		p.suites = p.suites[:max(len(p.suites)-1, 0)]
	case "testcase":
		if p.open != nil {
			p.open.Trace = strings.TrimSpace(p.trace.String())
			p.tests.add(*p.open)
		}
		p.trace.Reset()
		p.open = nil
	}
	return nil
}
