package githubtest

import (
	"net/http"
	"slices"
)

var appRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /app", rule: byApp, handle: getApp},
	{pattern: "GET /app/installations", rule: byApp, handle: listInstallations},
	{pattern: "GET /app/installations/{id}", rule: byApp, handle: getInstallation},
	{pattern: "POST /app/installations/{id}/access_tokens", rule: byApp, handle: createInstallationToken},
	{pattern: "GET /repos/{owner}/{repo}/installation", rule: byApp, handle: getRepositoryInstallation},
	{pattern: "GET /orgs/{org}/installation", rule: byApp, handle: getAccountInstallation},
	{pattern: "GET /users/{org}/installation", rule: byApp, handle: getAccountInstallation},
	{pattern: "POST /app-manifests/{code}/conversions", rule: anyone, handle: convertManifest},
}

func getApp(c *call) (reply, error) {
	defer c.lock()()
	d := c.g.appDoc(c.who.app)
	count := 0
	for _, inst := range c.g.installations {
		if inst.app == c.who.app {
			count++
		}
	}
	d["installations_count"] = count
	return ok(d)
}

func listInstallations(c *call) (reply, error) {
	defer c.lock()()
	var list []*installation
	for _, inst := range c.g.installations {
		if inst.app == c.who.app {
			list = append(list, inst)
		}
	}
	slices.SortFunc(list, func(a, b *installation) int { return int(a.id - b.id) })
	return pagedList(c, list, c.g.installationDoc)
}

// ownInstallation finds the installation the path names, of the calling App. g.mu is held.
func (c *call) ownInstallation() (*installation, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	inst := c.g.installations[id]
	if inst == nil || inst.app != c.who.app {
		return nil, errNotFound
	}
	return inst, nil
}

func getInstallation(c *call) (reply, error) {
	defer c.lock()()
	inst, err := c.ownInstallation()
	if err != nil {
		return reply{}, err
	}
	return ok(c.g.installationDoc(inst))
}

func getRepositoryInstallation(c *call) (reply, error) {
	defer c.lock()()
	for _, inst := range c.g.installationsFor(c.repo) {
		if inst.app == c.who.app {
			return ok(c.g.installationDoc(inst))
		}
	}
	return reply{}, errNotFound
}

func getAccountInstallation(c *call) (reply, error) {
	defer c.lock()()
	owner := c.g.account(c.r.PathValue("org"))
	if owner == nil || c.g.installationOn(c.who.app, owner) == nil {
		return reply{}, errNotFound
	}
	return ok(c.g.installationDoc(c.g.installationOn(c.who.app, owner)))
}

const maxTokenRepositories = 500

type tokenRequest struct {
	Repositories  []string          `json:"repositories"`
	RepositoryIDs []int64           `json:"repository_ids"`
	Permissions   map[string]string `json:"permissions"`
}

func createInstallationToken(c *call) (reply, error) {
	var req tokenRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	inst, err := c.ownInstallation()
	if err != nil {
		return reply{}, err
	}
	if !inst.suspendedAt.IsZero() {
		return reply{}, forbidden("This installation has been suspended")
	}
	repos, err := c.g.tokenRepositories(inst, req)
	if err != nil {
		return reply{}, err
	}
	permissions, err := tokenPermissions(inst, req)
	if err != nil {
		return reply{}, err
	}
	all := len(req.Repositories) == 0 && len(req.RepositoryIDs) == 0
	t := c.g.newInstallationToken(inst, repos, all, permissions)
	d := doc{
		"token": t.value, "expires_at": stamp(t.expires), "permissions": docOf(permissions),
		"repository_selection": inst.selection(),
	}
	if !all {
		d["repository_selection"] = "selected"
		d["repositories"] = renderAll(repos, c.g.repositoryDoc)
	}
	return created(d)
}

func (g *GitHub) tokenRepositories(inst *installation, req tokenRequest) ([]*repository, error) {
	if len(req.Repositories) > maxTokenRepositories || len(req.RepositoryIDs) > maxTokenRepositories {
		return nil, invalid("Too many repositories: at most 500 can be named.")
	}
	missing := invalid("There is at least one repository that does not exist or is not accessible to the parent installation.")
	var repos []*repository
	for _, name := range req.Repositories {
		repo := g.repo(inst.account.login + "/" + name)
		if repo == nil || !inst.covers(repo) {
			return nil, missing
		}
		repos = append(repos, repo)
	}
	for _, id := range req.RepositoryIDs {
		i := slices.IndexFunc(g.repositoriesOf(inst), func(r *repository) bool { return r.id == id })
		if i < 0 {
			return nil, missing
		}
		repos = append(repos, g.repositoriesOf(inst)[i])
	}
	return repos, nil
}

func tokenPermissions(inst *installation, req tokenRequest) (map[string]string, error) {
	if len(req.Permissions) == 0 {
		return cloneStrings(inst.permissions), nil
	}
	granted := map[string]string{"metadata": "read"}
	for name, level := range req.Permissions {
		if levels[level] == 0 || !grants(inst.permissions, name+"="+level) {
			return nil, invalid("The permissions requested are not granted to this installation.")
		}
		granted[name] = level
	}
	return granted, nil
}

var installationRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /installation/repositories", rule: byInstalled, needs: "metadata=read", handle: listInstallationRepositories},
	{pattern: "DELETE /installation/token", rule: byInstalled, handle: revokeInstallationToken},
}

func listInstallationRepositories(c *call) (reply, error) {
	defer c.lock()()
	t := c.who.token
	repos := slices.DeleteFunc(c.g.repositoriesOf(t.inst), func(r *repository) bool { return !t.has(r) })
	part, header := paged(c, repos)
	body := doc{
		"total_count": len(repos), "repository_selection": t.inst.selection(), "repositories": renderAll(part, c.g.repositoryDoc),
	}
	return reply{status: http.StatusOK, body: body, header: header}, nil
}

func revokeInstallationToken(c *call) (reply, error) {
	defer c.lock()()
	c.who.token.revoked = true
	return noContent()
}

func (g *GitHub) manifestDoc(a *app) doc {
	d := g.appDoc(a)
	credentials := a.credentials()
	d["client_secret"], d["webhook_secret"] = credentials.ClientSecret, credentials.WebhookSecret
	d["pem"] = string(credentials.PrivateKey)
	return d
}

func convertManifest(c *call) (reply, error) {
	defer c.lock()()
	code := c.r.PathValue("code")
	entry, known := c.g.manifestCodes[code]
	delete(c.g.manifestCodes, code) // single use
	if !known || c.g.clock.Now().After(entry.expires) {
		return reply{}, errNotFound
	}
	return created(c.g.manifestDoc(entry.app))
}
