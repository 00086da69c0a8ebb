package pipeline

// What a person asks for at a commit runs the stages that belong to it. The others are not planned at all: they have, or
// get, their verdict by a run of the commit itself, and a check of the same name that is skipped would take its place, with
// which GitHub lets a pull request be merged.

// plannedStage is a stage of the file with what is planned of it.
type plannedStage struct {
	def   StageDefinition
	specs []StageSpec
	// left is why it is left out; empty: it is not.
	left string
}

// leaveOut marks what does not belong to what was asked for. Of a deploy, stages of the environment that was named stay,
// with the reason why they are skipped, which may be that they need what is left out.
func leaveOut(t Trigger, all []plannedStage) {
	for i := range all {
		for _, s := range all[i].specs {
			if s.Skip != "" && !asksFor(t, s) {
				all[i].left = s.Skip
			}
		}
	}
	if t.Deploy.Action != ActionDeploy {
		return // what needs them goes on without
	}
	for changed := true; changed; {
		changed = false
		for i := range all {
			if p := &all[i]; p.left == "" && p.def.Uses != UsesSummary {
				changed = p.goWithout(t, all) || changed
			}
		}
	}
}

// goWithout leaves a stage out, too, that cannot do without one that is. It reports whether it did.
func (p *plannedStage) goWithout(t Trigger, all []plannedStage) bool {
	need := p.missing(all)
	if need == nil {
		return false
	}
	why := need.def.ID + ", which it needs, is left out: " + need.left
	for i := range p.specs {
		switch s := &p.specs[i]; {
		case !asksFor(t, *s):
			p.left = why
		case s.Skip == "":
			s.Skip = why
		}
	}
	return p.left != ""
}

// missing is a stage that is left out and that this one cannot do without; nil: there is none.
func (p *plannedStage) missing(all []plannedStage) *plannedStage {
	for _, need := range p.def.Needs {
		for i := range all {
			if all[i].def.ID == need.Stage && all[i].left != "" && !need.Optional {
				return &all[i]
			}
		}
	}
	return nil
}

// asksFor reports whether a stage belongs to the environment that a deploy was asked for.
func asksFor(t Trigger, s StageSpec) bool {
	return t.Deploy.Action == ActionDeploy && s.Environment == t.Deploy.Environment
}
