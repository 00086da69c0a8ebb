package githubtest

import (
	"slices"
	"strconv"
)

var checkSuiteRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "POST /repos/{owner}/{repo}/check-suites", rule: byToken, needs: "checks=write", handle: createCheckSuite},
	{pattern: "GET /repos/{owner}/{repo}/check-suites/{id}", rule: byToken, needs: "checks=read", handle: getCheckSuite},
	{pattern: "POST /repos/{owner}/{repo}/check-suites/{id}/rerequest", rule: byToken, needs: "checks=write", handle: rerequestCheckSuite},
	{pattern: "PATCH /repos/{owner}/{repo}/check-suites/preferences", rule: byToken, needs: "checks=write", handle: setSuitePreferences},
	{pattern: "GET /repos/{owner}/{repo}/commits/{ref}/check-suites", rule: byToken, needs: "checks=read", handle: listCheckSuites},
}

// suite finds the suite of the path. g.mu is held.
func (c *call) suite() (*checkSuite, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.repo.suites, func(s *checkSuite) bool { return s.id == id })
	if i < 0 {
		return nil, errNotFound
	}
	return c.repo.suites[i], nil
}

func (c *call) suiteAnswer(s *checkSuite) doc {
	d := c.g.checkSuiteDoc(s)
	d["repository"] = c.g.repositoryDoc(c.repo)
	return d
}

func createCheckSuite(c *call) (reply, error) {
	var req struct {
		HeadSHA string `json:"head_sha"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	if err := c.onlyApps(); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	head, err := c.repo.git.commit(req.HeadSHA)
	if err != nil {
		return reply{}, invalid("No commit found for SHA: " + req.HeadSHA)
	}
	a := c.who.token.inst.app
	known := len(c.repo.suites)
	s := c.g.suiteFor(c.repo, a, head)
	if len(c.repo.suites) == known {
		return ok(c.suiteAnswer(s))
	}
	c.g.suiteEvent(s, "requested", a.bot)
	c.g.touch()
	return created(c.suiteAnswer(s))
}

func getCheckSuite(c *call) (reply, error) {
	defer c.lock()()
	s, err := c.suite()
	if err != nil {
		return reply{}, err
	}
	return ok(c.suiteAnswer(s))
}

func rerequestCheckSuite(c *call) (reply, error) {
	defer c.lock()()
	s, err := c.suite()
	if err != nil {
		return reply{}, err
	}
	c.g.rerequestSuite(s, c.who.actor())
	return created(doc{})
}

func (g *GitHub) rerequestSuite(s *checkSuite, sender *account) {
	s.reset()
	g.suiteEvent(s, "rerequested", sender)
	g.touch()
}

func setSuitePreferences(c *call) (reply, error) {
	var req struct {
		AutoTriggerChecks []struct {
			AppID   int64 `json:"app_id"`
			Setting *bool `json:"setting"`
		} `json:"auto_trigger_checks"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	for _, p := range req.AutoTriggerChecks {
		if c.g.apps[p.AppID] == nil || p.Setting == nil {
			return reply{}, invalid("Invalid app_id or setting in auto_trigger_checks: " + strconv.FormatInt(p.AppID, 10))
		}
		c.repo.autoTrigger[p.AppID] = *p.Setting
	}
	list := []doc{}
	for id, setting := range c.repo.autoTrigger {
		list = append(list, doc{"app_id": id, "setting": setting})
	}
	return ok(doc{"preferences": doc{"auto_trigger_checks": list}, "repository": c.g.repositoryDoc(c.repo)})
}

func listCheckSuites(c *call) (reply, error) {
	defer c.lock()()
	head, err := c.repo.resolve(c.r.PathValue("ref"))
	if err != nil {
		return reply{}, invalid("No commit found for SHA: " + c.r.PathValue("ref"))
	}
	query := c.r.URL.Query()
	var list []*checkSuite
	for _, s := range c.repo.suites {
		if s.head.sha == head.sha && (query.Get("app_id") == "" || query.Get("app_id") == strconv.FormatInt(s.app.id, 10)) {
			list = append(list, s)
		}
	}
	return pagedObject(c, "check_suites", list, c.suiteAnswer)
}
