package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/queue"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// script is an executor whose tasks do what a test wrote down for their stage. Tasks live in memory, as long as the
// script: a second engine finds them again.
type script struct {
	mu      sync.Mutex
	plays   map[string]func(ctx context.Context, emit func(pipeline.StageEvent)) *pipeline.Verdict // by stage key
	tasks   map[string]*play
	started []string
	seen    []pipeline.Task
	secrets map[string]pipeline.Secrets
}

type play struct {
	mu     sync.Mutex
	events []pipeline.StageEvent
	grown  chan struct{}
	ended  bool
	lost   bool
	cancel context.CancelCauseFunc
}

func (s *script) Start(_ context.Context, task pipeline.Task, secrets pipeline.Secrets) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tasks[task.ID] != nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	p := &play{grown: make(chan struct{}), cancel: cancel}
	s.tasks[task.ID] = p
	s.started = append(s.started, fmt.Sprintf("%s#%d", task.Stage.Key, task.Attempt))
	s.seen = append(s.seen, task)
	s.secrets[task.Stage.Key] = secrets
	run := s.plays[task.Stage.Key]
	go func() {
		verdict := &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "done"}
		if run != nil {
			verdict = run(ctx, p.emit)
		}
		if verdict == nil {
			p.end(true)
			return
		}
		p.emit(pipeline.StageEvent{Type: pipeline.StageEventVerdict, Verdict: verdict})
		p.end(false)
	}()
	return nil
}

func (p *play) emit(ev pipeline.StageEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ev.Seq = int64(len(p.events) + 1)
	p.events = append(p.events, ev)
	close(p.grown)
	p.grown = make(chan struct{})
}

func (p *play) end(lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.lost = true, lost
	close(p.grown)
	p.grown = make(chan struct{})
}

func (s *script) Events(ctx context.Context, id string, yield func(pipeline.StageEvent) error) error {
	s.mu.Lock()
	p := s.tasks[id]
	s.mu.Unlock()
	if p == nil {
		return pipeline.ErrNotFound
	}
	for next := 0; ; {
		p.mu.Lock()
		events, grown, ended, lost := p.events[next:], p.grown, p.ended, p.lost
		p.mu.Unlock()
		for _, ev := range events {
			if err := yield(ev); err != nil {
				return err
			}
			next++
		}
		switch {
		case len(events) > 0:
		case ended && lost:
			return &pipeline.LostError{TaskID: id, Detail: "signal: killed"}
		case ended:
			return nil
		default:
			select {
			case <-grown:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

func (s *script) Known(_ context.Context, id string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[id] != nil, nil
}

func (s *script) Cancel(_ context.Context, id, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.tasks[id]; p != nil {
		p.cancel(errors.New(reason))
	}
	return nil
}

func (s *script) Forget(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tasks, id)
	return nil
}

func (*script) Toolchain() string { return "test" }

// world is everything around the engine, in memory.
type world struct {
	mu         sync.Mutex
	definition pipeline.Definition
	problem    error
	tree       string
	secrets    map[string]string
	lines      map[int64][]string
	kept       []string
	private    []string
	refused    string // the artifact that cannot be kept
	lost       bool   // what was kept for a second step is gone
	releases   []pipeline.Release
}

func (w *world) Definition(context.Context, pipeline.Trigger) (pipeline.Definition, error) {
	return w.definition, w.problem
}
func (w *world) Tree(context.Context, pipeline.Repository, string) (string, error) {
	return w.tree, nil
}
func (*world) ChangedPaths(context.Context, pipeline.Trigger) ([]string, error) { return nil, nil }
func (*world) GitToken(context.Context, pipeline.Repository) (string, error)    { return "git-token", nil }

func (w *world) Secret(_ context.Context, _ pipeline.Repository, _, name string) (string, error) {
	if value, ok := w.secrets[name]; ok {
		return value, nil
	}
	return "", pipeline.ErrNotFound
}

func (w *world) Append(_ context.Context, id int64, lines []pipeline.StoredLine) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range lines {
		w.lines[id] = append(w.lines[id], l.Text)
	}
	return nil
}

func (w *world) KeepPrivate(_ context.Context, _ int64, a pipeline.Artifact) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.private = append(w.private, a.Name)
	return nil
}

func (w *world) Private(_ context.Context, _ int64, name string) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost {
		w.lost = false
		return nil, fmt.Errorf("private %s: %w", name, pipeline.ErrNotFound)
	}
	return []byte("kept " + name), nil
}

func (w *world) Release(context.Context, int64, string, int64) (pipeline.Release, error) {
	return pipeline.Release{}, pipeline.ErrNotFound
}

func (w *world) Releases(_ context.Context, f pipeline.ReleaseFilter) ([]pipeline.Release, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []pipeline.Release
	for _, r := range w.releases {
		if r.Environment == f.Environment {
			found = append(found, r)
		}
	}
	return found, nil
}

func (w *world) ReleaseFile(context.Context, int64, string, int64, string) ([]byte, error) {
	return nil, pipeline.ErrNotFound
}

func (w *world) Keep(_ context.Context, _ int64, a pipeline.Artifact) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.Name == w.refused {
		return errors.New("that is no name of an artifact")
	}
	w.kept = append(w.kept, a.Name)
	return nil
}

// watcher lets tests wait for a state of a run.
type watcher struct {
	mu   sync.Mutex
	wait []chan pipeline.Run
}

func (w *watcher) RunChanged(run pipeline.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.wait {
		c <- run
	}
}
func (*watcher) LogAppended(int64, []pipeline.StoredLine) {}

type bench struct {
	*testing.T
	db      *sqlite.DB
	script  *script
	world   *world
	watch   *watcher
	service *pipeline.Service
	engine  *pipeline.Engine
	halt    func() // ends the queue
	panics  bool   // the summary panics
}

func newBench(t *testing.T, stages ...pipeline.StageDefinition) *bench {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	always := &pipeline.BranchFilter{Match: func(string) bool { return true }}
	b := &bench{
		T: t, db: db, watch: &watcher{},
		script: &script{
			plays: map[string]func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict{},
			tasks: map[string]*play{}, secrets: map[string]pipeline.Secrets{},
		},
		world: &world{
			definition: pipeline.Definition{Name: "test", On: pipeline.On{Push: always, PullRequest: always}, Stages: stages},
			tree:       "tree-1", lines: map[int64][]string{}, secrets: map[string]string{},
		},
	}
	b.service = pipeline.NewService(pipeline.ServiceOptions{
		Store: db, Definitions: b.world, Forge: b.world, Built: func(string) bool { return true }, Releases: b.world,
		Observers: []pipeline.Observer{b.watch}, Clock: pipeline.SystemClock{}, Logger: zerolog.Nop(),
	})
	b.engine = b.newEngine()
	b.halt = b.work(b.engine)
	return b
}

func (b *bench) newEngine() *pipeline.Engine {
	return pipeline.NewEngine(pipeline.EngineOptions{
		Store: b.db, Executor: b.script, Forge: b.world, Secrets: b.world, Logs: b.world, Artifacts: b.world, Releases: b.world,
		Diagnose: func(pipeline.StageSpec, pipeline.Verdict, []string) *pipeline.Diagnosis { return nil },
		Inline: map[string]pipeline.Inline{"summary": func(run pipeline.Run, _ pipeline.StageRun, _ time.Time) pipeline.Result {
			if b.panics {
				panic("summary")
			}
			return pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess, Title: fmt.Sprint(len(run.Current()))}}
		}},
		Source: pipeline.GitSourceOf, Observers: []pipeline.Observer{b.watch}, Clock: pipeline.SystemClock{}, Logger: zerolog.Nop(),
	})
}

// work starts a queue for the engine; it ends with the test or with the returned function.
func (b *bench) work(engine *pipeline.Engine) (stop func()) {
	b.Helper()
	q, err := queue.New(b.db, queue.Options{
		Handlers: queue.Handlers{
			Delivery: func(context.Context, string) error { return nil }, Stage: engine.Work, Interrupt: engine.Interrupt,
			Gate: func(context.Context, int64, string) error { return nil }, Announce: func(context.Context, int64, string) error { return nil },
			Drift:     func(context.Context, store.DriftJob) error { return nil },
			Discarded: func(_ context.Context, d queue.Discarded) { b.Errorf("given up: %+v", d) },
		},
		Concurrency: 4, Drain: time.Millisecond, Logger: zerolog.Nop(),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := q.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := q.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(stop)
	return stop
}

func (b *bench) trigger(sha string) pipeline.Trigger {
	return pipeline.Trigger{
		Event: pipeline.EventPush, Repository: pipeline.Repository{ID: 1, Owner: "acme", Name: "shop"},
		SHA: sha, Ref: "refs/heads/main", Branch: "main", Actor: "alice", Delivery: "d-" + sha,
	}
}

// until runs do and waits until a run changed so that it holds.
func (b *bench) until(do func(), holds func(pipeline.Run) bool) pipeline.Run {
	b.Helper()
	seen := make(chan pipeline.Run, 10000)
	b.watch.mu.Lock()
	b.watch.wait = append(b.watch.wait, seen)
	b.watch.mu.Unlock()
	do()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case run := <-seen:
			if holds(run) {
				return run
			}
		case <-deadline:
			b.Fatal("the run never got there")
		}
	}
}

func (b *bench) submit(t pipeline.Trigger) func() {
	return func() {
		if _, err := b.service.Submit(b.Context(), t); err != nil {
			b.Error(err)
		}
	}
}

func ended(run pipeline.Run) bool { return run.Status.Final() }

func summary(run pipeline.Run) string {
	var parts []string
	for _, s := range run.Current() {
		parts = append(parts, fmt.Sprintf("%s=%s", s.Spec.Key, s.Status))
	}
	return strings.Join(parts, " ")
}

func stage(id string, needs ...string) pipeline.StageDefinition {
	def := pipeline.StageDefinition{ID: id, Uses: "run", Timeout: time.Minute}
	for _, need := range needs {
		def.Needs = append(def.Needs, pipeline.Need{Stage: need})
	}
	return def
}

func fails(title string) func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict {
	return func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict {
		return &pipeline.Verdict{Status: pipeline.StatusFailure, Title: title}
	}
}

func TestRunFromTriggerToEnd(t *testing.T) {
	b := newBench(t, stage("test"), stage("build", "test"), pipeline.StageDefinition{ID: "all", Uses: "summary"})
	b.script.plays["test"] = func(_ context.Context, emit func(pipeline.StageEvent)) *pipeline.Verdict {
		for i := range 1000 {
			emit(pipeline.StageEvent{Type: pipeline.StageEventLog, Log: &pipeline.LogLine{Text: fmt.Sprint("line ", i)}})
		}
		emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &pipeline.Step{Name: "pytest", Status: pipeline.StatusSuccess}})
		emit(pipeline.StageEvent{Type: pipeline.StageEventOutput, Output: map[string]string{"version": "1.2"}})
		emit(pipeline.StageEvent{Type: pipeline.StageEventArtifact, Artifact: &pipeline.Artifact{Name: "junit.xml", Path: "/x", Bytes: 3}})
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "48 tests"}
	}
	run := b.until(b.submit(b.trigger("aaaa")), ended)
	if got := summary(run); got != "test=success build=success all=success" {
		t.Error(got)
	}
	test := run.Stages[0]
	if len(b.world.lines[test.ID]) != 1000 || len(test.Result.LogTail) != pipeline.MaxLogTail {
		t.Errorf("%d lines kept, tail of %d", len(b.world.lines[test.ID]), len(test.Result.LogTail))
	}
	if test.Result.Verdict.Title != "48 tests" || test.Result.Artifacts[0].Path != "" || len(b.world.kept) != 1 {
		t.Errorf("%+v, kept %v", test.Result, b.world.kept)
	}
}

func TestOneKeyIsOneRun(t *testing.T) {
	b := newBench(t, stage("a"))
	first := b.until(b.submit(b.trigger("aaaa")), ended)
	again, err := b.service.Submit(t.Context(), b.trigger("aaaa"))
	if err != nil || again.ID != first.ID {
		t.Errorf("run %d, %v", again.ID, err)
	}
}

func TestPassedStageIsReused(t *testing.T) {
	b := newBench(t, stage("a"), stage("b"))
	b.script.plays["b"] = fails("no")
	first := b.until(b.submit(b.trigger("aaaa")), ended)
	b.script.plays["b"] = nil
	second := b.until(b.submit(b.trigger("bbbb")), func(r pipeline.Run) bool { return r.ID != first.ID && ended(r) })
	a := second.Stages[0]
	if a.Reused == nil || a.Reused.RunNumber != first.Number || a.Result.Verdict.Title != "done" {
		t.Errorf("a was not reused: %+v", a)
	}
	if second.Stages[1].Reused != nil {
		t.Error("a failed stage was reused")
	}
	fresh := b.trigger("bbbb")
	fresh.Fresh, fresh.Delivery = true, "again"
	third := b.until(b.submit(fresh), func(r pipeline.Run) bool { return r.ID > second.ID && ended(r) })
	if third.Stages[0].Reused != nil {
		t.Error("re-run all reused a stage")
	}
}

func TestNewerPushSupersedes(t *testing.T) {
	b := newBench(t, stage("a"), stage("after", "a"), pipeline.StageDefinition{ID: "all", Uses: "summary"})
	b.world.tree = "" // nothing is reused
	running := make(chan struct{}, 2)
	b.script.plays["a"] = func(ctx context.Context, _ func(pipeline.StageEvent)) *pipeline.Verdict {
		running <- struct{}{}
		<-ctx.Done()
		return &pipeline.Verdict{Status: pipeline.StatusCancelled, Title: context.Cause(ctx).Error()}
	}
	b.submit(b.trigger("aaaa"))()
	<-running
	b.script.mu.Lock()
	b.script.plays["a"] = nil
	b.script.mu.Unlock()
	old := b.until(b.submit(b.trigger("bbbb")), func(r pipeline.Run) bool { return r.Number == 1 && ended(r) })
	if got := summary(old); got != "a=cancelled after=cancelled all=success" {
		t.Error(got)
	}
	if old.Stages[0].Reason != "superseded by run #2" || old.Reason != "superseded by run #2" {
		t.Errorf("%q, %q", old.Stages[0].Reason, old.Reason)
	}
}

func TestLostRunnerIsTriedAgain(t *testing.T) {
	b := newBench(t, stage("a"))
	b.script.plays["a"] = func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict {
		b.script.mu.Lock()
		defer b.script.mu.Unlock()
		b.script.plays["a"] = nil
		return nil
	}
	run := b.until(b.submit(b.trigger("aaaa")), ended)
	if got := summary(run); got != "a=success" || len(run.Stages) != 2 {
		t.Errorf("%s in %d attempts", got, len(run.Stages))
	}
	if first := run.Stages[0]; !first.Superseded || first.Status != pipeline.StatusFailure || !first.Result.Verdict.Infrastructure {
		t.Errorf("first attempt %+v", first)
	}
}

// A bot that is stopped in mid-stage and started again goes on with the same task and loses no event.
func TestRestartFindsTheRunningStage(t *testing.T) {
	b := newBench(t)
	b.world.definition.Stages = []pipeline.StageDefinition{stage("a")}
	release := make(chan struct{})
	b.script.plays["a"] = func(_ context.Context, emit func(pipeline.StageEvent)) *pipeline.Verdict {
		emit(pipeline.StageEvent{Type: pipeline.StageEventLog, Log: &pipeline.LogLine{Text: "before"}})
		<-release
		emit(pipeline.StageEvent{Type: pipeline.StageEventLog, Log: &pipeline.LogLine{Text: "after"}})
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "survived"}
	}
	run := b.until(b.submit(b.trigger("aaaa")), func(r pipeline.Run) bool { return r.Stages[0].Status == pipeline.StatusRunning })
	b.halt() // the first bot ends; the runner goes on
	close(release)
	if err := b.newEngine().Work(t.Context(), run.Stages[0].ID); err != nil {
		t.Fatal(err)
	}
	after, err := b.db.Run(t.Context(), run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if after.Stages[0].Result.Verdict.Title != "survived" || len(after.Stages) != 1 {
		t.Errorf("%+v", after.Stages)
	}
	if diff := cmp.Diff([]string{"a#1"}, b.script.started); diff != "" {
		t.Error(diff)
	}
}

func TestSecretsReachOnlyTheStageThatNamesThem(t *testing.T) {
	named := stage("named")
	named.Secrets = []string{"TOKEN"}
	missing := stage("missing")
	missing.Secrets = []string{"NOBODY"}
	b := newBench(t, named, stage("other"), missing)
	b.world.secrets["TOKEN"] = "hush-hush"
	run := b.until(b.submit(b.trigger("aaaa")), ended)
	if got := summary(run); got != "named=success other=success missing=failure" {
		t.Error(got)
	}
	if got := run.Stages[2].Result.Verdict.Title; got != "secret NOBODY is not set" {
		t.Error(got)
	}
	if b.script.secrets["named"].Env["TOKEN"] != "hush-hush" || len(b.script.secrets["other"].Env) != 0 {
		t.Errorf("%v", b.script.secrets)
	}
}

func TestForkRunsNothing(t *testing.T) {
	b := newBench(t, stage("a"))
	trigger := b.trigger("aaaa")
	trigger.Event, trigger.Fork, trigger.Base = pipeline.EventPullRequest, true, "main"
	run, err := b.service.Submit(t.Context(), trigger)
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(run); got != "a=waiting" || len(b.script.started) != 0 {
		t.Errorf("%s, started %v", got, b.script.started)
	}
}

func TestProblemsOfTheFileAreACheck(t *testing.T) {
	b := newBench(t)
	b.world.problem = &pipeline.InvalidDefinitionError{Problems: []pipeline.Problem{{File: ".github/slipway.yml", Line: 3, Column: 5, Message: "unknown key"}}}
	run, err := b.service.Submit(t.Context(), b.trigger("aaaa"))
	if err != nil {
		t.Fatal(err)
	}
	s := run.Stages[0]
	if s.Spec.Key != "slipway" || s.Status != pipeline.StatusFailure || s.Result.Findings[0].Line != 3 || run.Status != pipeline.StatusFailure {
		t.Errorf("%+v", run)
	}
	b.world.problem = errors.New("GitHub does not answer")
	if _, err := b.service.Submit(t.Context(), b.trigger("bbbb")); err == nil {
		t.Error("an unreadable file was taken for a file with problems")
	}
}

func TestRerunOfAFailedStage(t *testing.T) {
	b := newBench(t, stage("a"), stage("b", "a"))
	b.script.plays["a"] = fails("flaky")
	run := b.until(b.submit(b.trigger("aaaa")), ended)
	b.script.mu.Lock()
	b.script.plays["a"] = nil
	b.script.mu.Unlock()
	again := b.until(func() {
		if _, err := b.service.Rerun(t.Context(), 1, run.Stages[0].ID, "alice"); err != nil {
			t.Error(err)
		}
	}, ended)
	if got := summary(again); got != "a=success b=success" {
		t.Error(got)
	}
	attempts := slices.DeleteFunc(again.Stages, func(s pipeline.StageRun) bool { return s.Superseded })
	if attempts[0].Attempt != 2 || attempts[0].AttemptReason != "run again, asked by @alice" {
		t.Errorf("%+v", attempts[0])
	}
}
