package githubtest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// deployment is a deployment of a commit to an environment.
type deployment struct {
	id          int64
	repo        *repository
	sha, ref    string
	task        string
	environment string
	description string
	payload     json.RawMessage
	transient   bool
	production  bool
	creator     *account
	app         *app
	createdAt   time.Time
	statuses    []*deploymentStatus
}

type deploymentStatus struct {
	id             int64
	state          string
	description    string
	environment    string
	environmentURL string
	logURL         string
	creator        *account
	createdAt      time.Time
}

// environment is what a repository deploys to.
type environment struct {
	id        int64
	name      string
	waitFor   int // minutes
	createdAt time.Time
}

// Deployment is a deployment as it is now.
type Deployment struct {
	ID          int64
	SHA         string
	Ref         string
	Task        string
	Environment string
	Description string
	Payload     string
	Transient   bool
	Production  bool
	Creator     string
	// State is that of the newest status; "pending" without one.
	State string
	// States are those of all statuses, oldest first.
	States         []string
	EnvironmentURL string
	LogURL         string
}

// Deployments returns those of a repository, oldest first.
func (g *GitHub) Deployments(fullName string) []Deployment {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Deployment
	if repo := g.repo(fullName); repo != nil {
		for _, d := range repo.deployments {
			list = append(list, d.snapshot())
		}
	}
	return list
}

func (d *deployment) state() string {
	if len(d.statuses) == 0 {
		return "pending"
	}
	return d.statuses[len(d.statuses)-1].state
}

func (d *deployment) snapshot() Deployment {
	s := Deployment{
		ID: d.id, SHA: d.sha, Ref: d.ref, Task: d.task, Environment: d.environment, Description: d.description,
		Payload: string(d.payload), Transient: d.transient, Production: d.production, Creator: d.creator.login, State: d.state(),
	}
	for _, status := range d.statuses {
		s.States = append(s.States, status.state)
		s.EnvironmentURL, s.LogURL = status.environmentURL, status.logURL
	}
	return s
}

// environment finds or makes an environment: a deployment to a new one makes it. g.mu is held.
func (g *GitHub) environmentOf(r *repository, name string) *environment {
	if r.environments[name] == nil {
		r.environments[name] = &environment{id: g.id(), name: name, createdAt: g.now()}
	}
	return r.environments[name]
}

// AddEnvironment makes an environment of a repository, with a wait timer in minutes.
func (g *GitHub) AddEnvironment(fullName, name string, waitMinutes int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo := g.repo(fullName)
	if repo == nil {
		return fmt.Errorf("there is no repository %s", fullName)
	}
	g.environmentOf(repo, name).waitFor = waitMinutes
	g.touch()
	return nil
}

// retire makes earlier deployments of an environment inactive, as auto_inactive does: only successful ones that are
// neither transient nor production.
func (g *GitHub) retire(newest *deployment) {
	for _, d := range newest.repo.deployments {
		if d != newest && d.environment == newest.environment && !d.transient && !d.production && d.state() == "success" {
			g.addDeploymentStatus(d, &deploymentStatus{state: "inactive", environment: d.environment, creator: newest.creator})
		}
	}
}

// addDeploymentStatus records and tells a status. g.mu is held.
func (g *GitHub) addDeploymentStatus(d *deployment, s *deploymentStatus) {
	s.id, s.createdAt = g.id(), g.now()
	d.statuses = append(d.statuses, s)
	g.tell(d.repo, s.creator, "deployment_status", "created", doc{
		"deployment_status": g.deploymentStatusDoc(d, s), "deployment": g.deploymentDoc(d),
		"check_run": nil, "workflow": nil, "workflow_run": nil,
	})
	g.touch()
}

func (g *GitHub) deploymentDoc(d *deployment) doc {
	self := fmt.Sprintf("%s/deployments/%d", d.repo.api(g), d.id)
	updated := d.createdAt
	if len(d.statuses) > 0 {
		updated = d.statuses[len(d.statuses)-1].createdAt
	}
	return doc{
		"url": self, "id": d.id, "node_id": nodeID("DE", d.id), "sha": d.sha, "ref": d.ref, "task": d.task,
		"payload": d.payload, "original_environment": d.environment, "environment": d.environment,
		"description": orNull(d.description), "creator": g.userDoc(d.creator), "created_at": stamp(d.createdAt),
		"updated_at": stamp(updated), "statuses_url": self + "/statuses", "repository_url": d.repo.api(g),
		"transient_environment": d.transient, "production_environment": d.production, "performed_via_github_app": g.viaDoc(d.app),
	}
}

func (g *GitHub) viaDoc(a *app) any {
	if a == nil {
		return nil
	}
	return g.appDoc(a)
}

func (g *GitHub) deploymentStatusDoc(d *deployment, s *deploymentStatus) doc {
	self := fmt.Sprintf("%s/deployments/%d", d.repo.api(g), d.id)
	return doc{
		"url": fmt.Sprintf("%s/statuses/%d", self, s.id), "id": s.id, "node_id": nodeID("DES", s.id), "state": s.state,
		"creator": g.userDoc(s.creator), "description": s.description, "environment": s.environment,
		"target_url": s.logURL, "log_url": s.logURL, "environment_url": s.environmentURL, "created_at": stamp(s.createdAt),
		"updated_at": stamp(s.createdAt), "deployment_url": self, "repository_url": d.repo.api(g),
		"performed_via_github_app": g.viaDoc(d.app),
	}
}

func (g *GitHub) environmentDoc(r *repository, e *environment) doc {
	rules := []doc{}
	if e.waitFor > 0 {
		rules = append(rules, doc{"id": e.id + 1, "node_id": nodeID("GA", e.id+1), "type": "wait_timer", "wait_timer": e.waitFor})
	}
	return doc{
		"id": e.id, "node_id": nodeID("EN", e.id), "name": e.name, "url": r.api(g) + "/environments/" + e.name,
		"html_url": fmt.Sprintf("%s/deployments/activity_log?environments_filter=%s", r.html(g), e.name), "created_at": stamp(e.createdAt),
		"updated_at": stamp(e.createdAt), "can_admins_bypass": true, "protection_rules": rules, "deployment_branch_policy": nil,
	}
}

var deploymentStates = []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"} //nolint:gochecknoglobals // a constant table; Go has no constant slices

func knownState(state string) bool { return slices.Contains(deploymentStates, state) }
