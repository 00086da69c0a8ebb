package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Places is what the pages know of environments.
type Places interface {
	// Environments are those of the default branch now; *pipeline.InvalidDefinitionError for a file with problems.
	Environments(ctx context.Context, repository pipeline.Repository) ([]pipeline.EnvironmentDefinition, error)
	EnvironmentStates(ctx context.Context, repositoryID int64) ([]pipeline.EnvironmentState, error)
	Releases(ctx context.Context, filter pipeline.ReleaseFilter) ([]pipeline.Release, error)
	Records(ctx context.Context, filter pipeline.AuditFilter) ([]pipeline.AuditRecord, error)
}

// Desk carries out what people press on the pages, authorised like a comment.
type Desk interface {
	// Press returns what to tell somebody whose press is refused; empty: it is done.
	Press(ctx context.Context, p Press) (refusal string, err error)
}

// Press is a button that somebody pressed at a stage attempt.
type Press struct {
	Repository        pipeline.Repository
	StageRunID        int64
	Button            string // "approve", "reject"
	By                string
	Reason, Candidate string
}

// Bounds of the page: releases of an environment, and decisions.
const (
	shownReleases = 10
	shownRecords  = 50
)

// environmentsView is the page of a repository's environments.
type environmentsView struct {
	page
	Repository, RepositoryURL string
	// Problem is why the rules cannot be read; empty: they can.
	Problem string
	Places  []placeView
	Records []recordView
}

type placeView struct {
	Anchor, Name, URL string
	// Gone: the default branch declares it no more.
	Gone     bool
	Current  string
	Facts    []factView
	Locks    []string
	Holder   *link
	Waiting  []waitingView
	Releases []releaseView
}

type factView struct{ Name, Text string }

type waitingView struct {
	Run    link
	Title  string
	Commit commit
	// Missing is what it waits for.
	Missing []pipeline.Missing
	// Approve and Reject are the forms of somebody who is signed in; empty actions: nobody is.
	Approve, Reject form
	CanAct          bool
	Candidate       string
	Parts           []pipeline.Part
}

type releaseView struct {
	Number    int64
	Now       bool
	What      string
	Commit    commit
	By        string
	Approvers string
	At        moment
	Run       link
}

type recordView struct {
	At                         moment
	Actor, Action, Environment string
	Allowed                    bool
	Why, Via                   string
	Run, Pull                  *link
}

func (s *server) environments(w http.ResponseWriter, r *http.Request) {
	repository, ok := s.known(w, r)
	if !ok {
		return
	}
	v, err := s.environmentsView(r, repository, s.clock.Now())
	if err != nil {
		s.trouble(w, r, fmt.Errorf("environments of %s: %w", repository.FullName(), err))
		return
	}
	s.show(w, r, "environments", http.StatusOK, v)
}

// known finds the repository of an address and asks whether it may be seen; otherwise it has answered.
func (s *server) known(w http.ResponseWriter, r *http.Request) (pipeline.Repository, bool) {
	repository, err := s.runs.RepositoryNamed(r.Context(), r.PathValue("owner"), r.PathValue("repo"))
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		s.absent(w, r)
		return pipeline.Repository{}, false
	case err != nil:
		s.trouble(w, r, fmt.Errorf("repository %s/%s: %w", r.PathValue("owner"), r.PathValue("repo"), err))
		return pipeline.Repository{}, false
	}
	return repository, s.see(w, r, repository)
}

func (s *server) environmentsView(r *http.Request, repository pipeline.Repository, now time.Time) (environmentsView, error) {
	ctx := r.Context()
	v := environmentsView{
		page: s.page("Environments of " + repository.FullName()), Repository: repository.FullName(), RepositoryURL: s.links.repository(repository),
	}
	v.Crumbs = []crumb{{repository.FullName(), s.links.repository(repository)}, {Text: "environments"}}
	definitions, err := s.places.Environments(ctx, repository)
	if _, invalid := errors.AsType[*pipeline.InvalidDefinitionError](err); invalid {
		v.Problem = "The pipeline file of the default branch has problems: nothing enters an environment before they are mended."
	} else if err != nil {
		return v, err
	}
	states, err := s.places.EnvironmentStates(ctx, repository.ID)
	if err != nil {
		return v, err
	}
	for _, d := range definitions {
		state, _ := stateOf(states, d.Name)
		p, err := s.placeView(r, repository, d, state, now)
		if err != nil {
			return v, err
		}
		v.Places = append(v.Places, p)
	}
	for _, state := range states {
		if slices.ContainsFunc(definitions, func(d pipeline.EnvironmentDefinition) bool { return strings.EqualFold(d.Name, state.Name) }) {
			continue
		}
		p, err := s.placeView(r, repository, pipeline.EnvironmentDefinition{Name: state.Name}, state, now)
		if err != nil {
			return v, err
		}
		p.Gone, p.Facts = v.Problem == "", nil
		v.Places = append(v.Places, p)
	}
	records, err := s.places.Records(ctx, pipeline.AuditFilter{RepositoryID: repository.ID, Limit: shownRecords})
	if err != nil {
		return v, err
	}
	for _, record := range records {
		v.Records = append(v.Records, s.recordView(repository, record, now))
	}
	return v, nil
}

func stateOf(states []pipeline.EnvironmentState, name string) (pipeline.EnvironmentState, bool) {
	for _, state := range states {
		if strings.EqualFold(state.Name, name) {
			return state, true
		}
	}
	return pipeline.EnvironmentState{Name: name}, false
}

func (s *server) placeView(r *http.Request, repository pipeline.Repository, d pipeline.EnvironmentDefinition, state pipeline.EnvironmentState, now time.Time) (placeView, error) {
	p := placeView{
		Anchor: "environment-" + display.Line(d.Name), Name: display.Line(d.Name), URL: webURL(d.URL), Facts: factsOf(d), Locks: locksOf(state),
		Current: "nothing of Slipway's",
	}
	if state.Holder != nil {
		p.Holder = &link{s.links.run(repository, state.Holder.RunNumber), fmt.Sprintf("run #%d", state.Holder.RunNumber)}
	}
	releases, err := s.places.Releases(r.Context(), pipeline.ReleaseFilter{RepositoryID: repository.ID, Environment: d.Name, Limit: shownReleases})
	if err != nil {
		return p, err
	}
	for _, release := range releases {
		view := s.releaseView(repository, release, now)
		if view.Now = release.Number == state.Release; view.Now {
			p.Current = fmt.Sprintf("release %d, %s", release.Number, view.What)
		}
		p.Releases = append(p.Releases, view)
	}
	p.Waiting, err = s.waitingFor(r, repository, d.Name)
	return p, err
}

// waitingFor lists the runs before an environment, oldest first, with the forms of whoever is signed in.
func (s *server) waitingFor(r *http.Request, repository pipeline.Repository, name string) ([]waitingView, error) {
	runs, err := s.runs.Runs(r.Context(), pipeline.RunFilter{RepositoryID: repository.ID, Environment: name, OpenOnly: true})
	if err != nil {
		return nil, err
	}
	_, signedIn := s.access.Visitor(r)
	var all []waitingView
	for _, run := range slices.Backward(runs) {
		e := run.Entry(name)
		if e == nil || e.State != pipeline.EntryWaiting || e.Hold == nil {
			continue
		}
		w := waitingView{
			Run: link{s.links.run(run.Trigger.Repository, run.Number), fmt.Sprintf("#%d %s", run.Number, titleOf(run))}, Title: display.Line(e.Hold.Title),
			Commit: commitOf(run.Trigger), Missing: e.Hold.Missing,
		}
		if e.Candidate != nil {
			w.Candidate, w.Parts = e.Candidate.Fingerprint(), e.Candidate.Parts
		}
		if stage, waits := waitingStage(run, name); waits && e.Hold.Person && signedIn {
			w.CanAct = true
			w.Approve = s.form(r, pressPath(repository, stage.ID, "approve"))
			w.Reject = s.form(r, pressPath(repository, stage.ID, "reject"))
		}
		all = append(all, w)
	}
	return all, nil
}

// waitingStage is the first stage that waits before an environment.
func waitingStage(run pipeline.Run, name string) (pipeline.StageRun, bool) {
	for _, s := range run.Current() {
		if s.Status == pipeline.StatusWaiting && s.Spec.Enters && strings.EqualFold(s.Spec.Environment, name) {
			return s, true
		}
	}
	return pipeline.StageRun{}, false
}

func pressPath(repository pipeline.Repository, stageRunID int64, button string) string {
	return fmt.Sprintf("%s/press/%d/%s", links{}.repository(repository), stageRunID, button)
}

func factsOf(d pipeline.EnvironmentDefinition) []factView {
	all := func(list []string, none string) string {
		if len(list) == 0 {
			return none
		}
		return display.Line(strings.Join(list, ", "))
	}
	facts := []factView{
		{"Branches", all(d.Branches, "every branch, by /deploy alone")},
		{"Deploys by itself", yesNo(d.AutoDeploy)},
		{"May deploy", all(d.Deployers, "everybody with write permission")},
	}
	if n := d.Approvals.Required; n > 0 {
		who := fmt.Sprintf("%s of %s", display.Count(n, "approval"), all(d.Approvals.From, "somebody with write permission"))
		if d.Approvals.PreventSelfApproval {
			who += ", not one's own"
		}
		facts = append(facts, factView{"Needs", who})
	}
	if d.WaitMinutes > 0 {
		facts = append(facts, factView{"Waits", display.Count(d.WaitMinutes, "minute")})
	}
	for _, f := range d.Freeze {
		facts = append(facts, factView{"Frozen", display.Line(fmt.Sprintf("from %s to %s %s %s", f.From, f.To, f.TimeZone, f.Reason))})
	}
	return facts
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func locksOf(state pipeline.EnvironmentState) []string {
	var locks []string
	if l := state.Lock; l != nil {
		locks = append(locks, display.Line(fmt.Sprintf("Locked by %s since %s: %s", l.By, display.Exact(l.At), l.Reason)))
	}
	if h := state.Hold; h != nil {
		locks = append(locks, display.Line(fmt.Sprintf("Rolled back by %s at %s: nothing is deployed by itself until somebody says /deploy or /unlock.", h.By, display.Exact(h.At))))
	}
	return locks
}

func (s *server) releaseView(repository pipeline.Repository, r pipeline.Release, now time.Time) releaseView {
	approvers := make([]string, 0, len(r.Approvals))
	for _, a := range r.Approvals {
		approvers = append(approvers, display.Line(a.By))
	}
	what := display.Line(r.Title)
	if r.Of > 0 {
		what = fmt.Sprintf("rollback to release %d", r.Of)
	}
	return releaseView{
		Number: r.Number, What: what, By: display.Line(r.Actor), Approvers: strings.Join(approvers, ", "), At: momentOf(r.At, now),
		Commit: commitOf(pipeline.Trigger{Repository: repository, SHA: r.Commit, Branch: r.Branch}),
		Run:    link{s.links.run(repository, r.RunNumber), fmt.Sprintf("#%d", r.RunNumber)},
	}
}

func (s *server) recordView(repository pipeline.Repository, r pipeline.AuditRecord, now time.Time) recordView {
	v := recordView{
		At: momentOf(r.At, now), Actor: display.Line(r.Actor), Action: display.Line(r.Action), Environment: display.Line(r.Environment),
		Allowed: r.Allowed, Why: display.Line(r.Why), Via: display.Line(r.Via),
	}
	if r.RunNumber > 0 {
		v.Run = &link{s.links.run(repository, r.RunNumber), fmt.Sprintf("#%d", r.RunNumber)}
	}
	if address := forgeOf(repository).pull(r.PullRequest); address != "" {
		v.Pull = &link{address, fmt.Sprintf("#%d", r.PullRequest)}
	}
	return v
}

// press carries out a form of the page.
func (s *server) press(w http.ResponseWriter, r *http.Request, who Person) {
	repository, ok := s.known(w, r)
	if !ok {
		return
	}
	stage, err := strconv.ParseInt(r.PathValue("stageRunID"), 10, 64)
	button := r.PathValue("button")
	if err != nil || button != "approve" && button != "reject" {
		s.missing(w, r, nothingHere, nothingHereText)
		return
	}
	if !s.themselves(w, r, repository, who) {
		return
	}
	refusal, err := s.desk.Press(r.Context(), Press{
		Repository: repository, StageRunID: stage, Button: button, By: who.Login, Reason: r.PostForm.Get("reason"), Candidate: r.PostForm.Get("candidate"),
	})
	switch {
	case err != nil:
		s.trouble(w, r, fmt.Errorf("%s at stage attempt %d: %w", button, stage, err))
	case refusal != "":
		s.message(w, r, http.StatusForbidden, "It does not count", refusal)
	default:
		s.goTo(w, r, links{}.repository(repository)+"/environments")
	}
}
