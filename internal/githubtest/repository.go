package githubtest

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// repository is a repository and everything GitHub keeps about it.
type repository struct {
	id            int64
	owner         *account
	name          string
	description   string
	private       bool
	defaultBranch string
	parent        *repository // what it is a fork of
	git           *gitStore
	createdAt     time.Time
	pushedAt      time.Time

	// moving is held while references move: pushes, merges. A repository and its forks share it, because a push to one
	// moves pull requests of another. It is taken before g.mu.
	moving *sync.Mutex

	// guarded by g.mu
	refs          map[string]string
	collaborators map[string]string // login in lower case -> role
	lastNumber    int
	pulls         []*pullRequest
	comments      []*issueComment
	suites        []*checkSuite
	runs          []*checkRun
	runsByHead    map[string][]*checkRun
	runsByID      map[int64]*checkRun
	autoTrigger   map[int64]bool // app -> whether a push makes a suite; absent: yes
	statuses      []*commitStatus
	deployments   []*deployment
	environments  map[string]*environment
}

// RepositoryOptions describe a new repository.
type RepositoryOptions struct {
	Private     bool
	Description string
	// DefaultBranch is "main" when empty.
	DefaultBranch string
	// Files are the first commit; without any the repository is empty.
	Files Files
	// Message of the first commit; empty: "Initial commit".
	Message string
	// Author is the login that makes the first commit; empty: the owner.
	Author string
}

var repositoryName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// AddRepository makes owner/name. The owner must exist. Its first commit sends no webhook.
func (g *GitHub) AddRepository(ctx context.Context, fullName string, o RepositoryOptions) error {
	if o.DefaultBranch == "" {
		o.DefaultBranch = "main"
	}
	repo, err := g.makeRepository(ctx, fullName, o)
	if err != nil {
		return err
	}
	if len(o.Files) > 0 {
		if err := g.firstCommit(ctx, repo, o); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.repos[strings.ToLower(fullName)] = repo
	g.touch()
	return nil
}

func (g *GitHub) makeRepository(ctx context.Context, fullName string, o RepositoryOptions) (*repository, error) {
	login, name, _ := strings.Cut(fullName, "/")
	if !repositoryName.MatchString(name) || strings.Trim(name, ".") == "" || strings.HasSuffix(name, ".git") {
		return nil, fmt.Errorf("%q is not owner/name of a repository", fullName)
	}
	g.mu.Lock()
	owner, taken, id := g.account(login), g.repo(fullName) != nil, g.id()
	g.mu.Unlock()
	if owner == nil || taken {
		return nil, fmt.Errorf("repository %s: its owner does not exist, or it already does", fullName)
	}
	store, err := newGitStore(ctx, filepath.Join(g.dir, strings.ToLower(owner.login), strings.ToLower(name)+".git"), o.DefaultBranch)
	if err != nil {
		return nil, err
	}
	return &repository{
		id: id, owner: owner, name: name, private: o.Private, description: o.Description, defaultBranch: o.DefaultBranch,
		git: store, createdAt: g.now(), pushedAt: g.now(), refs: map[string]string{}, collaborators: map[string]string{},
		runsByHead: map[string][]*checkRun{}, runsByID: map[int64]*checkRun{}, autoTrigger: map[int64]bool{},
		environments: map[string]*environment{}, moving: &sync.Mutex{},
	}, nil
}

func (g *GitHub) firstCommit(ctx context.Context, repo *repository, o RepositoryOptions) error {
	author := repo.owner
	if o.Author != "" {
		g.mu.Lock()
		author = g.account(o.Author)
		g.mu.Unlock()
		if author == nil {
			return fmt.Errorf("first commit of %s: there is no user %s", repo.fullName(), o.Author)
		}
	}
	if o.Message == "" {
		o.Message = "Initial commit"
	}
	who := author.signature(g.now())
	ref := "refs/heads/" + o.DefaultBranch
	sha, err := repo.git.writeCommit(ctx, newCommit{ref: ref, author: who, committer: who, message: o.Message, files: o.Files})
	if err != nil {
		return err
	}
	repo.refs[ref] = sha
	return nil
}

// Import fetches the branches of a repository at a path of this machine, as a repository's owner does with a mirror
// push before the App is installed. It sends no webhook.
func (g *GitHub) Import(ctx context.Context, fullName, path string) error {
	repo, err := g.findRepository(fullName)
	if err != nil {
		return err
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	if _, err := repo.git.git(ctx, "fetch", "--quiet", path, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return err
	}
	refs, err := repo.git.refs(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.Copy(repo.refs, refs)
	g.touch()
	return nil
}

// AddCollaborator gives a user a role (read, triage, write, maintain, admin) in a repository; "none" takes it away.
func (g *GitHub) AddCollaborator(fullName, login, role string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo, user := g.repo(fullName), g.account(login)
	if repo == nil || user == nil || (role != "none" && roleRank(role) == 0) {
		return fmt.Errorf("role %s of %s in %s: no such role, user or repository", role, login, fullName)
	}
	repo.collaborators[strings.ToLower(login)] = role
	g.touch()
	return nil
}

// SetPrivate hides a repository from the public, or shows it.
func (g *GitHub) SetPrivate(fullName string, private bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo := g.repo(fullName)
	if repo == nil {
		return fmt.Errorf("there is no repository %s", fullName)
	}
	if repo.private == private {
		return nil
	}
	repo.private = private
	action := "publicized"
	if private {
		action = "privatized"
	}
	g.tell(repo, repo.owner, "repository", action, doc{})
	g.touch()
	return nil
}

// repo finds a repository by owner/name. g.mu is held.
func (g *GitHub) repo(fullName string) *repository { return g.repos[strings.ToLower(fullName)] }

func (g *GitHub) findRepository(fullName string) (*repository, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if repo := g.repo(fullName); repo != nil {
		return repo, nil
	}
	return nil, fmt.Errorf("there is no repository %s", fullName)
}

func (r *repository) fullName() string { return r.owner.login + "/" + r.name }

func (r *repository) branch(name string) string { return r.refs["refs/heads/"+name] }

// resolve finds the commit that a name means: a hash, a full or shortened reference, HEAD or nothing. g.mu is held.
func (r *repository) resolve(name string) (*commit, error) {
	if name == "" || name == "HEAD" {
		name = r.defaultBranch
	}
	for _, ref := range []string{"refs/heads/" + name, "refs/tags/" + name, "refs/" + name, name} {
		if sha, ok := r.refs[ref]; ok {
			return r.git.commit(sha)
		}
	}
	return r.git.commit(name)
}

// root is the repository whose forks share its objects.
func (r *repository) root() *repository {
	for r.parent != nil {
		r = r.parent
	}
	return r
}

// shortDoc is a repository as installation payloads name it.
func (r *repository) shortDoc() doc {
	return doc{"id": r.id, "node_id": nodeID("R", r.id), "name": r.name, "full_name": r.fullName(), "private": r.private}
}
