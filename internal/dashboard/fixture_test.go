package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// memory is the store of the tests: runs, logs and artifacts in maps.
type memory struct {
	pressed      []Press
	refuses      string
	mu           sync.Mutex
	runs         []pipeline.Run // newest first
	repositories []pipeline.Repository
	logs         map[int64][]pipeline.StoredLine
	artifacts    map[string]string
	short        int // at most so many lines at a time, as a store does when they are long
	broken       error
}

func newMemory(runs ...pipeline.Run) *memory {
	m := &memory{logs: map[int64][]pipeline.StoredLine{}, artifacts: map[string]string{}}
	for _, run := range runs {
		m.put(run)
	}
	if len(runs) > 0 {
		m.repositories = []pipeline.Repository{displaytest.Repository()}
	}
	return m
}

func (m *memory) put(run pipeline.Run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = slices.DeleteFunc(m.runs, func(old pipeline.Run) bool { return old.ID == run.ID })
	m.runs = append(m.runs, run)
	slices.SortFunc(m.runs, func(a, b pipeline.Run) int { return int(b.ID - a.ID) })
}

func (m *memory) appendLog(stageRunID int64, lines ...pipeline.StoredLine) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs[stageRunID] = append(m.logs[stageRunID], lines...)
}

func (m *memory) Runs(_ context.Context, f pipeline.RunFilter) ([]pipeline.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []pipeline.Run
	for _, run := range m.runs {
		r := run.Trigger.Repository
		if f.Environment != "" && run.Entry(f.Environment) == nil {
			continue
		}
		if f.Limit == 0 {
			f.Limit = 50
		}
		if (f.Before == 0 || run.ID < f.Before) && (f.Owner == "" || strings.EqualFold(r.Owner, f.Owner) && strings.EqualFold(r.Name, f.Name)) &&
			(f.Branch == "" || run.Trigger.Branch == f.Branch) && (!f.OpenOnly || !run.Status.Final()) &&
			(f.Status == "" || run.Status == f.Status) && len(list) < f.Limit {
			list = append(list, run)
		}
	}
	return list, m.broken
}

func (m *memory) RunByNumber(_ context.Context, owner, name string, number int64) (pipeline.Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, run := range m.runs {
		if run.Number == number && run.Trigger.Repository.Owner == owner && run.Trigger.Repository.Name == name {
			return run, m.broken
		}
	}
	return pipeline.Run{}, fmt.Errorf("run %d: %w", number, pipeline.ErrNotFound)
}

func (m *memory) Repositories(context.Context) ([]pipeline.Repository, error) {
	return m.repositories, m.broken
}

func (m *memory) RepositoryNamed(_ context.Context, owner, name string) (pipeline.Repository, error) {
	for _, r := range m.repositories {
		if strings.EqualFold(r.Owner, owner) && strings.EqualFold(r.Name, name) {
			return r, m.broken
		}
	}
	return pipeline.Repository{}, errors.Join(m.broken, pipeline.ErrNotFound)
}

func (m *memory) Lines(_ context.Context, stageRunID, afterSeq int64, limit int) ([]pipeline.StoredLine, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.logs[stageRunID]
	i, _ := slices.BinarySearchFunc(all, afterSeq+1, func(l pipeline.StoredLine, seq int64) int { return int(l.Seq - seq) })
	if m.short > 0 {
		limit = min(limit, m.short)
	}
	return slices.Clone(all[i:min(i+limit, len(all))]), nil
}

func (m *memory) Open(_ context.Context, stageRunID int64, name string) (io.ReadCloser, int64, error) {
	content, ok := m.artifacts[fmt.Sprintf("%d/%s", stageRunID, name)]
	if !ok {
		return nil, 0, pipeline.ErrNotFound
	}
	if content == "broken" {
		return io.NopCloser(io.MultiReader(strings.NewReader("half"), brokenReader{})), -1, nil
	}
	return io.NopCloser(strings.NewReader(content)), int64(len(content)), nil
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("disk gone") }

// everyone may see everything.
type everyone struct{}

func (everyone) Enter(*http.Request) Decision                    { return Visible }
func (everyone) See(*http.Request, pipeline.Repository) Decision { return Visible }
func (everyone) Visitor(*http.Request) (Person, bool)            { return Person{}, false }

func serverOf(t *testing.T, m *memory, change func(*Deps)) *server {
	t.Helper()
	deps := Deps{
		Runs: m, Logs: m, Artifacts: m, Access: everyone{}, Stream: NewStream(), Places: m, Desk: m, Clock: displaytest.Clock{}, Log: zerolog.Nop(),
	}
	if change != nil {
		change(&deps)
	}
	s, err := newServer(deps)
	if err != nil {
		t.Fatal(err)
	}
	s.pace = 0
	return s
}

// withLogs adds the usual log to every stage of a run that worked.
func withLogs(m *memory, run pipeline.Run) *memory {
	for _, s := range run.Stages {
		if !s.StartedAt.IsZero() && s.Spec.Uses != "summary" && s.Reused == nil {
			m.logs[s.ID] = displaytest.Log(s.ID)
		}
	}
	return m
}
