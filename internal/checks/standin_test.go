package checks_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const shop = "acme/shop"

// world is a stand-in of GitHub, which holds every request against GitHub's own description, with a reporter.
type world struct {
	t        testing.TB
	github   *githubtest.GitHub
	pool     *githubclient.Pool
	store    *memory
	reporter *checks.Reporter
	run      pipeline.Run
}

func newWorld(t testing.TB, strict bool) *world {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git is missing")
		}
		t.Skip("git is missing")
	}
	options := githubtest.Options{Dir: t.TempDir()}
	if strict {
		options.Conformance = func(problem string) { t.Errorf("against GitHub's description: %s", problem) }
	}
	g, err := githubtest.New(options)
	must(t, err)
	g.Start()
	t.Cleanup(func() { must(t, g.Close()) })
	must(t, g.AddUser("ann", "Ann"))
	must(t, g.AddOrganization("acme", "ann"))
	must(t, g.AddRepository(context.Background(), shop, githubtest.RepositoryOptions{Files: githubtest.Files{"a": "b"}, Author: "ann"}))
	installation, err := g.Install("acme")
	must(t, err)
	id, _ := g.IDs(shop)
	app := g.App()
	pool, err := githubclient.New(githubclient.Config{V3: g.URLs().REST, AppID: app.ID, PrivateKey: app.PrivateKey, Logger: zerolog.Nop()})
	must(t, err)
	w := &world{t: t, github: g, pool: pool, store: &memory{runs: map[int64]pipeline.Run{}, mirrors: map[int64]pipeline.Mirror{}}}
	w.run = pipeline.Run{ID: 1, Number: 1, Trigger: pipeline.Trigger{
		Event: pipeline.EventPush, SHA: g.Head(shop, "main"), Branch: "main",
		Repository: pipeline.Repository{ID: id, Owner: "acme", Name: "shop", InstallationID: installation},
	}}
	w.restart(app.ID)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) restart(appID int64) {
	w.reporter = checks.NewReporter(checks.Options{GitHub: w.pool, Store: w.store, PageURL: "https://ci.example.org", AppID: appID, Logger: zerolog.Nop()})
	w.reporter.Start()
	must(w.t, w.reporter.Flush(w.t.Context()))
}

func (w *world) stage(key string) *pipeline.StageRun {
	for i := range w.run.Stages {
		if w.run.Stages[i].Spec.Key == key {
			return &w.run.Stages[i]
		}
	}
	w.run.Stages = append(w.run.Stages, pipeline.StageRun{
		ID: int64(10 + len(w.run.Stages)), RunID: 1, Index: len(w.run.Stages), Attempt: 1,
		Spec: pipeline.StageSpec{Key: key, ID: key}, Status: pipeline.StatusQueued,
	})
	return &w.run.Stages[len(w.run.Stages)-1]
}

// change alters a stage and tells of it, as the engine does.
func (w *world) change(key string, change func(*pipeline.StageRun)) {
	w.run.Stages = slices.Clone(w.run.Stages)
	s := w.stage(key)
	change(s)
	s.Version++
	w.store.put(w.run)
	w.reporter.RunChanged(w.run)
}

func (w *world) flush() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	must(w.t, w.reporter.Flush(ctx))
}

func (w *world) check(key string) githubtest.CheckRun {
	w.t.Helper()
	c, ok := w.github.CheckRun(shop, w.run.Trigger.SHA, key)
	if !ok {
		w.t.Fatalf("there is no check %s", key)
	}
	return c
}

type memory struct {
	mu      sync.Mutex
	runs    map[int64]pipeline.Run
	mirrors map[int64]pipeline.Mirror
	deaf    bool // records nothing: the process dies before
}

func (m *memory) put(run pipeline.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[run.ID] = run
}

func (m *memory) Run(_ context.Context, id int64) (pipeline.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.runs[id], nil
}

func (m *memory) Mirrors(context.Context, int64) (map[int64]pipeline.Mirror, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mirrors), nil
}

func (m *memory) SaveMirror(_ context.Context, mirror pipeline.Mirror) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.deaf {
		m.mirrors[mirror.StageRunID] = mirror
	}
	return nil
}

func (m *memory) DirtyRuns(context.Context) ([]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.runs {
		for _, s := range run.Stages {
			if mirror := m.mirrors[s.ID]; mirror.Version < s.Version && mirror.GaveUp == "" {
				return []int64{run.ID}, nil
			}
		}
	}
	return nil, nil
}

func succeed(s *pipeline.StageRun) {
	s.Status, s.StartedAt, s.FinishedAt = pipeline.StatusSuccess, time.Now().Add(-time.Minute), time.Now()
	s.Result.Verdict.Title = "12 tests passed"
	s.Result.LogTail = []string{"12 passed"}
}

func TestAgainstTheStandIn(t *testing.T) {
	w := newWorld(t, true)
	defer func() { w.reporter.Stop() }()
	w.change("test", func(*pipeline.StageRun) {})
	w.change("deploy", func(s *pipeline.StageRun) {
		s.Status, s.Reason, s.FinishedAt = pipeline.StatusSkipped, "no environment holds topic", time.Now()
	})
	w.change("apply", func(s *pipeline.StageRun) { s.Status, s.Reason = pipeline.StatusWaiting, "waits for an approval" })
	w.flush()
	if c := w.check("deploy"); c.Conclusion != "skipped" || c.Writes != 1 {
		t.Errorf("deploy: %+v", c)
	}
	if c := w.check("apply"); c.Conclusion != "action_required" {
		t.Errorf("apply: %+v", c)
	}
	w.change("test", func(s *pipeline.StageRun) { s.Status, s.StartedAt = pipeline.StatusRunning, time.Now() })
	w.flush()
	if c := w.check("test"); c.Status != "in_progress" {
		t.Errorf("test: %+v", c)
	}
	w.change("apply", func(s *pipeline.StageRun) { s.Status, s.StartedAt = pipeline.StatusRunning, time.Now() })
	w.flush()
	if c := w.check("apply"); c.Status != "in_progress" || c.Conclusion != "" {
		t.Errorf("apply after its approval: %s %s", c.Status, c.Conclusion)
	}
	w.change("apply", succeed)
	w.change("test", func(s *pipeline.StageRun) {
		succeed(s)
		s.Status = pipeline.StatusFailure
		for i := range 120 {
			s.Result.Findings = append(s.Result.Findings, pipeline.Finding{
				Tool: "flake8", Rule: "E501", Path: "app/a.py", Line: i + 1, Column: 80, Level: pipeline.LevelWarning, Title: "line too long", Message: "line too long (81 > 79)",
			})
		}
	})
	w.flush()
	c := w.check("test")
	if c.Conclusion != "failure" || len(c.Annotations) != 120 || len(c.Actions) != 1 || !strings.Contains(c.Summary, "### What happened") {
		t.Errorf("test: %s, %d annotations, %d buttons", c.Conclusion, len(c.Annotations), len(c.Actions))
	}
	for i, a := range c.Annotations {
		if a.StartLine != i+1 {
			t.Fatalf("annotation %d is on line %d", i, a.StartLine)
		}
	}
	if n := len(w.github.CheckRuns(shop, w.run.Trigger.SHA)); n != 3 {
		t.Errorf("%d checks", n)
	}
}

func TestAgainstTheStandInKilledBeforeTheRecord(t *testing.T) {
	w := newWorld(t, true)
	w.store.deaf = true
	w.change("test", func(*pipeline.StageRun) {})
	w.flush()
	w.reporter.Stop()
	w.store.deaf = false
	w.change("test", succeed)
	w.restart(w.github.App().ID)
	defer func() { w.reporter.Stop() }()
	if all := w.github.CheckRuns(shop, w.run.Trigger.SHA); len(all) != 1 || all[0].Conclusion != "success" {
		t.Errorf("%+v", all)
	}
}

func TestAgainstTheStandInInAStorm(t *testing.T) {
	w := newWorld(t, false)
	defer func() { w.reporter.Stop() }()
	w.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/check-runs", Status: http.StatusBadGateway, AfterEffect: true})
	w.github.Inject(githubtest.Fault{Method: http.MethodPatch, Path: "/check-runs", Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}})
	w.github.Inject(githubtest.Fault{Method: http.MethodPatch, Path: "/check-runs", Drop: true, AfterEffect: true})
	w.change("test", func(*pipeline.StageRun) {})
	w.flush()
	w.github.RevokeTokens()
	w.change("test", succeed)
	w.flush()
	if all := w.github.CheckRuns(shop, w.run.Trigger.SHA); len(all) != 1 || all[0].Conclusion != "success" {
		t.Errorf("%+v", all)
	}
}

func TestAgainstTheStandInWithoutTheApp(t *testing.T) {
	w := newWorld(t, false)
	defer func() { w.reporter.Stop() }()
	must(t, w.github.Uninstall("acme"))
	w.change("test", func(*pipeline.StageRun) {})
	w.flush()
	if m := w.store.mirrors[10]; !strings.Contains(m.GaveUp, "no longer installed") {
		t.Errorf("%+v", m)
	}
}

func TestAgainstTheStandInWithoutPermission(t *testing.T) {
	w := newWorld(t, false)
	defer func() { w.reporter.Stop() }()
	must(t, w.github.SetPermissions("acme", map[string]string{"metadata": "read", "contents": "read"}))
	w.change("test", func(*pipeline.StageRun) {})
	w.flush()
	if m := w.store.mirrors[10]; !strings.Contains(m.GaveUp, "checks=write") {
		t.Errorf("%+v", m)
	}
}

func TestAgainstTheStandInForAVanishedCommit(t *testing.T) {
	w := newWorld(t, false)
	defer func() { w.reporter.Stop() }()
	w.run.Trigger.SHA = strings.Repeat("0123456789", 4)
	w.change("test", func(*pipeline.StageRun) {})
	w.flush()
	if m := w.store.mirrors[10]; m.GaveUp == "" {
		t.Errorf("%+v", m)
	}
}

// BenchmarkIdleToFirstCheck is the time from a change to the answer of the first write.
func BenchmarkIdleToFirstCheck(b *testing.B) {
	w := newWorld(b, false)
	defer func() { w.reporter.Stop() }()
	i := 0
	for b.Loop() {
		i++
		run := w.run
		run.ID, run.Number = int64(i), int64(i)
		run.Stages = []pipeline.StageRun{{ID: int64(1000 + i), RunID: run.ID, Attempt: 1, Version: 1, Spec: pipeline.StageSpec{Key: fmt.Sprint(i)}, Status: pipeline.StatusSkipped}}
		w.store.put(run)
		w.reporter.RunChanged(run)
		must(b, w.reporter.Flush(b.Context()))
	}
}

// BenchmarkBurst is 2,000 runs at once, each of seven stages: when GitHub has as many checks as there are runs.
// Of each run the first check is written before the second of any.
func BenchmarkBurst(b *testing.B) {
	const runs, stages = 2000, 7
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, false)
		all := make([]pipeline.Run, runs)
		for i := range all {
			run := w.run
			run.ID, run.Number, run.Stages = int64(i+1), int64(i+1), nil
			for j := range stages {
				run.Stages = append(run.Stages, pipeline.StageRun{
					ID: int64(i*10 + j + 1), RunID: run.ID, Index: j, Attempt: 1, Version: 1, Status: pipeline.StatusQueued,
					Spec: pipeline.StageSpec{Key: fmt.Sprintf("r%d-s%d", i, j)},
				})
			}
			all[i] = run
			w.store.put(run)
		}
		b.StartTimer()
		begun := time.Now()
		for _, run := range all {
			w.reporter.RunChanged(run)
		}
		must(b, w.github.Wait(b.Context(), func() bool {
			return w.github.CountRequests(func(r githubtest.Request) bool { return r.Method == http.MethodPost }) >= runs
		}))
		b.ReportMetric(float64(time.Since(begun).Milliseconds()), "ms-to-2000-writes")
		w.reporter.Stop()
	}
}
