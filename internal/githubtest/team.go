package githubtest

import (
	"fmt"
	"slices"
	"strings"
)

// team is a team of an organisation; members of its children are members of it too.
type team struct {
	id      int64
	slug    string
	name    string
	parent  *team
	members map[string]string // login in lower case -> "active" or "pending"
	repos   map[string]string // full name in lower case -> role
}

// AddTeam makes a team. parent is the slug of the team that contains it; empty for none.
func (g *GitHub) AddTeam(org, name, parent string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner := g.account(org)
	if owner == nil || owner.kind != "Organization" {
		return fmt.Errorf("team %s: there is no organisation %s", name, org)
	}
	t := &team{id: g.id(), slug: slugOf(name), name: name, members: map[string]string{}, repos: map[string]string{}}
	if parent != "" {
		if t.parent = owner.team(parent); t.parent == nil {
			return fmt.Errorf("team %s: there is no team %s in %s", name, parent, org)
		}
	}
	owner.teams = append(owner.teams, t)
	g.touch()
	return nil
}

// AddTeamMember puts a user into a team; pending is one who was invited and has not accepted.
func (g *GitHub) AddTeamMember(org, slug, login string, pending bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner, user := g.account(org), g.account(login)
	if owner == nil || user == nil || owner.team(slug) == nil {
		return fmt.Errorf("member %s of team %s/%s: no such user, organisation or team", login, org, slug)
	}
	state := "active"
	if pending {
		state = "pending"
	} else if owner.members[strings.ToLower(login)] == "" {
		owner.members[strings.ToLower(login)] = "member"
	}
	owner.team(slug).members[strings.ToLower(login)] = state
	g.touch()
	return nil
}

// RemoveTeamMember takes a user out of a team.
func (g *GitHub) RemoveTeamMember(org, slug, login string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner := g.account(org)
	if owner == nil || owner.team(slug) == nil {
		return fmt.Errorf("there is no team %s/%s", org, slug)
	}
	delete(owner.team(slug).members, strings.ToLower(login))
	g.touch()
	return nil
}

// GrantTeam gives a team a role (read, triage, write, maintain, admin) in a repository.
func (g *GitHub) GrantTeam(org, slug, fullName, role string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner, repo := g.account(org), g.repo(fullName)
	if owner == nil || repo == nil || owner.team(slug) == nil || roleRank(role) == 0 {
		return fmt.Errorf("role %s of team %s/%s in %s: no such role, team or repository", role, org, slug, fullName)
	}
	owner.team(slug).repos[strings.ToLower(repo.fullName())] = role
	g.touch()
	return nil
}

func (a *account) team(slug string) *team {
	i := slices.IndexFunc(a.teams, func(t *team) bool { return strings.EqualFold(t.slug, slug) })
	if i < 0 {
		return nil
	}
	return a.teams[i]
}

// membership is the state of a user in a team or one of its children: "active", "pending" or "".
func (a *account) membership(t *team, login string) string {
	state := t.members[strings.ToLower(login)]
	if state == "active" {
		return state
	}
	for _, child := range a.teams {
		if child.parent == t {
			if s := a.membership(child, login); s == "active" || state == "" {
				state = s
			}
		}
	}
	return state
}

// roleRank orders the roles in a repository; 0 is no role.
func roleRank(role string) int {
	return 1 + slices.Index([]string{"read", "triage", "write", "maintain", "admin"}, role)
}

// role is what a user may do in a repository: "none", "read", "triage", "write", "maintain" or "admin". g.mu is held.
func (g *GitHub) role(repo *repository, login string) string {
	best := "none"
	raise := func(role string) {
		if roleRank(role) > roleRank(best) {
			best = role
		}
	}
	key := strings.ToLower(login)
	if !repo.private && g.account(login) != nil {
		raise("read")
	}
	if strings.EqualFold(repo.owner.login, login) || repo.owner.members[key] == "admin" {
		raise("admin")
	}
	if repo.owner.members[key] != "" {
		raise("read")
	}
	raise(repo.collaborators[key])
	for _, t := range repo.owner.teams {
		if role := t.repos[strings.ToLower(repo.fullName())]; role != "" && repo.owner.membership(t, login) == "active" {
			raise(role)
		}
	}
	return best
}

// mayPush reports whether a user may write to a repository.
func (g *GitHub) mayPush(repo *repository, login string) bool {
	return roleRank(g.role(repo, login)) >= roleRank("write")
}
