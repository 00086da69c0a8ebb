package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSigningIn(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.guest()
	page := privateRun + "?stage=build-and-test&attempt=1"
	asked := b.get(page)
	if asked.StatusCode != http.StatusForbidden || !strings.Contains(asked.body, "Sign in to see this") || strings.Contains(asked.body, "Warn when stock") {
		t.Fatalf("a stranger at a private page: %d\n%s", asked.StatusCode, asked.body)
	}
	address := "/-/login?" + url.Values{"to": {page}}.Encode()
	if !strings.Contains(asked.body, `href="`+strings.ReplaceAll(address, "&", "&amp;")+`"`) {
		t.Errorf("the page does not lead to %s:\n%s", address, asked.body)
	}
	g.forge.people["a-code"] = alice
	begun := b.get(address)
	kept := begun.cookie(pendingCookie)
	if kept == nil || !kept.HttpOnly || !kept.Secure || kept.SameSite != http.SameSiteLaxMode || kept.Path != "/" || kept.Name != "__Host-slipway-sign-in" || kept.MaxAge != 600 {
		t.Errorf("what the browser keeps of a sign-in: %v", kept)
	}
	at, err := begun.Location()
	if err != nil || strings.Contains(at.String(), "inventory") {
		t.Errorf("GitHub is told what the visitor wants to see: %v, %v", at, err)
	}
	entered := b.back(url.Values{"state": {at.Query().Get("state")}, "code": {"a-code"}})
	if entered.StatusCode != http.StatusSeeOther || entered.Header.Get("Location") != page {
		t.Fatalf("after the sign-in: %d, %s\n%s", entered.StatusCode, entered.Header.Get("Location"), entered.body)
	}
	session := entered.cookie(sessionCookie)
	if session == nil || !session.HttpOnly || !session.Secure || session.SameSite != http.SameSiteLaxMode || session.Path != "/" ||
		session.Name != "__Host-slipway-session" || session.MaxAge != 12*60*60 || session.Domain != "" {
		t.Errorf("session: %v", session)
	}
	if over := entered.cookie(pendingCookie); over == nil || over.MaxAge >= 0 || over.Value != "" {
		t.Errorf("what was begun is still kept: %v", over)
	}
	seen := b.get(page)
	if seen.StatusCode != http.StatusOK || seen.who() != "alice" {
		t.Errorf("after the sign-in: %d, %q", seen.StatusCode, seen.who())
	}
	if again := b.get(address); again.Header.Get("Location") != page || again.cookie(pendingCookie) != nil {
		t.Errorf("who is signed in signs in: %d, %s", again.StatusCode, again.Header.Get("Location"))
	}
	for key, value := range g.settings.values {
		if id, _, _ := strings.Cut(session.Value, "."); strings.Contains(key+value, id) {
			t.Error("who reads the store can sign in with what stands there")
		}
	}
}

// TestWaysBackThatSignNobodyIn: each is a page that says what happened, begins nothing, and ends what was begun.
func TestWaysBackThatSignNobodyIn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(g *gate, b guest)
		query   func(state string) url.Values
		status  int
		says    string
	}{
		"another state":     {query: func(string) url.Values { return url.Values{"state": {"x"}, "code": {"a-code"}} }, status: 400, says: "This sign-in is over"},
		"no state":          {query: func(string) url.Values { return url.Values{"code": {"a-code"}} }, status: 400, says: "This sign-in is over"},
		"nothing at all":    {query: func(string) url.Values { return nil }, status: 400, says: "This sign-in is over"},
		"another's code":    {query: func(s string) url.Values { return url.Values{"state": {s}, "code": {"x"}} }, status: 502, says: "GitHub did not say who you are"},
		"no code":           {query: func(s string) url.Values { return url.Values{"state": {s}} }, status: 502, says: "GitHub did not say who you are"},
		"refused by them":   {query: func(s string) url.Values { return url.Values{"state": {s}, "error": {"access_denied"}} }, status: 403, says: "You did not sign in"},
		"refused by GitHub": {query: func(s string) url.Values { return url.Values{"state": {s}, "error": {"application_suspended"}} }, status: 502, says: "GitHub did not sign you in"},
		"refused and a code": {query: func(s string) url.Values {
			return url.Values{"state": {s}, "error": {"access_denied"}, "code": {"a-code"}}
		}, status: 403, says: "You did not sign in"},
		"refused, not ours": {query: func(string) url.Values { return url.Values{"state": {"x"}, "error": {"access_denied"}} }, status: 400, says: "This sign-in is over"},
		"too late": {
			prepare: func(g *gate, _ guest) { g.clock.advance(10 * time.Minute) },
			query:   func(s string) url.Values { return url.Values{"state": {s}, "code": {"a-code"}} }, status: 400, says: "This sign-in is over",
		},
		"another secret meanwhile": {
			prepare: func(g *gate, _ guest) { g.options.Secret = "another"; g.start() },
			query:   func(s string) url.Values { return url.Values{"state": {s}, "code": {"a-code"}} }, status: 400, says: "This sign-in is over",
		},
		"GitHub is down": {
			prepare: func(g *gate, _ guest) { g.forge.change(func() { g.forge.down = errors.New("503") }) },
			query:   func(s string) url.Values { return url.Values{"state": {s}, "code": {"a-code"}} }, status: 502, says: "GitHub did not say who you are",
		},
		"the store is broken": {
			prepare: func(g *gate, _ guest) { g.settings.breakDown(errors.New("disk full")) },
			query:   func(s string) url.Values { return url.Values{"state": {s}, "code": {"a-code"}} }, status: 500, says: "Something went wrong here",
		},
		"the cookie was changed": {
			prepare: func(_ *gate, b guest) {
				at, _ := url.Parse(b.url)
				for _, c := range b.browser.Jar.Cookies(at) {
					b.browser.Jar.SetCookies(at, []*http.Cookie{{Name: c.Name, Value: "A" + c.Value[1:], Secure: true, Path: "/"}})
				}
			},
			query: func(s string) url.Values { return url.Values{"state": {s}, "code": {"a-code"}} }, status: 400, says: "This sign-in is over",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			g.forge.people["a-code"] = alice
			b := g.guest()
			state := b.begin(privateRun)
			if tc.prepare != nil {
				tc.prepare(g, b)
			}
			answer := b.back(tc.query(state))
			if answer.StatusCode != tc.status || !strings.Contains(answer.body, tc.says) || answer.cookie(sessionCookie) != nil {
				t.Errorf("%d, session %v\n%s", answer.StatusCode, answer.cookie(sessionCookie), answer.body)
			}
			if over := answer.cookie(pendingCookie); over == nil || over.MaxAge >= 0 {
				t.Errorf("what was begun goes on: %v", over)
			}
			g.settings.breakDown(nil)
			if who := b.get("/").who(); who != "" {
				t.Errorf("%s is signed in", who)
			}
		})
	}
}

func TestAWayBackCountsOnceAndInOneBrowser(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.forge.people["a-code"] = alice
	victim, attacker := g.guest(), g.guest()
	victim.begin("/")
	way := url.Values{"state": {attacker.begin("/")}, "code": {"a-code"}}
	if answer := victim.back(way); answer.StatusCode != http.StatusBadRequest || answer.cookie(sessionCookie) != nil {
		t.Errorf("signed in with what another browser began: %d", answer.StatusCode)
	}
	if answer := attacker.back(way); answer.cookie(sessionCookie) == nil {
		t.Fatalf("%d %s", answer.StatusCode, answer.body)
	}
	g.forge.change(func() { g.forge.people["a-code"] = alice }) // even if GitHub took it again
	if answer := attacker.back(way); answer.StatusCode != http.StatusBadRequest || answer.cookie(sessionCookie) != nil {
		t.Errorf("the same way back again: %d", answer.StatusCode)
	}
}

func TestANewSignInEndsTheOldSession(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.entered(alice)
	old := g.guest()
	at, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	old.browser.Jar.SetCookies(at, b.browser.Jar.Cookies(at))
	if who := old.get("/").who(); who != "alice" {
		t.Fatalf("a copy of the cookie is %q", who)
	}
	// The sign-in that was begun before is ended in the same browser.
	late := g.guest()
	state := late.begin("/")
	late.browser.Jar.SetCookies(at, b.browser.Jar.Cookies(at))
	g.forge.people["code-bob"] = bob
	late.back(url.Values{"state": {state}, "code": {"code-bob"}})
	if who := late.get("/").who(); who != "bob" {
		t.Errorf("signed in as %q", who)
	}
	if who := old.get("/").who(); who != "" {
		t.Errorf("the session before is still %q", who)
	}
}

// TestSignInAtThePublicAddress: what the browser keeps must be where GitHub sends it back to.
func TestSignInAtThePublicAddress(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.guest()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/-/login?to=/acme/inventory-manager", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "localhost:1234"
	answer := b.do(r)
	want := g.url + "/-/login?here=1&to=%2Facme%2Finventory-manager"
	if answer.Header.Get("Location") != want || answer.cookie(pendingCookie) != nil {
		t.Errorf("sent to %s, want %s", answer.Header.Get("Location"), want)
	}
	// A proxy that changes the host makes no circle.
	r.URL.RawQuery += "&here=1"
	if answer = b.do(r); !strings.HasPrefix(answer.Header.Get("Location"), "https://github.test/") {
		t.Errorf("behind a proxy: sent to %s", answer.Header.Get("Location"))
	}
}

func TestNobodyIsSentElsewhere(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for _, to := range []string{"//evil.example/", "https://evil.example/", `/\evil.example`, "/-/logout", "/\t/evil.example", "javascript:alert(1)"} {
		b := g.guest()
		state := b.begin(to)
		g.forge.change(func() { g.forge.people["a-code"] = alice })
		if at := b.back(url.Values{"state": {state}, "code": {"a-code"}}).Header.Get("Location"); at != "/" {
			t.Errorf("%q leads to %q", to, at)
		}
	}
}

func TestCookiesOfOtherAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		name, path string
		secure     bool
	}{
		"https://ci.example.com":         {"__Host-slipway-session", "/", true},
		"https://ci.example.com/slipway": {"__Secure-slipway-session", "/slipway", true},
		"http://127.0.0.1:8080":          {"slipway-session", "/", false},
		"http://ci.example.com/slipway/": {"slipway-session", "/slipway", false},
	} {
		access, err := NewSignedIn(SignInOptions{PublicURL: address, Secret: "x"})
		if err != nil {
			t.Fatal(err)
		}
		if got := access.cookies.prefix + sessionCookie; got != want.name || access.cookies.path != want.path || access.cookies.secure != want.secure {
			t.Errorf("%s: %s %+v", address, got, access.cookies)
		}
	}
	for _, bad := range []SignInOptions{{PublicURL: "https://ci.example.com"}, {PublicURL: "/slipway", Secret: "x"}, {PublicURL: "::", Secret: "x"}} {
		if _, err := NewSignedIn(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestSignInBelowAPath: the pages of a server that has a path of its own, whether the proxy takes it off or not.
func TestSignInBelowAPath(t *testing.T) {
	t.Parallel()
	g := newGate(t, func(o *SignInOptions) { o.PublicURL += "/slipway" })
	b := g.guest()
	asked := b.get("/slipway" + privateRun)
	if !strings.Contains(asked.body, `href="/slipway/-/login?to=%2Facme%2Finventory-manager%2Fruns%2F12"`) {
		t.Errorf("the page leads elsewhere:\n%s", asked.body)
	}
	begun := b.get("/slipway/-/login?to=" + url.QueryEscape(privateRun))
	at, err := begun.Location()
	if err != nil || begun.cookie(pendingCookie).Path != "/slipway" {
		t.Fatalf("%v, %v", begun.cookie(pendingCookie), err)
	}
	g.forge.people["a-code"] = alice
	answer := b.get("/slipway/-/callback?" + url.Values{"state": {at.Query().Get("state")}, "code": {"a-code"}}.Encode())
	if answer.Header.Get("Location") != "/slipway"+privateRun {
		t.Errorf("sent to %s", answer.Header.Get("Location"))
	}
	page := b.get("/slipway" + privateRun)
	if page.who() != "alice" {
		t.Errorf("signed in as %q", page.who())
	}
	if out := b.post("/slipway/-/logout", url.Values{"proof": {page.proof()}}); out.Header.Get("Location") != "/slipway/" || b.get("/slipway/").who() != "" {
		t.Errorf("sign-out leads to %s", out.Header.Get("Location"))
	}
}

func TestSignInPages(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	mask := func(body string) string {
		body = strings.ReplaceAll(body, url.QueryEscape(g.url), "URL")
		if p := (shown{body: body}).proof(); p != "" {
			body = strings.ReplaceAll(body, p, "PROOF")
		}
		return body
	}
	stranger, reader, outsider := g.guest(), g.entered(bob), g.entered(mallory)
	goldenPage(t, "sign-in.html", mask(stranger.get(privateRun).body))
	goldenPage(t, "list-stranger.html", mask(stranger.get("/").body))
	goldenPage(t, "list-signed-in.html", mask(reader.get("/").body))
	goldenPage(t, "list-outsider.html", mask(outsider.get("/").body))
	goldenPage(t, "sign-in-over.html", mask(stranger.back(nil).body))
	stranger.begin(privateRun)
	goldenPage(t, "sign-in-refused.html", mask(stranger.back(url.Values{"state": {stranger.begin(privateRun)}, "error": {"access_denied"}}).body))
	if found := foreign(t, reader.get(privateRun).body); len(found) > 0 {
		t.Errorf("the page of a run holds %q", found)
	}
}
