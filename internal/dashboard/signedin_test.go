package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
)

// paths are everything there is of a run.
func paths() []string {
	return []string{
		"/acme/inventory-manager", privateRun, privateRun + "/events?stage=100", privateRun + "/logs/100", privateRun + "/artifacts/100/reports/junit.xml",
	}
}

func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		public bool
		who    Person
		status int
		listed bool
	}{
		"public, a stranger":          {true, Person{}, http.StatusOK, true},
		"public, somebody":            {true, mallory, http.StatusOK, true},
		"private, a stranger":         {false, Person{}, http.StatusForbidden, false},
		"private, a reader":           {false, bob, http.StatusOK, true},
		"private, a writer":           {false, alice, http.StatusOK, true},
		"private, without permission": {false, mallory, http.StatusNotFound, false},
		"private, a login taken over": {false, Person{4, "alice"}, http.StatusNotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			g.store.artifacts["100/reports/junit.xml"] = "<x/>"
			g.forge.public[displaytest.Repository().ID] = tc.public
			b := g.guest()
			if tc.who.ID != 0 {
				b.enter(tc.who)
			}
			for _, path := range paths() {
				answer := b.get(path)
				if answer.StatusCode != tc.status || tc.status != http.StatusOK && strings.Contains(answer.body, "Warn when stock") {
					t.Errorf("%s: %d, want %d", path, answer.StatusCode, tc.status)
				}
				if offers := strings.Contains(answer.body, "Sign in to see this"); offers != (tc.status == http.StatusForbidden) {
					t.Errorf("%s: asks to sign in: %v", path, offers)
				}
			}
			list := b.get("/")
			if list.StatusCode != http.StatusOK || strings.Contains(list.body, "inventory-manager") != tc.listed {
				t.Errorf("the list: %d, names the repository: %v", list.StatusCode, !tc.listed)
			}
		})
	}
}

// TestAPrivateRepositoryCannotBeGuessed: to a stranger it looks like nothing, and to somebody without permission too.
func TestAPrivateRepositoryCannotBeGuessed(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	for name, b := range map[string]guest{"a stranger": g.guest(), "somebody": g.entered(mallory)} {
		for _, path := range paths() {
			hidden, missing := b.get(path), b.get(strings.Replace(path, "inventory-manager", "nothing-at-all-xx", 1))
			body := strings.ReplaceAll(missing.body, "nothing-at-all-xx", "inventory-manager")
			if hidden.StatusCode != missing.StatusCode || hidden.body != body {
				t.Errorf("%s at %s: %d and %d can be told apart", name, path, hidden.StatusCode, missing.StatusCode)
			}
		}
	}
}

// TestPermissionIsAskedNow: what GitHub said counts for a minute, and what it does not say is refused.
func TestPermissionIsAskedNow(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.entered(bob)
	status := func(want int, when string) {
		t.Helper()
		if got := b.get(privateRun).StatusCode; got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
	}
	status(http.StatusOK, "at first")
	asked := g.forge.asked
	for range 5 {
		status(http.StatusOK, "again")
		b.get("/")
	}
	if g.forge.asked != asked {
		t.Errorf("asked %d times more within a minute", g.forge.asked-asked)
	}
	g.forge.change(func() { g.forge.members[displaytest.Repository().ID][bob.ID] = "none" })
	g.clock.advance(answerAge - time.Second)
	status(http.StatusOK, "just within a minute")
	g.clock.advance(time.Second)
	status(http.StatusNotFound, "a minute after the permission was taken away")
	g.forge.change(func() { g.forge.members[displaytest.Repository().ID][bob.ID] = "read" })
	g.clock.advance(answerAge)
	status(http.StatusOK, "a minute after it was given back")
	g.forge.change(func() { g.forge.down = errors.New("503") })
	g.clock.advance(answerAge)
	status(http.StatusNotFound, "when GitHub does not answer")
	asked = g.forge.asked
	status(http.StatusNotFound, "at once after that")
	if g.forge.asked != asked {
		t.Error("GitHub is asked again at once when it does not answer")
	}
	g.forge.change(func() { g.forge.down = nil })
	g.clock.advance(refusalAge)
	status(http.StatusOK, "ten seconds later")
	for _, level := range []string{"", "none", "triage", "READ", "anything"} {
		g.forge.change(func() { g.forge.members[displaytest.Repository().ID][bob.ID] = level })
		g.clock.advance(answerAge)
		status(http.StatusNotFound, "with permission "+level)
	}
}

// slowAuthority answers when it is let.
type slowAuthority struct {
	*fakeForge
	started chan struct{}
	answer  chan struct{}
}

func (a slowAuthority) Public(ctx context.Context, id int64) (bool, error) {
	a.started <- struct{}{}
	select {
	case <-a.answer:
		return a.fakeForge.Public(ctx, id)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func TestVisitorsShareAnAnswer(t *testing.T) {
	t.Parallel()
	forge := newForge()
	forge.public[7] = true
	slow := slowAuthority{forge, make(chan struct{}, 10), make(chan struct{})}
	g := newGate(t)
	s := newSight(slow, g.clock.Now, g.options.Log)
	answers := make(chan bool, 3)
	leaving, leave := context.WithCancel(t.Context())
	go func() { answers <- s.everybody(leaving, 7) }()
	<-slow.started
	leave() // the one who asked first leaves
	if <-answers {
		t.Error("who left is answered")
	}
	for range 2 {
		go func() { answers <- s.everybody(t.Context(), 7) }()
	}
	slow.answer <- struct{}{}
	for range 2 {
		if !<-answers {
			t.Error("who stayed is refused")
		}
	}
	if forge.asked != 1 {
		t.Errorf("asked %d times", forge.asked)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	s := newSight(g.forge, g.clock.Now, g.options.Log)
	for id := range int64(maxAnswers + 10) {
		s.everybody(t.Context(), id)
	}
	if n := len(s.known); n > maxAnswers {
		t.Errorf("%d answers are kept", n)
	}
}

// TestAStageIsNobody: with a cookie it has got hold of, from wherever on this machine it asks.
func TestAStageIsNobody(t *testing.T) {
	t.Parallel()
	stage, failed := false, error(nil)
	g := newGate(t, func(o *SignInOptions) {
		o.Sandboxed = func(client, server netip.AddrPort) (bool, error) {
			if !client.Addr().IsLoopback() || !server.Addr().IsLoopback() {
				return false, errors.New("other addresses than those of the connection")
			}
			return stage, failed
		}
	})
	b := g.entered(alice)
	proof := b.get("/").proof()
	for name, tc := range map[string]struct {
		stage bool
		err   error
	}{"a stage": {true, nil}, "perhaps a stage": {false, errors.New("cannot look")}} {
		stage, failed = tc.stage, tc.err
		for _, path := range append(paths(), "/", "/-/login", "/-/callback", "/nothing") {
			answer := b.get(path)
			if answer.StatusCode != http.StatusForbidden || !strings.Contains(answer.body, "Only for people") || answer.who() != "" {
				t.Errorf("%s at %s: %d", name, path, answer.StatusCode)
			}
		}
		if answer := b.post("/-/logout", map[string][]string{"proof": {proof}}); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s acts: %d", name, answer.StatusCode)
		}
	}
	stage, failed = false, nil
	if who := b.get("/").who(); who != "alice" {
		t.Errorf("afterwards %q is signed in", who)
	}
}

// TestAStreamEndsWithItsVisitor: a page that is open does not outlive what let it be opened.
func TestAStreamEndsWithItsVisitor(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(g *gate, b guest){
		"signed out": func(_ *gate, b guest) { b.post("/-/logout", map[string][]string{"proof": {b.get("/").proof()}}) },
		"no longer permitted": func(g *gate, _ guest) {
			g.forge.change(func() { delete(g.forge.members, displaytest.Repository().ID) })
			g.clock.advance(answerAge)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t)
			run := displaytest.Running()
			g.store = newMemory(run)
			g.start()
			b := g.entered(bob)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+privateRun+"/events?stage=100", nil)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := b.browser.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Body.Close()
			first := make([]byte, 1)
			if _, err := stream.Body.Read(first); err != nil || stream.StatusCode != http.StatusOK {
				t.Fatalf("%d, %v", stream.StatusCode, err)
			}
			end(g, b)
			for err == nil { // ends when the stream does; the test's deadline bounds it
				_, err = stream.Body.Read(make([]byte, 64<<10))
			}
		})
	}
}
