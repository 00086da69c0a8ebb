package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(g *gate, b guest)
		want string
	}{
		"nothing happens":             {func(*gate, guest) {}, "alice"},
		"almost twelve hours":         {func(g *gate, _ guest) { g.clock.advance(12*time.Hour - time.Second) }, "alice"},
		"twelve hours without a page": {func(g *gate, _ guest) { g.clock.advance(12 * time.Hour) }, ""},
		"a page every eleven hours": {func(g *gate, b guest) {
			for range 14 {
				g.clock.advance(11 * time.Hour)
				b.get("/")
			}
		}, "alice"},
		"seven days": {func(g *gate, b guest) {
			for range 16 {
				g.clock.advance(11 * time.Hour)
				b.get("/")
			}
		}, ""},
		"the bot starts again":       {func(g *gate, _ guest) { g.start() }, "alice"},
		"the client secret is new":   {func(g *gate, _ guest) { g.options.Secret = "another"; g.start() }, ""},
		"the store has lost it":      {func(g *gate, _ guest) { clear(g.settings.values) }, ""},
		"the store does not answer":  {func(g *gate, _ guest) { g.settings.breakDown(errors.New("disk")) }, ""},
		"the store holds nonsense":   {func(g *gate, _ guest) { nonsense(g.settings) }, ""},
		"the person left everywhere": {func(g *gate, _ guest) { g.access().EndSessions(g.Context(), alice.ID) }, ""},
		"somebody else did":          {func(g *gate, _ guest) { g.access().EndSessions(g.Context(), bob.ID) }, "alice"},
		"left everywhere, came back": {func(g *gate, b guest) {
			g.access().EndSessions(g.Context(), alice.ID)
			g.clock.advance(time.Second)
			b.enter(alice)
		}, "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			b := g.entered(alice)
			tc.do(g, b)
			if who := b.get("/").who(); who != tc.want {
				t.Errorf("signed in as %q, want %q", who, tc.want)
			}
		})
	}
}

func (g *gate) access() *SignedIn {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.server.signedIn
}

func nonsense(s *settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.values {
		s.values[key] = "{"
	}
}

// TestForgedCookies: whatever is changed of a cookie, nobody is signed in with it.
func TestForgedCookies(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.entered(alice)
	at, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	genuine := b.browser.Jar.Cookies(at)[0]
	parts := strings.Split(genuine.Value, ".")
	later := strings.Join([]string{parts[0], parts[1], "9" + parts[2][1:], parts[3]}, ".")
	forged := []string{"", ".", "...", genuine.Value + ".", genuine.Value + "x", parts[0], strings.Join(parts[:3], "."), later, strings.Repeat(genuine.Value, 40)}
	for i := range len(genuine.Value) {
		other := byte('A')
		if genuine.Value[i] == 'A' {
			other = 'B'
		}
		changed := genuine.Value[:i] + string(other) + genuine.Value[i+1:]
		// The last character of a signature carries bits that mean nothing; they are compared all the same.
		forged = append(forged, changed)
	}
	for _, value := range forged {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: genuine.Name, Value: value})
		if who := g.guest().do(r).who(); who != "" {
			t.Errorf("%q is signed in with %q", who, value)
		}
	}
	// A name without the prefix could be set by another host of the domain.
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: genuine.Value})
	if who := g.guest().do(r).who(); who != "" {
		t.Errorf("%q is signed in with a cookie of another name", who)
	}
}

func TestCookiesAreRenewedNowAndThen(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.entered(alice)
	for _, step := range []struct {
		after   time.Duration
		path    string
		renewed bool
		life    int
	}{
		{9 * time.Minute, "/", false, 0},
		{time.Minute, "/-/app.css", false, 0},
		{0, "/", true, 12 * 60 * 60},
		{time.Minute, privateRun, false, 0},
		{11 * time.Hour, privateRun, true, 12 * 60 * 60},
	} {
		g.clock.advance(step.after)
		answer := b.get(step.path)
		cookie := answer.cookie(sessionCookie)
		if (cookie != nil) != step.renewed || cookie != nil && cookie.MaxAge != step.life {
			t.Errorf("%s after %s: %v", step.path, step.after, cookie)
		}
		if cookie == nil && step.path == "/-/app.css" && !strings.HasPrefix(answer.Header.Get("Cache-Control"), "public") {
			t.Errorf("an asset is no longer kept: %v", answer.Header)
		}
	}
	for range 14 {
		g.clock.advance(11 * time.Hour)
		if cookie := b.get("/").cookie(sessionCookie); cookie != nil && cookie.MaxAge > int((sessionLife-11*time.Hour*14).Seconds())+12*60*60 {
			t.Errorf("kept for %d s", cookie.MaxAge)
		}
	}
}

func TestSigningOut(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b, elsewhere := g.entered(alice), g.entered(alice)
	copied := g.guest()
	at, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	copied.browser.Jar.SetCookies(at, b.browser.Jar.Cookies(at))
	out := b.post("/-/logout", url.Values{"proof": {b.get(privateRun).proof()}})
	if out.StatusCode != http.StatusSeeOther || out.Header.Get("Location") != "/" {
		t.Errorf("%d, sent to %s", out.StatusCode, out.Header.Get("Location"))
	}
	if cookie := out.cookie(sessionCookie); cookie == nil || cookie.MaxAge >= 0 || cookie.Value != "" {
		t.Errorf("the cookie stays: %v", cookie)
	}
	if who := copied.get("/").who(); who != "" {
		t.Errorf("a copy of the cookie is still %q", who)
	}
	g.start()
	if who := copied.get("/").who(); who != "" {
		t.Errorf("after a restart a copy of the cookie is %q again", who)
	}
	if who := elsewhere.get("/").who(); who != "alice" {
		t.Errorf("the other browser is %q", who)
	}
	proof := elsewhere.get("/").proof()
	elsewhere.failing(func() {
		if answer := elsewhere.post("/-/logout", url.Values{"proof": {proof}}); answer.StatusCode == http.StatusSeeOther {
			t.Error("a session that could not be ended is told to be over")
		}
	})
	if who := elsewhere.get("/").who(); who != "alice" {
		t.Errorf("the session that could not be ended is %q", who)
	}
}

// failing lets the store take nothing while something is done; it still tells what it has.
func (b guest) failing(do func()) {
	b.settings.mu.Lock()
	b.settings.full = errors.New("disk full")
	b.settings.mu.Unlock()
	do()
	b.settings.mu.Lock()
	b.settings.full = nil
	b.settings.mu.Unlock()
}

func TestOldSessionsAreSwept(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	begun := g.clock.Now()
	g.entered(alice)
	var key string
	for k := range g.settings.values {
		key = k
	}
	swept := func(now time.Time) bool {
		from, to := OldSessions(now)
		return from <= key && key < to
	}
	if swept(begun) || swept(begun.Add(sessionLife)) {
		t.Error("a session that may go on is swept")
	}
	if !swept(begun.Add(sessionLife + 24*time.Hour)) {
		t.Errorf("%s stays for ever", key)
	}
	if from, to := OldSessions(begun.Add(1000 * time.Hour)); from <= endedKey(1) && endedKey(1) < to {
		t.Error("that a person's sessions were ended is forgotten")
	}
}
