package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// token is an installation's or a person's.
type token struct {
	value       string
	inst        *installation // nil: a person's
	user        *account
	app         *app // the App that acts for the user; nil: the user made the token
	all         bool
	repos       []*repository // where not all
	permissions map[string]string
	expires     time.Time // zero: never
	revoked     bool
}

const installationTokenLife = time.Hour

// newInstallationToken makes a token in the long form of 2026, which is not 40 characters and has dots: nobody may
// rely on its shape. g.mu is held.
func (g *GitHub) newInstallationToken(inst *installation, repos []*repository, all bool, permissions map[string]string) *token {
	t := &token{
		value: fmt.Sprintf("ghs_%d_%s.%s.%s", inst.app.id, randomText(27), randomText(96), randomText(256)),
		inst:  inst, all: all, repos: repos, permissions: permissions, expires: g.now().Add(installationTokenLife),
	}
	g.tokens[t.value] = t
	g.forgetTokens()
	return t
}

// forgetTokens drops those long expired, so that a long-lived stand-in does not grow.
func (g *GitHub) forgetTokens() {
	for value, t := range g.tokens {
		if !t.expires.IsZero() && g.clock.Now().After(t.expires.Add(time.Hour)) {
			delete(g.tokens, value)
		}
	}
}

// UserToken makes a personal access token of a user, for git and for the REST API.
func (g *GitHub) UserToken(login string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	user := g.account(login)
	if user == nil || user.kind != "User" {
		return "", fmt.Errorf("token of %s: there is no such user", login)
	}
	t := &token{value: "ghp_" + randomHex(18), user: user}
	g.tokens[t.value] = t
	return t.value, nil
}

// RevokeTokens makes every installation token that exists now worthless, before its time.
func (g *GitHub) RevokeTokens() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range g.tokens {
		t.revoked = t.revoked || t.inst != nil
	}
}

func (g *GitHub) revokeTokensOf(inst *installation) {
	for _, t := range g.tokens {
		t.revoked = t.revoked || t.inst == inst
	}
}

// valid finds a token that counts now. g.mu is held.
func (g *GitHub) valid(value string) *token {
	t := g.tokens[value]
	if t == nil || t.revoked || (!t.expires.IsZero() && !g.clock.Now().Before(t.expires)) {
		return nil
	}
	return t
}

// reaches reports whether a token may know of a repository.
func (t *token) reaches(g *GitHub, r *repository) bool {
	if !r.private {
		return true
	}
	if t.user != nil {
		return g.role(r, t.user.login) != "none" && (t.app == nil || g.installed(t.app, r))
	}
	return t.has(r)
}

// has reports whether an installation token was given a repository.
func (t *token) has(r *repository) bool {
	if t.inst == nil || !t.inst.covers(r) {
		return false
	}
	if t.all {
		return true
	}
	return slices.Contains(t.repos, r)
}

// levels orders what a permission allows.
var levels = map[string]int{"read": 1, "write": 2, "admin": 3} //nolint:gochecknoglobals // a constant table; Go has no constant maps

// grants reports whether permissions satisfy a need like "checks=write".
func grants(permissions map[string]string, need string) bool {
	name, level, _ := strings.Cut(need, "=")
	return levels[permissions[name]] >= levels[level]
}
