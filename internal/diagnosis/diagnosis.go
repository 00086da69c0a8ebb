// Package diagnosis recognises failures that have a known cause and says what to do about them.
package diagnosis

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// rule is one known failure. It holds when a line matches, or when the verdict alone tells (when).
type rule struct {
	id string
	// line is asked of every line of the log's end and of the verdict's cause. It is linear in the line's length, as all
	// of Go's expressions are; what it captures fills $1, $2 in cause and remedy.
	line *regexp.Regexp
	// when, where set, must hold of the verdict too; without line it decides alone.
	when func(pipeline.Verdict) bool
	// uses limits the rule to stage kinds; empty: all.
	uses   []string
	cause  string
	remedy []string
}

const (
	maxEvidence = 500
	maxLine     = 4096
)

// Find is a pipeline.Diagnose: the first rule of the table that holds, for the table goes from the special to the
// general. A stage that did not fail has nothing to diagnose.
func Find(spec pipeline.StageSpec, verdict pipeline.Verdict, logTail []string) *pipeline.Diagnosis {
	switch verdict.Status {
	case pipeline.StatusFailure, pipeline.StatusTimedOut, pipeline.StatusNeutral:
	default:
		return nil
	}
	lines := make([]string, 0, len(logTail)+1)
	for _, line := range logTail {
		lines = append(lines, plain(line))
	}
	lines = append(lines, plain(verdict.Cause))
	for _, r := range rules {
		if len(r.uses) > 0 && !slices.Contains(r.uses, spec.Uses) {
			continue
		}
		if found := r.find(verdict, lines); found != nil {
			return found
		}
	}
	return nil
}

var _ pipeline.Diagnose = Find

func (r rule) find(verdict pipeline.Verdict, lines []string) *pipeline.Diagnosis {
	if r.when != nil && !r.when(verdict) {
		return nil
	}
	if r.line == nil {
		return r.diagnosis("", nil, lines[len(lines)-1])
	}
	// The last line that matches is the nearest to the end of the work.
	for _, line := range slices.Backward(lines) {
		if at := r.line.FindStringSubmatchIndex(line); at != nil {
			return r.diagnosis(line, at, line)
		}
	}
	return nil
}

func (r rule) diagnosis(line string, at []int, evidence string) *pipeline.Diagnosis {
	fill := func(template string) string {
		if r.line == nil {
			return template
		}
		return string(r.line.ExpandString(nil, template, line, at))
	}
	d := &pipeline.Diagnosis{ID: r.id, Cause: fill(r.cause), Evidence: clip(strings.TrimSpace(evidence), maxEvidence)}
	for _, step := range r.remedy {
		d.Remedy = append(d.Remedy, fill(step))
	}
	return d
}

// escapes are the colours and cursor movements of a terminal.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)

func plain(line string) string { return escapes.ReplaceAllString(clip(line, maxLine), "") }

func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
