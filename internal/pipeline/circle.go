package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// refuseCircle refuses a plan whose environments wait for each other. Stages have no circle, but environments may have one:
// one is entered when all of it is prepared, so that two, each with a stage that comes after one of the other's, would wait
// for ever.
func refuseCircle(t Trigger, plan Plan) error {
	if len(plan.Entries) < 2 {
		return nil
	}
	run := NewRun(t, plan, time.Time{})
	for i := range run.Stages {
		if run.Stages[i].Spec.Skip != "" {
			run.Stages[i].Status = StatusSkipped
		}
	}
	latest := run.latest()
	waits := make(map[string][]wait, len(run.Entries))
	for _, e := range run.Entries {
		waits[e.Environment] = latest.waits(run.entering(e.Environment))
	}
	for _, e := range run.Entries {
		if circle := findCircle(waits, e.Environment, e.Environment, make(map[string]bool)); circle != nil {
			return errors.New("its environments would wait for each other for ever: " + strings.Join(circle, ", and "))
		}
	}
	return nil
}

// wait is a stage of one environment that comes after one of another.
type wait struct{ stage, after, environment string }

// waits are the other environments that have to be changed before all of one is prepared.
func (l latestAttempts) waits(stages []*StageRun) []wait {
	late := l.late(stages)
	var found []wait
	for _, s := range stages {
		if s.Status.Final() || late[s.Spec.Key] {
			continue
		}
		for _, n := range l.openBefore(s) {
			other := n.Spec.Environment
			if n.Spec.Enters && other != s.Spec.Environment && !slices.ContainsFunc(found, func(w wait) bool { return w.environment == other }) {
				found = append(found, wait{s.Spec.Key, n.Spec.Key, other})
			}
		}
	}
	return found
}

// openBefore are the stages that have not ended and that a stage waits for, in the plan's order.
func (l latestAttempts) openBefore(s *StageRun) []*StageRun {
	seen := make(map[string]bool)
	var found []*StageRun
	open := []*StageRun{s}
	for len(open) > 0 {
		s, open = open[len(open)-1], open[:len(open)-1]
		for _, need := range s.Spec.Needs {
			if n := l.of(need.Stage); !seen[need.Stage] && !n.Status.Final() {
				seen[need.Stage] = true
				found, open = append(found, n), append(open, n)
			}
		}
	}
	slices.SortFunc(found, func(a, b *StageRun) int { return a.Index - b.Index })
	return found
}

// findCircle walks on along what environments wait for and tells the way when it comes back to the first one.
func findCircle(waits map[string][]wait, first, at string, seen map[string]bool) []string {
	for _, w := range waits[at] {
		step := fmt.Sprintf("%s comes after %s", w.stage, w.after)
		if w.environment == first {
			return []string{step}
		}
		if seen[w.environment] {
			continue
		}
		seen[w.environment] = true
		if rest := findCircle(waits, first, w.environment, seen); rest != nil {
			return append([]string{step}, rest...)
		}
	}
	return nil
}
