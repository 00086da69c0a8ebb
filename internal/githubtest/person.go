package githubtest

import (
	"context"
	"fmt"
)

// Person acts as a user does with git and the pages of GitHub. What the user may not do is refused.
type Person struct {
	g     *GitHub
	login string
}

// As acts as that user.
func (g *GitHub) As(login string) *Person { return &Person{g: g, login: login} }

// enter finds the person and a repository in which they have at least that role.
func (p *Person) enter(fullName, role string) (*account, *repository, error) {
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	user, repo := p.g.account(p.login), p.g.repo(fullName)
	switch {
	case user == nil:
		return nil, nil, fmt.Errorf("there is no user %s", p.login)
	case repo == nil:
		return nil, nil, fmt.Errorf("there is no repository %s", fullName)
	case roleRank(p.g.role(repo, p.login)) < roleRank(role):
		return nil, nil, forbidden(fmt.Sprintf("%s has no %s permission in %s", p.login, role, fullName))
	}
	return user, repo, nil
}

// Push commits files onto a branch, making the branch from the default one when it is new, and pushes. It returns the
// new commit.
func (p *Person) Push(ctx context.Context, fullName, branch string, files Files, message string) (string, error) {
	return p.push(ctx, fullName, branch, "", files, message)
}

// ForcePush replaces a branch by one commit on top of another commit or branch.
func (p *Person) ForcePush(ctx context.Context, fullName, branch, onto string, files Files, message string) (string, error) {
	return p.push(ctx, fullName, branch, onto, files, message)
}

func (p *Person) push(ctx context.Context, fullName, branch, onto string, files Files, message string) (string, error) {
	user, repo, err := p.enter(fullName, "write")
	if err != nil {
		return "", err
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	p.g.mu.Lock()
	before, parent := repo.branch(branch), repo.branch(branch)
	if onto != "" || parent == "" {
		if base, err := repo.resolve(onto); err == nil {
			parent = base.sha
		} else if onto != "" {
			p.g.mu.Unlock()
			return "", fmt.Errorf("push onto %s: %w", onto, err)
		}
	}
	p.g.mu.Unlock()
	who := user.signature(p.g.now())
	ref := "refs/heads/" + branch
	sha, err := repo.git.writeCommit(ctx, newCommit{
		ref: ref, parent: parent, author: who, committer: who, message: message, files: files,
	})
	if err != nil {
		return "", err
	}
	if before == "" {
		before = zeroSHA
	}
	return sha, p.g.moved(ctx, repo, user, []refUpdate{{ref, before, sha}})
}

// SetBranch points a branch at an existing commit, making it when it is new.
func (p *Person) SetBranch(ctx context.Context, fullName, branch, to string) error {
	return p.setRef(ctx, fullName, "refs/heads/"+branch, to)
}

// DeleteBranch removes a branch.
func (p *Person) DeleteBranch(ctx context.Context, fullName, branch string) error {
	return p.setRef(ctx, fullName, "refs/heads/"+branch, zeroSHA)
}

// Tag points a tag at a commit or branch.
func (p *Person) Tag(ctx context.Context, fullName, tag, at string) error {
	return p.setRef(ctx, fullName, "refs/tags/"+tag, at)
}

func (p *Person) setRef(ctx context.Context, fullName, ref, to string) error {
	user, repo, err := p.enter(fullName, "write")
	if err != nil {
		return err
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	p.g.mu.Lock()
	before := repo.refs[ref]
	if to != zeroSHA {
		target, err := repo.resolve(to)
		if err != nil {
			p.g.mu.Unlock()
			return fmt.Errorf("%s of %s: %w", to, fullName, err)
		}
		to = target.sha
	}
	p.g.mu.Unlock()
	if before == "" {
		before = zeroSHA
	}
	if before == to {
		return nil
	}
	if err := repo.git.setRef(ctx, ref, to); err != nil {
		return err
	}
	return p.g.moved(ctx, repo, user, []refUpdate{{ref, before, to}})
}

// Head is the commit a branch of a repository points at; empty when there is none. The empty branch is the default one.
func (g *GitHub) Head(fullName, branch string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo := g.repo(fullName)
	if repo == nil {
		return ""
	}
	if branch == "" {
		branch = repo.defaultBranch
	}
	return repo.branch(branch)
}
