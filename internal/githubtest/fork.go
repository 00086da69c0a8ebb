package githubtest

import (
	"context"
	"fmt"
	"maps"
	"strings"
)

// Fork makes the person's own copy of a repository and returns its name.
func (p *Person) Fork(ctx context.Context, fullName string) (string, error) {
	user, parent, err := p.enter(fullName, "read")
	if err != nil {
		return "", err
	}
	name := user.login + "/" + parent.name
	fork, err := p.g.makeRepository(ctx, name, RepositoryOptions{
		Private: parent.private, Description: parent.description, DefaultBranch: parent.defaultBranch,
	})
	if err != nil {
		return "", err
	}
	refspecs := []string{"fetch", "--quiet", parent.git.dir, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}
	if _, err := fork.git.git(ctx, refspecs...); err != nil {
		return "", fmt.Errorf("fork %s: %w", fullName, err)
	}
	refs, err := fork.git.refs(ctx)
	if err != nil {
		return "", err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	fork.parent, fork.refs, fork.moving = parent, maps.Clone(refs), parent.moving
	p.g.repos[strings.ToLower(name)] = fork
	p.g.touch()
	return name, nil
}
