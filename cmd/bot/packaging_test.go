package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// appManifest is app.yml: what the registration of the GitHub App asks for.
type appManifest struct {
	Permissions map[string]string `yaml:"default_permissions"`
	Events      []string          `yaml:"default_events"`
	Callbacks   []string          `yaml:"callback_urls"`
}

func readManifest(t *testing.T) appManifest {
	t.Helper()
	text, err := os.ReadFile("../../app.yml")
	if err != nil {
		t.Fatal(err)
	}
	var m appManifest
	if err := yaml.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestManifestEvents: what is subscribed to is what is handled, no more, no less.
func TestManifestEvents(t *testing.T) {
	unsubscribed := []string{"github_app_authorization", "installation", "installation_repositories", "ping"} // sent to every App
	var handled []string
	for _, handler := range eventHandlers(&bot{core: &core{}}, 1) {
		for _, event := range handler.Handles() {
			if !slices.Contains(unsubscribed, event) {
				handled = append(handled, event)
			}
		}
	}
	slices.Sort(handled)
	if events := readManifest(t).Events; !slices.Equal(events, handled) {
		t.Errorf("app.yml subscribes to %v, the handlers handle %v", events, handled)
	}
}

// TestManifestSuffices walks through everything that people do, with what app.yml asks for.
func TestManifestSuffices(t *testing.T) {
	if err := walkWith(t, readManifest(t)); err != nil {
		t.Error(err)
	}
}

// TestManifestHasNothingToSpare takes away one permission or event after the other; each time something no longer works.
func TestManifestHasNothingToSpare(t *testing.T) {
	whole := readManifest(t)
	for name, level := range whole.Permissions {
		if name == "metadata" {
			continue // GitHub gives it to every App
		}
		less := appManifest{Permissions: maps.Clone(whole.Permissions), Events: whole.Events}
		delete(less.Permissions, name)
		t.Run("without "+name, func(t *testing.T) { mustStumble(t, less) })
		if level == "write" {
			less := appManifest{Permissions: maps.Clone(whole.Permissions), Events: whole.Events}
			less.Permissions[name] = "read"
			t.Run(name+" for reading only", func(t *testing.T) { mustStumble(t, less) })
		}
	}
	for i, event := range whole.Events {
		if event == "check_run" || event == "check_suite" {
			continue // GitHub sends these to every App that may write checks; TestManifestEvents holds them
		}
		less := appManifest{Permissions: whole.Permissions, Events: slices.Delete(slices.Clone(whole.Events), i, i+1)}
		t.Run("without "+event+" events", func(t *testing.T) { mustStumble(t, less) })
	}
}

func mustStumble(t *testing.T, m appManifest) {
	t.Helper()
	if err := walkWith(t, m); err == nil {
		t.Error("everything works without it: take it out of app.yml")
	} else {
		t.Log(err)
	}
}

// walkRepository is private: what is public can be read without any permission. Nothing in it needs a runner, and
// `docs` asks for the changed files.
const walkRepository = "acme/shop"

const walkPipeline = `on: {push: main, pull_request: main}
stages:
  docs: {run: make docs, paths: [docs/]}
  deploy: {run: make deploy, environment: "*"}
  deployment-summary: {uses: summary}
environments:
  production: {branches: [main], auto-deploy: false, approvals: {required: 1, from: ["@acme/platform"]}}
`

// walker is a bot and a GitHub with an App of a given manifest.
type walker struct {
	t      *testing.T
	github *githubtest.GitHub
}

func walkWith(t *testing.T, m appManifest) error {
	t.Helper()
	w := walker{t: t, github: newGitHub(t, m)}
	startBot(t, w.github)
	return w.walk()
}

func newGitHub(t *testing.T, m appManifest) *githubtest.GitHub {
	t.Helper()
	github, err := githubtest.New(githubtest.Options{
		Dir: t.TempDir(), App: githubtest.AppOptions{Permissions: m.Permissions, Events: m.Events, WebhookSecret: demoSecret},
	})
	if err != nil {
		t.Fatal(err)
	}
	github.Start()
	t.Cleanup(func() {
		if err := github.Close(); err != nil {
			t.Error(err)
		}
	})
	err = errors.Join(
		github.AddUser("alice", "Alice Moreau"), github.AddOrganization("acme", "alice"),
		github.AddRepository(t.Context(), walkRepository, githubtest.RepositoryOptions{
			Private: true, Author: "alice", Files: githubtest.Files{".github/slipway.yml": walkPipeline},
		}),
		github.AddCollaborator(walkRepository, "alice", "write"),
		github.AddTeam("acme", "platform", ""), github.AddTeamMember("acme", "platform", "alice", false))
	if err == nil {
		_, err = github.Install("acme")
	}
	if err != nil {
		t.Fatal(err)
	}
	return github
}

// newBotFor starts a bot without sign-in, and ends it with the test.
func newBotFor(t *testing.T, github *githubtest.GitHub) *bot {
	t.Helper()
	app, urls, dir := github.App(), github.URLs(), t.TempDir()
	b, err := newBot(t.Context(), config.Config{
		WebURL: urls.Web, V3APIURL: urls.REST, V4APIURL: urls.GraphQL, AppID: app.ID, PrivateKey: string(app.PrivateKey),
		WebhookSecret: demoSecret, PublicURL: "http://localhost:8080", DataDir: filepath.Join(dir, "data"),
		Secrets: "dir:" + filepath.Join(dir, "secrets"), Concurrency: 2, Network: sandbox.NetworkHost,
	}, surroundings{sandboxMode: sandbox.ModeNone}, zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
		defer cancel()
		if err := b.stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return b
}

func startBot(t *testing.T, github *githubtest.GitHub) {
	t.Helper()
	b := newBotFor(t, github)
	server := httptest.NewServer(b.handler)
	t.Cleanup(server.Close)
	github.SetWebhook(server.URL+"/api/github/hook", demoSecret)
}

// walk does what people do, and returns the first thing that does not happen.
func (w walker) walk() error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	alice := w.github.As("alice")
	pushed, err := alice.Push(ctx, walkRepository, "main", githubtest.Files{"a.txt": "a\n"}, "a change")
	if err != nil {
		return err
	}
	if _, err := w.concluded(ctx, "push", pushed, 0); err != nil {
		return err
	}
	head, err := alice.Push(ctx, walkRepository, "topic", githubtest.Files{"b.txt": "b\n"}, "another")
	if err != nil {
		return err
	}
	pull, err := alice.OpenPullRequest(ctx, walkRepository, githubtest.NewPullRequest{Title: "Topic", Head: "topic"})
	if err != nil {
		return err
	}
	var check githubtest.CheckRun
	_, err = w.concluded(ctx, "pull_request", head, 0)
	if err != nil {
		return err
	}
	if err := w.helped(ctx, pull.Number); err != nil {
		return err
	}
	if err := w.rejected(ctx, pull.Number); err != nil {
		return fmt.Errorf("a deploy: %w", err)
	}
	if check, err = w.concluded(ctx, "issue_comment", head, 0); err != nil {
		return err
	}
	if err := alice.Rerequest(walkRepository, check.ID); err != nil {
		return err
	}
	if check, err = w.concluded(ctx, "check_run", head, check.ID); err != nil {
		return fmt.Errorf("re-run of a check: %w", err)
	}
	if err := alice.RerequestSuite(walkRepository, check.SuiteID); err != nil {
		return err
	}
	if _, err := w.concluded(ctx, "check_suite", head, check.ID); err != nil {
		return fmt.Errorf("re-run of all checks: %w", err)
	}
	group, err := alice.EnqueueMerge(ctx, walkRepository, pull.Number)
	if err != nil {
		return err
	}
	_, err = w.concluded(ctx, "merge_group", group, 0)
	return err
}

// helped asks for the list of commands and waits for the reply and the sign that follows it.
func (w walker) helped(ctx context.Context, pull int) error {
	if err := w.granted(ctx, pull, "/help"); err != nil {
		return err
	}
	// Beside the question: its answer, and the comment that shows where the pull request stands.
	refused, err := w.until(ctx, func() bool { return len(w.github.Comments(walkRepository, pull)) == 3 })
	return errors.Join(refused, err)
}

// rejected asks for a deploy, which waits for an approval of the team, and has it rejected: nothing needs a runner then.
func (w walker) rejected(ctx context.Context, pull int) error {
	if _, err := w.github.As("alice").Comment(walkRepository, pull, "/deploy production"); err != nil {
		return err
	}
	is := func(state string) func() bool {
		return func() bool {
			d := w.github.Deployments(walkRepository)
			return len(d) == 1 && d[0].State == state
		}
	}
	if refused, err := w.until(ctx, is("pending")); refused != nil || err != nil {
		return errors.Join(refused, err)
	}
	if err := w.granted(ctx, pull, "/reject production not today"); err != nil {
		return err
	}
	refused, err := w.until(ctx, is("inactive"))
	return errors.Join(refused, err)
}

// granted comments and waits for the sign that it was carried out.
func (w walker) granted(ctx context.Context, pull int, line string) error {
	comment, err := w.github.As("alice").Comment(walkRepository, pull, line)
	if err != nil {
		return err
	}
	if err := w.told(ctx, "issue_comment"); err != nil {
		return err
	}
	refused, err := w.until(ctx, func() bool {
		return slices.ContainsFunc(w.github.Reactions(walkRepository, comment), func(r githubtest.Reaction) bool {
			return r.Content == "rocket"
		})
	})
	return errors.Join(refused, err)
}

// until waits for something, or for GitHub's refusal of a request, which it returns.
func (w walker) until(ctx context.Context, is func() bool) (refused, err error) {
	err = w.github.Wait(ctx, func() bool {
		refused = w.refused()
		return refused != nil || is()
	})
	return refused, err
}

// told is an error when the bot was not sent an event.
func (w walker) told(ctx context.Context, event string) error {
	if err := w.github.WaitDelivered(ctx); err != nil {
		return err
	}
	if !slices.ContainsFunc(w.github.Deliveries(), func(d githubtest.Delivery) bool { return d.Event == event }) {
		return fmt.Errorf("the bot is not told of %s events", event)
	}
	return nil
}

// concluded waits for the end of a commit's checks, the summary being newer than the check of that ID. It gives up as
// soon as the bot was not told of the event, or was refused a request.
func (w walker) concluded(ctx context.Context, event, sha string, after int64) (githubtest.CheckRun, error) {
	if err := w.told(ctx, event); err != nil {
		return githubtest.CheckRun{}, err
	}
	var summary githubtest.CheckRun
	var refused error
	err := w.github.Wait(ctx, func() bool {
		refused = w.refused()
		summary, _ = w.github.CheckRun(walkRepository, sha, "deployment-summary")
		open := slices.ContainsFunc(w.github.CheckRuns(walkRepository, sha), func(c githubtest.CheckRun) bool {
			return c.Conclusion == ""
		})
		return refused != nil || summary.ID > after && !open
	})
	if err != nil {
		err = fmt.Errorf("after %s: the checks of %s did not conclude: %w", event, sha, err)
	}
	return summary, errors.Join(refused, err)
}

func (w walker) refused() error {
	for _, r := range w.github.Requests() {
		if r.Status == 401 || r.Status == 403 {
			return fmt.Errorf("GitHub refuses %s %s", r.Method, r.Path)
		}
	}
	return nil
}
