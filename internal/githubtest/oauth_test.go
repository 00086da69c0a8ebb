package githubtest_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"golang.org/x/oauth2"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

const callback = "https://ci.example.com/-/callback"

// signIn is an App that signs people in, and a person's browser that follows no redirect.
type signIn struct {
	*world
	config  oauth2.Config
	browser *http.Client
}

func newSignIn(t *testing.T) signIn {
	t.Helper()
	w := newWorld(t)
	w.must(w.gh.SetCallbackURLs(callback, "https://ci.example.com/other?fixed=1"))
	app, web := w.gh.App(), w.gh.URLs().Web
	jar, err := cookiejar.New(nil)
	w.must(err)
	return signIn{w, oauth2.Config{
		ClientID: app.ClientID, ClientSecret: app.ClientSecret, RedirectURL: callback,
		Endpoint: oauth2.Endpoint{
			AuthURL: web + "login/oauth/authorize", TokenURL: web + "login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams,
		},
	}, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// page asks for a consent page and returns status and text.
func (s signIn) page(address string) (int, string) {
	s.t.Helper()
	resp, err := s.browser.Get(address)
	s.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	s.must(err)
	return resp.StatusCode, string(body)
}

// answer sends the consent form of an address, as the page would, and returns where the browser is sent.
func (s signIn) answer(address string, more url.Values) *url.URL {
	s.t.Helper()
	resp := s.post(address, more)
	to, err := resp.Location()
	if err != nil {
		s.t.Fatalf("sent nowhere: %d", resp.StatusCode)
	}
	return to
}

func (s signIn) post(address string, more url.Values) *http.Response {
	s.t.Helper()
	u, err := url.Parse(address)
	s.must(err)
	form := u.Query()
	maps.Copy(form, more)
	resp, err := s.browser.PostForm(s.config.Endpoint.AuthURL, form)
	s.must(err)
	s.must(resp.Body.Close())
	return resp
}

// code lets a person agree.
func (s signIn) code(login string, options ...oauth2.AuthCodeOption) string {
	s.t.Helper()
	to := s.answer(s.config.AuthCodeURL("st", options...), url.Values{"authorize": {"1"}, "as": {login}})
	if to.Query().Get("state") != "st" || !strings.HasPrefix(to.String(), callback+"?") {
		s.t.Errorf("sent to %s", to)
	}
	return to.Query().Get("code")
}

// refused is GitHub's name for why an exchange did not happen.
func refused(err error) string {
	var refusal *oauth2.RetrieveError
	if !errors.As(err, &refusal) {
		return ""
	}
	return refusal.ErrorCode
}

func TestPeopleAuthorizeAnApp(t *testing.T) {
	s := newSignIn(t)
	verifier := oauth2.GenerateVerifier()
	address := s.config.AuthCodeURL("st", oauth2.S256ChallengeOption(verifier))
	status, page := s.page(address)
	if status != http.StatusOK {
		t.Errorf("consent page: %d", status)
	}
	s.contains(page, "Authorize Slipway as alice</button>", "Authorize Slipway as bob</button>", callback)
	if first := strings.Index(page, "as alice</button>"); first > strings.Index(page, "as bob</button>") {
		t.Error("who acts on the pages does not come first")
	}
	if _, page := s.page(address + "&login=bob"); !strings.Contains(page, `<button class="main wide" name="as" value="bob">`) {
		t.Error("the suggested login does not come first")
	}
	code := s.code("bob", oauth2.S256ChallengeOption(verifier))
	token, err := s.config.Exchange(s.ctx(), code, oauth2.VerifierOption(verifier))
	s.must(err)
	if !strings.HasPrefix(token.AccessToken, "ghu_") || token.TokenType != "bearer" || token.RefreshToken == "" || token.Extra("expires_in") != int64(28800) {
		t.Errorf("token: %+v", token)
	}
	user, _, err := s.with(token.AccessToken).Users.Get(s.ctx(), "")
	s.must(err)
	if user.GetLogin() != "bob" || user.GetID() == 0 {
		t.Errorf("the token's person is %v", user)
	}
	if _, err := s.config.Exchange(s.ctx(), code, oauth2.VerifierOption(verifier)); refused(err) != "bad_verification_code" {
		t.Errorf("a code used twice: %v", err)
	}
}

func TestThePersonOnThePagesComesFirst(t *testing.T) {
	s := newSignIn(t)
	resp, err := s.browser.PostForm(s.gh.URLs().Web+"-/act", url.Values{"do": {"sign-in"}, "as": {"mallory"}, "back": {"/"}})
	s.must(err)
	s.must(resp.Body.Close())
	if _, page := s.page(s.config.AuthCodeURL("st")); !strings.Contains(page, `<button class="main wide" name="as" value="mallory">`) {
		t.Error("mallory was chosen on the pages and does not come first")
	}
}

func TestAuthorizationIsRefused(t *testing.T) {
	s := newSignIn(t)
	for name, tc := range map[string]struct {
		change func(url.Values)
		status int
		text   string
	}{
		"unknown App":        {func(q url.Values) { q.Set("client_id", "Iv23nobody") }, http.StatusNotFound, "404"},
		"foreign callback":   {func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") }, http.StatusBadRequest, "not associated with this application"},
		"callback and more":  {func(q url.Values) { q.Set("redirect_uri", callback+"?x=1") }, http.StatusBadRequest, "not associated"},
		"below the callback": {func(q url.Values) { q.Set("redirect_uri", callback+"/deeper") }, http.StatusBadRequest, "not associated"},
	} {
		u, err := url.Parse(s.config.AuthCodeURL("st"))
		s.must(err)
		q := u.Query()
		tc.change(q)
		u.RawQuery = q.Encode()
		status, page := s.page(u.String())
		if status != tc.status || !strings.Contains(page, tc.text) || strings.Contains(page, "Authorize Slipway as") {
			t.Errorf("%s: %d\n%s", name, status, page)
		}
		if resp := s.post(u.String(), url.Values{"authorize": {"1"}, "as": {"alice"}}); resp.Header.Get("Location") != "" || resp.StatusCode != tc.status {
			t.Errorf("%s, form: %d, sent to %s", name, resp.StatusCode, resp.Header.Get("Location"))
		}
	}
	denied := s.answer(s.config.AuthCodeURL("st"), url.Values{"authorize": {"0"}, "as": {"alice"}}).Query()
	if denied.Get("error") != "access_denied" || denied.Get("state") != "st" || denied.Has("code") {
		t.Errorf("Cancel: %v", denied)
	}
	address := s.config.AuthCodeURL("st", oauth2.SetAuthURLParam("code_challenge", strings.Repeat("x", 43)), oauth2.SetAuthURLParam("code_challenge_method", "plain"))
	plain := s.answer(address, url.Values{"authorize": {"1"}, "as": {"alice"}}).Query()
	if plain.Get("error") != "invalid_request" || plain.Has("code") {
		t.Errorf("a challenge that is not S256: %v", plain)
	}
	resp, err := s.browser.Get(address)
	s.must(err)
	s.must(resp.Body.Close())
	if to := resp.Header.Get("Location"); !strings.Contains(to, "error=invalid_request") {
		t.Errorf("a challenge that is not S256 is not refused before the page: %d %s", resp.StatusCode, to)
	}
}

func TestDefaultCallback(t *testing.T) {
	s := newSignIn(t)
	s.config.RedirectURL = ""
	to := s.answer(s.config.AuthCodeURL(""), url.Values{"authorize": {"1"}, "as": {"alice"}})
	if !strings.HasPrefix(to.String(), callback+"?code=") || to.Query().Has("state") {
		t.Errorf("sent to %s", to)
	}
	s.config.RedirectURL = "https://ci.example.com/other?fixed=1"
	to = s.answer(s.config.AuthCodeURL("st"), url.Values{"authorize": {"1"}, "as": {"alice"}})
	if to.Query().Get("fixed") != "1" || to.Query().Get("code") == "" {
		t.Errorf("sent to %s", to)
	}
	if _, err := s.config.Exchange(s.ctx(), to.Query().Get("code")); err != nil {
		t.Errorf("exchange with the second callback: %v", err)
	}
}

func TestExchangeIsStrict(t *testing.T) {
	s := newSignIn(t)
	challenge, verifier := oauth2.S256ChallengeOption("right"), oauth2.VerifierOption
	foreign := s.config
	foreign.RedirectURL = "https://evil.example/"
	other := s.config
	other.RedirectURL = "https://ci.example.com/other?fixed=1"
	wrongSecret := s.config
	wrongSecret.ClientSecret = "wrong"
	for name, tc := range map[string]struct {
		config  oauth2.Config
		code    string
		options []oauth2.AuthCodeOption
		want    string
	}{
		"no such code":     {s.config, "nonsense", nil, "bad_verification_code"},
		"no verifier":      {s.config, s.code("alice", challenge), nil, "bad_verification_code"},
		"wrong verifier":   {s.config, s.code("alice", challenge), []oauth2.AuthCodeOption{verifier("wrong")}, "bad_verification_code"},
		"right verifier":   {s.config, s.code("alice", challenge), []oauth2.AuthCodeOption{verifier("right")}, ""},
		"wrong secret":     {wrongSecret, s.code("alice"), nil, "incorrect_client_credentials"},
		"foreign callback": {foreign, s.code("alice"), nil, "redirect_uri_mismatch"},
		"another callback": {other, s.code("alice"), nil, "bad_verification_code"},
	} {
		_, err := tc.config.Exchange(s.ctx(), tc.code, tc.options...)
		if refused(err) != tc.want || (tc.want == "") != (err == nil) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	code := s.code("alice")
	s.clock.advance(10*time.Minute + time.Second)
	if _, err := s.config.Exchange(s.ctx(), code); refused(err) != "bad_verification_code" {
		t.Errorf("after ten minutes: %v", err)
	}
	unknown := s.config
	unknown.ClientID = "Iv23nobody"
	_, err := unknown.Exchange(s.ctx(), s.code("alice"))
	var refusal *oauth2.RetrieveError
	if !errors.As(err, &refusal) || refusal.Response.StatusCode != http.StatusNotFound {
		t.Errorf("unknown App: %v", err)
	}
}

func TestExchangeSpeaksJSON(t *testing.T) {
	s := newSignIn(t)
	body, err := json.Marshal(map[string]string{"client_id": s.config.ClientID, "client_secret": s.config.ClientSecret, "code": s.code("alice")})
	s.must(err)
	req, err := http.NewRequestWithContext(s.ctx(), http.MethodPost, s.config.Endpoint.TokenURL, strings.NewReader(string(body)))
	s.must(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	defer resp.Body.Close()
	var answer struct {
		Token   string `json:"access_token"`
		Expires int    `json:"expires_in"`
		Scope   string `json:"scope"`
	}
	s.must(json.NewDecoder(resp.Body).Decode(&answer))
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(answer.Token, "ghu_") || answer.Expires != 28800 {
		t.Errorf("%d %+v", resp.StatusCode, answer)
	}
}

// TestATokenMayWhatBothMay: the App's permissions and installations bound it, and so do the person's.
func TestATokenMayWhatBothMay(t *testing.T) {
	s := newSignIn(t)
	s.must(s.gh.AddRepository(s.ctx(), "acme/secret", githubtest.RepositoryOptions{Private: true, Files: githubtest.Files{"a": "b"}}))
	s.must(s.gh.AddCollaborator("acme/secret", "bob", "write"))
	s.must(s.gh.AddRepository(s.ctx(), "acme/open", githubtest.RepositoryOptions{Files: githubtest.Files{"a": "b"}}))
	as := func(login string) *github.Client {
		token, err := s.config.Exchange(s.ctx(), s.code(login))
		s.must(err)
		return s.with(token.AccessToken)
	}
	get := func(client *github.Client, repo string) int {
		_, resp, err := client.Repositories.Get(s.ctx(), "acme", repo)
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	bob, mallory := as("bob"), as("mallory")
	for name, tc := range map[string]struct {
		client *github.Client
		repo   string
		want   int
	}{
		"both may":              {bob, "shop", 200},
		"the App is not there":  {bob, "secret", 404},
		"the person may not":    {mallory, "shop", 404},
		"everybody may":         {mallory, "open", 200},
		"nobody's in the world": {bob, "nothing", 404},
	} {
		if got := get(tc.client, tc.repo); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	level, _, err := bob.Repositories.GetPermissionLevel(s.ctx(), "acme", "shop", "bob")
	s.must(err)
	if level.GetPermission() != "write" {
		t.Errorf("permission: %v", level)
	}
	state := &github.RepoStatus{State: new("success"), Context: new("x")}
	if _, _, err := bob.Repositories.CreateStatus(s.ctx(), "acme", "open", s.gh.Head("acme/open", "main"), state); status(err) != http.StatusForbidden {
		t.Errorf("a status where the App is not installed: %v", err)
	}
	s.must(s.gh.SetPermissions("acme", map[string]string{"contents": "read"}))
	if _, _, err := bob.Repositories.CreateStatus(s.ctx(), "acme", "shop", s.gh.Head(shop, "main"), state); status(err) != http.StatusForbidden {
		t.Errorf("a status beyond the App's permissions: %v", err)
	}
	s.must(s.gh.Suspend("acme"))
	if got := get(bob, "shop"); got != 404 {
		t.Errorf("suspended: %d", got)
	}
}

func TestUserTokensEnd(t *testing.T) {
	s := newSignIn(t)
	exchange := func() *oauth2.Token {
		token, err := s.config.Exchange(s.ctx(), s.code("alice"))
		s.must(err)
		return token
	}
	who := func(token string) int {
		_, resp, err := s.with(token).Users.Get(s.ctx(), "")
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	revoked := exchange()
	asClient := s.client(&github.BasicAuthTransport{Username: s.config.ClientID, Password: s.config.ClientSecret})
	_, err := asClient.Authorizations.Revoke(s.ctx(), s.config.ClientID, revoked.AccessToken)
	s.must(err)
	if got := who(revoked.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("after its revocation: %d", got)
	}
	if _, err := asClient.Authorizations.Revoke(s.ctx(), s.config.ClientID, revoked.AccessToken); status(err) != http.StatusNotFound {
		t.Errorf("revoked twice: %v", err)
	}
	own, err := s.gh.UserToken("alice")
	s.must(err)
	if _, err := asClient.Authorizations.Revoke(s.ctx(), s.config.ClientID, own); status(err) != http.StatusNotFound {
		t.Errorf("a token that is none of the App's: %v", err)
	}
	if _, err := s.client(&github.BasicAuthTransport{Username: s.config.ClientID, Password: "wrong"}).
		Authorizations.Revoke(s.ctx(), s.config.ClientID, own); status(err) != http.StatusUnauthorized {
		t.Errorf("with a wrong secret: %v", err)
	}
	old := exchange()
	s.clock.advance(8*time.Hour + time.Second)
	if got := who(old.AccessToken); got != http.StatusUnauthorized {
		t.Errorf("after eight hours: %d", got)
	}
	renew := func(refresh string) (url.Values, error) {
		resp, err := http.PostForm(s.config.Endpoint.TokenURL, url.Values{
			"client_id": {s.config.ClientID}, "client_secret": {s.config.ClientSecret}, "grant_type": {"refresh_token"}, "refresh_token": {refresh},
		})
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		s.must(err)
		return url.ParseQuery(string(body))
	}
	fresh, err := renew(old.RefreshToken)
	s.must(err)
	if got := who(fresh.Get("access_token")); got != http.StatusOK {
		t.Errorf("renewed: %d", got)
	}
	if again, err := renew(old.RefreshToken); err != nil || again.Get("error") != "bad_refresh_token" {
		t.Errorf("renewed twice: %v, %v", again, err)
	}
	s.must(s.gh.As("alice").RevokeAuthorization())
	if got := who(fresh.Get("access_token")); got != http.StatusUnauthorized {
		t.Errorf("after the person took their consent back: %d", got)
	}
	told := parse[*github.GitHubAppAuthorizationEvent](s.world, s.hook.wait(t, "github_app_authorization.revoked", 0))
	if told.GetSender().GetLogin() != "alice" {
		t.Errorf("told: %v", told)
	}
	if err := s.gh.As("alice").RevokeAuthorization(); err == nil {
		t.Error("consent taken back twice")
	}
}

func TestOnlyPeopleAreUsers(t *testing.T) {
	s := newSignIn(t)
	if _, _, err := s.bot.Users.Get(s.ctx(), ""); status(err) != http.StatusForbidden {
		t.Errorf("an installation: %v", err)
	}
	if _, _, err := s.client(nil).Users.Get(s.ctx(), ""); status(err) != http.StatusUnauthorized {
		t.Errorf("nobody: %v", err)
	}
}

func TestCallbacksAreChecked(t *testing.T) {
	s := newSignIn(t)
	for _, bad := range [][]string{{"/relative"}, {"javascript:alert(1)"}, {"https://x.example/#f"}, strings.Split(strings.Repeat("https://x.example/ ", 11), " ")} {
		if err := s.gh.SetCallbackURLs(bad...); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
