package environment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Answer is what the gate says.
type Answer string

// The answers.
const (
	// Open: it may enter now.
	Open Answer = "open"
	// Hold: it may enter once what is missing is there.
	Hold Answer = "hold"
	// Closed: it will not enter as it is.
	Closed Answer = "closed"
)

// Decision is the gate's answer with its reasons, most pressing first.
type Decision struct {
	Answer  Answer
	Missing []pipeline.Missing
	// Until is when it is worth deciding again though nothing happens; zero: never.
	Until time.Time
	// Approved counts the people whose approval counts, of the Required.
	Approved, Required int
	// Approvers are those people, as they spell themselves, in the order in which they approved.
	Approvers []string
	// Ahead counts the runs that enter before.
	Ahead int
}

// Lacks reports whether a rule is among what is missing.
func (d Decision) Lacks(rule string) bool {
	return slices.ContainsFunc(d.Missing, func(m pipeline.Missing) bool { return m.Rule == rule })
}

func (d *Decision) add(m *pipeline.Missing) {
	if m == nil {
		return
	}
	d.Answer, d.Missing = Hold, append(d.Missing, *m)
	if !m.Until.IsZero() && (d.Until.IsZero() || m.Until.Before(d.Until)) {
		d.Until = m.Until
	}
}

// Title is one line that says what is waited for and, to whoever is to approve it, what would be lost.
func (d Decision) Title(rules pipeline.EnvironmentDefinition, c pipeline.Candidate) string {
	if len(d.Missing) == 0 {
		return ""
	}
	if d.Lacks(RuleApprovals) && d.Answer == Hold {
		title := fmt.Sprintf("Waiting for %s of %s", count(d.Required-d.Approved, "approval"), people(rules.Approvals.From))
		if lost := c.Lost(); lost != "" {
			title += "; it destroys " + lost
		}
		return title
	}
	first := d.Missing[0]
	if first.Rule == RuleTurn {
		return "Waits for its turn: " + lowerFirst(strings.TrimSuffix(first.Why, "."+goesOn))
	}
	return strings.TrimSuffix(first.Why, ".")
}
