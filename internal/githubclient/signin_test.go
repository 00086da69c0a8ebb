package githubclient_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
)

const callback = "https://ci.example.com/-/callback"

// flow is the sign-in of the world's App. What is logged is kept.
func (w *world) flow(t *testing.T, secret string) (*githubclient.SignIn, *bytes.Buffer) {
	t.Helper()
	must(t, w.github.SetCallbackURLs(callback))
	app, urls, log := w.github.App(), w.github.URLs(), &bytes.Buffer{}
	pool, err := githubclient.New(githubclient.Config{
		WebURL: urls.Web, V3: urls.REST, V4: urls.GraphQL, AppID: app.ID, PrivateKey: app.PrivateKey, Logger: zerolog.New(log),
		Registry: prometheus.NewRegistry(),
	})
	must(t, err)
	if secret == "" {
		secret = app.ClientSecret
	}
	return pool.SignIn(app.ClientID, secret, callback), log
}

// agreed lets a person agree and returns the code they come back with.
func (w *world) agreed(t *testing.T, login, address string) string {
	t.Helper()
	back, err := w.github.As(login).Authorize(address)
	must(t, err)
	u, err := url.Parse(back)
	must(t, err)
	if u.Query().Get("state") != "the-state" || !strings.HasPrefix(back, callback+"?") {
		t.Errorf("sent back to %s", back)
	}
	return u.Query().Get("code")
}

func TestWhoSignsIn(t *testing.T) {
	w := newWorld(t)
	flow, log := w.flow(t, "")
	code := w.agreed(t, "ann", flow.SignInURL("the-state", "a-verifier"))
	id, login, err := flow.WhoIs(t.Context(), code, "a-verifier")
	must(t, err)
	if login != "ann" || id == 0 {
		t.Errorf("%q, %d", login, id)
	}
	asked := func(method, path string) int {
		return w.github.CountRequests(func(r githubtest.Request) bool {
			return r.Method == method && strings.HasPrefix(r.Path, path) && r.Status < 300
		})
	}
	if asked(http.MethodGet, "/user") != 1 || asked(http.MethodDelete, "/applications/") != 1 {
		t.Errorf("the token was not used once and revoked: %v", w.github.Requests())
	}
	if _, _, err := flow.WhoIs(t.Context(), code, "a-verifier"); err == nil || !strings.Contains(err.Error(), "bad_verification_code") {
		t.Errorf("a code twice: %v", err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
}

func TestSignInFails(t *testing.T) {
	w := newWorld(t)
	flow, log := w.flow(t, "")
	fresh := func(f *githubclient.SignIn) string { return w.agreed(t, "ann", f.SignInURL("the-state", "a-verifier")) }
	refused := func(name, want string, flow *githubclient.SignIn, code, verifier string) {
		t.Helper()
		_, login, err := flow.WhoIs(t.Context(), code, verifier)
		if login != "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v", name, login, err)
			return
		}
		for _, secret := range []string{code, verifier, w.github.App().ClientSecret} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error tells a secret: %v", name, err)
			}
		}
	}
	refused("somebody else's code", "bad_verification_code", flow, fresh(flow), "another-verifier")
	wrong, _ := w.flow(t, "not-the-secret")
	refused("wrong secret", "compare GITHUB_OAUTH_CLIENT_ID", wrong, fresh(wrong), "a-verifier")
	w.github.Inject(githubtest.Fault{Path: "/login/oauth/access_token", Status: 503, Body: "no"})
	refused("no exchange", "503", flow, fresh(flow), "a-verifier")
	w.github.Inject(githubtest.Fault{Path: "/login/oauth/access_token", Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}})
	refused("sent elsewhere", "not sent elsewhere", flow, fresh(flow), "a-verifier")
	w.github.Inject(githubtest.Fault{Method: "GET", Path: "/api/v3/user", Status: 500, Body: "{}"})
	refused("no answer who it is", "ask who signs in", flow, fresh(flow), "a-verifier")
	w.github.Inject(githubtest.Fault{Method: "GET", Path: "/api/v3/user", Status: 200, Body: "{}"})
	refused("nobody", "does not say who", flow, fresh(flow), "a-verifier")
	if log.Len() > 0 {
		t.Errorf("logged: %s", log)
	}
	w.github.Inject(githubtest.Fault{Method: "DELETE", Path: "/applications/", Status: 500})
	if _, login, err := flow.WhoIs(t.Context(), fresh(flow), "a-verifier"); err != nil || login != "ann" {
		t.Errorf("a token that is not revoked: %q, %v", login, err)
	}
	if !strings.Contains(log.String(), "could not be revoked") {
		t.Errorf("logged: %s", log)
	}
}

func TestSignInEndsWithTheVisitor(t *testing.T) {
	w := newWorld(t)
	flow, _ := w.flow(t, "")
	code := w.agreed(t, "ann", flow.SignInURL("the-state", "a-verifier"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	w.github.Inject(githubtest.Fault{Path: "/login/oauth/access_token", Delay: time.Minute})
	if _, _, err := flow.WhoIs(ctx, code, "a-verifier"); err == nil {
		t.Error("no error")
	}
}

func TestWhoMaySeeARepository(t *testing.T) {
	w := newWorld(t)
	public := func() bool {
		t.Helper()
		is, err := w.pool.Public(t.Context(), w.repository)
		must(t, err)
		return is
	}
	if !public() {
		t.Error("a public repository is not")
	}
	must(t, w.github.SetPrivate(shop, true))
	if public() {
		t.Error("a private repository is public")
	}
	other := w.repository
	other.ID++
	if _, err := w.pool.Public(t.Context(), other); err == nil || !strings.Contains(err.Error(), "another repository") {
		t.Errorf("a name that was taken over: %v", err)
	}
	gone := w.repository
	gone.Name = "gone"
	if is, err := w.pool.Public(t.Context(), gone); is || err != nil {
		t.Errorf("a repository that is gone: %v, %v", is, err)
	}
	for name, tc := range map[string]struct {
		login string
		id    int64
		want  string
	}{
		"a writer":                       {"ann", w.github.UserID("ann"), "write"},
		"a stranger":                     {"bob", w.github.UserID("bob"), "none"},
		"nobody of that name":            {"eve", 7, "none"},
		"a login that somebody else has": {"ann", w.github.UserID("bob"), "none"},
	} {
		if got, err := w.pool.PermissionOf(t.Context(), w.repository, tc.login, tc.id); got != tc.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tc.want)
		}
	}
	w.github.Inject(githubtest.Fault{Path: "/permission", Status: 500, Times: 3})
	if got, err := w.pool.PermissionOf(t.Context(), w.repository, "ann", w.github.UserID("ann")); err == nil || got != "" {
		t.Errorf("no answer: %q, %v", got, err)
	}
}
