package dashboard

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// runView is the page of one run. Its parts are templates of their own, so that the live page replaces just those that
// changed.
type runView struct {
	page
	Header   headerView
	Graph    graphView
	Timeline timelineView
	Stages   []stageRow
	Panel    panelView
	Log      logView
	// Events is the address of the event stream; empty when the run has ended.
	Events string
	Live   bool
	// Now is the server's clock in milliseconds, so that a visitor's clock that is wrong counts no wrong durations.
	Now int64
}

type headerView struct {
	Title         string
	Number        int64
	Name, Source  string
	Repository    string
	RepositoryURL string
	Face          display.Face
	Tally         string
	Reason        string
	Commit        commit
	Created       moment
	Took          span
	Failures      []failure
}

// failure is the first thing to read on the page of a failed run.
type failure struct{ Key, URL, Cause string }

// maxFailures bounds the failures at the top; the list of stages has all.
const maxFailures = 5

func failuresOf(run pipeline.Run, stageURL func(string) string) []failure {
	var failures []failure
	for _, s := range run.Current() {
		if !display.Failed(s.Status) || len(failures) == maxFailures {
			continue
		}
		cause := display.Line(display.Cause(s))
		if cause == "" {
			cause = display.Says(run, s)
		}
		failures = append(failures, failure{display.Line(s.Spec.Key), stageURL(s.Spec.Key), display.Truncate(cause, 300)})
	}
	return failures
}

type stageRow struct {
	Anchor   string
	Key, URL string
	Face     display.Face
	Says     string
	Attempt  int
	Took     span
	Selected bool
}

// selection is which attempt of which stage a page opens.
type selection struct {
	key     string
	attempt int // 0: the last
}

// choose finds the attempt that was asked for, or the one a visitor most likely wants: the first that failed, else the
// one that runs, else the last that says something.
func choose(run pipeline.Run, want selection) (pipeline.StageRun, bool) {
	if want.key != "" {
		if stage, ok := asked(run, want); ok {
			return stage, true
		}
	}
	stages := run.Current()
	for _, wanted := range []func(pipeline.StageRun) bool{
		func(s pipeline.StageRun) bool { return display.Failed(s.Status) },
		func(s pipeline.StageRun) bool { return s.Status == pipeline.StatusWaiting },
		func(s pipeline.StageRun) bool { return s.Status == pipeline.StatusRunning },
		func(s pipeline.StageRun) bool { return s.Status.Final() && s.Spec.Uses == "summary" },
		func(s pipeline.StageRun) bool { return s.Status.Final() },
		func(pipeline.StageRun) bool { return true },
	} {
		for _, s := range stages {
			if wanted(s) {
				return s, true
			}
		}
	}
	return pipeline.StageRun{}, false
}

func asked(run pipeline.Run, want selection) (found pipeline.StageRun, ok bool) {
	for _, s := range run.Stages {
		if s.Spec.Key != want.key {
			continue
		}
		if s.Attempt == want.attempt {
			return s, true
		}
		if !s.Superseded {
			found, ok = s, true
		}
	}
	return found, ok
}

// runView builds everything but the log.
func (s *server) runView(run pipeline.Run, selected pipeline.StageRun, now time.Time) runView {
	repository := run.Trigger.Repository
	stageURL := func(key string) string { return s.links.stage(repository, run.Number, key) + "#panel" }
	v := runView{
		page: s.page(fmt.Sprintf("%s #%d %s", repository.FullName(), run.Number, titleOf(run))),
		Header: headerView{
			Title: titleOf(run), Number: run.Number, Name: display.Line(run.Name), Source: display.Line(run.Source),
			Repository: repository.FullName(), RepositoryURL: s.links.repository(repository),
			Face: display.Status(run.Status), Tally: display.Tally(run.Current()), Reason: display.Line(run.Reason),
			Commit: commitOf(run.Trigger), Created: momentOf(run.CreatedAt, now), Took: runSpan(run, now),
			Failures: failuresOf(run, stageURL),
		},
		Graph:    graphOf(run, now, selected.Spec.Key, stageURL),
		Timeline: timelineOf(run, now, stageURL),
		Stages:   stageRows(run, selected.Spec.Key, now, stageURL),
		Live:     !run.Status.Final(),
		Now:      now.UnixMilli(),
	}
	v.Crumbs = []crumb{{repository.FullName(), s.links.repository(repository)}, {Text: fmt.Sprintf("#%d", run.Number)}}
	if selected.Spec.Key != "" {
		v.Panel = s.panel(run, selected, now)
	}
	if v.Live {
		v.Refresh = 5
	}
	return v
}

func stageRows(run pipeline.Run, selected string, now time.Time, stageURL func(string) string) []stageRow {
	var rows []stageRow
	for _, s := range run.Current() {
		rows = append(rows, stageRow{
			Anchor: anchor(s.Spec.Key), Key: display.Line(s.Spec.Key), URL: stageURL(s.Spec.Key),
			Face: display.Status(s.Status), Says: display.Says(run, s), Attempt: s.Attempt, Took: stageSpan(s, now),
			Selected: s.Spec.Key == selected,
		})
	}
	return rows
}

// anchor is the fragment of a stage's row: "#stage-test-3-12".
func anchor(key string) string {
	words := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return "stage-" + strings.Join(words, "-")
}
