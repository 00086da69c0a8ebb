package pipeline

// allPrepared reports whether the candidate is complete: every stage that may still change the environment is prepared.
// Late ones come later: nothing but the change of the environment can let them begin.
func (l latestAttempts) allPrepared(stages []*StageRun) bool {
	some, known, late := false, make(map[string]bool, len(stages)), l.late(stages)
	for _, s := range stages {
		switch {
		case s.Status.Final() || late[s.Spec.Key]:
		case !l.prepared(s, known):
			return false
		default:
			some = true
		}
	}
	return some
}

// late are those of an environment's stages that come after a stage outside of it which itself comes after a change of it:
// a deploy, tests of what was deployed, and what the environment gets then. A summary comes after all there is.
func (l latestAttempts) late(stages []*StageRun) map[string]bool {
	const unknown, free, changed, outside = 0, 1, 2, 3
	if len(stages) == 0 {
		return nil
	}
	environment := stages[0].Spec.Environment
	known := make(map[string]int, len(stages))
	var after func(key string) int
	after = func(key string) int {
		if answer := known[key]; answer != unknown {
			return answer
		}
		known[key] = free // needs have no circle
		answer := free
		for _, need := range l.of(key).Spec.Needs {
			n := l.of(need.Stage)
			if n.Status.Final() {
				continue
			}
			comes := after(need.Stage)
			switch {
			case n.Spec.Enters && n.Spec.Environment == environment:
				comes = max(comes, changed)
			case comes >= changed || n.Spec.Uses == UsesSummary:
				comes = outside
			}
			answer = max(answer, comes)
		}
		known[key] = answer
		return answer
	}
	late := make(map[string]bool)
	for _, s := range stages {
		if after(s.Spec.Key) == outside {
			late[s.Spec.Key] = true
		}
	}
	return late
}

// prepared reports whether all that comes before a stage changes its environment is done: its own preparation, what it
// needs outside of the environment, and the preparation of what it needs inside.
func (l latestAttempts) prepared(s *StageRun, known map[string]bool) bool {
	if answer, ok := known[s.Spec.Key]; ok {
		return answer
	}
	known[s.Spec.Key] = false // needs have no circle
	if s.Status.Passed() {
		known[s.Spec.Key] = true
		return true
	}
	if s.Status != StatusQueued && s.Status != StatusWaiting || s.toPrepare() {
		return false
	}
	for _, need := range s.Spec.Needs {
		n := l.of(need.Stage)
		switch {
		case n.Status.Passed(), n.Status == StatusSkipped && need.Optional && !l.publishes(n, s.Spec.Environment):
		case n.Spec.Enters && n.Spec.Environment == s.Spec.Environment && l.prepared(n, known):
		default:
			return false
		}
	}
	known[s.Spec.Key] = true
	return true
}

// publishes reports whether something that comes before a stage which was left out still publishes its part of the
// candidate. The candidate would otherwise depend on which was faster, and move while people look at it. What itself comes
// after a change of the environment is not waited for.
func (l latestAttempts) publishes(out *StageRun, environment string) bool {
	for key := range l.before(out) {
		n := l.of(key)
		if n.Status.Final() || n.Spec.Environment != "" || n.Spec.Steps != PrepareThenApply {
			continue
		}
		changed := false
		for earlier := range l.before(n) {
			e := l.of(earlier)
			changed = changed || e.Spec.Enters && e.Spec.Environment == environment && !e.Status.Final()
		}
		if !changed {
			return true
		}
	}
	return false
}

// awaitsAdmission reports whether attempts that the gate has not seen are prepared, and nothing else is at work in the
// environment.
func (l latestAttempts) awaitsAdmission(e *Entry, stages []*StageRun) bool {
	if _, closed := e.closed(); closed {
		return false
	}
	found, known := false, make(map[string]bool, len(stages))
	for _, s := range stages {
		switch {
		case s.Status == StatusReady || s.Status == StatusRunning:
			return false
		case !s.Status.Final() && !s.Admitted && l.prepared(s, known):
			found = true
		}
	}
	return found && l.allPrepared(stages)
}

// before are the keys of what stages need, directly or through others, and their own.
func (l latestAttempts) before(stages ...*StageRun) map[string]bool {
	keys := make(map[string]bool, len(stages))
	open := make([]string, 0, len(stages))
	for _, s := range stages {
		keys[s.Spec.Key] = true
		open = append(open, s.Spec.Key)
	}
	for len(open) > 0 {
		key := open[len(open)-1]
		open = open[:len(open)-1]
		for _, need := range l.of(key).Spec.Needs {
			if !keys[need.Stage] {
				keys[need.Stage] = true
				open = append(open, need.Stage)
			}
		}
	}
	return keys
}

// broken finds what keeps a part of an entry from being done; nil: nothing does. What a rule left out does not.
func (l latestAttempts) broken(stages []*StageRun) *StageRun {
	for _, s := range stages {
		if b := l.blamed(s); b.Status.broke() {
			return b
		}
	}
	return nil
}

// culprit is the key of what keeps a part of an entry from being done; empty: nothing does.
func (l latestAttempts) culprit(stages []*StageRun) string {
	if b := l.broken(stages); b != nil {
		return b.Spec.Key
	}
	return ""
}

// blamed is the stage because of which an attempt did not run, however far back; itself where it ran or was left out.
func (l latestAttempts) blamed(s *StageRun) *StageRun {
	for range len(l) {
		if s.Status != StatusSkipped || s.SkippedBy == "" {
			break
		}
		s = l.of(s.SkippedBy)
	}
	return s
}
