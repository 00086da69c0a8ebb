package githubclient_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const shop = "acme/shop"

type world struct {
	github     *githubtest.GitHub
	pool       *githubclient.Pool
	repository pipeline.Repository
}

// newWorld is a stand-in of GitHub, which holds every request against GitHub's own description, with a client.
func newWorld(t *testing.T) *world {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing")
		}
		t.Skip("git is missing")
	}
	g, err := githubtest.New(githubtest.Options{
		Dir: t.TempDir(), Conformance: func(problem string) { t.Errorf("against GitHub's description: %s", problem) },
	})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, g.AddUser("ann", "Ann"))
	must(t, g.AddUser("bob", "Bob"))
	must(t, g.AddOrganization("acme", "ann"))
	must(t, g.AddRepository(t.Context(), shop, githubtest.RepositoryOptions{
		Files: githubtest.Files{".github/slipway.yml": "name: shop\n", "app/main.py": "print(1)\n"}, Author: "ann",
	}))
	must(t, g.AddCollaborator(shop, "ann", "write"))
	installation, err := g.Install("acme")
	must(t, err)
	id, _ := g.IDs(shop)
	app := g.App()
	pool, err := githubclient.New(githubclient.Config{
		WebURL: g.URLs().Web, V3: g.URLs().REST, V4: g.URLs().GraphQL, AppID: app.ID, PrivateKey: app.PrivateKey,
		UserAgent: "slipway/test", Logger: zerolog.Nop(), Registry: prometheus.NewRegistry(), PointsPerMinute: 900,
	})
	must(t, err)
	return &world{github: g, pool: pool, repository: pipeline.Repository{
		ID: id, Owner: "acme", Name: "shop", DefaultBranch: "main", InstallationID: installation, CloneURL: g.URLs().Clone + shop + ".git",
	}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFactsOfARealRepository(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ann := w.github.As("ann")
	before, err := w.pool.DefaultHead(ctx, w.repository)
	must(t, err)
	topic, err := ann.Push(ctx, shop, "topic/one", githubtest.Files{"app/new file.py": "x = 1\n"}, "Add a file")
	must(t, err)
	pr, err := ann.OpenPullRequest(ctx, shop, githubtest.NewPullRequest{Title: "One", Head: "topic/one", Base: "main"})
	must(t, err)

	data, err := w.pool.Read(ctx, w.repository, topic, "app/new file.py")
	if err != nil || string(data) != "x = 1\n" {
		t.Errorf("read %q, %v", data, err)
	}
	if _, err := w.pool.Read(ctx, w.repository, before, "app/new file.py"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("read what is not there: %v", err)
	}
	if _, err := w.pool.Read(ctx, w.repository, before, "app"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("read a folder: %v", err)
	}
	for _, ref := range []string{topic, "topic/one"} {
		if paths, err := w.pool.List(ctx, w.repository, ref); err != nil || !slices.Contains(paths, "app/new file.py") || len(paths) != 3 {
			t.Errorf("list %s: %q, %v", ref, paths, err)
		}
	}
	if tree, err := w.pool.Tree(ctx, w.repository, topic); err != nil || len(tree) != 40 {
		t.Errorf("tree %q, %v", tree, err)
	}
	for name, trigger := range map[string]pipeline.Trigger{
		"pull request": {Event: pipeline.EventPullRequest, Repository: w.repository, SHA: topic, PullRequest: pr.Number, Base: "main", BaseSHA: before},
		"push":         {Event: pipeline.EventPush, Repository: w.repository, SHA: topic, Branch: "topic/one", Before: before},
		"new branch":   {Event: pipeline.EventPush, Repository: w.repository, SHA: topic, Branch: "topic/one"},
	} {
		if paths, err := w.pool.ChangedPaths(ctx, trigger); err != nil || !slices.Equal(paths, []string{"app/new file.py"}) {
			t.Errorf("%s changes %q, %v", name, paths, err)
		}
	}
	found, err := w.pool.PullRequest(ctx, w.repository, pr.Number)
	if err != nil || found.HeadSHA != topic || found.HeadBranch != "topic/one" || !found.Open || found.Fork || found.Author != "ann" || found.Base != "main" {
		t.Errorf("pull request %+v, %v", found, err)
	}
	if open, err := w.pool.OpenPullRequests(ctx, w.repository); err != nil || len(open) != 1 || open[0].HeadSHA != topic {
		t.Errorf("open %+v, %v", open, err)
	}
	if heads, err := w.pool.BranchHeads(ctx, w.repository); err != nil || !slices.Contains(heads, githubclient.BranchHead{Name: "topic/one", SHA: topic}) || len(heads) != 2 {
		t.Errorf("heads %+v, %v", heads, err)
	}
	if c, err := w.pool.Commit(ctx, w.repository, topic); err != nil || c.SHA != topic || c.Message != "Add a file" || !slices.Equal(c.Parents, []string{before}) {
		t.Errorf("commit %+v, %v", c, err)
	}
	for user, want := range map[string]string{"ann": "write", "bob": "read"} {
		if got, err := w.pool.Permission(ctx, w.repository, user); err != nil || got != want {
			t.Errorf("%s may %s, %v", user, got, err)
		}
	}
	if all, err := w.pool.Installations(ctx); err != nil || len(all) != 1 || all[0].Account != "acme" || all[0].ID != w.repository.InstallationID {
		t.Errorf("installations %+v, %v", all, err)
	}
	if all, err := w.pool.InstallationRepositories(ctx, w.repository.InstallationID); err != nil || len(all) != 1 || all[0] != w.repository {
		t.Errorf("repositories %+v, want %+v, %v", all, w.repository, err)
	}
	if _, err := w.pool.DefaultHead(ctx, pipeline.Repository{Owner: "acme", Name: ".github", InstallationID: w.repository.InstallationID}); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("the organisation's defaults that are not there: %v", err)
	}
}

func TestATokenOfOneRepositoryClonesIt(t *testing.T) {
	w := newWorld(t)
	token, err := w.pool.RepositoryToken(t.Context(), w.repository)
	must(t, err)
	if again, err := w.pool.GitToken(t.Context(), w.repository); err != nil || again != token {
		t.Errorf("a second token: %v", err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	cmd := exec.CommandContext(t.Context(), "git", "-c", "http.extraHeader=Authorization: Basic "+basic, "ls-remote", w.repository.CloneURL)
	if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("refs/heads/main")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestRevokedTokensAreReplaced(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if _, err := w.pool.BranchHeads(t.Context(), w.repository); err != nil {
			t.Fatal(err)
		}
		w.github.RevokeTokens()
	}
}

func TestABurstAsksForTheDefaultBranchAFewTimes(t *testing.T) {
	w := newWorld(t)
	if _, err := w.pool.DefaultHead(t.Context(), w.repository); err != nil {
		t.Fatal(err)
	}
	w.github.ForgetRequests()
	w.github.Inject(githubtest.Fault{Path: "/git/ref/", Delay: 30 * time.Millisecond, Times: 1})
	var wg sync.WaitGroup
	var failed atomic.Int64
	for range 200 {
		wg.Go(func() {
			if _, err := w.pool.DefaultHead(t.Context(), w.repository); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := w.github.CountRequests(func(githubtest.Request) bool { return true }); n > 20 || failed.Load() != 0 {
		t.Errorf("%d requests, %d failed", n, failed.Load())
	}
}

type memory struct {
	mu     sync.Mutex
	values map[string]string
}

func (m *memory) Setting(_ context.Context, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], nil
}

func (m *memory) SetSetting(_ context.Context, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[key] = value
	return nil
}

func TestAPushThatFoundNobodyIsDeliveredAfterTheStart(t *testing.T) {
	w := newWorld(t)
	var up atomic.Bool
	got := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got <- r.Header.Get("X-GitHub-Event")
		fmt.Fprint(rw, "ok")
	}))
	defer receiver.Close()
	w.github.SetWebhook(receiver.URL, "secret")
	_, err := w.github.As("ann").Push(t.Context(), shop, "main", githubtest.Files{"x": "y"}, "Unheard")
	must(t, err)
	must(t, w.github.WaitDelivered(t.Context()))
	up.Store(true)
	recovery := w.pool.NewRecovery(&memory{values: map[string]string{}})
	recovery.Start()
	defer recovery.Stop()
	for {
		select {
		case event := <-got:
			if event == "push" {
				return
			}
		case <-t.Context().Done():
			t.Fatal("the push never came")
		case <-time.After(2 * time.Minute):
			t.Fatal("the push did not come in time")
		}
	}
}
