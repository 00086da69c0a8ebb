package githubtest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Where the web flow lives, beside the pages and not below the API.
const (
	authorizePath   = "/login/oauth/authorize"
	accessTokenPath = "/login/oauth/access_token" //nolint:gosec // a path
)

// Lives of what the web flow hands out, as
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
// has them.
const (
	oauthCodeLife    = 10 * time.Minute
	userTokenLife    = 8 * time.Hour
	refreshTokenLife = 15_897_600 * time.Second
)

const maxCallbacks = 10

// oauthCode is what a person who agreed is sent back with; the App exchanges it, once, for a token.
type oauthCode struct {
	app       *app
	user      *account
	callback  string
	challenge string // PKCE, S256; empty: none
	expires   time.Time
}

// refreshToken buys a new token when the old one's time is over, once.
type refreshToken struct {
	app     *app
	user    *account
	expires time.Time
}

// authorization is a person's consent to an App.
type authorization struct {
	app  *app
	user *account
}

// oauthRequest is what an App asks of a person: GitHub sends both of its forms (query, form) through the same rules.
type oauthRequest struct {
	ClientID, RedirectURI, State, Challenge, Method, Login string
}

func oauthRequestOf(v url.Values) oauthRequest {
	return oauthRequest{
		ClientID: v.Get("client_id"), RedirectURI: v.Get("redirect_uri"), State: v.Get("state"),
		Challenge: v.Get("code_challenge"), Method: v.Get("code_challenge_method"), Login: v.Get("login"),
	}
}

// errUnknownClient is 404 on GitHub's pages.
var errUnknownClient = errors.New("no App has this client ID")

// errForeignCallback is what GitHub shows instead of sending a person somewhere.
var errForeignCallback = errors.New("the redirect_uri is not associated with this application")

// check finds the App that asks and where the person goes afterwards. A callback that is not registered is never gone
// to. g.mu is held.
func (g *GitHub) check(q oauthRequest) (a *app, callback string, err error) {
	a = g.appByClient(q.ClientID)
	switch {
	case a == nil:
		return nil, "", errUnknownClient
	case q.RedirectURI == "" && len(a.callbackURLs) > 0:
		return a, a.callbackURLs[0], nil
	case q.RedirectURI == "" || !slices.Contains(a.callbackURLs, q.RedirectURI): // an exact match, says GitHub
		return a, "", errForeignCallback
	}
	return a, q.RedirectURI, nil
}

// sound reports whether the request's proof of possession is one that GitHub knows: S256, 43 characters. What GitHub
// answers to others is not documented; it is refused here as RFC 7636 says.
func (q oauthRequest) sound() bool {
	if q.Challenge == "" && q.Method == "" {
		return true
	}
	return q.Method == "S256" && len(q.Challenge) == base64.RawURLEncoding.EncodedLen(sha256.Size)
}

// grant makes a code for a person who agreed. g.mu is held.
func (g *GitHub) grant(a *app, user *account, callback, challenge string) string {
	for code, c := range g.oauthCodes { // so that a long-lived stand-in does not grow
		if g.clock.Now().After(c.expires) {
			delete(g.oauthCodes, code)
		}
	}
	code := randomHex(10)
	g.oauthCodes[code] = &oauthCode{
		app: a, user: user, callback: callback, challenge: challenge, expires: g.clock.Now().Add(oauthCodeLife),
	}
	g.authorized[authorization{a, user}] = true
	return code
}

// redeem takes a code. It counts once, for the App that it was given to, with the verifier of its challenge. g.mu is held.
func (g *GitHub) redeem(a *app, code, verifier string) *oauthCode {
	c := g.oauthCodes[code]
	if c == nil || c.app != a {
		return nil
	}
	delete(g.oauthCodes, code)
	if g.clock.Now().After(c.expires) || c.challenge != "" && !proves(verifier, c.challenge) {
		return nil
	}
	return c
}

func proves(verifier, challenge string) bool {
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// newUserToken makes a token with which an App acts for a person, and the one that renews it. g.mu is held.
func (g *GitHub) newUserToken(a *app, user *account) (t *token, refresh string) {
	t = &token{value: "ghu_" + randomText(27), user: user, app: a, expires: g.now().Add(userTokenLife)}
	g.tokens[t.value] = t
	g.forgetTokens()
	refresh = "ghr_" + randomText(57)
	g.refreshTokens[refresh] = refreshToken{app: a, user: user, expires: g.now().Add(refreshTokenLife)}
	return t, refresh
}

// RevokeAuthorization takes back the consent that a person gave the first App: its tokens for them end, and it is told.
func (p *Person) RevokeAuthorization() error {
	g := p.g
	g.mu.Lock()
	defer g.mu.Unlock()
	consent := authorization{g.firstApp, g.account(p.login)}
	if !g.authorized[consent] {
		return fmt.Errorf("%s has not authorised %s", p.login, g.firstApp.name)
	}
	delete(g.authorized, consent)
	for _, t := range g.tokens {
		t.revoked = t.revoked || t.app == consent.app && t.user == consent.user
	}
	for value, r := range g.refreshTokens {
		if r.app == consent.app && r.user == consent.user {
			delete(g.refreshTokens, value)
		}
	}
	g.deliver(g.firstApp, nil, "github_app_authorization", "revoked", doc{"action": "revoked", "sender": g.userDoc(consent.user)})
	g.touch()
	return nil
}

func checkCallbacks(urls []string) error {
	if len(urls) > maxCallbacks {
		return fmt.Errorf("an App has at most %d callback URLs", maxCallbacks)
	}
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
			return fmt.Errorf("callback URL %q is not an http or https address without a fragment", raw)
		}
	}
	return nil
}
