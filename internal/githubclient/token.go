package githubclient

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"golang.org/x/sync/singleflight"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// tokenReserve is how long a token handed out still lives at least: a clone must be able to end.
const tokenReserve = 10 * time.Minute

type tokenCache struct {
	flights singleflight.Group
	mu      sync.Mutex
	byKey   map[string]repositoryToken
}

type repositoryToken struct {
	token   string
	expires time.Time
}

// RepositoryToken is a token that can read the contents of this one repository and nothing else, for at least ten minutes.
func (p *Pool) RepositoryToken(ctx context.Context, repository pipeline.Repository) (string, error) {
	key := fmt.Sprintf("%d/%d/%s", repository.InstallationID, repository.ID, repository.FullName())
	if token, ok := p.tokens.get(key, p.clock.Now()); ok {
		return token, nil
	}
	shared := p.tokens.flights.DoChan(key, func() (any, error) {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTimeout)
		defer cancel()
		return p.mint(once, key, repository)
	})
	select {
	case result := <-shared:
		token, _ := result.Val.(string)
		return token, result.Err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// GitToken is RepositoryToken; it makes the pool a pipeline.Forge.
func (p *Pool) GitToken(ctx context.Context, repository pipeline.Repository) (string, error) {
	return p.RepositoryToken(ctx, repository)
}

func (p *Pool) mint(ctx context.Context, key string, repository pipeline.Repository) (string, error) {
	app, err := p.App()
	if err != nil {
		return "", err
	}
	options := &github.InstallationTokenOptions{
		Permissions: &github.InstallationPermissions{Contents: new("read")},
	}
	if repository.ID != 0 {
		options.RepositoryIDs = []int64{repository.ID}
	} else {
		options.Repositories = []string{repository.Name}
	}
	minted, _, err := app.Apps.CreateInstallationToken(ctx, repository.InstallationID, options)
	if err != nil {
		return "", fmt.Errorf("get a token that reads %s: %w", repository.FullName(), explained(err))
	}
	p.tokens.put(key, repositoryToken{token: minted.GetToken(), expires: minted.GetExpiresAt().Time}, p.clock.Now())
	return minted.GetToken(), nil
}

func (c *tokenCache) get(key string, now time.Time) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.byKey[key]
	return t.token, ok && now.Before(t.expires.Add(-tokenReserve))
}

func (c *tokenCache) put(key string, token repositoryToken, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = map[string]repositoryToken{}
	}
	for other, t := range c.byKey {
		if !now.Before(t.expires) {
			delete(c.byKey, other)
		}
	}
	c.byKey[key] = token
}
