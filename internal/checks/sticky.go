package checks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// PullState is whether a pull request is open.
type PullState string

// The states.
const (
	PullOpen   PullState = "open"
	PullMerged PullState = "merged"
	PullClosed PullState = "closed"
)

// StickyFacts are what the one comment on a pull request tells of.
type StickyFacts struct {
	Number int
	State  PullState
	// Head is the commit that the pull request holds; empty: not known.
	Head string
	// Runs are those for the pull request and those that somebody asked for on it, newest first.
	Runs []pipeline.Run
	// States and Releases (the ones that run now) are of the environments that the runs want to enter, by name.
	States   map[string]pipeline.EnvironmentState
	Releases map[string]pipeline.Release
}

// Shares of the comment; GitHub takes 65,536 characters.
const (
	maxSticky         = 60_000
	shareOfBlocked    = 20 << 10
	shareOfStages     = 20 << 10
	shareOfWays       = 10 << 10
	maxStickyDeploys  = 10
	maxStickyFailures = 5
)

// stickyMark is how the comment is known. GitHub does not show it.
func stickyMark(number int) string {
	return fmt.Sprintf("<!-- slipway: status of pull request %d -->", number)
}

// RenderSticky makes the comment's text: what runs, what is blocked, who can unblock it and what to write. It is a pure
// function of states alone: neither time that passes nor a line of progress changes it.
func RenderSticky(f StickyFacts, pageURL string) string {
	s := sticky{StickyFacts: f, base: strings.TrimRight(pageURL, "/")}
	s.head = s.headRun()
	var d document
	d.limit = maxSticky
	d.add("", prepared(stickyMark(f.Number)+"\n### "+s.headline()))
	d.add("what is blocked", bounded{s.blocked(), shareOfBlocked})
	d.add("environments", bounded{s.environments(), shareOfWays})
	d.add("deploys", bounded{s.deploys(), shareOfWays})
	d.add("stages", bounded{s.stages(), shareOfStages})
	d.add("the graph", s.graph())
	d.limit += shareOfRemark
	if remark := d.remark(s.repositoryURL()); remark != "" {
		d.add("", prepared(remark))
	}
	d.add("", s.foot())
	return d.text.String()
}

// sticky is the comment in the making.
type sticky struct {
	StickyFacts

	base string
	// head is the newest run of the pull request's head; nil: there is none.
	head *pipeline.Run
}

func (s sticky) headRun() *pipeline.Run {
	var newest *pipeline.Run
	for i, run := range s.Runs {
		if run.Trigger.Event != pipeline.EventPullRequest {
			continue
		}
		if run.Trigger.SHA == s.Head {
			return &s.Runs[i]
		}
		if newest == nil {
			newest = &s.Runs[i]
		}
	}
	return newest
}

// asked are the runs that somebody asked for, that are under way or tell the latest of their environment.
func (s sticky) asked() []pipeline.Run {
	var runs []pipeline.Run
	told := map[string]bool{}
	for _, run := range s.Runs {
		if run.Trigger.Deploy == nil {
			continue
		}
		about := strings.ToLower(run.Trigger.Deploy.Environment)
		if run.Trigger.Deploy.Action == pipeline.ActionPlan {
			about += " plan"
		}
		if !run.Status.Final() || !told[about] {
			runs = append(runs, run)
		}
		told[about] = true
	}
	return runs[:min(len(runs), maxStickyDeploys)]
}

// waiting are the entries that wait, with their runs.
func (s sticky) waiting() []waitingEntry {
	var found []waitingEntry
	for _, run := range s.Runs {
		for i, e := range run.Entries {
			if e.State == pipeline.EntryWaiting && e.Hold != nil {
				found = append(found, waitingEntry{run, &run.Entries[i]})
			}
		}
	}
	// Those that somebody can do something about come first.
	slices.SortStableFunc(found, func(a, b waitingEntry) int {
		switch {
		case a.entry.Hold.Person == b.entry.Hold.Person:
			return 0
		case a.entry.Hold.Person:
			return -1
		default:
			return 1
		}
	})
	return found
}

type waitingEntry struct {
	run   pipeline.Run
	entry *pipeline.Entry
}

func (s sticky) page(run pipeline.Run) page { return page{base: s.base, run: run} }

func (s sticky) runLink(run pipeline.Run) string {
	return link(fmt.Sprintf("Run #%d", run.Number), s.page(run).runURL(run.Number))
}

// held reports whether the head's run waits for somebody to let a stranger's commit run.
func (s sticky) held() bool {
	return s.head != nil && s.State == PullOpen && slices.ContainsFunc(s.head.Current(), func(stage pipeline.StageRun) bool {
		return stage.Status == pipeline.StatusWaiting && s.head.Held(stage)
	})
}

// headline is the one line that says where it stands.
func (s sticky) headline() string {
	waiting := s.waiting()
	switch {
	case len(waiting) > 0:
		return display.Status(pipeline.StatusWaiting).Sign + " " + waitingTitle(*waiting[0].entry)
	case s.held():
		return "? Waiting for somebody to let the commit run"
	}
	for _, run := range s.asked() {
		if !run.Status.Final() {
			return display.Status(run.Status).Sign + " " + plain(capital(display.Why(run.Trigger))) + ": " + display.Tally(run.Current())
		}
	}
	switch {
	case s.State == PullMerged:
		return "Merged"
	case s.State == PullClosed:
		return "Closed without being merged"
	case s.head == nil:
		return "Nothing runs"
	default:
		face := display.Status(s.head.Status)
		return face.Sign + " " + capital(face.Word) + ": " + display.Tally(s.head.Current())
	}
}

// waitingTitle is the gate's title with the environment's name, where it does not begin with that.
func waitingTitle(e pipeline.Entry) string {
	title := clip(display.Line(e.Hold.Title), 200)
	if strings.HasPrefix(title, e.Environment) {
		return spans(title)
	}
	for _, word := range []string{"Waiting ", "Waits "} {
		if rest, found := strings.CutPrefix(title, word); found {
			title = strings.ToLower(word[:1]) + word[1:] + rest
		}
	}
	return plain(e.Environment) + ": " + spans(title)
}

// blocked tells of everything that waits what is missing, who can give it, and what to write.
func (s sticky) blocked() block {
	var parts stacked
	if s.held() {
		parts = append(parts, prepared(fmt.Sprintf("The commit comes from a fork, so nothing of it has been run. If it may run here, comment, as %s:", writers)),
			fence{lines: []string{pipeline.WordFor(s.head.Trigger.SHA)}})
	}
	for _, w := range s.waiting() {
		p := s.page(w.run)
		parts = append(parts, prepared(fmt.Sprintf("%s, %s of %s%s, waits before **%s**.", s.runLink(w.run), actionWord(w.entry.Action),
			code(display.ShortSHA(w.run.Trigger.SHA)), askedBy(w), plain(w.entry.Environment))))
		parts = append(parts, p.missing(w.entry))
		if what := commands(w.entry, "comment here, or press **Approve** at its check", "comment here"); what != nil {
			parts = append(parts, what)
		}
		if w.entry.Candidate != nil {
			parts = append(parts, folded{"What would enter " + w.entry.Environment, p.candidate(*w.entry.Candidate)})
		}
	}
	if again := s.failures(); again != nil {
		parts = append(parts, again)
	}
	return parts
}

// writers are those who may have stages run again.
const writers = "somebody with write permission"

func actionWord(a pipeline.Action) string {
	switch a {
	case pipeline.ActionRollback:
		return "a rollback"
	case pipeline.ActionDestroy:
		return "a destruction"
	default:
		return "a deploy"
	}
}

func askedBy(w waitingEntry) string {
	if w.entry.Automatic || len(w.entry.Askers) == 0 {
		return ""
	}
	return " asked for by " + code(clip(display.Line(w.entry.Askers[len(w.entry.Askers)-1]), 100))
}
