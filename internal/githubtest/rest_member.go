package githubtest

import (
	"slices"
	"strings"
)

var memberRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /orgs/{org}/teams/{team}/memberships/{user}", rule: byToken, needs: "members=read", handle: getTeamMembership},
	{pattern: "GET /orgs/{org}/teams/{team}/members", rule: byToken, needs: "members=read", handle: listTeamMembers},
	{pattern: "GET /orgs/{org}/memberships/{user}", rule: byToken, needs: "members=read", handle: getOrgMembership},
	{pattern: "GET /orgs/{org}/members/{user}", rule: byToken, needs: "members=read", handle: checkOrgMember},
	{pattern: "GET /users/{user}", rule: byToken, handle: getUser},
}

// organization finds the organisation of the path, which the caller must be allowed to look into. g.mu is held.
func (c *call) organization(needs string) (*account, error) {
	org := c.g.account(c.r.PathValue("org"))
	if org == nil || org.kind != "Organization" {
		return nil, errNotFound
	}
	t := c.who.token
	switch {
	case t == nil:
		return nil, errNotFound
	case t.user != nil && org.members[strings.ToLower(t.user.login)] == "":
		return nil, errNotFound
	case t.inst != nil && t.inst.account != org:
		return nil, notAccessible()
	case t.inst != nil:
		return org, permitted(t.permissions, needs)
	}
	return org, nil
}

// member finds the organisation and the user of the path. g.mu is held.
func (c *call) member() (org, user *account, err error) {
	org, err = c.organization("members=read")
	if err != nil {
		return nil, nil, err
	}
	user = c.g.account(c.r.PathValue("user"))
	if user == nil {
		return nil, nil, errNotFound
	}
	return org, user, nil
}

// getTeamMembership counts members of child teams; a pending member is one who has not accepted yet.
func getTeamMembership(c *call) (reply, error) {
	defer c.lock()()
	org, user, err := c.member()
	if err != nil {
		return reply{}, err
	}
	t := org.team(c.r.PathValue("team"))
	if t == nil || org.membership(t, user.login) == "" {
		return reply{}, errNotFound
	}
	return ok(doc{
		"url":  c.g.base + apiPrefix + "/organizations/" + org.login + "/team/" + t.slug + "/memberships/" + user.login,
		"role": "member", "state": org.membership(t, user.login),
	})
}

func listTeamMembers(c *call) (reply, error) {
	defer c.lock()()
	org, err := c.organization("members=read")
	if err != nil {
		return reply{}, err
	}
	t := org.team(c.r.PathValue("team"))
	if t == nil {
		return reply{}, errNotFound
	}
	var members []*account
	for _, a := range c.g.accounts {
		if org.membership(t, a.login) == "active" {
			members = append(members, a)
		}
	}
	slices.SortFunc(members, func(a, b *account) int { return strings.Compare(a.login, b.login) })
	return pagedList(c, members, func(a *account) doc {
		d, _ := c.g.userDoc(a).(doc)
		return d
	})
}

func getOrgMembership(c *call) (reply, error) {
	defer c.lock()()
	org, user, err := c.member()
	if err != nil {
		return reply{}, err
	}
	role := org.members[strings.ToLower(user.login)]
	if role == "" {
		return reply{}, errNotFound
	}
	api := c.g.base + apiPrefix + "/orgs/" + org.login
	return ok(doc{
		"url": api + "/memberships/" + user.login, "state": "active", "role": role, "organization_url": api,
		"organization": c.g.organizationDoc(org), "user": c.g.userDoc(user),
	})
}

func checkOrgMember(c *call) (reply, error) {
	defer c.lock()()
	org, user, err := c.member()
	if err != nil {
		return reply{}, err
	}
	if org.members[strings.ToLower(user.login)] == "" {
		return reply{}, errNotFound
	}
	return noContent()
}

func getUser(c *call) (reply, error) {
	defer c.lock()()
	user := c.g.account(c.r.PathValue("user"))
	if user == nil {
		return reply{}, errNotFound
	}
	return ok(c.g.profileDoc(user))
}
