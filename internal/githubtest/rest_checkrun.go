package githubtest

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

var checkRunRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "POST /repos/{owner}/{repo}/check-runs", rule: byToken, needs: "checks=write", handle: createCheckRun},
	{pattern: "PATCH /repos/{owner}/{repo}/check-runs/{id}", rule: byToken, needs: "checks=write", handle: updateCheckRun},
	{pattern: "GET /repos/{owner}/{repo}/check-runs/{id}", rule: byToken, needs: "checks=read", handle: getCheckRun},
	{pattern: "GET /repos/{owner}/{repo}/check-runs/{id}/annotations", rule: byToken, needs: "checks=read", handle: listAnnotations},
	{pattern: "POST /repos/{owner}/{repo}/check-runs/{id}/rerequest", rule: byToken, needs: "checks=write", handle: rerequestCheckRun},
	{pattern: "GET /repos/{owner}/{repo}/commits/{ref}/check-runs", rule: byToken, needs: "checks=read", handle: listCheckRuns},
	{pattern: "GET /repos/{owner}/{repo}/check-suites/{id}/check-runs", rule: byToken, needs: "checks=read", handle: listSuiteRuns},
}

// GitHub deletes the oldest runs of one name in a suite beyond this.
const maxRunsOfName = 1000

// onlyApps refuses people: only Apps may write checks.
func (c *call) onlyApps() error {
	if c.who.token == nil || c.who.token.inst == nil {
		return forbidden("You must authenticate via a GitHub App.")
	}
	return nil
}

func createCheckRun(c *call) (reply, error) {
	var req checkRunRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	if err := c.onlyApps(); err != nil {
		return reply{}, err
	}
	if req.Name == nil || *req.Name == "" || req.HeadSHA == nil {
		return reply{}, invalidRequest(`"name", "head_sha" weren't supplied.`)
	}
	if problem := req.problem(); problem != "" {
		return reply{}, invalidRequest(problem)
	}
	defer c.lock()()
	head, err := c.repo.git.commit(*req.HeadSHA)
	if err != nil {
		return reply{}, invalid("No commit found for SHA: " + *req.HeadSHA)
	}
	a := c.who.token.inst.app
	run := &checkRun{
		id: c.g.id(), repo: c.repo, headSHA: head.sha, name: *req.Name, status: "queued",
		suite: c.g.suiteFor(c.repo, a, head),
	}
	c.apply(run, req)
	c.repo.addRun(run)
	c.g.checkRunEvent(run, "created", a.bot, nil)
	c.afterCheckRun(run, false)
	return created(c.g.checkRunDoc(run))
}

func (r *repository) addRun(run *checkRun) {
	r.runs = append(r.runs, run)
	r.runsByHead[run.headSHA] = append(r.runsByHead[run.headSHA], run)
	r.runsByID[run.id] = run
	same := 0
	for _, other := range slices.Backward(run.suite.runs) {
		if other.name == run.name {
			same++
		}
		if same >= maxRunsOfName {
			r.dropRun(other)
			break
		}
	}
	run.suite.runs = append(run.suite.runs, run)
}

func (r *repository) dropRun(run *checkRun) {
	is := func(other *checkRun) bool { return other == run }
	r.runs = slices.DeleteFunc(r.runs, is)
	r.runsByHead[run.headSHA] = slices.DeleteFunc(r.runsByHead[run.headSHA], is)
	run.suite.runs = slices.DeleteFunc(run.suite.runs, is)
	delete(r.runsByID, run.id)
}

// apply takes over what a request says. g.mu is held.
func (c *call) apply(run *checkRun, req checkRunRequest) {
	run.writes++
	for target, value := range map[*string]*string{
		&run.name: req.Name, &run.detailsURL: req.DetailsURL, &run.externalID: req.ExternalID, &run.status: req.Status,
	} {
		if value != nil {
			*target = *value
		}
	}
	if req.StartedAt != nil {
		run.startedAt = *req.StartedAt
	}
	if run.startedAt.IsZero() {
		run.startedAt = c.g.now()
	}
	switch {
	case req.Conclusion != nil: // forces completed
		run.status, run.conclusion = "completed", *req.Conclusion
		run.completedAt = c.g.now()
		if req.CompletedAt != nil {
			run.completedAt = *req.CompletedAt
		}
	case req.Status != nil: // back to work
		run.conclusion, run.completedAt = "", time.Time{}
	}
	if req.Actions != nil {
		run.actions = req.Actions
	}
	run.takeOutput(req.Output)
}

func (r *checkRun) takeOutput(o *checkOutput) {
	if o == nil {
		return
	}
	r.hasOutput, r.title, r.summary = true, *o.Title, *o.Summary
	if o.Text != nil {
		r.text = *o.Text
	}
	r.annotations = append(r.annotations, o.Annotations...)
}

// afterCheckRun tells that a run has completed and lets its suite follow.
func (c *call) afterCheckRun(run *checkRun, wasCompleted bool) {
	if run.status == "completed" && !wasCompleted {
		c.g.checkRunEvent(run, "completed", run.app().bot, nil)
	}
	run.suite.rerequested = false
	c.g.suiteFollows(run.suite)
	c.g.touch()
}

// run finds the run of the path. g.mu is held.
func (c *call) run() (*checkRun, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	run := c.repo.runsByID[id]
	if run == nil {
		return nil, errNotFound
	}
	return run, nil
}

func updateCheckRun(c *call) (reply, error) {
	var req checkRunRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	if err := c.onlyApps(); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	run, err := c.run()
	if err != nil {
		return reply{}, err
	}
	if run.app() != c.who.token.inst.app {
		return reply{}, forbidden("Invalid app_id `" + strconv.FormatInt(c.who.token.inst.app.id, 10) + "` - check run can only be modified by the GitHub App that created it.")
	}
	if req.Name != nil && *req.Name == "" {
		return reply{}, invalidRequest(`"name" can't be blank.`)
	}
	if problem := req.problem(); problem != "" {
		return reply{}, invalidRequest(problem)
	}
	wasCompleted := run.status == "completed"
	c.apply(run, req)
	c.afterCheckRun(run, wasCompleted)
	return ok(c.g.checkRunDoc(run))
}

func getCheckRun(c *call) (reply, error) {
	defer c.lock()()
	run, err := c.run()
	if err != nil {
		return reply{}, err
	}
	return ok(c.g.checkRunDoc(run))
}

func listAnnotations(c *call) (reply, error) {
	defer c.lock()()
	run, err := c.run()
	if err != nil {
		return reply{}, err
	}
	return pagedList(c, run.annotations, func(a Annotation) doc {
		return doc{
			"path": a.Path, "start_line": a.StartLine, "end_line": a.EndLine, "start_column": a.StartColumn,
			"end_column": a.EndColumn, "annotation_level": a.Level, "title": orNull(a.Title), "message": orNull(a.Message),
			"raw_details": orNull(a.RawDetails), "blob_href": fmt.Sprintf("%s/blob/%s/%s", run.repo.html(c.g), run.headSHA, a.Path),
		}
	})
}

func rerequestCheckRun(c *call) (reply, error) {
	defer c.lock()()
	run, err := c.run()
	if err != nil {
		return reply{}, err
	}
	if err := c.g.rerequestRun(run, c.who.actor()); err != nil {
		return reply{}, err
	}
	return created(doc{})
}

// rerequestRun asks the App for a run again: its suite is reset, the run itself is left as it is. g.mu is held.
func (g *GitHub) rerequestRun(run *checkRun, sender *account) error {
	if run.status != "completed" {
		return invalid("This check run is not rerequestable")
	}
	run.suite.reset()
	g.checkRunEvent(run, "rerequested", sender, nil)
	g.touch()
	return nil
}

func listCheckRuns(c *call) (reply, error) {
	defer c.lock()()
	head, err := c.repo.resolve(c.r.PathValue("ref"))
	if err != nil {
		return reply{}, invalid("No commit found for SHA: " + c.r.PathValue("ref"))
	}
	return c.runList(c.repo.runsByHead[head.sha])
}

func listSuiteRuns(c *call) (reply, error) {
	defer c.lock()()
	suite, err := c.suite()
	if err != nil {
		return reply{}, err
	}
	return c.runList(suite.runs)
}

// runList filters as the query asks and pages, newest first.
func (c *call) runList(runs []*checkRun) (reply, error) {
	query := c.r.URL.Query()
	latest := query.Get("filter") != "all"
	type key struct {
		app  *app
		name string
	}
	seen := map[key]bool{}
	var list []*checkRun
	for _, run := range slices.Backward(runs) {
		k := key{run.app(), run.name}
		if latest && seen[k] {
			continue
		}
		seen[k] = true
		if (query.Get("check_name") != "" && query.Get("check_name") != run.name) ||
			(query.Get("status") != "" && query.Get("status") != run.status) ||
			(query.Get("app_id") != "" && query.Get("app_id") != strconv.FormatInt(run.app().id, 10)) {
			continue
		}
		list = append(list, run)
	}
	return pagedObject(c, "check_runs", list, c.g.checkRunDoc)
}
