package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// ruleApprovals is the Missing.Rule that people satisfy by approving.
const ruleApprovals = "approvals"

// clock is a moment as people compare it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// before is the entry that the stage waits with and shows the reason of; nil: there is none.
func (p page) before() *pipeline.Entry { return display.Before(p.run, p.stage) }

func asksForApproval(e *pipeline.Entry) bool {
	return e != nil && slices.ContainsFunc(e.Hold.Missing, func(m pipeline.Missing) bool { return m.Rule == ruleApprovals })
}

// closedByGate reports whether the gate, or somebody's no, ended the stage: its verdict is then the reason itself.
func closedByGate(stage pipeline.StageRun) bool {
	return stage.Spec.Enters && stage.Reason != "" && stage.Result.Verdict.Title == stage.Reason &&
		(stage.Status == pipeline.StatusFailure || stage.Status == pipeline.StatusCancelled)
}

// beforeEntry tells what keeps a candidate out of an environment, who can give it, and what exactly would enter.
func (p page) beforeEntry(e *pipeline.Entry) block {
	parts := stacked{p.missing(e)}
	if ahead := e.Hold.Ahead; ahead > 0 {
		parts = append(parts, prepared(fmt.Sprintf("Runs before this one: **%d**.", ahead)))
	}
	if what := commands(e, "press **Approve**, or "+p.comment(), p.comment()); what != nil {
		parts = append(parts, titled{"What to do", what})
	}
	parts = append(parts, approvals(e), refused(e))
	if e.Candidate != nil {
		parts = append(parts, titled{"What would enter " + plain(e.Environment), p.candidate(*e.Candidate)})
	}
	return parts
}

// missing is a table of what is not there yet.
func (p page) missing(e *pipeline.Entry) block {
	if len(e.Hold.Missing) == 0 {
		return paragraphs(e.Hold.Title)
	}
	t := table{columns: []pipeline.Column{{Name: "Missing"}, {Name: "Why"}, {Name: "Who can give it"}}}
	for _, m := range e.Hold.Missing {
		t.rows = append(t.rows, []string{cell(m.Rule, 60), spans(clip(display.Line(m.Why), maxCell)), giver(m)})
	}
	return t
}

// giver says who can give what is missing.
func giver(m pipeline.Missing) string {
	switch {
	case m.Who != "":
		return people(m.Who)
	case !m.Until.IsZero():
		return "time: " + clock(m.Until)
	default:
		return "nobody has to"
	}
}

// people shows a list of logins and teams as code, so that nobody is called; words about people stay words.
func people(who string) string {
	who = clip(display.Line(who), maxCell)
	names := strings.Split(who, ", ")
	for i, name := range names {
		if name == "" || strings.ContainsRune(name, ' ') {
			return spans(who)
		}
		names[i] = code(name)
	}
	return strings.Join(names, ", ")
}

// commands are the lines to write, with who may; nil: there is nothing to do. approve and other are how they are given.
func commands(e *pipeline.Entry, approve, other string) block {
	var parts stacked
	var said []string
	for _, m := range e.Hold.Missing {
		if m.Command == "" || slices.Contains(said, m.Command) {
			continue
		}
		said = append(said, m.Command)
		how := "To go on, " + other
		if m.Rule == ruleApprovals {
			how = "If exactly this may enter, " + approve
		}
		if m.Who != "" {
			how += ", as " + people(m.Who)
		}
		parts = append(parts, prepared(how+":"), fence{lines: []string{m.Command}})
	}
	if len(parts) == 0 {
		return nil
	}
	return parts
}

// comment is where a command is to be written.
func (p page) comment() string {
	if n := p.run.Trigger.PullRequest; n > 0 {
		return fmt.Sprintf("comment on pull request #%d", n)
	}
	return "comment on the pull request that brought the commit"
}

// approvals are those given so far.
func approvals(e *pipeline.Entry) block {
	head := "Approvals"
	if e.Hold != nil && e.Hold.Required > 0 {
		head = fmt.Sprintf("Approvals: %d of %d", e.Hold.Approved, e.Hold.Required)
	}
	if len(e.Approvals) == 0 {
		return prepared("")
	}
	t := table{columns: []pipeline.Column{{Name: "Who"}, {Name: "When"}, {Name: "How"}, {Name: "For this candidate"}}}
	for _, a := range e.Approvals {
		counts := "yes"
		if e.Candidate == nil || a.Fingerprint != e.Candidate.Fingerprint() {
			counts = "no, for an earlier one"
		}
		t.rows = append(t.rows, []string{cell(a.By, 100), clock(a.At), cell(a.Via, 40), counts})
	}
	return titled{head, t}
}

// refused are the last words that did not count, so that whoever pressed a button sees why.
func refused(e *pipeline.Entry) block {
	var lines []string
	for _, w := range slices.Backward(e.Refused) {
		what := map[string]string{"approve": "approval", "reject": "rejection"}[w.What]
		if what == "" {
			what = "word (" + cell(w.What, 40) + ")"
		}
		lines = append(lines, fmt.Sprintf("- %s's %s does not count: %s (%s)", plain(clip(display.Line(w.By), 100)), what,
			spans(clip(display.Line(w.Why), maxCell)), clock(w.At)))
	}
	if len(lines) == 0 {
		return prepared("")
	}
	return titled{"Words that do not count", prepared(strings.Join(lines, "\n"))}
}

// candidate is exactly what would enter, with values short enough to compare.
func (p page) candidate(c pipeline.Candidate) block {
	t := table{columns: []pipeline.Column{{Name: "Part"}, {Name: "Value"}, {Name: "What it is"}}}
	add := func(part, value, detail string) {
		if value != "" {
			t.rows = append(t.rows, []string{part, code(shortValue(value)), detail})
		}
	}
	action := ""
	if c.Action != "" && c.Action != pipeline.ActionDeploy {
		action = string(c.Action)
	}
	add("commit", c.Commit, cell(p.run.Trigger.Title, 200))
	add("base", c.Base, cell(p.run.Trigger.Base, 200))
	for _, part := range c.Parts {
		detail := cell(part.Detail, 200)
		if part.ExtraApproval != "" {
			detail = strings.TrimPrefix(detail+"; one approval more, because "+cell(part.ExtraApproval, 200), "; ")
		}
		add(cell(string(part.Kind)+" of "+part.Name, 200), part.Value, detail)
	}
	add("configuration", c.Configuration, "rules and targets of "+cell(c.Environment, 100)+", and what its stages are to do")
	add("all of it", c.Fingerprint(), "an approval is for exactly this")
	parts := stacked{t}
	if action != "" {
		parts = append(parts, prepared("What is asked for: **"+cell(action, 40)+"**."+p.restores()))
	}
	return parts
}

// restores names the release that a rollback brings back.
func (p page) restores() string {
	if p.run.Restores == nil {
		return ""
	}
	return fmt.Sprintf(" It brings back release %d, which was made of the commit %s.", p.run.Restores.Number, code(shortValue(p.run.Restores.Commit)))
}

// shortValue is a hash, or an image by digest, as people compare them.
func shortValue(v string) string {
	const shown = 12
	v = display.Line(v)
	name, digest, found := strings.Cut(v, "@sha256:")
	switch {
	case found && len(digest) > shown:
		return clip(name, 150) + "@sha256:" + digest[:shown]
	case !found && len(v) > shown:
		return cutBytes(v, shown)
	default:
		return clip(v, 200)
	}
}

// entry says how a stage that changes its environment came to do so, and what became of it.
func (p page) entry() block {
	s := p.stage
	if !s.Spec.Enters || s.Superseded {
		return prepared("")
	}
	e := p.run.Entry(s.Spec.Environment)
	if e == nil {
		return prepared("")
	}
	if closedByGate(s) {
		return p.closedEntry(e)
	}
	if !s.Admitted || e.EnteredAt.IsZero() {
		return prepared("")
	}
	line := "Entered " + plain(e.Environment) + " on " + clock(e.EnteredAt)
	if s.Release > 0 {
		line = fmt.Sprintf("**Release %d of %s**, entered on %s", s.Release, plain(e.Environment), clock(e.EnteredAt))
	}
	line += approvedBy(e) + "." + p.restores()
	if e.Action == pipeline.ActionRollback && e.State == pipeline.EntryDone {
		line += " Nothing is deployed there by itself until somebody says " + code("/deploy "+e.Environment) + " or " + code("/unlock "+e.Environment) + "."
	}
	return prepared(line)
}

// approvedBy names who approved what entered.
func approvedBy(e *pipeline.Entry) string {
	var names []string
	for _, a := range e.Approvals {
		if e.Candidate != nil && a.Fingerprint == e.Candidate.Fingerprint() {
			names = append(names, fmt.Sprintf("%s (%s, %s)", plain(clip(display.Line(a.By), 100)), cell(a.Via, 40), clock(a.At)))
		}
	}
	switch {
	case len(names) > 0:
		return ", approved by " + strings.Join(names, ", ")
	case e.Automatic:
		return ", by itself"
	default:
		return ""
	}
}

// closedEntry is what was not to enter after all.
func (p page) closedEntry(e *pipeline.Entry) block {
	if e.Candidate == nil {
		return approvals(e)
	}
	return stacked{approvals(e), refused(e), folded{"What did not enter " + e.Environment, p.candidate(*e.Candidate)}}
}

// askAgain is what to do about a candidate that was rejected, refused or void.
func (p page) askAgain() block {
	environment := p.stage.Spec.Environment
	e := p.run.Entry(environment)
	switch {
	case e != nil && e.State == pipeline.EntryRejected:
		return prepared("Speak with whoever said no. Press Retry to ask again: it is prepared and decided on anew.")
	case e != nil && e.Automatic:
		return prepared("Press Retry to ask again: it is prepared and decided on anew. A newer push asks by itself.")
	default:
		return stacked{
			prepared("Ask again, so that it is decided on as it is now:"), fence{lines: []string{"/" + string(p.asked()) + " " + environment}},
		}
	}
}

// asked is what was asked for.
func (p page) asked() pipeline.Action {
	if d := p.run.Trigger.Deploy; d != nil {
		return d.Action
	}
	return pipeline.ActionDeploy
}
