package checks

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

var testKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

// shownCheck is a Check Run as the fake GitHub holds it.
type shownCheck struct {
	ID int64
	request
	annotations int
	writes      int
}

// fakeGitHub keeps Check Runs without a network, so that tests may run on synthetic time.
type fakeGitHub struct {
	mu     sync.Mutex
	checks map[int64]*shownCheck
	writes []writeSeen
	reads  int
	// before may answer a request instead; after runs once it has been carried out, and may hide the answer.
	before func(method, path string) int
	after  func(method, path string) int
}

type writeSeen struct {
	at     time.Time
	name   string
	status string
	head   string
}

func newFakeGitHub() *fakeGitHub { return &fakeGitHub{checks: map[int64]*shownCheck{}} }

func (g *fakeGitHub) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	body := []byte{}
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if strings.HasSuffix(req.URL.Path, "access_tokens") {
		rec.WriteHeader(http.StatusCreated)
		fmt.Fprintf(rec, `{"token":"t","expires_at":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
		return rec.Result(), nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	code := 0
	if g.before != nil {
		code = g.before(req.Method, req.URL.Path)
	}
	if code == 0 {
		code = g.serve(rec, req, body)
		if g.after != nil {
			if other := g.after(req.Method, req.URL.Path); other != 0 {
				rec, code = httptest.NewRecorder(), other
			}
		}
	}
	resp := rec.Result()
	resp.StatusCode = code
	resp.Request = req
	return resp, nil
}

func (g *fakeGitHub) serve(rec *httptest.ResponseRecorder, req *http.Request, body []byte) int {
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	id, _ := strconv.ParseInt(parts[len(parts)-1], 10, 64)
	switch {
	case req.Method == http.MethodPost:
		id = int64(len(g.checks) + 1)
		g.checks[id] = &shownCheck{ID: id}
		return g.write(rec, id, body, http.StatusCreated)
	case req.Method == http.MethodPatch:
		return g.write(rec, id, body, http.StatusOK)
	case id != 0:
		g.reads++
		g.encode(rec, g.json(g.checks[id]))
		return http.StatusOK
	}
	g.reads++
	var list []any
	for _, id := range slices.Sorted(maps.Keys(g.checks)) {
		if g.checks[id].HeadSHA == parts[4] {
			list = append(list, g.json(g.checks[id]))
		}
	}
	g.encode(rec, map[string]any{"check_runs": list})
	return http.StatusOK
}

func (g *fakeGitHub) write(rec *httptest.ResponseRecorder, id int64, body []byte, code int) int {
	c := g.checks[id]
	if c == nil {
		return http.StatusNotFound
	}
	head := c.HeadSHA
	var r request
	if err := json.Unmarshal(body, &r); err != nil || len(r.Output.Annotations) > 50 || len(r.Output.Summary) > 65535 || r.Name == "" || r.Output.Summary == "" {
		return http.StatusUnprocessableEntity
	}
	c.request = r
	if r.HeadSHA == "" {
		c.HeadSHA = head
	}
	c.annotations += len(r.Output.Annotations)
	c.writes++
	g.writes = append(g.writes, writeSeen{time.Now(), r.Name, strings.TrimSpace(r.Status + " " + r.Conclusion), c.HeadSHA})
	g.encode(rec, g.json(c))
	return code
}

func (g *fakeGitHub) json(c *shownCheck) any {
	if c == nil {
		return map[string]any{}
	}
	return map[string]any{"id": c.ID, "external_id": c.ExternalID, "output": map[string]any{"annotations_count": c.annotations}}
}

func (g *fakeGitHub) encode(w io.Writer, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

// states is every check as "name: status conclusion", in the order of creation.
func (g *fakeGitHub) states() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []string
	for _, id := range slices.Sorted(maps.Keys(g.checks)) {
		c := g.checks[id]
		all = append(all, strings.TrimSpace(c.Name+": "+c.Status+" "+c.Conclusion))
	}
	return all
}

// written are all writes so far, in order.
func (g *fakeGitHub) written() []writeSeen {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.writes)
}

// all are the checks by their IDs.
func (g *fakeGitHub) all() map[int64]shownCheck {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := map[int64]shownCheck{}
	for id, c := range g.checks {
		found[id] = *c
	}
	return found
}

// fakeStore is the truth in memory.
type fakeStore struct {
	mu      sync.Mutex
	runs    map[int64]pipeline.Run
	mirrors map[int64]pipeline.Mirror
	// broken fails saving: a process that dies before it records.
	broken bool
}

func newFakeStore() *fakeStore {
	return &fakeStore{runs: map[int64]pipeline.Run{}, mirrors: map[int64]pipeline.Mirror{}}
}

func (s *fakeStore) Run(_ context.Context, id int64) (pipeline.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	run, ok := s.runs[id]
	if !ok {
		return pipeline.Run{}, pipeline.ErrNotFound
	}
	return run, nil
}

func (s *fakeStore) Mirrors(_ context.Context, runID int64) (map[int64]pipeline.Mirror, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[int64]pipeline.Mirror{}
	for _, stage := range s.runs[runID].Stages {
		if m, ok := s.mirrors[stage.ID]; ok {
			found[stage.ID] = m
		}
	}
	return found, nil
}

func (s *fakeStore) SaveMirror(_ context.Context, m pipeline.Mirror) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return errors.New("database is locked")
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.runs)), func(run pipeline.Run) bool {
		_, known := find(run, m.StageRunID)
		return known
	}) {
		return pipeline.ErrNotFound
	}
	s.mirrors[m.StageRunID] = m
	return nil
}

func (s *fakeStore) DirtyRuns(context.Context) ([]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []int64
	for id, run := range s.runs {
		for _, stage := range run.Stages {
			if m := s.mirrors[stage.ID]; m.Version < stage.Version && m.GaveUp == "" {
				ids = append(ids, id)
				break
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// bench is a reporter with its surroundings.
type bench struct {
	t        testing.TB
	github   *fakeGitHub
	store    *fakeStore
	pool     *githubclient.Pool
	reporter *Reporter
}

func newBench(t testing.TB, points int) *bench {
	t.Helper()
	b := &bench{t: t, github: newFakeGitHub(), store: newFakeStore()}
	pool, err := githubclient.New(githubclient.Config{
		V3: "http://github.test/", AppID: 1, PrivateKey: testKey(), PointsPerMinute: points, Transport: b.github, Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.pool = pool
	b.restart()
	return b
}

// restart is a new process on the same database.
func (b *bench) restart() {
	b.reporter = NewReporter(Options{GitHub: b.pool, Store: b.store, PageURL: "https://ci.example.org", AppID: 1, Logger: zerolog.Nop()})
}

// start begins, in a bubble, and waits until the reporter knows what there is to repair.
func (b *bench) start() {
	b.reporter.Start()
	synctest.Wait()
}

// change stores a run's change and tells the reporter, as the engine does.
func (b *bench) change(run *pipeline.Run, change func([]pipeline.StageRun)) {
	b.t.Helper()
	before := slices.Clone(run.Stages)
	run.Stages = slices.Clone(run.Stages)
	change(run.Stages)
	for i := range run.Stages {
		if i >= len(before) || fmt.Sprintf("%+v", before[i]) != fmt.Sprintf("%+v", run.Stages[i]) {
			run.Stages[i].Version++
		}
	}
	b.put(*run)
	b.reporter.RunChanged(*run)
}

func (b *bench) put(run pipeline.Run) {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	b.store.runs[run.ID] = run
}

func (b *bench) flush() {
	b.t.Helper()
	if err := b.reporter.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) wantStates(want ...string) {
	b.t.Helper()
	if got := b.github.states(); !slices.Equal(got, want) {
		b.t.Errorf("GitHub shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// newRun is a run with queued stages.
func newRun(id int64, keys ...string) pipeline.Run {
	run := sampleRun()
	run.ID, run.Number = id, id
	run.Trigger.SHA = fmt.Sprintf("%040x", id)
	for i, key := range keys {
		run.Stages = append(run.Stages, pipeline.StageRun{
			ID: id*100 + int64(i), RunID: id, Index: i, Spec: spec(key), Attempt: 1, Status: pipeline.StatusQueued, Version: 1, CreatedAt: noon,
		})
	}
	return run
}

func finish(s *pipeline.StageRun, status pipeline.Status) {
	s.Status = status
	s.StartedAt, s.FinishedAt = noon, noon.Add(time.Minute)
	s.Result.Verdict.Title = "done " + string(status)
}
