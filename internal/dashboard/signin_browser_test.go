package dashboard

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const inventory = "acme/inventory-manager"

// standIn is GitHub with a private repository that alice may write and mallory may not see.
func standIn(t *testing.T) *githubtest.GitHub {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal(err)
	}
	g, err := githubtest.New(githubtest.Options{Dir: t.TempDir(), Conformance: func(problem string) { t.Error(problem) }})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, step := range []error{
		g.AddUser("alice", "Alice"), g.AddUser("bob", "Bob"), g.AddUser("mallory", "Mallory"), g.AddOrganization("acme", "alice"),
		g.AddRepository(t.Context(), inventory, githubtest.RepositoryOptions{Private: true, Files: githubtest.Files{"a": "b"}}),
		g.AddCollaborator(inventory, "alice", "write"),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if _, err := g.Install("acme"); err != nil {
		t.Fatal(err)
	}
	return g
}

// oracle is the stand-in's word on its repository, whatever number the test's runs give it.
type oracle struct {
	pool       *githubclient.Pool
	repository pipeline.Repository
}

func (a oracle) Public(ctx context.Context, _ int64) (bool, error) {
	return a.pool.Public(ctx, a.repository)
}

func (a oracle) Permission(ctx context.Context, _ int64, who Person) (string, error) {
	return a.pool.PermissionOf(ctx, a.repository, who.Login, who.ID)
}

// door is a server at which the people of a stand-in sign in, and its address.
func door(t *testing.T, g *githubtest.GitHub) string {
	t.Helper()
	app, urls := g.App(), g.URLs()
	pool, err := githubclient.New(githubclient.Config{
		WebURL: urls.Web, V3: urls.REST, V4: urls.GraphQL, AppID: app.ID, PrivateKey: app.PrivateKey, Logger: zerolog.Nop(),
		Registry: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(nil)
	address := "http://" + web.Listener.Addr().String()
	if err := g.SetCallbackURLs(CallbackURL(address)); err != nil {
		t.Fatal(err)
	}
	id, installation := g.IDs(inventory)
	access, err := NewSignedIn(SignInOptions{
		Identities: pool.SignIn(app.ClientID, app.ClientSecret, CallbackURL(address)), PublicURL: address, Secret: app.ClientSecret,
		Authority: oracle{pool, pipeline.Repository{ID: id, Owner: "acme", Name: "inventory-manager", InstallationID: installation}},
		Memory:    &settings{values: map[string]string{}}, Log: zerolog.New(zerolog.NewTestWriter(t)),
	})
	if err != nil {
		t.Fatal(err)
	}
	failed, passed := displaytest.Failed(), displaytest.Passed()
	s := serverOf(t, withLogs(withLogs(newMemory(failed, passed), failed), passed), func(d *Deps) { d.Access = access })
	web.Config.Handler = s.handler()
	web.Start()
	t.Cleanup(web.Close)
	t.Cleanup(s.stream.Close)
	return address
}

// TestSigningInInABrowser walks the whole way as a person does, through the stand-in's question.
func TestSigningInInABrowser(t *testing.T) {
	ctx := browser(t, "status of 403") // the page that says so
	github := standIn(t)
	address := door(t, github)
	click := func(text string) chromedp.Action[chromedp.Void] {
		return chromedp.Click(chromedp.Search(`//*[self::a or self::button][normalize-space()="` + text + `"]`))
	}
	shows := func(want string) {
		t.Helper()
		do(t, ctx, chromedp.WaitVisible(chromedp.CSS("main")))
		if text := ask(t, ctx, chromedp.Text(chromedp.CSS("body"))); !strings.Contains(text, want) {
			t.Fatalf("the page does not show %q:\n%s", want, text)
		}
	}
	at := func() string {
		t.Helper()
		return strings.TrimPrefix(ask(t, ctx, chromedp.Location()), address)
	}

	picture(t, ctx, "sign-in-asked-phone-dark", address+privateRun, 390, true)
	picture(t, ctx, "sign-in-asked", address+privateRun, 1280, false)
	do(t, ctx, chromedp.Navigate(address+"/"))
	shows("No runs for everybody")
	do(t, ctx, click("Sign in"))
	shows("Authorize Slipway as bob")
	keep(t, ctx, "sign-in-consent")
	do(t, ctx, click("Cancel"), chromedp.WaitVisible(chromedp.Search(`//h1[.="You did not sign in"]`)))
	keep(t, ctx, "sign-in-denied")
	do(t, ctx, click("Sign in with GitHub"), click("Authorize Slipway as alice"), chromedp.WaitVisible(chromedp.CSS(".runs")))
	shows("alice")
	do(t, ctx, chromedp.Navigate(address+privateRun), chromedp.WaitVisible(chromedp.CSS(".head")))
	shows("Warn when stock")
	keep(t, ctx, "signed-in")
	picture(t, ctx, "signed-in-list", address+"/", 1280, false)
	picture(t, ctx, "signed-in-phone-dark", address+privateRun, 390, true)
	if cookie := ask(t, ctx, chromedp.Evaluate[string]("document.cookie")); cookie != "" {
		t.Errorf("scripts can read %q", cookie)
	}
	do(t, ctx, click("Sign out"), chromedp.WaitVisible(chromedp.Search(`//h2[.="No runs for everybody"]`)))
	if path := at(); path != "/" {
		t.Errorf("after signing out at %s", path)
	}
	if asked := github.CountRequests(func(r githubtest.Request) bool {
		return r.Method == http.MethodDelete && r.Auth == "client" && r.Status == http.StatusNoContent
	}); asked != 1 {
		t.Errorf("%d tokens were revoked, want 1", asked)
	}
}
