package pipeline

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// goesBack reads the one key of a stage's settings that the engine goes by.
func goesBack(with json.RawMessage) bool {
	var settings struct {
		RollbackOnFailure bool `json:"rollback-on-failure"`
	}
	return len(with) > 0 && json.Unmarshal(with, &settings) == nil && settings.RollbackOnFailure
}

// goBack has the stages of an environment that want it bring back what ran before, where something that came after them there
// has failed: smoke tests, for one. The run stays in the environment meanwhile, so that nobody builds on what does not work.
func (r *Run) goBack(latest latestAttempts, e *Entry, now time.Time) []Job {
	if e.State != EntryEntered || e.Action != ActionDeploy || e.Reason != "" {
		return nil
	}
	stages := r.entering(e.Environment)
	if slices.ContainsFunc(stages, func(s *StageRun) bool { return !s.Status.Final() }) {
		return nil
	}
	back := make(map[string]string) // keys, and why
	for _, s := range stages {
		if s.Spec.GoesBack && s.Phase == PhaseApply && s.Status.Passed() {
			if failed := latest.failedAfter(s.Spec.Key, stages); failed != nil {
				back[s.Spec.Key] = failed.Spec.Key + " " + past(failed.Status)
			}
		}
	}
	var jobs []Job
	for _, s := range r.Current() { // in the plan's order; the pointers die with the first new attempt
		why, wanted := back[s.Spec.Key]
		if !wanted {
			continue
		}
		fresh := r.newAttempt(s.Spec.Key, StageRun{Phase: PhaseRestore, Admitted: true, AttemptReason: restoreReason + why}, now)
		fresh.Status = StatusReady
		jobs = append(jobs, Job{Kind: JobStage, StageRunID: fresh.ID, RunID: r.ID, Key: fresh.Spec.Key})
	}
	return jobs
}

// failedAfter finds a failed stage of an environment that comes after one of it; nil: there is none.
func (l latestAttempts) failedAfter(key string, stages []*StageRun) *StageRun {
	for _, s := range stages {
		if (s.Status == StatusFailure || s.Status == StatusTimedOut) && l.comesAfter(s, map[string]bool{key: true}) {
			return s
		}
	}
	return nil
}

// restoreReason begins the reason of an attempt that brings back what ran before.
const restoreReason = "rollback, because "

// because is what failed, from the reason of an attempt that brings back what ran before.
func because(s StageRun) string {
	return strings.TrimPrefix(s.AttemptReason, restoreReason)
}
