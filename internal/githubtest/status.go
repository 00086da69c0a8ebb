package githubtest

import (
	"fmt"
	"slices"
	"time"
)

// commitStatus is a commit's status of one context, at one time.
type commitStatus struct {
	id                     int64
	sha                    string
	state, context         string
	description, targetURL string
	creator                *account
	at                     time.Time
}

// Status is a commit status as it is now.
type Status struct {
	Context     string
	State       string
	Description string
	TargetURL   string
}

var statusRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "POST /repos/{owner}/{repo}/statuses/{sha}", rule: byToken, needs: "statuses=write", handle: createStatus},
	{pattern: "GET /repos/{owner}/{repo}/commits/{ref}/statuses", rule: byToken, needs: "statuses=read", handle: listStatuses},
	{pattern: "GET /repos/{owner}/{repo}/commits/{ref}/status", rule: byToken, needs: "statuses=read", handle: combinedStatus},
}

const (
	maxStatuses    = 1000
	maxContextName = 255
)

var statusStates = []string{"error", "failure", "pending", "success"} //nolint:gochecknoglobals // a constant table; Go has no constant slices

// Statuses returns the newest status of each context on a commit.
func (g *GitHub) Statuses(fullName, sha string) []Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Status
	if repo := g.repo(fullName); repo != nil {
		for _, s := range repo.newestStatuses(sha) {
			list = append(list, Status{s.context, s.state, s.description, s.targetURL})
		}
	}
	return list
}

func (r *repository) newestStatuses(sha string) []*commitStatus {
	var newest []*commitStatus
	seen := map[string]bool{}
	for _, s := range slices.Backward(r.statuses) {
		if s.sha == sha && !seen[s.context] {
			seen[s.context] = true
			newest = append(newest, s)
		}
	}
	return newest
}

// contexts are the states of everything that reports on a commit: statuses and check runs, by name.
func (r *repository) contexts(sha string) map[string]string {
	states := map[string]string{}
	for _, run := range r.runsByHead[sha] {
		switch {
		case run.status != "completed":
			states[run.name] = "pending"
		case slices.Contains([]string{"success", "neutral", "skipped"}, run.conclusion):
			states[run.name] = "success"
		default:
			states[run.name] = "failure"
		}
	}
	for _, s := range r.newestStatuses(sha) {
		states[s.context] = s.state
	}
	return states
}

func createStatus(c *call) (reply, error) {
	var req struct {
		State       string `json:"state"`
		TargetURL   string `json:"target_url"`
		Description string `json:"description"`
		Context     string `json:"context"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	if req.Context == "" {
		req.Context = "default"
	}
	switch {
	case !slices.Contains(statusStates, req.State):
		return reply{}, validationFailed("Status", "state", "custom", "state is not included in the list")
	case runes(req.Description) > maxShortText:
		return reply{}, validationFailed("Status", "description", "custom", "description is too long (maximum is 140 characters)")
	case runes(req.Context) > maxContextName:
		return reply{}, validationFailed("Status", "context", "custom", "context is too long (maximum is 255 characters)")
	}
	defer c.lock()()
	at, err := c.repo.git.commit(c.r.PathValue("sha"))
	if err != nil {
		return reply{}, invalid("No commit found for SHA: " + c.r.PathValue("sha"))
	}
	same := 0
	for _, s := range c.repo.statuses {
		if s.sha == at.sha && s.context == req.Context {
			same++
		}
	}
	if same >= maxStatuses {
		return reply{}, validationFailed("Status", "", "custom", "This SHA and context has reached the maximum number of statuses.")
	}
	s := &commitStatus{
		id: c.g.id(), sha: at.sha, state: req.State, context: req.Context, description: req.Description,
		targetURL: req.TargetURL, creator: c.who.actor(), at: c.g.now(),
	}
	c.repo.statuses = append(c.repo.statuses, s)
	payload := c.g.statusDoc(c.repo, s)
	payload["sha"], payload["name"], payload["commit"], payload["branches"] = s.sha, c.repo.fullName(), c.g.commitDoc(c.repo, at), []doc{}
	c.g.tell(c.repo, s.creator, "status", "", payload)
	c.g.touch()
	return created(c.g.statusDoc(c.repo, s))
}

func (g *GitHub) statusDoc(r *repository, s *commitStatus) doc {
	return doc{
		"url": fmt.Sprintf("%s/statuses/%s", r.api(g), s.sha), "avatar_url": g.base + "/avatars/" + s.creator.login, "id": s.id,
		"node_id": nodeID("SC", s.id), "state": s.state, "description": orNull(s.description), "target_url": orNull(s.targetURL),
		"context": s.context, "created_at": stamp(s.at), "updated_at": stamp(s.at), "creator": g.userDoc(s.creator),
	}
}

func listStatuses(c *call) (reply, error) {
	defer c.lock()()
	at, err := c.repo.resolve(c.r.PathValue("ref"))
	if err != nil {
		return reply{}, errNotFound
	}
	var list []*commitStatus
	for _, s := range slices.Backward(c.repo.statuses) {
		if s.sha == at.sha {
			list = append(list, s)
		}
	}
	return pagedList(c, list, func(s *commitStatus) doc { return c.g.statusDoc(c.repo, s) })
}

func combinedStatus(c *call) (reply, error) {
	defer c.lock()()
	at, err := c.repo.resolve(c.r.PathValue("ref"))
	if err != nil {
		return reply{}, errNotFound
	}
	list := c.repo.newestStatuses(at.sha)
	state := "success"
	if len(list) == 0 {
		state = "pending"
	}
	for _, s := range list {
		if s.state == "failure" || s.state == "error" {
			state = "failure"
		} else if s.state == "pending" && state == "success" {
			state = "pending"
		}
	}
	part, header := paged(c, list)
	return reply{status: 200, header: header, body: doc{
		"state": state, "statuses": renderAll(part, func(s *commitStatus) doc {
			d := c.g.statusDoc(c.repo, s)
			delete(d, "creator")
			return d
		}),
		"sha": at.sha, "total_count": len(list), "repository": c.g.repositoryDoc(c.repo),
		"commit_url": c.repo.api(c.g) + "/commits/" + at.sha, "url": c.repo.api(c.g) + "/commits/" + at.sha + "/status",
	}}, nil
}
