package chatops

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// gate is what a desk asks about environments, and what it told.
type gate struct {
	mu       sync.Mutex
	rules    []pipeline.EnvironmentDefinition
	problem  error
	state    pipeline.EnvironmentState
	releases []pipeline.Release
	pushes   []pipeline.PushRecord
	deploys  string // the only one who may; empty: everybody
	unknown  bool
	prospect environment.Decision
	ballot   environment.Ballot
	records  []pipeline.AuditRecord
	told     []string
}

func (g *gate) tell(format string, args ...any) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = append(g.told, fmt.Sprintf(format, args...))
	return nil
}

func (g *gate) Environments(context.Context, pipeline.Repository) ([]pipeline.EnvironmentDefinition, error) {
	return g.rules, g.problem
}

func (g *gate) Prospect(context.Context, pipeline.Trigger, pipeline.EnvironmentDefinition) (environment.Decision, error) {
	return g.prospect, nil
}

func (g *gate) Why(context.Context, pipeline.Run, string) (environment.Decision, error) {
	return g.prospect, nil
}

func (g *gate) Ballot(context.Context, pipeline.Run, string, string) (environment.Ballot, error) {
	return g.ballot, nil
}

func (g *gate) MayDeploy(_ context.Context, _ pipeline.Repository, _ pipeline.EnvironmentDefinition, login string) (environment.Person, error) {
	return environment.Person{Login: login, Allowed: g.deploys == "" || g.deploys == login, Unknown: g.unknown}, nil
}

func (g *gate) Approve(_ context.Context, run int64, name, candidate string, w environment.Word) error {
	return g.tell("approve %d in %s: %s by %s via %s", run, name, candidate, w.By, w.Via)
}

func (g *gate) Reject(_ context.Context, run int64, name, reason string, w environment.Word) error {
	return g.tell("reject %d in %s: %s by %s", run, name, reason, w.By)
}

func (g *gate) Refused(_ context.Context, run pipeline.Run, name, what, why string, w environment.Word) error {
	return g.tell("refused %s of %d in %s by %s: %s", what, run.ID, name, w.By, why)
}

func (g *gate) Lock(_ context.Context, _ pipeline.Repository, name, reason string, w environment.Word) error {
	return g.tell("lock %s: %s by %s", name, reason, w.By)
}

func (g *gate) Unlock(_ context.Context, _ pipeline.Repository, name string, w environment.Word) error {
	return g.tell("unlock %s by %s", name, w.By)
}

func (g *gate) EnvironmentState(context.Context, int64, string) (pipeline.EnvironmentState, error) {
	return g.state, nil
}

func (g *gate) Release(_ context.Context, _ int64, _ string, number int64) (pipeline.Release, error) {
	for _, r := range g.releases {
		if r.Number == number {
			return r, nil
		}
	}
	return pipeline.Release{}, pipeline.ErrNotFound
}

func (g *gate) Releases(context.Context, pipeline.ReleaseFilter) ([]pipeline.Release, error) {
	return g.releases, nil
}

func (g *gate) Pushes(_ context.Context, _ int64, sha string) (found []pipeline.PushRecord, err error) {
	for _, p := range g.pushes {
		if p.SHA == sha {
			found = append(found, p)
		}
	}
	return found, nil
}

func (g *gate) PushesTo(_ context.Context, _ int64, ref string, _ int) (found []pipeline.PushRecord, err error) {
	for _, p := range g.pushes {
		if p.Ref == ref {
			found = append(found, p)
		}
	}
	return found, nil
}

func (g *gate) SavePush(_ context.Context, p pipeline.PushRecord) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pushes = append(g.pushes, p)
	return nil
}

func (g *gate) Record(_ context.Context, r pipeline.AuditRecord) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, known := range g.records {
		if known.Cause == r.Cause && known.Action == r.Action && strings.EqualFold(known.Environment, r.Environment) {
			return nil
		}
	}
	g.records = append(g.records, r)
	return nil
}
