package githubtest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// fixedToken sends one credential.
type fixedToken string

func (f fixedToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if f != "" {
		r.Header.Set("Authorization", "Bearer "+string(f))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func (w *world) with(token string) *github.Client { return w.client(fixedToken(token)) }

func (w *world) token(o *github.InstallationTokenOptions) string {
	w.t.Helper()
	token, _, err := w.app.Apps.CreateInstallationToken(w.ctx(), w.inst, o)
	w.must(err)
	return token.GetToken()
}

func TestJWTRules(t *testing.T) {
	w := newWorld(t)
	credentials := w.gh.App()
	key, err := jwt.ParseRSAPrivateKeyFromPEM(credentials.PrivateKey)
	w.must(err)
	now := w.clock.Now()
	for name, tc := range map[string]struct {
		claims jwt.MapClaims
		method jwt.SigningMethod
		key    any
		want   int
	}{
		"good":                {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() - 60, "exp": now.Unix() + 540}, jwt.SigningMethodRS256, key, 200},
		"the client's id":     {jwt.MapClaims{"iss": credentials.ClientID, "iat": now.Unix() - 60, "exp": now.Unix() + 540}, jwt.SigningMethodRS256, key, 200},
		"from the future":     {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() + 30, "exp": now.Unix() + 540}, jwt.SigningMethodRS256, key, 401},
		"too long":            {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() - 60, "exp": now.Unix() + 3600}, jwt.SigningMethodRS256, key, 401},
		"expired":             {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() - 600, "exp": now.Unix() - 1}, jwt.SigningMethodRS256, key, 401},
		"no issue time":       {jwt.MapClaims{"iss": credentials.ID, "exp": now.Unix() + 540}, jwt.SigningMethodRS256, key, 401},
		"somebody else":       {jwt.MapClaims{"iss": 7, "iat": now.Unix() - 60, "exp": now.Unix() + 540}, jwt.SigningMethodRS256, key, 401},
		"another algorithm":   {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() - 60, "exp": now.Unix() + 540}, jwt.SigningMethodRS512, key, 401},
		"a shared secret":     {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() - 60, "exp": now.Unix() + 540}, jwt.SigningMethodHS256, []byte("x"), 401},
		"no signature at all": {jwt.MapClaims{"iss": credentials.ID, "iat": now.Unix() - 60, "exp": now.Unix() + 540}, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, 401},
	} {
		signed, err := jwt.NewWithClaims(tc.method, tc.claims).SignedString(tc.key)
		w.must(err)
		_, resp, err := w.with(signed).Apps.Get(w.ctx(), "")
		if resp == nil || resp.StatusCode != tc.want {
			t.Errorf("%s: %v, want %d", name, err, tc.want)
		}
	}
}

func TestInstallationTokens(t *testing.T) {
	w := newWorld(t)
	w.must(w.gh.AddRepository(w.ctx(), "acme/secret", githubtest.RepositoryOptions{Private: true, Files: githubtest.Files{"a": "b"}}))
	get := func(client *github.Client, repo string) int {
		_, resp, err := client.Repositories.Get(w.ctx(), "acme", repo)
		if resp == nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	token := w.token(nil)
	if len(token) < 300 || !strings.HasPrefix(token, "ghs_") || !strings.Contains(token, ".") {
		t.Errorf("a token of the new form: %q", token)
	}
	if s := get(w.with(token), "shop"); s != 200 {
		t.Errorf("own repository: %d", s)
	}
	if s := get(w.with(token), "secret"); s != 404 {
		t.Errorf("a private repository it is not installed on: %d", s)
	}
	if s := get(w.with("ghs_nonsense"), "shop"); s != 401 {
		t.Errorf("nonsense: %d", s)
	}
	if _, _, err := w.app.Apps.CreateInstallationToken(w.ctx(), w.inst, &github.InstallationTokenOptions{Repositories: []string{"secret"}}); status(err) != 422 {
		t.Errorf("token for a repository out of reach: %v", err)
	}
	w.clock.advance(59*time.Minute + 59*time.Second)
	if s := get(w.with(token), "shop"); s != 200 {
		t.Errorf("just before its end: %d", s)
	}
	w.clock.advance(2 * time.Second)
	if s := get(w.with(token), "shop"); s != 401 {
		t.Errorf("after an hour: %d", s)
	}
}

func TestNarrowTokens(t *testing.T) {
	w := newWorld(t)
	head := w.gh.Head(shop, "main")
	narrow := w.with(w.token(&github.InstallationTokenOptions{
		Repositories: []string{"shop"}, Permissions: &github.InstallationPermissions{Contents: new("read")},
	}))
	if _, _, err := narrow.Repositories.GetCommit(w.ctx(), "acme", "shop", head, nil); err != nil {
		t.Errorf("contents: %v", err)
	}
	_, resp, err := narrow.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
	if status(err) != 403 || !strings.Contains(err.Error(), "Resource not accessible by integration") ||
		resp.Header.Get("X-Accepted-GitHub-Permissions") != "checks=write" {
		t.Errorf("a check without the permission: %v, %v", err, resp.Header)
	}
	if _, _, err := w.app.Apps.CreateInstallationToken(w.ctx(), w.inst, &github.InstallationTokenOptions{
		Permissions: &github.InstallationPermissions{Contents: new("write")},
	}); status(err) != 422 {
		t.Errorf("more than was granted: %v", err)
	}
	if _, err := narrow.Apps.RevokeInstallationToken(w.ctx()); err != nil {
		t.Error(err)
	}
	if _, _, err := narrow.Repositories.Get(w.ctx(), "acme", "shop"); status(err) != 401 {
		t.Errorf("after revocation: %v", err)
	}
}

func TestSuspensionAndRemoval(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.bot.Repositories.Get(w.ctx(), "acme", "shop")
	w.must(err)
	w.must(w.gh.Suspend("acme"))
	if _, _, err := w.bot.Repositories.Get(w.ctx(), "acme", "shop"); status(err) != 403 {
		t.Errorf("suspended: %v", err)
	}
	w.must(w.gh.Unsuspend("acme"))
	w.gh.RevokeTokens()
	if _, _, err := w.bot.Repositories.Get(w.ctx(), "acme", "shop"); status(err) != 401 {
		t.Errorf("refused before its time: %v", err)
	}
	w.must(w.gh.Uninstall("acme"))
	if _, _, err := w.app.Apps.CreateInstallationToken(w.ctx(), w.inst, nil); status(err) != 404 {
		t.Errorf("removed: %v", err)
	}
	w.must(w.gh.WaitDelivered(w.ctx()))
	var actions []string
	for _, r := range w.hook.of("installation") {
		actions = append(actions, r.action())
	}
	if got := strings.Join(actions, " "); got != "created suspend unsuspend deleted" {
		t.Errorf("installation events: %s", got)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, func(o *githubtest.Options) {
		o.Limits = githubtest.Limits{PerHour: 40, PointsPerMinute: 30, ContentPerMinute: 3, ContentPerHour: 5}
	})
	client := w.with(w.token(nil))
	get := func() (*github.Response, error) {
		_, resp, err := client.Repositories.Get(w.ctx(), "acme", "shop")
		return resp, err
	}
	for range 30 {
		if _, err := get(); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := get()
	var abuse *github.AbuseRateLimitError
	if !asError(err, &abuse) || resp.Header.Get("Retry-After") != "60" {
		t.Fatalf("the 31st point of a minute: %v, %v", err, resp.Header)
	}
	client = w.with(w.token(nil)) // a go-github client remembers the refusal by the wall clock
	w.clock.advance(time.Minute)
	for range 9 { // the refused one counted too
		if _, err := get(); err != nil {
			t.Fatal(err)
		}
	}
	client = w.with(w.token(nil))
	resp, err = get()
	var primary *github.RateLimitError
	if !asError(err, &primary) || resp.Header.Get("X-RateLimit-Used") != "40" || primary.Rate.Remaining != 0 || primary.Rate.Limit != 40 {
		t.Fatalf("the 41st request of an hour: %v", err)
	}
	w.clock.advance(time.Hour)
	client = w.with(w.token(nil))
	if _, err := get(); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

func TestContentLimit(t *testing.T) {
	w := newWorld(t, func(o *githubtest.Options) { o.Limits = githubtest.Limits{ContentPerMinute: 2, TooMany: 429} })
	w.push("topic", githubtest.Files{"x": "y"})
	pull, err := w.gh.As("alice").OpenPullRequest(w.ctx(), shop, githubtest.NewPullRequest{Title: "t", Head: "topic"})
	w.must(err)
	for n := range 3 {
		_, resp, err := w.bot.Issues.CreateComment(w.ctx(), "acme", "shop", pull.Number, &github.IssueComment{Body: new("x")})
		if (n < 2) != (err == nil) || (n == 2 && resp.StatusCode != 429) {
			t.Errorf("comment %d: %v", n, err)
		}
	}
}

func TestUnchangedAnswersAreFree(t *testing.T) {
	w := newWorld(t, func(o *githubtest.Options) { o.Limits = githubtest.Limits{PerHour: 5000} })
	token := w.token(nil)
	ask := func(etag string) *http.Response {
		req, err := http.NewRequestWithContext(w.ctx(), http.MethodGet, w.gh.URLs().REST+"repos/"+shop, nil)
		w.must(err)
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("If-None-Match", etag)
		resp, err := http.DefaultClient.Do(req)
		w.must(err)
		w.must(resp.Body.Close())
		return resp
	}
	first := ask("")
	second := ask(first.Header.Get("ETag"))
	if second.StatusCode != http.StatusNotModified || second.Header.Get("X-RateLimit-Remaining") != first.Header.Get("X-RateLimit-Remaining") {
		t.Errorf("first %v, second %d %v", first.Header, second.StatusCode, second.Header)
	}
	w.push("main", githubtest.Files{"x": "y"})
	w.clock.advance(time.Minute)
	w.push("main", githubtest.Files{"x": "z"})
	if third := ask(first.Header.Get("ETag")); third.StatusCode != http.StatusOK {
		t.Errorf("after a push: %d", third.StatusCode)
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	head := w.gh.Head(shop, "main")
	create := func() error {
		_, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
		return err
	}
	w.must(create())
	w.gh.Inject(githubtest.Fault{Method: "POST", Path: "/check-runs", Status: 502, Times: 2})
	for n, want := range []int{502, 502, 0} {
		if got := status(create()); got != want {
			t.Errorf("request %d: %d, want %d", n, got, want)
		}
	}
	w.gh.Inject(githubtest.Fault{Path: "/check-runs", Drop: true, AfterEffect: true})
	if err := create(); err == nil {
		t.Error("a dropped connection is no error")
	}
	if runs := w.gh.CheckRuns(shop, head); len(runs) != 3 {
		t.Errorf("the lost answer's effect: %d runs", len(runs))
	}
	if n := w.gh.CountRequests(func(r githubtest.Request) bool { return r.Status == 502 }); n != 2 {
		t.Errorf("%d requests failed", n)
	}
}
