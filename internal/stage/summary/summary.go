// Package summary is the stage that tells what happened in its run, and nothing else.
package summary

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Summarise is a pipeline.Inline: the result of a summary stage, made from what the run's other stages left behind.
//
// Its verdict is the run's, so that a repository can require this one check: failure when a stage failed or timed out,
// cancelled when one was cancelled and none failed, success when every stage passed, was neutral or was skipped.
func Summarise(run pipeline.Run, stage pipeline.StageRun, now time.Time) pipeline.Result {
	stages := others(run, stage)
	result := pipeline.Result{
		Verdict:  verdict(run, stages, now),
		Sections: []pipeline.Section{runSection(run, stages, now), stagesSection(stages, now)},
	}
	if causes, some := causesSection(stages); some {
		result.Sections = append(result.Sections, causes)
	}
	if artifacts, some := artifactsSection(stages); some {
		result.Sections = append(result.Sections, artifacts)
	}
	return result
}

var _ pipeline.Inline = Summarise

// others are the last attempts of all stages but the summaries.
func others(run pipeline.Run, self pipeline.StageRun) []pipeline.StageRun {
	var stages []pipeline.StageRun
	for _, s := range run.Current() {
		if s.Spec.Uses != pipeline.UsesSummary && s.ID != self.ID {
			stages = append(stages, s)
		}
	}
	return stages
}

// count of the stages in each group of results.
type count struct{ passed, failed, cancelled, skipped, open int }

func tally(stages []pipeline.StageRun) count {
	var c count
	for _, s := range stages {
		switch s.Status {
		case pipeline.StatusSuccess, pipeline.StatusNeutral:
			c.passed++
		case pipeline.StatusFailure, pipeline.StatusTimedOut:
			c.failed++
		case pipeline.StatusCancelled:
			c.cancelled++
		case pipeline.StatusSkipped:
			c.skipped++
		case pipeline.StatusQueued, pipeline.StatusReady, pipeline.StatusWaiting, pipeline.StatusRunning:
			c.open++
		}
	}
	return c
}

func verdict(run pipeline.Run, stages []pipeline.StageRun, now time.Time) pipeline.Verdict {
	c := tally(stages)
	v := pipeline.Verdict{Status: pipeline.StatusSuccess}
	var parts []string
	switch {
	case c.failed > 0:
		v.Status = pipeline.StatusFailure
		parts = append(parts, fmt.Sprintf("%d of %s failed (%s)", c.failed, stageCount(len(stages)), names(stages, pipeline.StatusFailure, pipeline.StatusTimedOut)))
		v.Cause = "Failed: " + names(stages, pipeline.StatusFailure, pipeline.StatusTimedOut) + "."
	case c.cancelled > 0:
		v.Status = pipeline.StatusCancelled
		parts = append(parts, fmt.Sprintf("%d of %s cancelled", c.cancelled, stageCount(len(stages))))
		v.Cause = "Cancelled: " + names(stages, pipeline.StatusCancelled) + "."
		if run.Reason != "" {
			v.Cause = "The run was cancelled: " + line(run.Reason) + "."
		}
	default:
		parts = append(parts, fmt.Sprintf("%s passed", stageCount(c.passed)))
	}
	if c.skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d skipped", c.skipped))
	}
	if c.open > 0 {
		if v.Status == pipeline.StatusSuccess {
			v.Status = pipeline.StatusNeutral // nothing failed yet, but not everything is known
		}
		parts = append(parts, fmt.Sprintf("%d not finished", c.open))
	}
	if took := total(run, now); took > 0 {
		parts = append(parts, "in "+display.Duration(took))
	}
	v.Title = strings.Join(parts, ", ")
	return v
}

func stageCount(n int) string {
	if n == 1 {
		return "1 stage"
	}
	return fmt.Sprintf("%d stages", n)
}

// names lists the stages in these states, three at most.
func names(stages []pipeline.StageRun, states ...pipeline.Status) string {
	const shown = 3
	var found []string
	for _, s := range stages {
		for _, state := range states {
			if s.Status == state {
				found = append(found, line(s.Spec.Key))
			}
		}
	}
	text := strings.Join(found[:min(len(found), shown)], ", ")
	if rest := len(found) - shown; rest > 0 {
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// total is the run's wall time up to this moment: the summary is its last stage.
func total(run pipeline.Run, now time.Time) time.Duration {
	start := run.StartedAt
	if start.IsZero() {
		for _, s := range run.Stages {
			if !s.StartedAt.IsZero() && (start.IsZero() || s.StartedAt.Before(start)) {
				start = s.StartedAt
			}
		}
	}
	if start.IsZero() {
		return 0
	}
	return now.Sub(start)
}
