package githubtest

import (
	"slices"
	"strings"
)

var repositoryRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}", rule: byToken, needs: "metadata=read", handle: getRepository},
	{pattern: "GET /repos/{owner}/{repo}/branches", rule: byToken, needs: "contents=read", handle: listBranches},
	{pattern: "GET /repos/{owner}/{repo}/branches/{branch}", rule: byToken, needs: "contents=read", handle: getBranch},
	{pattern: "GET /repos/{owner}/{repo}/collaborators/{user}/permission", rule: byToken, needs: "metadata=read", handle: getCollaboratorPermission},
}

func getRepository(c *call) (reply, error) {
	defer c.lock()()
	d := c.g.repositoryDoc(c.repo)
	if c.who.token != nil {
		d["permissions"] = c.repositoryPermissions()
	}
	d["network_count"], d["subscribers_count"] = 0, 0
	if c.repo.owner.kind == "Organization" {
		d["organization"] = c.g.userDoc(c.repo.owner)
	}
	if c.repo.parent != nil {
		d["parent"], d["source"] = c.g.repositoryDoc(c.repo.parent), c.g.repositoryDoc(c.repo.root())
	}
	return ok(d)
}

func (c *call) repositoryPermissions() doc {
	rank := 0
	if t := c.who.token; t.user != nil {
		rank = roleRank(c.g.role(c.repo, t.user.login))
	}
	return doc{
		"pull": rank >= roleRank("read"), "triage": rank >= roleRank("triage"), "push": rank >= roleRank("write"),
		"maintain": rank >= roleRank("maintain"), "admin": rank >= roleRank("admin"),
	}
}

func (r *repository) branches() []string {
	var names []string
	for ref := range r.refs {
		if name, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func listBranches(c *call) (reply, error) {
	defer c.lock()()
	names := c.repo.branches()
	if c.r.URL.Query().Get("protected") == "true" {
		names = nil
	}
	return pagedList(c, names, func(name string) doc {
		sha := c.repo.branch(name)
		return doc{"name": name, "commit": doc{"sha": sha, "url": c.repo.api(c.g) + "/commits/" + sha}, "protected": false}
	})
}

func getBranch(c *call) (reply, error) {
	defer c.lock()()
	name := c.r.PathValue("branch")
	sha := c.repo.branch(name)
	if sha == "" {
		return reply{}, &apiError{status: 404, message: "Branch not found"}
	}
	head, err := c.repo.git.commit(sha)
	if err != nil {
		return reply{}, err
	}
	self := c.repo.api(c.g) + "/branches/" + name
	return ok(doc{
		"name": name, "commit": c.g.commitDoc(c.repo, head), "protected": false,
		"_links": doc{"self": self, "html": c.repo.html(c.g) + "/tree/" + name}, "protection_url": self + "/protection",
		"protection": doc{"enabled": false, "required_status_checks": doc{"enforcement_level": "off", "contexts": []string{}, "checks": []string{}}},
	})
}

// getCollaboratorPermission answers with the old four levels and with the role's name.
func getCollaboratorPermission(c *call) (reply, error) {
	defer c.lock()()
	user := c.g.account(c.r.PathValue("user"))
	if user == nil || user.kind == "Organization" {
		return reply{}, &apiError{status: 404, message: c.r.PathValue("user") + " is not a user"}
	}
	role := c.g.role(c.repo, user.login)
	permission := role
	switch role {
	case "maintain":
		permission = "write"
	case "triage":
		permission = "read"
	}
	rank := roleRank(role)
	withRole, _ := c.g.userDoc(user).(doc)
	withRole["role_name"] = role
	withRole["permissions"] = doc{
		"pull": rank >= roleRank("read"), "triage": rank >= roleRank("triage"), "push": rank >= roleRank("write"),
		"maintain": rank >= roleRank("maintain"), "admin": rank >= roleRank("admin"),
	}
	if role == "none" {
		withRole["role_name"] = ""
	}
	return ok(doc{"permission": permission, "role_name": withRole["role_name"], "user": withRole})
}
