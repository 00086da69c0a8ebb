package summary

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const shownArtifacts = 100

func runSection(run pipeline.Run, stages []pipeline.StageRun, now time.Time) pipeline.Section {
	t := run.Trigger
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Run"}, {Name: fmt.Sprintf("#%d of %s", run.Number, line(t.Repository.FullName()))}}}
	add := func(name, value string) {
		if value = line(value); value != "" {
			table.Rows = append(table.Rows, []string{name, value})
		}
	}
	add("Pipeline", run.Name)
	add("Commit", strings.TrimSpace(t.SHA+" "+t.Title))
	add("Branch", t.Branch)
	if t.PullRequest > 0 {
		add("Pull request", fmt.Sprintf("#%d into %s", t.PullRequest, t.Base))
	}
	add("Event", string(t.Event))
	add("Environment", strings.Join(environments(run, stages), ", "))
	for _, image := range images(run, stages) {
		add("Image", image)
	}
	for _, digest := range outputs(stages, "digest") {
		add("Digest", digest)
	}
	for _, address := range outputs(stages, "url") {
		add("URL", address)
	}
	if run.Restores != nil {
		add("Brings back", fmt.Sprintf("release %d of %s, commit %s", run.Restores.Number, run.Restores.Environment, run.Restores.Commit))
	}
	for _, e := range run.Entries {
		add("Approved for "+e.Environment, approvers(e))
	}
	add("Started by", t.Actor)
	add("Started", display.Exact(run.StartedAt))
	add("Took", display.Duration(total(run, now)))
	if run.Reason != "" {
		add("Cancelled", run.Reason)
	}
	return pipeline.Section{Title: "Run", Table: &table}
}

// environments are those the run was for, with what became of it there; a skipped stage entered none.
func environments(run pipeline.Run, stages []pipeline.StageRun) []string {
	var found []string
	seen := map[string]bool{}
	for _, s := range stages {
		name := s.Spec.Environment
		if name == "" || s.Status == pipeline.StatusSkipped && run.Entry(name) == nil || seen[name] {
			continue
		}
		seen[name] = true
		switch e := run.Entry(name); {
		case e != nil:
			found = append(found, name+": "+became(*e))
		case s.Spec.Steps == pipeline.PrepareOnly:
			found = append(found, name+" (prepared only)")
		default:
			found = append(found, name)
		}
	}
	return found
}

// became says what came of a run's way into an environment.
func became(e pipeline.Entry) string {
	because := ""
	if e.Reason != "" {
		because = ": " + e.Reason
	}
	switch e.State {
	case pipeline.EntryDone:
		switch e.Action {
		case pipeline.ActionDestroy:
			return "destroyed"
		case pipeline.ActionRollback:
			return fmt.Sprintf("release %d, a rollback; automatic deploys are held until /deploy or /unlock", e.Release)
		default:
			return fmt.Sprintf("release %d", e.Release)
		}
	case pipeline.EntryFailed:
		if e.EnteredAt.IsZero() {
			return "not entered" + because
		}
		return "changed, and failed" + because
	case pipeline.EntryCancelled:
		if !e.EnteredAt.IsZero() {
			return "changed, and cancelled" + because
		}
		return "not entered" + because
	case pipeline.EntryRejected, pipeline.EntryVoid, pipeline.EntrySkipped:
		return "not entered" + because
	default:
		return string(e.State)
	}
}

// approvers are those whose approval was for what entered.
func approvers(e pipeline.Entry) string {
	if e.Candidate == nil || e.EnteredAt.IsZero() {
		return ""
	}
	var names []string
	for _, a := range e.Approvals {
		if a.Fingerprint == e.Candidate.Fingerprint() {
			names = append(names, fmt.Sprintf("%s (%s, %s)", a.By, a.Via, display.Exact(a.At)))
		}
	}
	return strings.Join(names, ", ")
}

// images are those that stages told of or fixed, or that the release had that was brought back.
func images(run pipeline.Run, stages []pipeline.StageRun) []string {
	found := outputs(stages, "image")
	add := func(images map[string]string) {
		for _, id := range slices.Sorted(maps.Keys(images)) {
			if !slices.Contains(found, images[id]) {
				found = append(found, images[id])
			}
		}
	}
	for _, s := range stages {
		add(pipeline.Candidate{Parts: s.Result.Parts}.Images())
	}
	if run.Restores != nil {
		add(run.Restores.Images())
	}
	return found
}

// outputs are the different values that stages told under a name.
func outputs(stages []pipeline.StageRun, name string) []string {
	var found []string
	for _, s := range stages {
		for _, key := range slices.Sorted(maps.Keys(s.Result.Outputs)) {
			if value := s.Result.Outputs[key]; key == name && value != "" && !slices.Contains(found, value) {
				found = append(found, value)
			}
		}
	}
	return found
}

func stagesSection(stages []pipeline.StageRun, now time.Time) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Stage"}, {Name: "Result"}, {Name: "Duration", Right: true}, {Name: "What it said"}}}
	for _, s := range stages {
		table.Rows = append(table.Rows, []string{line(s.Spec.Key), word(s), took(s, now), said(s)})
	}
	return pipeline.Section{Title: "Stages", Table: &table}
}

func word(s pipeline.StageRun) string {
	words := map[pipeline.Status]string{
		pipeline.StatusQueued: "queued", pipeline.StatusReady: "starting", pipeline.StatusWaiting: "waiting for a person",
		pipeline.StatusRunning: "running", pipeline.StatusSuccess: "passed", pipeline.StatusFailure: "failed",
		pipeline.StatusNeutral: "neutral", pipeline.StatusSkipped: "skipped", pipeline.StatusCancelled: "cancelled",
		pipeline.StatusTimedOut: "timed out",
	}
	if words[s.Status] == "" {
		return line(string(s.Status))
	}
	return words[s.Status]
}

func took(s pipeline.StageRun, now time.Time) string {
	if s.Reused != nil {
		return display.Duration(s.Reused.Duration)
	}
	if s.StartedAt.IsZero() {
		return "–"
	}
	return display.Duration(s.Duration(now))
}

// said is the stage's own line, and what is special about this attempt.
func said(s pipeline.StageRun) string {
	text := line(s.Result.Verdict.Title)
	if text == "" || s.Reason != "" && s.Result.Verdict.Status != s.Status { // the verdict is its preparation's
		text = line(s.Reason)
	}
	var notes []string
	if s.Reused != nil {
		notes = append(notes, fmt.Sprintf("reused from run #%d", s.Reused.RunNumber))
	}
	if s.Attempt > 1 {
		notes = append(notes, fmt.Sprintf("attempt %d", s.Attempt))
	}
	if len(notes) > 0 {
		text = strings.TrimSpace(text + " (" + strings.Join(notes, ", ") + ")")
	}
	return text
}

// causesSection tells for each stage that did not end well what it gave as the cause.
func causesSection(stages []pipeline.StageRun) (pipeline.Section, bool) {
	var causes []string
	for _, s := range stages {
		cause := s.Result.Verdict.Cause
		if s.Result.Diagnosis != nil && s.Result.Diagnosis.Cause != "" {
			cause = s.Result.Diagnosis.Cause
		}
		bad := s.Status == pipeline.StatusFailure || s.Status == pipeline.StatusTimedOut || s.Status == pipeline.StatusNeutral
		if bad && cause != "" {
			causes = append(causes, line(s.Spec.Key)+": "+line(cause))
		}
	}
	return pipeline.Section{Title: "What happened", Text: strings.Join(causes, "\n\n")}, len(causes) > 0
}

func artifactsSection(stages []pipeline.StageRun) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Stage"}, {Name: "File"}, {Name: "Size", Right: true}}}
	n := 0
	for _, s := range stages {
		for _, a := range s.Result.Artifacts {
			if n++; n <= shownArtifacts {
				table.Rows = append(table.Rows, []string{line(s.Spec.Key), line(a.Name), display.Bytes(a.Bytes)})
			}
		}
	}
	section := pipeline.Section{Title: "Artifacts", Table: &table, Folded: true}
	if n > shownArtifacts {
		section.Text = fmt.Sprintf("The first %d of %d.", shownArtifacts, n)
	}
	return section, n > 0
}

// line makes any text one line: names, titles and reasons come from other people.
func line(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}
