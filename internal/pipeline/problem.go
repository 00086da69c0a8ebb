package pipeline

import (
	"fmt"
	"time"
)

// ProblemCheck is the name of the one check that shows the problems of a pipeline file.
const ProblemCheck = "slipway"

// UsesDefinition is the kind of the stage behind ProblemCheck. Nothing executes it: it is born concluded.
const UsesDefinition = "definition"

// problemRun makes a run that shows what is wrong with the pipeline file and does nothing else.
func problemRun(t Trigger, problems []Problem, now time.Time) Run {
	run := NewRun(t, Plan{Name: "Slipway", Stages: []StageSpec{{
		Key: ProblemCheck, ID: ProblemCheck, Uses: UsesDefinition, Timeout: time.Minute,
	}}}, now)
	run.Stages[0].Result = problemResult(problems)
	return run
}

func problemResult(problems []Problem) Result {
	title := "1 problem in the pipeline file"
	if len(problems) != 1 {
		title = fmt.Sprintf("%d problems in the pipeline file", len(problems))
	}
	table := &Table{Columns: []Column{{Name: "Place"}, {Name: "Problem"}}}
	result := Result{
		Verdict: Verdict{Status: StatusFailure, Title: title, Cause: "The pipeline file cannot be used, so no stage was planned."},
	}
	for _, p := range problems {
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, max(p.Column, 1))
		}
		table.Rows = append(table.Rows, []string{place, p.Message})
		result.Findings = append(result.Findings, Finding{
			Tool: "slipway", Path: p.File, Line: max(p.Line, 1), Column: p.Column, Level: LevelFailure,
			Title: "Pipeline file", Message: p.Message,
		})
	}
	result.Sections = []Section{{
		Title: "Problems", Table: table,
		Text: "Correct them and push again. `slipway validate` shows the same list on your machine.",
	}}
	return result
}

// concludeProblems walks the one stage of a problem run through its states.
func concludeProblems(r *Run, now time.Time) error {
	s := &r.Stages[0]
	for _, status := range []Status{StatusReady, StatusRunning, StatusFailure} {
		if err := s.Move(status, now); err != nil {
			return err
		}
	}
	r.settle(now)
	return nil
}
