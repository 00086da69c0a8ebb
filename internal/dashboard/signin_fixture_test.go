package dashboard

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// fakeForge is GitHub for the sign-in: people by their codes, and who may read what.
type fakeForge struct {
	mu      sync.Mutex
	begun   map[string]bool   // verifiers
	people  map[string]Person // by their codes, which count once
	public  map[int64]bool
	members map[int64]map[int64]string
	asked   int
	down    error
}

func newForge() *fakeForge {
	return &fakeForge{
		begun: map[string]bool{}, public: map[int64]bool{}, members: map[int64]map[int64]string{}, people: map[string]Person{},
	}
}

func (f *fakeForge) SignInURL(state, verifier string) string {
	f.change(func() { f.begun[verifier] = true })
	return "https://github.test/login/oauth/authorize?" + url.Values{"state": {state}}.Encode()
}

func (f *fakeForge) WhoIs(_ context.Context, code, verifier string) (int64, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	person, ok := f.people[code]
	delete(f.people, code)
	if f.down != nil || !ok || !f.begun[verifier] {
		return 0, "", errors.Join(f.down, errors.New("GitHub says bad_verification_code"))
	}
	return person.ID, person.Login, nil
}

func (f *fakeForge) Public(_ context.Context, repositoryID int64) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.public[repositoryID], f.down
}

func (f *fakeForge) Permission(_ context.Context, repositoryID int64, who Person) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if level := f.members[repositoryID][who.ID]; level != "" {
		return level, f.down
	}
	return "none", f.down
}

func (f *fakeForge) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
}

// settings is a Memory.
type settings struct {
	mu     sync.Mutex
	values map[string]string
	broken error
	full   error // takes nothing, but tells what it has
}

func (s *settings) Setting(_ context.Context, key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[key]
	if !ok && s.broken == nil {
		return "", pipeline.ErrNotFound
	}
	return value, s.broken
}

func (s *settings) SetSetting(_ context.Context, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil || s.full != nil {
		return errors.Join(s.broken, s.full)
	}
	s.values[key] = value
	return nil
}

func (s *settings) breakDown(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// handClock stands still until it is moved.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// privateRun is a page of a repository that alice may write, bob may read, and mallory may not see.
const privateRun = "/acme/inventory-manager/runs/12"

// gate is a server on which people sign in, reached over https as browsers reach it.
type gate struct {
	*testing.T
	forge    *fakeForge
	settings *settings
	clock    *handClock
	store    *memory
	url      string
	client   *http.Client
	options  SignInOptions

	mu      sync.Mutex
	server  *server
	handler http.Handler
}

func newGate(t *testing.T, change ...func(*SignInOptions)) *gate {
	t.Helper()
	g := &gate{
		T: t, forge: newForge(), settings: &settings{values: map[string]string{}}, clock: &handClock{now: displaytest.Clock{}.Now()},
		store: newMemory(displaytest.Failed(), displaytest.Passed()),
	}
	g.forge.members[displaytest.Repository().ID] = map[int64]string{1: "write", 2: "read"}
	web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		handler := g.handler
		g.mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	g.url, g.client = web.URL, web.Client()
	g.options = SignInOptions{
		Identities: g.forge, Authority: g.forge, Memory: g.settings, Secret: "the client secret", PublicURL: web.URL, Clock: g.clock,
		Log: zerolog.Nop(),
	}
	for _, f := range change {
		f(&g.options)
	}
	g.start()
	return g
}

// start starts the bot on what is stored, as after a restart.
func (g *gate) start() {
	g.Helper()
	access, err := NewSignedIn(g.options)
	if err != nil {
		g.Fatal(err)
	}
	s := serverOf(g.T, g.store, func(d *Deps) { d.Access, d.BasePath = access, access.public.Path })
	s.calm = time.Millisecond
	g.Cleanup(s.stream.Close)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.server, g.handler = s, s.handler()
}

// guest is a browser that follows no redirect by itself.
type guest struct {
	*gate
	browser *http.Client
}

func (g *gate) guest() guest {
	g.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		g.Fatal(err)
	}
	browser := *g.client
	browser.Jar = jar
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return guest{g, &browser}
}

// shown is what a browser was answered.
type shown struct {
	*http.Response
	body string
}

func (b guest) do(r *http.Request) shown {
	b.Helper()
	answer, err := b.browser.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	return shown{answer, string(body)}
}

func (b guest) get(path string) shown {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, b.url+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	return b.do(r)
}

// post sends a form as a browser does from one of our pages; header changes that.
func (b guest) post(path string, form url.Values, header ...string) shown {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", b.url)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		switch name, value := header[i], header[i+1]; {
		case name == "Host":
			r.Host = value
		case value == "":
			r.Header.Del(name)
		default:
			r.Header.Set(name, value)
		}
	}
	return b.do(r)
}

// begin starts a sign-in and returns its state.
func (b guest) begin(to string) (state string) {
	b.Helper()
	answer := b.get("/-/login?" + url.Values{"to": {to}}.Encode())
	at, err := answer.Location()
	if err != nil || at.Host != "github.test" || answer.StatusCode != http.StatusSeeOther {
		b.Fatalf("sign-in leads to %v, %d", at, answer.StatusCode)
	}
	return at.Query().Get("state")
}

// back is the way back from GitHub.
func (b guest) back(query url.Values) shown {
	b.Helper()
	return b.get("/-/callback?" + query.Encode())
}

// enter signs somebody in.
func (b guest) enter(person Person) shown {
	b.Helper()
	b.forge.change(func() { b.forge.people["code-"+person.Login] = person })
	answer := b.back(url.Values{"state": {b.begin("/")}, "code": {"code-" + person.Login}})
	if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/" {
		b.Fatalf("%s was not signed in: %d %s", person.Login, answer.StatusCode, answer.body)
	}
	return answer
}

func (g *gate) entered(person Person) guest {
	g.Helper()
	b := g.guest()
	b.enter(person)
	return b
}

// who is the login in the corner of a page; empty for a stranger.
func (s shown) who() string {
	found := regexp.MustCompile(`title="Signed in with GitHub">([^<]*)</span>`).FindStringSubmatch(s.body)
	if found == nil {
		return ""
	}
	return found[1]
}

func (s shown) proof() string {
	found := regexp.MustCompile(`name="proof" value="([^"]*)"`).FindStringSubmatch(s.body)
	if found == nil {
		return ""
	}
	return found[1]
}

// cookie is one that an answer sets; nil: it does not.
func (s shown) cookie(name string) *http.Cookie {
	for _, c := range s.Cookies() {
		if strings.TrimPrefix(strings.TrimPrefix(c.Name, "__Host-"), "__Secure-") == name {
			return c
		}
	}
	return nil
}

var (
	alice   = Person{1, "alice"}
	bob     = Person{2, "bob"}
	mallory = Person{3, "mallory"}
)
