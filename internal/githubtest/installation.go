package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// installation is an App on an account, for all of its repositories or some.
type installation struct {
	id          int64
	app         *app
	account     *account
	all         bool
	repos       []*repository
	permissions map[string]string
	events      []string
	suspendedAt time.Time
	createdAt   time.Time
}

// Install installs the first App on an account: on the named repositories (owner/name), or on all, those to come
// included, when none is named. It returns the installation's number.
func (g *GitHub) Install(login string, fullNames ...string) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.install(g.firstApp, login, fullNames)
}

func (g *GitHub) install(a *app, login string, fullNames []string) (int64, error) {
	owner := g.account(login)
	if owner == nil {
		return 0, fmt.Errorf("install on %s: there is no such account", login)
	}
	if g.installationOn(a, owner) != nil {
		return 0, fmt.Errorf("%s is already installed on %s", a.slug, login)
	}
	inst := &installation{
		id: g.id(), app: a, account: owner, all: len(fullNames) == 0, createdAt: g.now(),
		permissions: cloneStrings(a.permissions), events: slices.Clone(a.events),
	}
	for _, name := range fullNames {
		repo := g.repo(name)
		if repo == nil || repo.owner != owner {
			return 0, fmt.Errorf("install on %s: %s has no such repository", name, login)
		}
		inst.repos = append(inst.repos, repo)
	}
	g.installations[inst.id] = inst
	g.installationEvent(inst, "created", owner)
	g.touch()
	return inst.id, nil
}

func (g *GitHub) installationOn(a *app, owner *account) *installation {
	for _, inst := range g.installations {
		if inst.app == a && inst.account == owner {
			return inst
		}
	}
	return nil
}

// installed reports whether an App reaches a repository through an installation that is not suspended. g.mu is held.
func (g *GitHub) installed(a *app, repo *repository) bool {
	inst := g.installationOn(a, repo.owner)
	return inst != nil && inst.covers(repo) && inst.suspendedAt.IsZero()
}

// mayActOn reports whether an App has a permission ("contents=write") in a repository. g.mu is held.
func (g *GitHub) mayActOn(a *app, repo *repository, need string) bool {
	return g.installed(a, repo) && grants(g.installationOn(a, repo.owner).permissions, need)
}

// covers reports whether the installation reaches a repository.
func (i *installation) covers(repo *repository) bool {
	return i.account == repo.owner && (i.all || slices.Contains(i.repos, repo))
}

// repositories lists what the installation reaches, by name. g.mu is held.
func (g *GitHub) repositoriesOf(inst *installation) []*repository {
	var covered []*repository
	for _, repo := range g.repos {
		if inst.covers(repo) {
			covered = append(covered, repo)
		}
	}
	slices.SortFunc(covered, func(a, b *repository) int { return strings.Compare(a.fullName(), b.fullName()) })
	return covered
}

// installationsFor lists the installations that reach a repository, in the order of their numbers. g.mu is held.
func (g *GitHub) installationsFor(repo *repository) []*installation {
	var found []*installation
	for _, inst := range g.installations {
		if inst.covers(repo) {
			found = append(found, inst)
		}
	}
	slices.SortFunc(found, func(a, b *installation) int { return int(a.id - b.id) })
	return found
}

func (g *GitHub) installationEvent(inst *installation, action string, sender *account) {
	repos := []doc{}
	for _, repo := range g.repositoriesOf(inst) {
		repos = append(repos, repo.shortDoc())
	}
	g.deliver(inst.app, inst, "installation", action, doc{
		"action": action, "installation": g.installationDoc(inst), "repositories": repos,
		"requester": nil, "sender": g.userDoc(sender),
	})
}

// change alters the installation of the first App on an account and tells it with the given action.
func (g *GitHub) changeInstallation(login, action string, change func(*installation)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner := g.account(login)
	if owner == nil || g.installationOn(g.firstApp, owner) == nil {
		return fmt.Errorf("%s is not installed on %s", g.firstApp.slug, login)
	}
	inst := g.installationOn(g.firstApp, owner)
	change(inst)
	g.installationEvent(inst, action, owner)
	g.touch()
	return nil
}

// Uninstall removes the first App from an account.
func (g *GitHub) Uninstall(login string) error {
	return g.changeInstallation(login, "deleted", func(inst *installation) {
		delete(g.installations, inst.id)
		g.revokeTokensOf(inst)
	})
}

// Suspend makes the first App's tokens and webhooks for an account stop.
func (g *GitHub) Suspend(login string) error {
	return g.changeInstallation(login, "suspend", func(inst *installation) { inst.suspendedAt = g.now() })
}

// Unsuspend ends what Suspend began.
func (g *GitHub) Unsuspend(login string) error {
	return g.changeInstallation(login, "unsuspend", func(inst *installation) { inst.suspendedAt = time.Time{} })
}

// SetPermissions changes what the App asks for and what the owner of an account has granted it.
func (g *GitHub) SetPermissions(login string, permissions map[string]string) error {
	return g.changeInstallation(login, "new_permissions_accepted", func(inst *installation) {
		inst.permissions = cloneStrings(permissions)
		inst.permissions["metadata"] = "read"
		inst.app.permissions = cloneStrings(inst.permissions)
	})
}

// SelectRepositories makes the first App's installation reach exactly these repositories of the account.
func (g *GitHub) SelectRepositories(login string, fullNames ...string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	owner := g.account(login)
	if owner == nil || g.installationOn(g.firstApp, owner) == nil {
		return fmt.Errorf("%s is not installed on %s", g.firstApp.slug, login)
	}
	inst := g.installationOn(g.firstApp, owner)
	var wanted []*repository
	for _, name := range fullNames {
		repo := g.repo(name)
		if repo == nil || repo.owner != owner {
			return fmt.Errorf("%s has no repository %s", login, name)
		}
		wanted = append(wanted, repo)
	}
	before := g.repositoriesOf(inst)
	inst.all, inst.repos = false, wanted
	g.selectionEvent(inst, "added", difference(wanted, before))
	g.selectionEvent(inst, "removed", difference(before, wanted))
	g.touch()
	return nil
}

func difference(a, b []*repository) []*repository {
	return slices.DeleteFunc(slices.Clone(a), func(r *repository) bool { return slices.Contains(b, r) })
}

func (g *GitHub) selectionEvent(inst *installation, action string, repos []*repository) {
	if len(repos) == 0 {
		return
	}
	lists := map[string][]doc{"added": {}, "removed": {}}
	for _, repo := range repos {
		lists[action] = append(lists[action], repo.shortDoc())
	}
	g.deliver(inst.app, inst, "installation_repositories", action, doc{
		"action": action, "installation": g.installationDoc(inst), "repository_selection": inst.selection(),
		"repositories_added": lists["added"], "repositories_removed": lists["removed"],
		"requester": nil, "sender": g.userDoc(inst.account),
	})
}

func (i *installation) selection() string {
	if i.all {
		return "all"
	}
	return "selected"
}

func (g *GitHub) installationDoc(i *installation) doc {
	api := g.base + apiPrefix
	d := doc{
		"id": i.id, "node_id": nodeID("I", i.id), "client_id": i.app.clientID, "account": g.userDoc(i.account),
		"repository_selection": i.selection(),
		"access_tokens_url":    fmt.Sprintf("%s/app/installations/%d/access_tokens", api, i.id),
		"repositories_url":     api + "/installation/repositories",
		"html_url":             fmt.Sprintf("%s/organizations/%s/settings/installations/%d", g.base, i.account.login, i.id),
		"app_id":               i.app.id, "app_slug": i.app.slug, "target_id": i.account.id, "target_type": i.account.kind,
		"permissions": docOf(i.permissions), "events": slices.Clone(i.events),
		"created_at": stamp(i.createdAt), "updated_at": stamp(i.createdAt), "single_file_name": nil,
		"has_multiple_single_files": false, "single_file_paths": []string{}, "suspended_by": nil, "suspended_at": nil,
	}
	if !i.suspendedAt.IsZero() {
		d["suspended_by"], d["suspended_at"] = g.userDoc(i.account), stamp(i.suspendedAt)
	}
	return d
}
