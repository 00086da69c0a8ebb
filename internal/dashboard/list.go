package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of a list: how many runs a page shows, and how many are looked through for those that may be seen.
const (
	pageSize = 30
	maxScan  = 600
)

// listQuery is what a visitor asked to see.
type listQuery struct {
	Repository string // owner/name
	Branch     string
	Status     string
	Before     int64
}

func listQueryOf(values url.Values) listQuery {
	before, err := strconv.ParseInt(values.Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	return listQuery{
		Repository: strings.TrimSpace(values.Get("repo")), Branch: strings.TrimSpace(values.Get("branch")),
		Status: values.Get("status"), Before: before,
	}
}

// unfinished is the choice of runs that have not ended, whatever their state.
const unfinished = "open"

func (q listQuery) filter() pipeline.RunFilter {
	owner, name, _ := strings.Cut(q.Repository, "/")
	filter := pipeline.RunFilter{Owner: owner, Name: name, Branch: q.Branch, Before: q.Before, Limit: pageSize + 1}
	if q.Status == unfinished {
		filter.OpenOnly = true
	} else {
		filter.Status = pipeline.Status(q.Status)
	}
	return filter
}

func (q listQuery) values(before int64) url.Values {
	values := url.Values{}
	for name, value := range map[string]string{"repo": q.Repository, "branch": q.Branch, "status": q.Status} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if before > 0 {
		values.Set("before", strconv.FormatInt(before, 10))
	}
	return values
}

// found is one page of a listing. Next is the ID from which the next page starts; 0: there is none.
type found struct {
	runs []pipeline.Run
	next int64
}

// find reads on until a page is full: what a visitor may not see takes no place on it.
func (s *server) find(ctx context.Context, q listQuery, visible func(pipeline.Repository) bool) (found, error) {
	var f found
	filter := q.filter()
	for scanned := 0; scanned < maxScan; {
		batch, err := s.runs.Runs(ctx, filter)
		if err != nil {
			return found{}, fmt.Errorf("list runs: %w", err)
		}
		for _, run := range batch {
			if len(f.runs) == pageSize {
				f.next = filter.Before
				return f, nil
			}
			filter.Before = run.ID
			if visible(run.Trigger.Repository) {
				f.runs = append(f.runs, run)
			}
		}
		scanned += len(batch)
		if len(batch) < filter.Limit {
			return f, nil
		}
	}
	f.next = filter.Before
	return f, nil
}

// listView is a page of runs.
type listView struct {
	page
	Heading string
	// Environments is the address of the repository's, on the page of one.
	Environments string
	// Repository is set on the page of one.
	Repository   string
	Repositories []choice
	Statuses     []choice
	Query        listQuery
	Action       string
	Rows         []runRow
	Open         bool
	Newest       string
	Older        string
	Clear        string
	// NoRepository: the App is installed nowhere, as far as the visitor may know.
	NoRepository bool
	// Known is a visitor who has signed in, Stranger one who could.
	Known, Stranger bool
}

type choice struct {
	Value, Text string
	Selected    bool
}

type runRow struct {
	URL, Title    string
	Number        int64
	Repository    string
	RepositoryURL string
	Face          display.Face
	Tally         string
	Created       moment
	Took          span
	Commit        commit
	Stages        []stageDot
}

type stageDot struct {
	Face display.Face
	Key  string
}

func (s *server) home(w http.ResponseWriter, r *http.Request) {
	if !s.enter(w, r) {
		return
	}
	s.list(w, r, pipeline.Repository{}, listQueryOf(r.URL.Query()))
}

func (s *server) repository(w http.ResponseWriter, r *http.Request) {
	repository, ok := s.known(w, r)
	if !ok {
		return
	}
	q := listQueryOf(r.URL.Query())
	q.Repository = repository.FullName()
	s.list(w, r, repository, q)
}

// list shows runs; repository is the only one, or none in particular.
func (s *server) list(w http.ResponseWriter, r *http.Request, repository pipeline.Repository, q listQuery) {
	repositories, err := s.runs.Repositories(r.Context())
	if err != nil {
		s.trouble(w, r, fmt.Errorf("list repositories: %w", err))
		return
	}
	visible := s.seer(r, repositories)
	f, err := s.find(r.Context(), q, visible)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	repositories = slices.DeleteFunc(slices.Clone(repositories), func(candidate pipeline.Repository) bool { return !visible(candidate) })
	v := s.listView(repository, repositories, q, f, s.clock.Now())
	_, known := s.access.Visitor(r)
	v.Known, v.Stranger = known, s.signedIn != nil && !known
	s.show(w, r, "list", http.StatusOK, v)
}

// Bounds of looking through repositories for a list.
const (
	seerAtATime = 8
	seerTime    = 15 * time.Second
)

// seer decides once about each repository. For those at hand it does so now, several at a time, since each may take a
// question to GitHub; what is not answered in time is not listed.
func (s *server) seer(r *http.Request, repositories []pipeline.Repository) func(pipeline.Repository) bool {
	ctx, cancel := context.WithTimeout(r.Context(), seerTime)
	defer cancel()
	var mu sync.Mutex
	decided := make(map[int64]bool, len(repositories))
	decide := func(r *http.Request, repository pipeline.Repository) bool {
		yes := s.access.See(r, repository) == Visible
		mu.Lock()
		defer mu.Unlock()
		decided[repository.ID] = yes
		return yes
	}
	var asking errgroup.Group
	asking.SetLimit(seerAtATime)
	for _, repository := range repositories {
		asking.Go(func() error {
			decide(r.WithContext(ctx), repository)
			return nil
		})
	}
	_ = asking.Wait() // a refusal is an answer
	return func(repository pipeline.Repository) bool {
		mu.Lock()
		yes, known := decided[repository.ID]
		mu.Unlock()
		if known {
			return yes
		}
		return decide(r, repository)
	}
}

func (s *server) listView(only pipeline.Repository, repositories []pipeline.Repository, q listQuery, f found, now time.Time) listView {
	v := listView{
		page: s.page("Runs"), Heading: "Runs", Query: q, Action: s.links.base + "/", NoRepository: len(repositories) == 0,
		Statuses: statusChoices(q.Status), Repositories: []choice{{Text: "All repositories"}},
	}
	link := q
	if only.Name != "" {
		v.Repository, v.Heading, v.Title, v.Action = only.FullName(), only.FullName(), only.FullName(), s.links.repository(only)
		v.Environments = s.links.repository(only) + "/environments"
		v.Crumbs = append(v.Crumbs, crumb{Text: only.FullName()})
		link.Repository = ""
	}
	for _, r := range repositories {
		v.Repositories = append(v.Repositories, choice{r.FullName(), r.FullName(), strings.EqualFold(r.FullName(), q.Repository)})
	}
	for _, run := range f.runs {
		v.Rows = append(v.Rows, s.runRow(run, now))
		v.Open = v.Open || !run.Status.Final()
	}
	v.Clear = v.Action
	if q.Before > 0 {
		v.Newest = address(v.Action, link.values(0))
	}
	if f.next > 0 {
		v.Older = address(v.Action, link.values(f.next))
	}
	if v.Open {
		v.Refresh = 5
	}
	return v
}

func address(path string, values url.Values) string {
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

func (s *server) runRow(run pipeline.Run, now time.Time) runRow {
	repository := run.Trigger.Repository
	row := runRow{
		URL: s.links.run(repository, run.Number), Title: titleOf(run), Number: run.Number,
		Repository: repository.FullName(), RepositoryURL: s.links.repository(repository),
		Face: display.Status(run.Status), Created: momentOf(run.CreatedAt, now), Took: runSpan(run, now), Commit: commitOf(run.Trigger),
	}
	stages := run.Current()
	row.Tally = display.Tally(stages)
	for _, stage := range stages[:min(len(stages), 40)] {
		row.Stages = append(row.Stages, stageDot{display.Status(stage.Status), display.Line(stage.Spec.Key)})
	}
	return row
}

func statusChoices(selected string) []choice {
	choices := []choice{
		{Value: "", Text: "Any result"}, {Value: unfinished, Text: "Not finished"}, {Value: "success", Text: "Passed"},
		{Value: "failure", Text: "Failed"}, {Value: "cancelled", Text: "Cancelled"}, {Value: "skipped", Text: "Skipped"},
	}
	for i := range choices {
		choices[i].Selected = choices[i].Value == selected
	}
	return choices
}
