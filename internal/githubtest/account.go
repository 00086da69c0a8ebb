package githubtest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// account is a user, an organisation or an App's bot.
type account struct {
	id      int64
	login   string
	name    string
	kind    string // "User", "Organization", "Bot"
	members map[string]string
	teams   []*team
}

func (a *account) email() string {
	return fmt.Sprintf("%d+%s@users.noreply.github.com", a.id, a.login)
}

// addAccount returns the account of that login, making it when there is none. g.mu is held.
func (g *GitHub) addAccount(login, name, kind string) (*account, error) {
	if known, ok := g.accounts[strings.ToLower(login)]; ok {
		if known.kind != kind {
			return nil, fmt.Errorf("account %s is already a %s", login, known.kind)
		}
		return known, nil
	}
	if login == "" || strings.ContainsAny(login, "/ \\\x00") || strings.HasPrefix(login, ".") {
		return nil, fmt.Errorf("%q is not a login", login)
	}
	if name == "" {
		name = login
	}
	a := &account{id: g.id(), login: login, name: name, kind: kind, members: map[string]string{}}
	g.accounts[strings.ToLower(login)] = a
	g.touch()
	return a, nil
}

func (g *GitHub) account(login string) *account { return g.accounts[strings.ToLower(login)] }

// AddUser makes a person.
func (g *GitHub) AddUser(login, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := g.addAccount(login, name, "User")
	return err
}

// AddOrganization makes an organisation with those members.
func (g *GitHub) AddOrganization(login string, members ...string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	org, err := g.addAccount(login, "", "Organization")
	if err != nil {
		return err
	}
	for _, member := range members {
		user := g.account(member)
		if user == nil || user.kind != "User" {
			return fmt.Errorf("member %s of %s: there is no such user", member, login)
		}
		org.members[strings.ToLower(member)] = "member"
	}
	g.touch()
	return nil
}

// AddOrganizationOwner makes a user an owner of the organisation, who may do everything in its repositories.
func (g *GitHub) AddOrganizationOwner(login, user string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	org, owner := g.account(login), g.account(user)
	if org == nil || owner == nil || org.kind != "Organization" {
		return fmt.Errorf("owner %s of %s: no such user or organisation", user, login)
	}
	org.members[strings.ToLower(user)] = "admin"
	g.touch()
	return nil
}

// Users returns the logins of all people.
func (g *GitHub) Users() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var logins []string
	for _, a := range g.accounts {
		if a.kind == "User" {
			logins = append(logins, a.login)
		}
	}
	slices.Sort(logins)
	return logins
}

// userDoc is GitHub's "simple user". A nil account is null: a deleted one.
func (g *GitHub) userDoc(a *account) any {
	if a == nil {
		return nil
	}
	api := g.base + apiPrefix + "/users/" + url.PathEscape(a.login)
	html := g.base + "/" + a.login
	if slug, isBot := strings.CutSuffix(a.login, "[bot]"); isBot {
		html = g.base + "/apps/" + slug
	}
	return doc{
		"login": a.login, "id": a.id, "node_id": nodeID("U", a.id), "type": a.kind, "site_admin": false,
		"avatar_url": g.base + "/avatars/" + url.PathEscape(a.login), "gravatar_id": "", "url": api, "html_url": html,
		"followers_url": api + "/followers", "following_url": api + "/following{/other_user}",
		"gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}",
		"subscriptions_url": api + "/subscriptions", "organizations_url": api + "/orgs", "repos_url": api + "/repos",
		"events_url": api + "/events{/privacy}", "received_events_url": api + "/received_events",
	}
}

// organizationDoc is an organisation as webhooks carry it.
func (g *GitHub) organizationDoc(a *account) doc {
	api := g.base + apiPrefix + "/orgs/" + a.login
	return doc{
		"login": a.login, "id": a.id, "node_id": nodeID("O", a.id), "url": api, "repos_url": api + "/repos",
		"events_url": api + "/events", "hooks_url": api + "/hooks", "issues_url": api + "/issues",
		"members_url": api + "/members{/member}", "public_members_url": api + "/public_members{/member}",
		"avatar_url": g.base + "/avatars/" + a.login, "description": nil,
	}
}
