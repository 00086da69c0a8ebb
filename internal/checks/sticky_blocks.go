package checks

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// failures name the causes of what failed for the head, and how it is run again.
func (s sticky) failures() block {
	if s.head == nil || s.State != PullOpen || !s.head.Status.Final() {
		return nil
	}
	var lines []string
	for _, stage := range s.head.Current() {
		if !display.Failed(stage.Status) || len(lines) == maxStickyFailures {
			continue
		}
		said := display.Cause(stage)
		if said == "" {
			said = display.Says(*s.head, stage)
		}
		line := "- " + link(plain(clip(display.Line(stage.Spec.Key), 200)), stageURL(s.page(*s.head), stage))
		if said = spans(clip(display.Line(said), 300)); said != "" {
			line += ": " + said
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return nil
	}
	return stacked{prepared(strings.Join(lines, "\n")), prepared("To run again what failed, comment, as " + writers + ":"), fence{lines: []string{"/retry"}}}
}

func stageURL(p page, stage pipeline.StageRun) string {
	p.stage = stage
	return p.stageURL()
}

// environments tells what each environment runs now, what closes it, and what this pull request did there.
func (s sticky) environments() block {
	t := table{columns: []pipeline.Column{{Name: "Environment"}, {Name: "Of this pull request"}}}
	now := s.State == PullOpen || len(s.waiting()) > 0
	if now {
		t.columns = append(t.columns, pipeline.Column{Name: "Runs now"})
	}
	seen := map[string]bool{}
	for _, run := range s.Runs {
		for _, e := range run.Entries {
			if seen[strings.ToLower(e.Environment)] {
				continue
			}
			seen[strings.ToLower(e.Environment)] = true
			row := []string{plain(e.Environment), s.way(run, e)}
			if now {
				row = append(row, s.runsNow(e))
			}
			t.rows = append(t.rows, row)
		}
	}
	if len(t.rows) == 0 {
		return prepared("")
	}
	return titled{"Environments", t}
}

// way is how far a run is on its way into an environment.
func (s sticky) way(run pipeline.Run, e pipeline.Entry) string {
	at := link(fmt.Sprintf("run #%d", run.Number), s.page(run).runURL(run.Number))
	reason := ""
	if said := spans(clip(display.Line(e.Reason), 300)); said != "" {
		reason = ": " + said
	}
	switch e.State {
	case pipeline.EntryPreparing:
		return at + " prepares"
	case pipeline.EntryDeciding:
		return at + " is decided on"
	case pipeline.EntryWaiting:
		return at + " waits"
	case pipeline.EntryEntered, pipeline.EntryLeaving:
		return at + " is in it"
	case pipeline.EntryDone:
		if e.Release == 0 {
			return at + ": destroyed"
		}
		return fmt.Sprintf("%s: release %d", at, e.Release)
	case pipeline.EntryFailed:
		return at + " failed" + reason
	default:
		return at + " did not enter" + reason
	}
}

// runsNow is the environment's release; what closes it is said as long as something of this pull request waits, since
// nobody tells of its end otherwise.
func (s sticky) runsNow(e pipeline.Entry) string {
	state := s.States[e.Environment]
	parts := []string{"no release"}
	if state.Release > 0 {
		parts[0] = fmt.Sprintf("release %d", state.Release)
		if r, known := s.Releases[e.Environment]; known && r.Number == state.Release {
			parts[0] += " of " + code(display.ShortSHA(r.Commit))
			switch {
			case r.PullRequest == s.Number:
				parts[0] += ", this pull request"
			case r.PullRequest > 0:
				parts[0] += fmt.Sprintf(", pull request #%d", r.PullRequest)
			}
			parts[0] += ", since " + clock(r.At)
		}
	}
	if e.State != pipeline.EntryWaiting {
		return parts[0]
	}
	if state.Lock != nil {
		parts = append(parts, "locked by "+lockWords(*state.Lock))
	}
	if state.Hold != nil {
		parts = append(parts, "automatic deploys held by "+lockWords(*state.Hold))
	}
	return strings.Join(parts, "; ")
}

func lockWords(l pipeline.Lock) string {
	words := code(clip(display.Line(l.By), 100)) + " since " + clock(l.At)
	if reason := spans(clip(display.Line(l.Reason), 200)); reason != "" {
		words += ": " + reason
	}
	return words
}

// deploys lists what somebody asked for.
func (s sticky) deploys() block {
	runs := s.asked()
	if len(runs) == 0 {
		return prepared("")
	}
	t := table{columns: []pipeline.Column{{Name: "Asked for"}, {Name: "Commit"}, {Name: "Run"}, {Name: "State"}, {Name: "Waits for"}}}
	for _, run := range runs {
		face := display.Status(run.Status)
		t.rows = append(t.rows, []string{
			plain(display.Why(run.Trigger)) + " by " + code(clip(display.Line(run.Trigger.Actor), 100)), code(display.ShortSHA(run.Trigger.SHA)),
			s.runLink(run), face.Sign + " " + face.Word, waitsForWhom(run),
		})
	}
	return titled{"Asked for by comment", t}
}

// waitsForWhom are those who can let a run go on.
func waitsForWhom(run pipeline.Run) string {
	var who []string
	for _, e := range run.Entries {
		if e.State != pipeline.EntryWaiting || e.Hold == nil {
			continue
		}
		for _, m := range e.Hold.Missing {
			if by := giver(m); m.Who != "" && !slices.Contains(who, by) {
				who = append(who, by)
			}
		}
	}
	return strings.Join(who, "; ")
}

// stages is the table of the head's newest run.
func (s sticky) stages() block {
	if s.head == nil {
		return prepared("")
	}
	t := table{columns: []pipeline.Column{{Name: "Stage"}, {Name: "Result"}, {Name: "Time", Right: true}, {Name: "What it said"}}}
	for _, stage := range s.head.Current() {
		face := display.Status(stage.Status)
		took, said := "", ""
		if stage.Status.Final() && stage.Reused == nil && !stage.StartedAt.IsZero() {
			took = plain(display.Duration(stage.Duration(stage.FinishedAt)))
		}
		if stage.Status != pipeline.StatusRunning { // what it does now is on the page
			said = cell(display.Says(*s.head, stage), 160)
		}
		t.rows = append(t.rows, []string{
			link(plain(clip(display.Line(stage.Spec.Key), 200)), stageURL(s.page(*s.head), stage)), face.Sign + " " + face.Word, took, said,
		})
	}
	title := "Stages of " + code(display.ShortSHA(s.head.Trigger.SHA))
	if s.State != PullOpen {
		return folded{"Stages of " + display.ShortSHA(s.head.Trigger.SHA), t}
	}
	return titled{title, t}
}

// graph is of the run that matters most now: one that somebody asked for, else the head's.
func (s sticky) graph() block {
	run := s.head
	for _, asked := range s.asked() {
		if !asked.Status.Final() {
			run = &asked
			break
		}
	}
	if run == nil || s.State != PullOpen && run.Status.Final() {
		return prepared("")
	}
	drawn := mermaid(*run)
	if drawn == "" {
		return prepared("")
	}
	return folded{fmt.Sprintf("Graph of run #%d", run.Number), prepared("```mermaid\n" + drawn + "\n```")}
}

func (s sticky) repositoryURL() string {
	if len(s.Runs) == 0 {
		return s.base
	}
	r := s.Runs[0].Trigger.Repository
	return fmt.Sprintf("%s/%s/%s", s.base, url.PathEscape(r.Owner), url.PathEscape(r.Name))
}

func (s sticky) foot() block {
	var parts []string
	if s.head != nil {
		parts = append(parts, s.runLink(*s.head))
	}
	if slices.ContainsFunc(s.Runs, func(run pipeline.Run) bool { return len(run.Entries) > 0 }) {
		parts = append(parts, link("environments", s.repositoryURL()+"/environments"))
	}
	parts = append(parts, code("/help")+" lists what can be asked for here")
	return prepared("<sub>\n\n" + strings.Join(parts, " · ") + "\n\n</sub>")
}
