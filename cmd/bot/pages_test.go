package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/dashboard"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// site is a bot on which people sign in, with the stand-in it works for.
type site struct {
	*testing.T
	github *githubtest.GitHub
	data   string
	server *httptest.Server
	bot    *bot
}

// newSite has alice, who may write acme/shop, and mallory, who may not see it; and a run of it.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, github: newGitHub(t, readManifest(t)), data: t.TempDir()}
	if err := s.github.AddUser("mallory", "Mallory"); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.bot.handler.ServeHTTP(w, r) }))
	s.start()
	s.server.Start()
	t.Cleanup(func() {
		s.server.Close()
		s.stop()
	})
	if err := s.github.SetCallbackURLs(dashboard.CallbackURL(s.address())); err != nil {
		t.Fatal(err)
	}
	s.github.SetWebhook(s.address()+"/api/github/hook", demoSecret)
	sha, err := s.github.As("alice").Push(t.Context(), walkRepository, "main", githubtest.Files{"a.txt": "a\n"}, "a secret change")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := (walker{t, s.github}).concluded(ctx, "push", sha, 0); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) address() string { return "http://" + s.server.Listener.Addr().String() }

func (s *site) start() {
	s.Helper()
	app, urls := s.github.App(), s.github.URLs()
	b, err := newBot(s.Context(), config.Config{
		WebURL: urls.Web, V3APIURL: urls.REST, V4APIURL: urls.GraphQL, AppID: app.ID, PrivateKey: string(app.PrivateKey),
		WebhookSecret: demoSecret, OAuthClientID: app.ClientID, OAuthClientSecret: app.ClientSecret, PublicURL: s.address(),
		DataDir: filepath.Join(s.data, "data"), Secrets: "dir:" + filepath.Join(s.data, "secrets"), Concurrency: 2, Network: sandbox.NetworkHost,
	}, surroundings{sandboxMode: sandbox.ModeNone}, zerolog.New(zerolog.NewTestWriter(s)))
	if err != nil {
		s.Fatal(err)
	}
	if err := b.start(s.Context()); err != nil {
		s.Fatal(errors.Join(err, b.stop(s.Context())))
	}
	s.bot = b
}

func (s *site) stop() {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	s.bot.stream.Close()
	if err := s.bot.stop(ctx); err != nil {
		s.Error(err)
	}
}

// visitor is a browser that follows no redirect.
type visitor struct {
	*site
	browser *http.Client
}

func (s *site) visitor() visitor {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return visitor{s, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// open tells status, text, and where it leads.
func (v visitor) open(address string) (status int, body, leads string) {
	v.Helper()
	answer, err := v.browser.Get(address)
	if err != nil {
		v.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		v.Fatal(err)
	}
	return answer.StatusCode, string(text), answer.Header.Get("Location")
}

// as signs somebody in by what the stand-in asks.
func (s *site) as(login string) visitor {
	s.Helper()
	v := s.visitor()
	_, _, asks := v.open(s.address() + "/-/login")
	back, err := s.github.As(login).Authorize(asks)
	if err != nil {
		s.Fatal(err)
	}
	if status, body, leads := v.open(back); status != http.StatusSeeOther || leads != "/" {
		s.Fatalf("%s was not signed in: %d %s", login, status, body)
	}
	return v
}

// TestPeopleSeeWhatGitHubLetsThemSee: sign-in, permission and its end, against the stand-in and through the real store.
func TestPeopleSeeWhatGitHubLetsThemSee(t *testing.T) {
	s := newSite(t)
	page := s.address() + "/" + walkRepository + "/runs/1"
	sees := func(name string, v visitor, want int) {
		t.Helper()
		status, body, _ := v.open(page)
		if status != want || strings.Contains(body, "a secret change") != (want == http.StatusOK) {
			t.Errorf("%s: %d, want %d\n%s", name, status, want, body)
		}
	}
	stranger, alice, mallory := s.visitor(), s.as("alice"), s.as("mallory")
	sees("a stranger", stranger, http.StatusForbidden)
	sees("who may write", alice, http.StatusOK)
	sees("who may not see it", mallory, http.StatusNotFound)
	if _, body, _ := alice.open(s.address()); !strings.Contains(body, walkRepository) || !strings.Contains(body, ">alice</span>") {
		t.Errorf("alice's list:\n%s", body)
	}
	for _, other := range []visitor{stranger, mallory} {
		if _, body, _ := other.open(s.address()); strings.Contains(body, walkRepository) {
			t.Error("the list names a private repository")
		}
	}
	if kept := s.github.CountRequests(func(r githubtest.Request) bool { return r.Auth == "user" && r.Path != "/user" }); kept > 0 {
		t.Errorf("a person's token was used for %d other things", kept)
	}

	s.stop()
	s.start()
	sees("after a restart, who may write", alice, http.StatusOK)
	sees("after a restart, a stranger", stranger, http.StatusForbidden)

	if err := s.github.As("alice").RevokeAuthorization(); err != nil {
		t.Fatal(err)
	}
	s.eventually("alice to be signed out", func() bool {
		status, _, _ := alice.open(page)
		return status == http.StatusForbidden
	})
	sees("who has not taken it back", mallory, http.StatusNotFound)
}

// eventually polls: that a webhook has been worked cannot be seen from outside in another way.
func (s *site) eventually(what string, holds func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("waited a minute for %s", what)
		}
	}
}

func TestPublicRepositoriesAreForEverybody(t *testing.T) {
	s := newSite(t)
	if err := s.github.SetPrivate(walkRepository, false); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]visitor{"a stranger": s.visitor(), "somebody": s.as("mallory")} {
		if status, body, _ := v.open(s.address() + "/" + walkRepository + "/runs/1"); status != http.StatusOK || !strings.Contains(body, "a secret change") {
			t.Errorf("%s: %d\n%s", name, status, body)
		}
	}
}

// TestWithoutSignInThePagesStayHere: a bot that listens on every address takes webhooks from everywhere, and shows its
// pages to its own machine only.
func TestWithoutSignInThePagesStayHere(t *testing.T) {
	github := newGitHub(t, readManifest(t))
	b := newBotFor(t, github)
	ask := func(method, path, remote string) int {
		r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:8080"+path, strings.NewReader("{}"))
		r.RemoteAddr = remote
		answer := httptest.NewRecorder()
		b.handler.ServeHTTP(answer, r)
		return answer.Code
	}
	for _, path := range []string{"/", "/acme/shop", "/acme/shop/runs/1"} {
		if got := ask(http.MethodGet, path, "192.0.2.7:5000"); got != http.StatusForbidden && got != http.StatusNotFound {
			t.Errorf("%s from elsewhere: %d", path, got)
		}
	}
	for path, want := range map[string]int{"/": http.StatusForbidden, "/-/login": http.StatusNotFound, "/healthz": http.StatusOK, "/readyz": http.StatusOK} {
		if got := ask(http.MethodGet, path, "192.0.2.7:5000"); got != want {
			t.Errorf("%s from elsewhere: %d, want %d", path, got, want)
		}
	}
	if got := ask(http.MethodPost, "/api/github/hook", "192.0.2.7:5000"); got != http.StatusUnauthorized {
		t.Errorf("an unsigned delivery from elsewhere: %d", got)
	}
	server := httptest.NewServer(b.handler)
	defer server.Close()
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("from this machine: %d", answer.StatusCode)
	}
}

func TestOpenAddressesAreWarnedOf(t *testing.T) {
	for address, warned := range map[string]bool{
		"http://localhost:8080": false, "http://127.0.0.1:8080": false, "http://[::1]:8080/slipway": false, "https://ci.example.com": false,
		"http://ci.example.com": true, "http://192.0.2.7:8080": true,
	} {
		var said bytes.Buffer
		warnOfOpenAddress(address, zerolog.New(&said))
		if (said.Len() > 0) != warned {
			t.Errorf("%s: %q", address, said.String())
		}
	}
}
