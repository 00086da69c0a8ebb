package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Shares of a summary: no part may push out the others.
const (
	shareOfCause     = 16 << 10
	shareOfFindings  = 12 << 10
	shareOfSteps     = 8 << 10
	shareOfArtifacts = 6 << 10
	shareOfAttempts  = 4 << 10
	shareOfEntry     = 12 << 10
	// shareOfRemark is for the words about what was left out.
	shareOfRemark = 600
)

// summary is what a reviewer reads: the cause first, then what the stage reports, then how it went.
func (p page) summary(listed []pipeline.Finding, annotated int) string {
	var d document
	d.limit = maxText - shareOfRemark
	d.add("the cause", bounded{p.cause(), shareOfCause})
	d.add("how it came to enter", bounded{p.entry(), shareOfEntry})
	d.add("where it was reused from", p.reused())
	d.add("earlier attempts", bounded{p.attempts(), shareOfAttempts})

	var rest document
	rest.limit = shareOfFindings + shareOfSteps + shareOfArtifacts + shareOfAttempts
	rest.add("findings", bounded{p.findings(listed, annotated), shareOfFindings})
	rest.add("steps", bounded{p.steps(), shareOfSteps})
	rest.add("artifacts", bounded{p.artifacts(), shareOfArtifacts})
	rest.add("", p.foot())

	d.limit -= rest.text.Len() + len("\n\n")
	for _, s := range p.stage.Result.Sections {
		d.add(plain(clip(sectionName(s), 60)), section(s))
	}
	d.limit = maxText
	d.join(&rest)
	if remark := d.remark(p.stageURL()); remark != "" {
		d.add("", prepared(remark))
	}
	return d.text.String()
}

// document collects blocks and remembers what did not fit.
type document struct {
	limit int
	text  strings.Builder
	left  []string
}

func (d *document) add(name string, b block) {
	gap := ""
	if d.text.Len() > 0 {
		gap = "\n\n"
	}
	shown, whole := b.render(d.limit - d.text.Len() - len(gap))
	if shown != "" {
		d.text.WriteString(gap + shown)
	}
	if !whole && name != "" {
		d.left = append(d.left, name)
	}
}

func (d *document) join(rest *document) {
	if rest.text.Len() > 0 {
		d.add("", prepared(rest.text.String()))
	}
	d.left = append(d.left, rest.left...)
}

// remark says what is not shown in full, and where it is.
func (d *document) remark(address string) string {
	if len(d.left) == 0 {
		return ""
	}
	const named = 4
	names := d.left[:min(len(d.left), named)]
	what := strings.Join(names, ", ")
	if more := len(d.left) - len(names); more > 0 {
		what += " and " + display.Count(more, "more part")
	}
	return "_Shortened here for length: " + what + "._ " + link("Everything is on the run's page", address) + "."
}

// cause opens the summary of what did not go well: what happened, how it shows, what to do.
func (p page) cause() block {
	stage := p.stage
	switch stage.Status {
	case pipeline.StatusFailure, pipeline.StatusTimedOut, pipeline.StatusNeutral, pipeline.StatusCancelled:
	case pipeline.StatusSkipped:
		return paragraphs(worded("Skipped", stage.Reason))
	case pipeline.StatusWaiting:
		return p.waiting()
	case pipeline.StatusQueued:
		if entry := p.before(); entry != nil {
			return p.beforeEntry(entry)
		}
		return prepared("")
	default:
		return prepared("")
	}
	cause := display.Cause(stage)
	if cause == "" && stage.Status == pipeline.StatusCancelled {
		cause = worded("Cancelled", stage.Reason)
	}
	if cause == "" && stage.Status == pipeline.StatusNeutral {
		return prepared("")
	}
	if cause == "" {
		cause = p.unknownCause()
	}
	parts := stacked{titled{"What happened", explanation(cause)}}
	if d := stage.Result.Diagnosis; d != nil && strings.TrimSpace(d.Evidence) != "" {
		parts = append(parts, fence{lines: strings.Split(display.Text(d.Evidence), "\n")})
	}
	return append(parts, titled{"What to do", p.remedy()})
}

func (p page) unknownCause() string {
	verdict := p.stage.Result.Verdict
	switch {
	case p.stage.Status == pipeline.StatusTimedOut:
		return "The stage took longer than its limit of " + display.Duration(p.stage.Spec.Timeout) + "."
	case verdict.Signal != "":
		return "The command was ended by a signal: " + verdict.Signal + "."
	case verdict.ExitCode != 0:
		return fmt.Sprintf("The command ended with exit code %d.", verdict.ExitCode)
	default:
		return "The stage failed without naming a cause."
	}
}

func (p page) remedy() block {
	stage := p.stage
	if d := stage.Result.Diagnosis; d != nil && len(d.Remedy) > 0 {
		return list(d.Remedy)
	}
	whole := link("the whole log", p.stageURL())
	switch {
	case closedByGate(stage):
		return p.askAgain()
	case stage.Result.Verdict.Infrastructure:
		return prepared("This is not the commit's fault. Press Retry; if it comes again, ask whoever runs this installation, with " + whole + ".")
	case stage.Status == pipeline.StatusTimedOut:
		return prepared("See in " + whole + " what it was busy with. If it needs the time, raise `timeout-minutes` of the stage.")
	case stage.Status == pipeline.StatusCancelled:
		return prepared("Press Retry to run it again.")
	default:
		return prepared("Read the end of the log below, or " + whole + ".")
	}
}

// list numbers hostile lines.
func list(items []string) block {
	lines := make([]string, 0, len(items))
	for _, item := range items {
		if text := spans(clip(display.Line(item), 1000)); text != "" {
			lines = append(lines, fmt.Sprintf("%d. %s", len(lines)+1, text))
		}
		if len(lines) == 20 {
			break
		}
	}
	return prepared(strings.Join(lines, "\n"))
}

func (p page) reused() block {
	r := p.stage.Reused
	if r == nil {
		return prepared("")
	}
	return prepared(fmt.Sprintf("Reused from %s, where the same inputs passed in %s: nothing had to run again.",
		link(fmt.Sprintf("run #%d", r.RunNumber), p.runURL(r.RunNumber)+"?stage="+queryEscape(p.stage.Spec.Key)), display.Duration(r.Duration)))
}

// attempts says which attempt this is, why there is another one, and how the earlier ones ended.
func (p page) attempts() block {
	stage := p.stage
	if stage.Attempt <= 1 {
		return prepared("")
	}
	lines := []string{fmt.Sprintf("**Attempt %d**", stage.Attempt)}
	if reason := cell(stage.AttemptReason, maxCell); reason != "" {
		lines[0] += ": " + reason
	}
	for _, other := range slices.Backward(p.run.Stages) {
		if other.Spec.Key != stage.Spec.Key || other.Attempt >= stage.Attempt || len(lines) > 10 {
			continue
		}
		line := fmt.Sprintf("- Attempt %d %s after %s", other.Attempt, display.Status(other.Status).Word, display.Duration(other.Duration(p.now)))
		if said := cell(other.Result.Verdict.Title, 200); said != "" {
			line += ": " + said
		}
		lines = append(lines, line)
	}
	lines[0] += "\n"
	return prepared(strings.TrimRight(strings.Join(lines, "\n"), "\n"))
}

func sectionName(s pipeline.Section) string {
	if name := strings.TrimSpace(display.Line(s.Title)); name != "" {
		return name
	}
	return "a section"
}

func section(s pipeline.Section) block {
	var parts stacked
	if strings.TrimSpace(s.Text) != "" {
		parts = append(parts, paragraphs(s.Text))
	}
	if s.Table != nil {
		parts = append(parts, newTable(*s.Table))
	}
	if s.Code != "" {
		parts = append(parts, fence{lines: strings.Split(strings.TrimRight(display.Text(s.Code), "\n"), "\n")})
	}
	if strings.TrimSpace(s.Markdown) != "" {
		parts = append(parts, foreign(s.Markdown))
	}
	switch {
	case s.Folded:
		return folded{sectionName(s), parts}
	case strings.TrimSpace(s.Title) == "":
		return parts
	default:
		return titled{cell(s.Title, 200), parts}
	}
}
