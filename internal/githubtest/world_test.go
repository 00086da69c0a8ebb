package githubtest_test

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

const shop = "acme/shop"

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// hook is a receiver of webhooks that remembers.
type hook struct {
	server *httptest.Server
	status int

	mu   sync.Mutex
	got  []received
	more chan struct{}
}

type received struct {
	event   string
	guid    string
	header  http.Header
	raw     []byte
	payload map[string]any
}

func (r received) action() string {
	action, _ := r.payload["action"].(string)
	return action
}

func newHook(t testing.TB) *hook {
	h := &hook{status: http.StatusOK, more: make(chan struct{}, 10000)}
	h.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		rec := received{event: r.Header.Get("X-GitHub-Event"), guid: r.Header.Get("X-GitHub-Delivery"), header: r.Header, raw: body}
		if err := json.Unmarshal(body, &rec.payload); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		h.got = append(h.got, rec)
		status := h.status
		h.mu.Unlock()
		w.WriteHeader(status)
		h.more <- struct{}{}
	}))
	t.Cleanup(h.server.Close)
	return h
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// wait returns the n-th delivery (from 0) of an event ("check_run.created").
func (h *hook) wait(t testing.TB, event string, n int) received {
	t.Helper()
	timeout := time.After(2 * time.Minute)
	for {
		if all := h.of(event); len(all) > n {
			return all[n]
		}
		select {
		case <-h.more:
		case <-timeout:
			t.Fatalf("delivery %d of %s never came; there were %v", n, event, h.names())
		}
	}
}

func (h *hook) of(event string) []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []received
	for _, r := range h.got {
		if r.event == event || r.event+"."+r.action() == event {
			list = append(list, r)
		}
	}
	return list
}

func (h *hook) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for _, r := range h.got {
		names = append(names, strings.TrimSuffix(r.event+"."+r.action(), "."))
	}
	return names
}

// world is a GitHub with an organisation, people, a repository and the App installed.
type world struct {
	t     testing.TB
	gh    *githubtest.GitHub
	clock *clock
	hook  *hook
	inst  int64
	app   *github.Client // as the App
	bot   *github.Client // as the installation
}

func newWorld(t testing.TB, change ...func(*githubtest.Options)) *world {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing")
		}
		t.Skip("git is missing")
	}
	w := &world{t: t, clock: &clock{now: time.Now().UTC()}, hook: newHook(t)}
	options := githubtest.Options{
		Dir: t.TempDir(), Clock: w.clock, Logger: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
		App: githubtest.AppOptions{WebhookURL: w.hook.server.URL, WebhookSecret: "whsec"}, Conformance: func(problem string) { t.Error(problem) },
	}
	for _, f := range change {
		f(&options)
	}
	gh, err := githubtest.New(options)
	w.must(err)
	w.gh = gh
	gh.Start()
	t.Cleanup(func() {
		if err := gh.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, login := range []string{"alice", "bob", "mallory"} {
		w.must(gh.AddUser(login, ""))
	}
	w.must(gh.AddOrganization("acme", "bob"))
	w.must(gh.AddOrganizationOwner("acme", "alice"))
	w.must(gh.AddRepository(t.Context(), shop, githubtest.RepositoryOptions{
		Private: true,
		Files:   githubtest.Files{"README.md": "# Shop\n", "src/app.py": "print('hi')\n", "src/lib/util.py": "x = 1\n"},
	}))
	w.must(gh.AddCollaborator(shop, "bob", "write"))
	w.inst, err = gh.Install("acme", shop)
	w.must(err)
	w.clients()
	return w
}

func (w *world) clients() {
	w.t.Helper()
	c := w.gh.App()
	appTransport, err := ghinstallation.NewAppsTransport(http.DefaultTransport, c.ID, c.PrivateKey)
	w.must(err)
	appTransport.BaseURL = strings.TrimSuffix(w.gh.URLs().REST, "/")
	key, err := jwt.ParseRSAPrivateKeyFromPEM(c.PrivateKey)
	w.must(err)
	w.app = w.client(appToken{w, c.ID, key})
	w.bot = w.client(ghinstallation.NewFromAppsTransport(appTransport, w.inst))
}

// appToken signs each request by the world's clock; ghinstallation knows only the machine's.
type appToken struct {
	w   *world
	id  int64
	key *rsa.PrivateKey
}

func (a appToken) RoundTrip(r *http.Request) (*http.Response, error) {
	now := a.w.clock.Now()
	claims := jwt.MapClaims{"iss": a.id, "iat": now.Add(-time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(a.key)
	if err != nil {
		return nil, err
	}
	return fixedToken(signed).RoundTrip(r)
}

func (w *world) client(tr http.RoundTripper) *github.Client {
	w.t.Helper()
	client, err := github.NewClient(&http.Client{Transport: tr}).WithEnterpriseURLs(w.gh.URLs().REST, w.gh.URLs().REST)
	w.must(err)
	return client
}

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// push commits as alice.
func (w *world) push(branch string, files githubtest.Files) string {
	w.t.Helper()
	sha, err := w.gh.As("alice").Push(w.ctx(), shop, branch, files, "change "+branch)
	w.must(err)
	return sha
}

// git runs a real git client in a folder.
func (w *world) git(dir string, args ...string) (string, error) {
	w.t.Helper()
	cmd := exec.CommandContext(w.ctx(), "git", append([]string{"-c", "credential.helper=", "-c", "user.name=Alice", "-c", "user.email=alice@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "HOME="+w.t.TempDir())
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (w *world) cloneURL(token, fullName string) string {
	return strings.Replace(w.gh.URLs().Clone, "http://", "http://x-access-token:"+token+"@", 1) + fullName + ".git"
}

// status is the HTTP status of a go-github error.
func status(err error) int {
	var e *github.ErrorResponse
	if asError(err, &e) {
		return e.Response.StatusCode
	}
	return 0
}

func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
