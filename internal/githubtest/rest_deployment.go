package githubtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

var deploymentRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/deployments", rule: byToken, needs: "deployments=read", handle: listDeployments},
	{pattern: "POST /repos/{owner}/{repo}/deployments", rule: byToken, needs: "deployments=write", handle: createDeployment},
	{pattern: "GET /repos/{owner}/{repo}/deployments/{id}", rule: byToken, needs: "deployments=read", handle: getDeployment},
	{pattern: "GET /repos/{owner}/{repo}/deployments/{id}/statuses", rule: byToken, needs: "deployments=read", handle: listDeploymentStatuses},
	{pattern: "POST /repos/{owner}/{repo}/deployments/{id}/statuses", rule: byToken, needs: "deployments=write", handle: createDeploymentStatus},
	{pattern: "GET /repos/{owner}/{repo}/environments", rule: byToken, needs: "actions=read", handle: listEnvironments},
	{pattern: "GET /repos/{owner}/{repo}/environments/{name}", rule: byToken, needs: "actions=read", handle: getEnvironment},
}

const maxShortText = 140

type deploymentRequest struct {
	Ref              string          `json:"ref"`
	Task             string          `json:"task"`
	AutoMerge        *bool           `json:"auto_merge"`
	RequiredContexts *[]string       `json:"required_contexts"`
	Payload          json.RawMessage `json:"payload"`
	Environment      string          `json:"environment"`
	Description      string          `json:"description"`
	Transient        bool            `json:"transient_environment"`
	Production       *bool           `json:"production_environment"`
}

// fill puts GitHub's defaults where nothing was sent.
func (q *deploymentRequest) fill() {
	if q.Task == "" {
		q.Task = "deploy"
	}
	if q.Environment == "" {
		q.Environment = "production"
	}
	if q.Production == nil {
		production := q.Environment == "production"
		q.Production = &production
	}
	if len(q.Payload) == 0 || string(q.Payload) == "null" {
		q.Payload = json.RawMessage(`{}`)
	}
}

func (q *deploymentRequest) problem() error {
	switch {
	case q.Ref == "":
		return validationFailed("Deployment", "ref", "missing_field", "")
	case runes(q.Description) > maxShortText:
		return validationFailed("Deployment", "description", "custom", "description is too long (maximum is 140 characters)")
	case runes(q.Environment) > 255:
		return validationFailed("Deployment", "environment", "custom", "environment is too long (maximum is 255 characters)")
	}
	return nil
}

func createDeployment(c *call) (reply, error) {
	var req deploymentRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	req.fill()
	if err := req.problem(); err != nil {
		return reply{}, err
	}
	at, err := c.find(req.Ref)
	if err != nil {
		return reply{}, conflict("No ref found for: " + req.Ref)
	}
	if req.AutoMerge == nil || *req.AutoMerge {
		if merged, err := c.mergeForDeployment(req.Ref, at); err != nil || merged.status != 0 {
			return merged, err
		}
	}
	defer c.lock()()
	if err := c.requiredContexts(req, at.sha); err != nil {
		return reply{}, err
	}
	d := &deployment{
		id: c.g.id(), repo: c.repo, sha: at.sha, ref: req.Ref, task: req.Task, environment: req.Environment,
		description: req.Description, payload: req.Payload, transient: req.Transient, production: *req.Production,
		creator: c.who.actor(), createdAt: c.g.now(),
	}
	if t := c.who.token; t.inst != nil {
		d.app = t.inst.app
	}
	c.g.environmentOf(c.repo, d.environment)
	c.repo.deployments = append(c.repo.deployments, d)
	c.g.tell(c.repo, d.creator, "deployment", "created", doc{"deployment": c.g.deploymentDoc(d), "workflow": nil, "workflow_run": nil})
	c.g.touch()
	return created(c.g.deploymentDoc(d))
}

// mergeForDeployment is GitHub's auto_merge: where the ref is a branch that lacks commits of the default branch, these
// are merged into it, and no deployment is made.
func (c *call) mergeForDeployment(ref string, at *commit) (reply, error) {
	c.g.mu.Lock()
	branch := strings.TrimPrefix(ref, "refs/heads/")
	before, main := c.repo.branch(branch), c.repo.branch(c.repo.defaultBranch)
	c.g.mu.Unlock()
	if main == "" || branch == c.repo.defaultBranch {
		return reply{}, nil
	}
	common, err := c.repo.git.mergeBase(c.r.Context(), main, at.sha)
	if err != nil || common == main {
		return reply{}, err
	}
	if before == "" {
		return reply{}, conflict(fmt.Sprintf("Conflict merging %s into %s.", c.repo.defaultBranch, ref))
	}
	ctx := c.r.Context()
	c.repo.moving.Lock()
	defer c.repo.moving.Unlock()
	message := fmt.Sprintf("Merge branch '%s' into %s", c.repo.defaultBranch, branch)
	sha, err := c.repo.git.merge(ctx, before, main, message, c.who.actor().signature(c.g.now()))
	if errors.Is(err, errConflict) {
		return reply{}, conflict(fmt.Sprintf("Conflict merging %s into %s.", c.repo.defaultBranch, ref))
	}
	if err != nil {
		return reply{}, err
	}
	if err := c.repo.git.setRef(ctx, "refs/heads/"+branch, sha); err != nil {
		return reply{}, err
	}
	if err := c.g.moved(ctx, c.repo, c.who.actor(), []refUpdate{{"refs/heads/" + branch, before, sha}}); err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusAccepted, body: doc{
		"message": fmt.Sprintf("Auto-merged %s into %s on deployment.", c.repo.defaultBranch, branch),
	}}, nil
}

// requiredContexts refuses a deployment of a commit whose checks and statuses have not passed. g.mu is held.
func (c *call) requiredContexts(req deploymentRequest, sha string) error {
	states := c.repo.contexts(sha)
	var problems []doc
	check := func(name string) {
		if state := states[name]; state != "success" {
			problems = append(problems, doc{"context": name, "state": orNull(state)})
		}
	}
	if req.RequiredContexts == nil {
		for name := range states {
			check(name)
		}
	} else {
		for _, name := range *req.RequiredContexts {
			check(name)
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &apiError{
		status: http.StatusConflict, message: fmt.Sprintf("Conflict: Commit status checks failed for %s.", req.Ref),
		errors: []doc{{"contexts": problems, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}},
	}
}

func listDeployments(c *call) (reply, error) {
	defer c.lock()()
	query := c.r.URL.Query()
	var list []*deployment
	for _, d := range slices.Backward(c.repo.deployments) {
		fits := true
		for key, value := range map[string]string{"sha": d.sha, "ref": d.ref, "task": d.task, "environment": d.environment} {
			if want := query.Get(key); want != "" && want != "none" && want != value {
				fits = false
			}
		}
		if fits {
			list = append(list, d)
		}
	}
	return pagedList(c, list, c.g.deploymentDoc)
}

// deployment finds the deployment of the path. g.mu is held.
func (c *call) deployment() (*deployment, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.repo.deployments, func(d *deployment) bool { return d.id == id })
	if i < 0 {
		return nil, errNotFound
	}
	return c.repo.deployments[i], nil
}

func getDeployment(c *call) (reply, error) {
	defer c.lock()()
	d, err := c.deployment()
	if err != nil {
		return reply{}, err
	}
	return ok(c.g.deploymentDoc(d))
}

func listDeploymentStatuses(c *call) (reply, error) {
	defer c.lock()()
	d, err := c.deployment()
	if err != nil {
		return reply{}, err
	}
	newest := slices.Clone(d.statuses)
	slices.Reverse(newest)
	return pagedList(c, newest, func(s *deploymentStatus) doc { return c.g.deploymentStatusDoc(d, s) })
}

type deploymentStatusRequest struct {
	State          string `json:"state"`
	TargetURL      string `json:"target_url"`
	LogURL         string `json:"log_url"`
	Description    string `json:"description"`
	Environment    string `json:"environment"`
	EnvironmentURL string `json:"environment_url"`
	AutoInactive   *bool  `json:"auto_inactive"`
}

func createDeploymentStatus(c *call) (reply, error) {
	var req deploymentStatusRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	if !knownState(req.State) {
		return reply{}, validationFailed("DeploymentStatus", "state", "custom", "state is not included in the list")
	}
	if runes(req.Description) > maxShortText {
		return reply{}, validationFailed("DeploymentStatus", "description", "custom", "description is too long (maximum is 140 characters)")
	}
	defer c.lock()()
	d, err := c.deployment()
	if err != nil {
		return reply{}, err
	}
	s := &deploymentStatus{
		state: req.State, description: req.Description, environment: d.environment, environmentURL: req.EnvironmentURL,
		logURL: req.LogURL, creator: c.who.actor(),
	}
	if s.logURL == "" {
		s.logURL = req.TargetURL
	}
	if req.Environment != "" {
		d.environment, s.environment = req.Environment, req.Environment
		c.g.environmentOf(c.repo, req.Environment)
	}
	c.g.addDeploymentStatus(d, s)
	if req.State == "success" && (req.AutoInactive == nil || *req.AutoInactive) {
		c.g.retire(d)
	}
	return created(c.g.deploymentStatusDoc(d, s))
}

func listEnvironments(c *call) (reply, error) {
	defer c.lock()()
	var list []*environment
	for _, e := range c.repo.environments {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *environment) int { return strings.Compare(a.name, b.name) })
	return pagedObject(c, "environments", list, func(e *environment) doc { return c.g.environmentDoc(c.repo, e) })
}

func getEnvironment(c *call) (reply, error) {
	defer c.lock()()
	e := c.repo.environments[c.r.PathValue("name")]
	if e == nil {
		return reply{}, errNotFound
	}
	return ok(c.g.environmentDoc(c.repo, e))
}
