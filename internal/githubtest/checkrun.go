package githubtest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// CheckRun is a check run as it is now.
type CheckRun struct {
	ID          int64
	SuiteID     int64
	AppID       int64
	Repository  string // owner/name
	HeadSHA     string
	Name        string
	Status      string
	Conclusion  string // empty until completed
	DetailsURL  string
	ExternalID  string
	StartedAt   time.Time
	CompletedAt time.Time
	Title       string
	Summary     string
	Text        string
	Annotations []Annotation
	Actions     []Action
	// Writes counts the requests that made or changed the run.
	Writes int
}

// Annotation is a finding on lines of a file.
type Annotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn *int   `json:"start_column"`
	EndColumn   *int   `json:"end_column"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title"`
	RawDetails  string `json:"raw_details"`
}

// Action is a button of a finished run.
type Action struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// checkRun is the state behind CheckRun.
type checkRun struct {
	id          int64
	repo        *repository
	suite       *checkSuite
	headSHA     string
	name        string
	status      string
	conclusion  string
	detailsURL  string
	externalID  string
	startedAt   time.Time
	completedAt time.Time
	hasOutput   bool
	title       string
	summary     string
	text        string
	annotations []Annotation
	actions     []Action
	writes      int
}

func (r *checkRun) app() *app { return r.suite.app }

func (r *checkRun) snapshot() CheckRun {
	return CheckRun{
		ID: r.id, SuiteID: r.suite.id, AppID: r.suite.app.id, Repository: r.repo.fullName(), HeadSHA: r.headSHA,
		Name: r.name, Status: r.status, Conclusion: r.conclusion, DetailsURL: r.detailsURL, ExternalID: r.externalID,
		StartedAt: r.startedAt, CompletedAt: r.completedAt, Title: r.title, Summary: r.summary, Text: r.text,
		Annotations: slices.Clone(r.annotations), Actions: slices.Clone(r.actions), Writes: r.writes,
	}
}

// CheckRuns returns the runs of a commit, oldest first; without a commit, all of the repository.
func (g *GitHub) CheckRuns(fullName, sha string) []CheckRun {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo := g.repo(fullName)
	if repo == nil {
		return nil
	}
	runs := repo.runs
	if sha != "" {
		runs = repo.runsByHead[sha]
	}
	list := make([]CheckRun, 0, len(runs))
	for _, run := range runs {
		list = append(list, run.snapshot())
	}
	return list
}

// CheckRun returns the newest run of that name on a commit.
func (g *GitHub) CheckRun(fullName, sha, name string) (CheckRun, bool) {
	runs := g.CheckRuns(fullName, sha)
	for _, run := range slices.Backward(runs) {
		if run.Name == name {
			return run, true
		}
	}
	return CheckRun{}, false
}

// checkRunDoc is a run as answers and payloads carry it. g.mu is held.
func (g *GitHub) checkRunDoc(r *checkRun) doc {
	self := fmt.Sprintf("%s/check-runs/%d", r.repo.api(g), r.id)
	html := fmt.Sprintf("%s/runs/%d", r.repo.html(g), r.id)
	details := r.detailsURL
	if details == "" {
		details = g.base + "/apps/" + r.app().slug
	}
	return doc{
		"id": r.id, "node_id": nodeID("CR", r.id), "head_sha": r.headSHA, "name": r.name, "external_id": r.externalID,
		"url": self, "html_url": html, "details_url": details, "status": r.status, "conclusion": orNull(r.conclusion),
		"started_at": stamp(r.startedAt), "completed_at": stamp(r.completedAt),
		"output": doc{
			"title": orNull(r.title), "summary": orNull(r.summary), "text": orNull(r.text),
			"annotations_count": len(r.annotations), "annotations_url": self + "/annotations",
		},
		"check_suite": doc{"id": r.suite.id}, "app": g.appDoc(r.app()), "pull_requests": g.suitePulls(r.suite),
	}
}

// checkRunEvent tells of a run. created and completed go to everybody who wants check runs; what asks for work goes
// only to the App that made the run. g.mu is held.
func (g *GitHub) checkRunEvent(r *checkRun, action string, sender *account, more doc) {
	run := g.checkRunDoc(r)
	suite := g.checkSuiteDoc(r.suite)
	delete(suite, "latest_check_runs_count")
	run["check_suite"] = suite
	actions := []doc{}
	for _, a := range r.actions {
		actions = append(actions, doc{"label": a.Label, "description": a.Description, "identifier": a.Identifier})
	}
	run["actions"] = actions
	payload := doc{"check_run": run}
	maps.Copy(payload, more)
	if action == "rerequested" || action == "requested_action" {
		for _, inst := range g.installationsFor(r.repo) {
			if inst.app == r.app() && inst.wants("check_run") {
				g.tellOne(inst, r.repo, sender, "check_run", action, payload)
			}
		}
		return
	}
	g.tell(r.repo, sender, "check_run", action, payload)
}
