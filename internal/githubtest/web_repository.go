package githubtest

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

type commitView struct {
	SHA, Title, Author, At, State string
}

type repositoryRow struct {
	Name, Description, State string
	Pulls                    int
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	data := struct {
		page
		Repositories []repositoryRow
	}{page: s.page(r, "Repositories")}
	s.g.mu.Lock()
	for _, repo := range s.g.repos {
		data.Repositories = append(data.Repositories, repositoryRow{
			Name: repo.fullName(), Description: repo.description, State: repo.rollup(repo.branch(repo.defaultBranch)), Pulls: repo.openPulls(),
		})
	}
	s.g.mu.Unlock()
	slices.SortFunc(data.Repositories, func(a, b repositoryRow) int { return strings.Compare(a.Name, b.Name) })
	s.show(w, "home", data)
}

// rollup is one word for all checks of a commit; empty without any. g.mu is held.
func (r *repository) rollup(sha string) string {
	states := r.contexts(sha)
	worst := ""
	for _, state := range states {
		switch {
		case state == "failure" || state == "error":
			return "failure"
		case state == "pending":
			worst = "in_progress"
		case worst == "":
			worst = "success"
		}
	}
	return worst
}

type pullRow struct {
	Number                     int
	Title, What, Author, State string
}

type repositoryPage struct {
	page
	Clone, Branch, Default string
	Branches               []string
	Commits                []commitView
	Pulls                  []pullRow
	Environments           []environmentView
	Deployments            []deploymentView
	Files                  []string
	File, Content          string
}

const (
	shownCommits     = 20
	shownFiles       = 200
	shownDeployments = 20
	maxShownFile     = 256 << 10
)

func (s *site) repository(w http.ResponseWriter, r *http.Request) {
	data := repositoryPage{page: s.page(r, r.PathValue("owner")+"/"+r.PathValue("repo"))}
	s.g.mu.Lock()
	repo := s.g.repo(data.Repo)
	if repo == nil {
		s.g.mu.Unlock()
		http.NotFound(w, r)
		return
	}
	data.Repo, data.Default = repo.fullName(), repo.defaultBranch
	data.Clone = repo.html(s.g) + ".git"
	data.Branch = r.URL.Query().Get("branch")
	if repo.branch(data.Branch) == "" {
		data.Branch = repo.defaultBranch
	}
	head := repo.branch(data.Branch)
	data.Branches = repo.branches()
	for _, p := range slices.Backward(repo.pulls) {
		data.Pulls = append(data.Pulls, pullRow{p.number, p.title, p.what(), p.author.login, repo.rollup(p.headSHA)})
	}
	s.g.mu.Unlock()
	data.Environments, data.Deployments = s.environmentViews(data.Repo), s.deploymentViews(data.Repo)
	if head != "" {
		if err := s.fillTree(r.Context(), &data, repo, head, r.URL.Query().Get("file")); err != nil {
			s.g.log.Error().Err(err).Str("repository", data.Repo).Msg("repository cannot be shown")
			data.Problem = "Its commits cannot be read: " + err.Error()
		}
	}
	s.show(w, "repository", data)
}

// what is a pull request's state in one word.
func (p *pullRequest) what() string {
	switch {
	case p.merged:
		return "merged"
	case p.state == "open" && p.draft:
		return "draft"
	default:
		return p.state
	}
}

func (s *site) fillTree(ctx context.Context, data *repositoryPage, repo *repository, head, file string) error {
	out, err := repo.git.git(ctx, "rev-list", "--max-count=20", head)
	if err != nil {
		return err
	}
	commits, err := repo.git.commits(strings.Fields(out))
	if err != nil {
		return err
	}
	s.g.mu.Lock()
	for _, c := range commits {
		data.Commits = append(data.Commits, s.commitView(repo, c))
	}
	s.g.mu.Unlock()
	tree := commits[0].tree
	if err := repo.git.walk(tree, "", shownFiles, func(e treeEntry) {
		if e.kind() == "blob" {
			data.Files = append(data.Files, e.path)
		}
	}); err != nil && len(data.Files) == 0 {
		return err
	}
	data.File = file
	if entry, err := repo.git.lookup(tree, file); err == nil && entry.kind() == "blob" {
		content, err := repo.git.blob(entry.sha)
		if err != nil {
			return err
		}
		data.Content = string(content[:min(len(content), maxShownFile)])
	}
	return nil
}

// commitView needs g.mu held.
func (s *site) commitView(repo *repository, c *commit) commitView {
	author := c.author.name
	if a := s.g.accountByEmail(c.author.email); a != nil {
		author = a.login
	}
	title := c.title()
	if title == "" {
		title = "(no message)"
	}
	return commitView{c.sha, title, author, c.committer.at.UTC().Format("2 Jan 15:04:05"), repo.rollup(c.sha)}
}

func (s *site) tree(w http.ResponseWriter, r *http.Request) {
	redirect(w, r, "/"+r.PathValue("owner")+"/"+r.PathValue("repo"), "branch", r.PathValue("ref"))
}

// file finds what a path holds at a name of a commit.
func (s *site) file(r *http.Request) ([]byte, bool) {
	s.g.mu.Lock()
	repo := s.g.repo(r.PathValue("owner") + "/" + r.PathValue("repo"))
	if repo == nil {
		s.g.mu.Unlock()
		return nil, false
	}
	at, err := repo.resolve(r.PathValue("ref"))
	s.g.mu.Unlock()
	if err != nil {
		return nil, false
	}
	entry, err := repo.git.lookup(at.tree, r.PathValue("path"))
	if err != nil || entry.kind() != "blob" {
		return nil, false
	}
	data, err := repo.git.blob(entry.sha)
	return data, err == nil
}

func (s *site) blob(w http.ResponseWriter, r *http.Request) {
	content, found := s.file(r)
	if !found {
		http.NotFound(w, r)
		return
	}
	data := repositoryPage{page: s.page(r, r.PathValue("path")), File: r.PathValue("path"), Branch: r.PathValue("ref")}
	data.Content = string(content[:min(len(content), maxShownFile)])
	s.show(w, "file", data)
}

// raw serves a file to whoever may read the repository: everybody, by a token, or by the signed address the API gives.
func (s *site) raw(w http.ResponseWriter, r *http.Request) {
	content, found := s.file(r)
	if !found || !s.mayRead(r) {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := w.Write(content); err != nil { //nolint:gosec // served as plain text
		s.g.log.Debug().Err(err).Msg("the reader went away")
	}
}

func (s *site) mayRead(r *http.Request) bool {
	who, err := s.g.identify(r)
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	repo := s.g.repo(r.PathValue("owner") + "/" + r.PathValue("repo"))
	if !repo.private || r.URL.Query().Get("token") == s.g.rawToken(repo, r.PathValue("ref"), r.PathValue("path")) {
		return true
	}
	return err == nil && who.token != nil && who.token.reaches(s.g, repo) &&
		(who.token.inst == nil || grants(who.token.permissions, "contents=read"))
}
