package githubtest_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// browser is a person at the pages.
type browser struct {
	w      *world
	client *http.Client
}

func (w *world) browser() browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return browser{w, &http.Client{Jar: jar}}
}

func (b browser) get(path string) string {
	b.w.t.Helper()
	resp, err := b.client.Get(strings.TrimSuffix(b.w.gh.URLs().Web, "/") + path)
	b.w.must(err)
	return b.read(resp)
}

func (b browser) act(form url.Values) string {
	b.w.t.Helper()
	resp, err := b.client.PostForm(b.w.gh.URLs().Web+"-/act", form)
	b.w.must(err)
	return b.read(resp)
}

func (b browser) read(resp *http.Response) string {
	b.w.t.Helper()
	body, err := io.ReadAll(resp.Body)
	b.w.must(err)
	b.w.must(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		b.w.t.Errorf("%s: %d: %s", resp.Request.URL, resp.StatusCode, body)
	}
	return string(body)
}

func (w *world) contains(page string, texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			w.t.Errorf("the page does not show %q", text)
		}
	}
}

func TestPeopleActOnThePages(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.contains(b.get("/"), shop, "alice")
	form := func(do string, pairs ...string) url.Values {
		v := url.Values{"do": {do}, "as": {"bob"}, "repo": {shop}, "back": {"/" + shop}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	page := b.act(form("push", "branch", "idea", "path", "src/app.py", "content", "<script>alert(1)</script>\r\n", "message", "try <b>this</b>"))
	w.contains(page, "try &lt;b&gt;this&lt;/b&gt;")
	w.contains(b.get("/"+shop+"?branch=idea&file=src/app.py"), "&lt;script&gt;alert(1)")
	page = b.act(form("open", "head", "idea", "base", "main", "title", "<i>Idea</i>", "body", "x <script>alert(2)</script> **bold**"))
	w.contains(page, "&lt;i&gt;Idea&lt;/i&gt;", "<strong>bold</strong>", "No checks yet")
	if strings.Contains(page, "<script>alert") {
		t.Error("a script has reached the page")
	}
	head := w.gh.Head(shop, "idea")
	run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{
		Name: "build", HeadSHA: head, Conclusion: new("failure"),
		DetailsURL: new("javascript:alert(1)"),
		Output: &github.CheckRunOutput{
			Title: new("2 tests failed"), Summary: new("| a | b |\n|---|---|\n| 1 | 2 |\n<img src=x onerror=alert(3)>"),
			Annotations: []*github.CheckRunAnnotation{{
				Path: new("src/app.py"), StartLine: new(1), EndLine: new(1),
				AnnotationLevel: new("failure"), Message: new("<u>wrong</u>"),
			}},
		},
		Actions: []*github.CheckRunAction{{Label: "Retry", Description: "Again", Identifier: "retry"}},
	})
	w.must(err)
	page = b.get("/" + shop + "/pull/1")
	w.contains(page, "2 tests failed", "<table>", "&lt;u&gt;wrong&lt;/u&gt;", ">Retry</button>")
	for _, bad := range []string{"onerror", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("%s has reached the page", bad)
		}
	}
	id := strconv.FormatInt(run.GetID(), 10)
	w.contains(b.get("/"+shop+"/runs/"+id), "2 tests failed")
	w.contains(b.get("/"+shop+"/commit/"+head), "2 tests failed", "Re-run failed")
	b.act(form("click", "run", id, "identifier", "retry"))
	clicked := w.hook.wait(t, "check_run.requested_action", 0)
	if action, _ := clicked.payload["requested_action"].(map[string]any); action["identifier"] != "retry" {
		t.Errorf("click: %v", action)
	}
	b.act(form("rerun", "run", id))
	w.hook.wait(t, "check_run.rerequested", 0)
	w.contains(b.act(form("comment", "number", "1", "body", "/status", "back", "/"+shop+"/pull/1")), "/status")
	w.hook.wait(t, "issue_comment.created", 0)
	w.contains(b.act(form("push", "as", "mallory", "branch", "main", "path", "x", "content", "x", "message", "m")), "mallory has no write permission")
	w.contains(b.act(form("sign-in", "as", "mallory")), "<option selected>mallory</option>")
	w.contains(b.get("/-/deliveries"), "requested_action", "OK")
	b.act(form("merge", "number", "1", "as", "alice"))
	if p := w.gh.PullRequests(shop)[0]; !p.Merged {
		t.Errorf("pull request: %+v", p)
	}
}

func TestFormsComeFromThePagesThemselves(t *testing.T) {
	w := newWorld(t)
	req, err := http.NewRequestWithContext(w.ctx(), http.MethodPost, w.gh.URLs().Web+"-/act", strings.NewReader("do=push&as=alice"))
	w.must(err)
	req.Header.Set("Origin", "https://evil.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	w.must(resp.Body.Close())
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d", resp.StatusCode)
	}
}

func TestManifestFlow(t *testing.T) {
	w := newWorld(t)
	manifest := `{"name":"Acme CI","url":"https://ci.example.com","hook_attributes":{"url":"` + w.hook.server.URL + `"},
		"redirect_url":"` + w.gh.URLs().Web + `","default_events":["push"],"default_permissions":{"checks":"write","contents":"read"}}`
	b := w.browser()
	resp, err := b.client.PostForm(w.gh.URLs().Web+"organizations/acme/settings/apps/new?state=s1", url.Values{"manifest": {manifest}})
	w.must(err)
	w.contains(b.read(resp), "Acme CI", "Create GitHub App for acme")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err = b.client.PostForm(w.gh.URLs().Web+"-/act", url.Values{"do": {"register"}, "owner": {"acme"}, "manifest": {manifest}, "state": {"s1"}})
	w.must(err)
	w.must(resp.Body.Close())
	back, err := resp.Location()
	w.must(err)
	if back.Query().Get("state") != "s1" {
		t.Errorf("sent back to %s", back)
	}
	plain := w.client(nil)
	app, _, err := plain.Apps.CompleteAppManifest(w.ctx(), back.Query().Get("code"))
	w.must(err)
	if app.GetSlug() != "acme-ci" || app.GetPEM() == "" || app.GetWebhookSecret() == "" || app.GetOwner().GetLogin() != "acme" {
		t.Errorf("app: %v", app)
	}
	w.hook.wait(t, "ping", 0)
	if _, _, err := plain.Apps.CompleteAppManifest(w.ctx(), back.Query().Get("code")); status(err) != http.StatusNotFound {
		t.Errorf("a code used twice: %v", err)
	}
	w.contains(b.get("/apps/acme-ci/installations/new"), "Acme CI", "checks")
}

func TestDownloadURLOfAPrivateFile(t *testing.T) {
	w := newWorld(t)
	body, _, err := w.bot.Repositories.DownloadContents(w.ctx(), "acme", "shop", "src/app.py", &github.RepositoryContentGetOptions{Ref: "main"})
	w.must(err)
	defer body.Close()
	if data, err := io.ReadAll(body); err != nil || string(data) != "print('hi')\n" {
		t.Errorf("downloaded %q, %v", data, err)
	}
	resp, err := http.Get(w.gh.URLs().Web + shop + "/raw/main/src/app.py")
	w.must(err)
	w.must(resp.Body.Close())
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a private file without a token: %d", resp.StatusCode)
	}
}

func TestDeploymentsOnThePages(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.contains(b.get("/"+shop), "Nothing deployed yet")
	head := w.push("idea", githubtest.Files{"x": "1"})
	pull := w.openPull("idea")
	deploy := func(states ...string) {
		d, _, err := w.bot.Repositories.CreateDeployment(w.ctx(), "acme", "shop", &github.DeploymentRequest{
			Ref: &head, AutoMerge: new(false), RequiredContexts: &[]string{}, Environment: new("production"), Description: new("Deploy <b>it</b>"),
		})
		w.must(err)
		for _, state := range states {
			_, _, err := w.bot.Repositories.CreateDeploymentStatus(w.ctx(), "acme", "shop", d.GetID(), &github.DeploymentStatusRequest{
				State: &state, Description: new("it is " + state), LogURL: new("https://ci.example.com/runs/1"), EnvironmentURL: new("javascript:alert(1)"),
				AutoInactive: new(false),
			})
			w.must(err)
		}
	}
	deploy("pending")
	w.contains(b.get("/"+shop), "nothing active", "it is pending")
	deploy("in_progress", "success")
	deploy("pending")
	for _, page := range []string{b.get("/" + shop), b.get("/" + shop + "/pull/" + strconv.Itoa(pull.Number))} {
		w.contains(page, "it is success", "it is pending", `href="https://ci.example.com/runs/1"`)
		if strings.Contains(page, "javascript:") || strings.Contains(page, "<b>it</b>") {
			t.Error("something hostile has reached the page")
		}
	}
	w.contains(b.get("/"+shop), "active: it is success")
}

// Buttons of a check that waits can be pressed, and are gone when the check says so.
func TestApproveAndRejectAreButtons(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	head := w.gh.Head(shop, "main")
	run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{
		Name: "deploy (production)", HeadSHA: head, Conclusion: new("action_required"),
		Output: &github.CheckRunOutput{Title: new("Waiting for 1 approval"), Summary: new("x")},
		Actions: []*github.CheckRunAction{
			{Label: "Approve", Description: "Let it enter", Identifier: "approve"}, {Label: "Reject", Description: "End it", Identifier: "reject"},
		},
	})
	w.must(err)
	w.contains(b.get("/"+shop+"/commit/"+head), ">Approve</button>", ">Reject</button>")
	id := strconv.FormatInt(run.GetID(), 10)
	b.act(url.Values{"do": {"click"}, "as": {"bob"}, "repo": {shop}, "back": {"/" + shop}, "run": {id}, "identifier": {"approve"}})
	clicked := w.hook.wait(t, "check_run.requested_action", 0)
	if action, _ := clicked.payload["requested_action"].(map[string]any); action["identifier"] != "approve" {
		t.Errorf("click: %v", action)
	}
	// Back to the queue: no conclusion, and no buttons.
	req, err := w.bot.NewRequest(http.MethodPatch, "repos/acme/shop/check-runs/"+id, map[string]any{
		"name": "deploy (production)", "status": "queued", "actions": []any{},
	})
	w.must(err)
	_, err = w.bot.Do(w.ctx(), req, nil)
	w.must(err)
	if got, _ := w.gh.CheckRun(shop, head, "deploy (production)"); got.Status != "queued" || got.Conclusion != "" || !got.CompletedAt.IsZero() || len(got.Actions) != 0 {
		t.Errorf("%+v", got)
	}
	// GitHub keeps what a request does not mention.
	for _, body := range []map[string]any{
		{"conclusion": "action_required", "actions": []any{map[string]string{"label": "Approve", "description": "d", "identifier": "approve"}}},
		{"conclusion": "success"},
	} {
		req, err := w.bot.NewRequest(http.MethodPatch, "repos/acme/shop/check-runs/"+id, body)
		w.must(err)
		_, err = w.bot.Do(w.ctx(), req, nil)
		w.must(err)
	}
	if got, _ := w.gh.CheckRun(shop, head, "deploy (production)"); got.Conclusion != "success" || len(got.Actions) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestMermaidInComments(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	w.push("idea", githubtest.Files{"x": "1"})
	pull := w.openPull("idea")
	comment := func(body string) string {
		_, err := w.gh.As("bob").Comment(shop, pull.Number, body)
		w.must(err)
		return b.get("/" + shop + "/pull/" + strconv.Itoa(pull.Number))
	}
	page := comment("before\n\n<details><summary>Graph</summary>\n\n```mermaid\ngraph LR\n  a[\"✓ build #60;b#62;\"]:::good\n  b[\"deploy\"]\n" +
		"  a --> b\n  b -.-> a\n  classDef good fill:#dafbe1,stroke:\"onload=alert(1)\"\n```\n\n</details>\n\nafter")
	w.contains(page, `<svg class="flow"`, "✓ build &lt;b&gt;", `fill="#dafbe1"`, "stroke-dasharray", "<p>after</p>")
	if strings.Contains(page, "onload") {
		t.Error("something hostile has reached the page")
	}
	page = comment("```mermaid\nsequenceDiagram\n  Alice->>Bob: <script>alert(1)</script>\n```")
	w.contains(page, "a Mermaid chart, which GitHub draws", "&lt;script&gt;alert(1)")
	for _, mark := range []string{"chart-", "<script>alert"} {
		if strings.Contains(comment("chart-AAAA"), "<p>"+mark+"</p>") {
			t.Errorf("%s", mark)
		}
	}
}
