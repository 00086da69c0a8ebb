package githubtest

import (
	"slices"
	"strings"
)

var pullRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/pulls", rule: byToken, needs: "pull_requests=read", handle: listPulls},
	{pattern: "POST /repos/{owner}/{repo}/pulls", rule: byToken, needs: "pull_requests=write", handle: createPull},
	{pattern: "GET /repos/{owner}/{repo}/pulls/{number}", rule: byToken, needs: "pull_requests=read", handle: getPull},
	{pattern: "GET /repos/{owner}/{repo}/pulls/{number}/files", rule: byToken, needs: "pull_requests=read", handle: listPullFiles},
	{pattern: "GET /repos/{owner}/{repo}/pulls/{number}/commits", rule: byToken, needs: "pull_requests=read", handle: listPullCommits},
	{pattern: "PUT /repos/{owner}/{repo}/pulls/{number}/merge", rule: byToken, needs: "contents=write", handle: mergePull},
}

const maxPullFiles = 3000

func listPulls(c *call) (reply, error) {
	defer c.lock()()
	query := c.r.URL.Query()
	state := query.Get("state")
	if state == "" {
		state = "open"
	}
	head := query.Get("head")
	var list []*pullRequest
	for _, p := range slices.Backward(c.repo.pulls) {
		label := p.headRepo.owner.login + ":" + p.headBranch
		if (state == "all" || p.state == state) && (query.Get("base") == "" || query.Get("base") == p.baseBranch) &&
			(!strings.Contains(head, ":") || strings.EqualFold(head, label)) {
			list = append(list, p)
		}
	}
	if query.Get("direction") == "asc" {
		slices.Reverse(list)
	}
	return pagedList(c, list, c.g.simplePullDoc)
}

// pull finds the pull request of the path. g.mu is held.
func (c *call) pull() (*pullRequest, error) {
	number, err := c.number("number")
	if err != nil {
		return nil, err
	}
	p := c.repo.pull(int(number))
	if p == nil {
		return nil, errNotFound
	}
	return p, nil
}

func (c *call) pullRange() (base, head string, err error) {
	defer c.lock()()
	p, err := c.pull()
	if err != nil {
		return "", "", err
	}
	return p.baseSHA, p.headSHA, nil
}

func getPull(c *call) (reply, error) {
	base, head, err := c.pullRange()
	if err != nil {
		return reply{}, err
	}
	files, commits, err := c.pullDiff(base, head)
	if err != nil {
		return reply{}, err
	}
	defer c.lock()()
	p, err := c.pull()
	if err != nil {
		return reply{}, err
	}
	d := c.g.pullDoc(p)
	additions, deletions := 0, 0
	for _, f := range files {
		additions += f.additions
		deletions += f.removed
	}
	d["additions"], d["deletions"], d["changed_files"], d["commits"] = additions, deletions, len(files), len(commits)
	return ok(d)
}

// pullDiff is what a pull request changes since it left its base.
func (c *call) pullDiff(base, head string) ([]changedFile, []string, error) {
	common, err := c.repo.git.mergeBase(c.r.Context(), base, head)
	if err != nil {
		return nil, nil, err
	}
	if common == "" {
		common = emptyTree
	}
	files, err := c.repo.git.diff(c.r.Context(), common, head)
	if err != nil {
		return nil, nil, err
	}
	commits, err := c.repo.git.missing(c.r.Context(), head, base)
	return files, commits, err
}

func listPullFiles(c *call) (reply, error) {
	base, head, err := c.pullRange()
	if err != nil {
		return reply{}, err
	}
	files, _, err := c.pullDiff(base, head)
	if err != nil {
		return reply{}, err
	}
	files = files[:min(len(files), maxPullFiles)]
	return pagedList(c, files, func(f changedFile) doc { return c.g.fileDoc(c.repo, head, f) })
}

func listPullCommits(c *call) (reply, error) {
	base, head, err := c.pullRange()
	if err != nil {
		return reply{}, err
	}
	shas, err := c.repo.git.missing(c.r.Context(), head, base)
	if err != nil {
		return reply{}, err
	}
	commits, err := c.repo.git.commits(shas[:min(len(shas), maxCompareCommits)])
	if err != nil {
		return reply{}, err
	}
	defer c.lock()()
	return pagedList(c, commits, func(x *commit) doc { return c.g.commitDoc(c.repo, x) })
}

func createPull(c *call) (reply, error) {
	var req struct {
		Title string `json:"title"`
		Head  string `json:"head"`
		Base  string `json:"base"`
		Body  string `json:"body"`
		Draft bool   `json:"draft"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	c.g.mu.Lock()
	headRepo, branch := c.g.headOf(c.repo, req.Head)
	c.g.mu.Unlock()
	if headRepo == nil {
		return reply{}, validationFailed("PullRequest", "head", "invalid", "")
	}
	p, err := c.g.openPull(c.r.Context(), c.repo, c.who.actor(), newPull{
		title: req.Title, body: req.Body, base: req.Base, headRepo: headRepo, headBranch: branch, draft: req.Draft,
	})
	if err != nil {
		return reply{}, err
	}
	defer c.lock()()
	return created(c.g.pullDoc(p))
}

// headOf finds the repository and branch that "branch" or "owner:branch" means. g.mu is held.
func (g *GitHub) headOf(r *repository, head string) (*repository, string) {
	login, branch, foreign := strings.Cut(head, ":")
	if !foreign {
		return r, head
	}
	for _, repo := range g.repos {
		if repo.root() == r.root() && strings.EqualFold(repo.owner.login, login) {
			return repo, branch
		}
	}
	return nil, ""
}

func mergePull(c *call) (reply, error) {
	var req struct {
		SHA         string `json:"sha"`
		Title       string `json:"commit_title"`
		Message     string `json:"commit_message"`
		MergeMethod string `json:"merge_method"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	c.g.mu.Lock()
	p, err := c.pull()
	c.g.mu.Unlock()
	if err != nil {
		return reply{}, err
	}
	sha, err := c.g.mergePullRequest(c.r.Context(), p, c.who.actor(), mergeRequest{
		method: req.MergeMethod, expected: req.SHA, title: req.Title, message: req.Message,
	})
	if err != nil {
		return reply{}, err
	}
	return ok(doc{"sha": sha, "merged": true, "message": "Pull Request successfully merged"})
}
