package dashboard

import (
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// page is what the frame around every page shows.
type page struct {
	Title string
	// Home is the address of the list of all runs; Style, Script and Icon are the assets'.
	Home, Style, Script, Icon string
	Crumbs                    []crumb
	// Refresh is how many seconds a browser without JavaScript waits before it loads the page again; 0: never.
	Refresh int
}

// crumb is a step of the way to this page.
type crumb struct{ Text, URL string }

// moment is a time as people read it, with the exact one behind it.
type moment struct{ Ago, Exact, Machine string }

func momentOf(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	return moment{Ago: display.Ago(t, now), Exact: display.Exact(t), Machine: t.UTC().Format(time.RFC3339)}
}

// span is a duration; Since, in milliseconds of Unix time, is set while it grows, so that the script can count on.
type span struct {
	Text  string
	Since int64
}

func stageSpan(s pipeline.StageRun, now time.Time) span {
	if s.StartedAt.IsZero() {
		return span{}
	}
	took := span{Text: display.Duration(s.Duration(now))}
	if s.FinishedAt.IsZero() {
		took.Since = s.StartedAt.UnixMilli()
	}
	return took
}

func runSpan(run pipeline.Run, now time.Time) span {
	if run.StartedAt.IsZero() {
		return span{}
	}
	took := span{Text: display.Duration(display.RunTook(run, now))}
	if run.FinishedAt.IsZero() {
		took.Since = run.StartedAt.UnixMilli()
	}
	return took
}

// commit is what both the list and the run's page say about where a run comes from.
type commit struct {
	SHA, SHAURL       string
	FullSHA           string
	Branch, BranchURL string
	PullURL           string
	Actor, Why        string
	Fork              bool
}

func commitOf(t pipeline.Trigger) commit {
	web := forgeOf(t.Repository)
	c := commit{
		SHA: display.ShortSHA(t.SHA), FullSHA: display.Line(t.SHA), SHAURL: web.commit(t.SHA),
		Branch: display.Line(t.Branch), PullURL: web.pull(t.PullRequest),
		Actor: display.Line(t.Actor), Why: display.Why(t), Fork: t.Fork,
	}
	if !t.Fork { // a fork's branch is not in this repository
		c.BranchURL = web.branch(t.Branch)
	}
	return c
}

// titleOf is the run's headline: the pull request's title or the commit's first line, else the pipeline's name.
func titleOf(run pipeline.Run) string {
	for _, candidate := range []string{run.Trigger.Title, run.Name} {
		if title := display.Line(candidate); title != "" {
			return title
		}
	}
	return "Run of " + display.ShortSHA(run.Trigger.SHA)
}
