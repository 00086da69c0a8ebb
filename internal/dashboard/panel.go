package dashboard

import (
	"fmt"
	"html/template"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of a panel; what is beyond is counted.
const (
	maxRows    = 300
	maxColumns = 30
)

// panelView is one attempt of one stage: the diagnosis first, then what it found.
type panelView struct {
	Key          string
	StageRunID   int64
	Uses         string
	Environment  string
	Face         display.Face
	Title        string
	Took         span
	Started      moment
	Trouble      *troubleView
	Notes        []string
	Attempts     []attemptLink
	Reused       *reusedView
	Steps        []stepRow
	Sections     []sectionView
	Findings     []findingView
	MoreFindings []findingView
	FindingCount int
	Dropped      int
	Outputs      [][2]string
	Artifacts    []artifactLink
}

// troubleView is what went wrong and what to do.
type troubleView struct {
	Cause    []string
	Remedy   [][]fragment
	Evidence string
	Exit     string
}

// fragment is a piece of a sentence; Code was written between backticks.
type fragment struct {
	Text string
	Code bool
}

type attemptLink struct {
	Number   int
	URL      string
	Face     display.Face
	Reason   string
	Selected bool
}

type reusedView struct {
	Number int64
	URL    string
	Took   string
}

type stepRow struct {
	Name, Detail string
	Face         display.Face
	Took         span
}

type sectionView struct {
	Title      string
	Paragraphs []string
	Columns    []cell
	Rows       [][]cell
	MoreRows   int
	Code       string
	HTML       template.HTML
	Folded     bool
}

type cell struct {
	Text  string
	Right bool
}

type artifactLink struct{ Name, URL, Size string }

func (s *server) panel(run pipeline.Run, stage pipeline.StageRun, now time.Time) panelView {
	v := panelView{
		Key: display.Line(stage.Spec.Key), StageRunID: stage.ID, Uses: display.Line(stage.Spec.Uses),
		Environment: display.Line(stage.Spec.Environment), Face: display.Status(stage.Status), Title: display.Says(run, stage),
		Took: stageSpan(stage, now), Started: momentOf(stage.StartedAt, now),
		Trouble: troubleOf(stage), Notes: notesOf(stage), Attempts: s.attempts(run, stage), Dropped: stage.Result.FindingsDropped,
		FindingCount: len(stage.Result.Findings) + stage.Result.FindingsDropped,
	}
	if stage.Reused != nil {
		v.Reused = &reusedView{
			Number: stage.Reused.RunNumber, Took: display.Duration(stage.Reused.Duration),
			URL: s.links.stage(run.Trigger.Repository, stage.Reused.RunNumber, stage.Spec.Key),
		}
	}
	for _, step := range stage.Result.Steps {
		v.Steps = append(v.Steps, stepOf(step, stage, now))
	}
	for _, section := range stage.Result.Sections[:min(len(stage.Result.Sections), pipeline.MaxSections)] {
		v.Sections = append(v.Sections, s.section(section))
	}
	v.Findings, v.MoreFindings = findingsOf(run.Trigger, stage.Result.Findings)
	for _, name := range slices.Sorted(maps.Keys(stage.Result.Outputs)) {
		v.Outputs = append(v.Outputs, [2]string{display.Line(name), display.Line(stage.Result.Outputs[name])})
	}
	for _, a := range stage.Result.Artifacts {
		link := artifactLink{Name: display.Line(a.Name), Size: display.Bytes(a.Bytes)}
		if fs.ValidPath(a.Name) {
			link.URL = s.links.artifact(run.Trigger.Repository, run.Number, stage.ID, a.Name)
		}
		v.Artifacts = append(v.Artifacts, link)
	}
	return v
}

// troubleOf is nil for a stage that has nothing to complain about.
func troubleOf(stage pipeline.StageRun) *troubleView {
	verdict, diagnosis := stage.Result.Verdict, stage.Result.Diagnosis
	if diagnosis == nil && verdict.Cause == "" {
		return nil
	}
	t := &troubleView{Cause: paragraphs(display.Cause(stage))}
	if diagnosis != nil {
		for _, line := range diagnosis.Remedy {
			t.Remedy = append(t.Remedy, fragments(display.Line(line)))
		}
		t.Evidence = display.Line(diagnosis.Evidence)
	}
	switch {
	case verdict.Signal != "":
		t.Exit = "The command was ended by a signal: " + display.Line(verdict.Signal) + "."
	case verdict.ExitCode != 0:
		t.Exit = fmt.Sprintf("The command ended with exit code %d.", verdict.ExitCode)
	}
	return t
}

// notesOf are remarks about how the attempt came about.
func notesOf(stage pipeline.StageRun) []string {
	var notes []string
	note := func(format, text string) {
		if text = display.Line(text); text != "" {
			notes = append(notes, fmt.Sprintf(format, text))
		}
	}
	if stage.Result.Verdict.Title != "" {
		note("%s", stage.Reason)
	}
	if stage.Attempt > 1 {
		note(fmt.Sprintf("This is attempt %d: %%s.", stage.Attempt), stage.AttemptReason)
	}
	if !stage.Status.Final() {
		note("It was asked to stop: %s.", stage.Cancel)
	}
	if stage.Result.Verdict.Infrastructure {
		notes = append(notes, "The cause lies in the surroundings, not in the commit.")
	}
	return notes
}

func (s *server) attempts(run pipeline.Run, selected pipeline.StageRun) []attemptLink {
	var attempts []attemptLink
	for _, other := range run.Stages {
		if other.Spec.Key == selected.Spec.Key {
			attempts = append(attempts, attemptLink{
				Number: other.Attempt, Face: display.Status(other.Status), Selected: other.ID == selected.ID,
				Reason: display.Line(other.AttemptReason),
				URL:    s.links.attempt(run.Trigger.Repository, run.Number, other.Spec.Key, other.Attempt) + "#panel",
			})
		}
	}
	if len(attempts) < 2 {
		return nil
	}
	return attempts
}

func stepOf(step pipeline.Step, stage pipeline.StageRun, now time.Time) stepRow {
	row := stepRow{Name: display.Line(step.Name), Detail: display.Line(step.Detail), Face: display.Status(step.Status)}
	switch {
	case step.StartedAt.IsZero():
	case !step.FinishedAt.IsZero():
		row.Took.Text = display.Duration(step.FinishedAt.Sub(step.StartedAt))
	case stage.Status.Final():
		// its end was never told: the stage was cut off in it
	default:
		row.Took = span{Text: display.Duration(now.Sub(step.StartedAt)), Since: step.StartedAt.UnixMilli()}
	}
	return row
}

func (s *server) section(section pipeline.Section) sectionView {
	v := sectionView{
		Title: display.Line(section.Title), Paragraphs: paragraphs(section.Text), Code: display.Text(section.Code), Folded: section.Folded,
	}
	if section.Markdown != "" {
		v.HTML = s.markdown.HTML(section.Markdown)
	}
	if section.Table == nil {
		return v
	}
	for _, column := range section.Table.Columns[:min(len(section.Table.Columns), maxColumns)] {
		v.Columns = append(v.Columns, cell{display.Line(column.Name), column.Right})
	}
	for _, row := range section.Table.Rows[:min(len(section.Table.Rows), maxRows)] {
		cells := make([]cell, len(v.Columns)) // a row of another length than it should have is cut or filled
		for i := range cells {
			if i < len(row) {
				cells[i].Text = display.Line(row[i])
			}
			cells[i].Right = v.Columns[i].Right
		}
		v.Rows = append(v.Rows, cells)
	}
	v.MoreRows = len(section.Table.Rows) - len(v.Rows)
	return v
}

func paragraphs(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(display.Text(text), "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// fragments takes a sentence apart at its backticks; one without a partner stays a character.
func fragments(text string) []fragment {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 {
		last := len(parts) - 1
		parts[last-1] += "`" + parts[last]
		parts = parts[:last]
	}
	var list []fragment
	for i, part := range parts {
		if part != "" {
			list = append(list, fragment{Text: part, Code: i%2 == 1})
		}
	}
	return list
}
