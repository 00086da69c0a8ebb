package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// RenameRepository gives a repository another name. Whoever uses the old one is redirected, as by GitHub:
// https://docs.github.com/repositories/creating-and-managing-repositories/renaming-a-repository
func (g *GitHub) RenameRepository(fullName, name string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo := g.repo(fullName)
	if repo == nil {
		return fmt.Errorf("there is no repository %s", fullName)
	}
	wanted := strings.ToLower(repo.owner.login + "/" + name)
	if g.repos[wanted] != nil {
		return fmt.Errorf("there is a repository %s already", wanted)
	}
	old, was := strings.ToLower(repo.fullName()), repo.name
	delete(g.repos, old)
	delete(g.renamed, wanted)
	repo.name = name
	g.repos[wanted], g.renamed[old] = repo, repo.id
	for _, t := range repo.owner.teams {
		if role, ok := t.repos[old]; ok {
			delete(t.repos, old)
			t.repos[wanted] = role
		}
	}
	g.tell(repo, repo.owner, "repository", "renamed", doc{"changes": doc{"repository": doc{"name": doc{"from": was}}}})
	g.touch()
	return nil
}

// redirected answers a call of the API that names a repository by an old name.
func (g *GitHub) redirected(w http.ResponseWriter, r *http.Request) bool {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), apiPrefix+"/repos/")
	owner, rest, named := strings.Cut(rest, "/")
	name, rest, more := strings.Cut(rest, "/")
	if !ok || !named {
		return false
	}
	g.mu.Lock()
	id, moved := g.renamed[strings.ToLower(owner+"/"+name)]
	g.mu.Unlock()
	if !moved {
		return false
	}
	to := g.base + apiPrefix + "/repositories/" + strconv.FormatInt(id, 10)
	if more {
		to += "/" + rest
	}
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	status := http.StatusMovedPermanently
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusTemporaryRedirect // what was sent is sent again
	}
	w.Header().Set("Location", to)
	w.Header().Set("Content-Type", jsonMediaType)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(doc{"message": "Moved Permanently", "url": to, "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects"}); err != nil {
		g.log.Debug().Err(err).Msg("a client went away")
	}
	return true
}

// byID lets a call name a repository by its number.
func (g *GitHub) byID(r *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), apiPrefix+"/repositories/")
	number, rest, _ := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil {
		return r
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, repo := range g.repos {
		if repo.id != id {
			continue
		}
		path := strings.TrimSuffix(apiPrefix+"/repos/"+repo.fullName()+"/"+rest, "/")
		named := r.Clone(r.Context())
		named.URL.RawPath = path
		if named.URL.Path, err = url.PathUnescape(path); err != nil {
			return r
		}
		return named
	}
	return r
}

// gitRedirected answers git when it uses an old name.
func (g *GitHub) gitRedirected(w http.ResponseWriter, r *http.Request) bool {
	name, service, _ := splitGitPath(r.URL.Path)
	g.mu.Lock()
	defer g.mu.Unlock()
	id, moved := g.renamed[strings.ToLower(name)]
	if !moved {
		return false
	}
	for _, repo := range g.repos {
		if repo.id == id {
			to := url.URL{Path: "/" + repo.fullName() + ".git" + service, RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, g.base+to.String(), http.StatusMovedPermanently)
			return true
		}
	}
	return false
}

// DeleteUser deletes a person's account: nobody has the name any more, and what they wrote is a ghost's.
func (g *GitHub) DeleteUser(login string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := strings.ToLower(login)
	user := g.accounts[key]
	if user == nil || user.kind != "User" {
		return fmt.Errorf("there is no user %s", login)
	}
	delete(g.accounts, key)
	user.login, user.name, user.id = "ghost", "Deleted user", ghostID
	for _, a := range g.accounts {
		delete(a.members, key)
		for _, t := range a.teams {
			delete(t.members, key)
		}
	}
	for _, repo := range g.repos {
		delete(repo.collaborators, key)
	}
	for _, t := range g.tokens {
		if t.user == user {
			delete(g.tokens, t.value)
		}
	}
	g.touch()
	return nil
}

// ghostID is the number of GitHub's ghost.
const ghostID = 10137
