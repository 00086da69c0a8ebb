package terraform

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// world is a repository, what is kept of it between runs, and the machine.
type world struct {
	files   map[string]string
	with    map[string]any
	secrets map[string]string
	// named are the secrets the stage names.
	named []string
	env   map[string]string
	// machine is of commands: what the bot passes on.
	machine []string
	options Options
	cache   string
	// steps defaults to PrepareThenApply.
	steps       pipeline.Steps
	action      pipeline.Action
	event       pipeline.Event
	base        string
	environment *pipeline.EnvironmentDefinition
	attempt     int
	grace       time.Duration
	sha         string
	alike       []string
}

// newWorld needs the real program.
func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	machine := stagetest.Terraform(t)
	cache, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		files: files, cache: cache, event: pipeline.EventPush, steps: pipeline.PrepareThenApply, attempt: 1, grace: 30 * time.Second, sha: strings.Repeat("ab", 20),
		options: Options{Machine: Machine{Path: []string{machine}}, LockTimeout: time.Second},
	}
}

func (w *world) session(t *testing.T, phase pipeline.Phase, kept map[string][]byte, parts []pipeline.Part) *stagetest.Session {
	t.Helper()
	with, err := json.Marshal(w.with)
	if err != nil {
		t.Fatal(err)
	}
	return stagetest.New(t, stagetest.Options{
		Task: pipeline.Task{
			ID: "r7-s1-a1", Attempt: w.attempt, RunNumber: 7, Phase: phase, Parts: parts, Action: w.action, Environment: w.environment, Grace: w.grace,
			Trigger: pipeline.Trigger{Event: w.event, SHA: w.sha, BaseSHA: w.base, Branch: "main", Repository: pipeline.Repository{Owner: "acme", Name: "shop"}},
			Stage: pipeline.StageSpec{
				Key: "terraform-provision (production)", ID: "terraform-provision", Uses: "terraform", With: with, Environment: "production",
				Secrets: w.named, Alike: w.alike, Env: w.env, Steps: w.steps, Enters: w.steps == pipeline.PrepareThenApply,
			},
		},
		Files: w.files, Secrets: w.secrets, Kept: kept, CacheRoot: w.cache, Env: w.machine,
	})
}

func (w *world) run(ctx context.Context, t *testing.T, s *stagetest.Session) pipeline.Verdict {
	t.Helper()
	verdict, err := New(w.options).Run(ctx, s)
	if err != nil {
		t.Fatalf("error = %v\n%s", err, s.LogText())
	}
	return verdict
}

// prepared is what a preparation left.
type prepared struct {
	*stagetest.Session
	verdict pipeline.Verdict
}

func (w *world) prepare(t *testing.T) prepared {
	t.Helper()
	s := w.session(t, pipeline.PhasePrepare, nil, nil)
	return prepared{s, w.run(t.Context(), t, s)}
}

// planned is a preparation that passed.
func (w *world) planned(t *testing.T) prepared {
	t.Helper()
	p := w.prepare(t)
	if p.verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("verdict = %+v\n%s", p.verdict, p.LogText())
	}
	return p
}

// apply carries out what was prepared, in a session of its own as in a process of its own.
func (w *world) apply(ctx context.Context, t *testing.T, p prepared) prepared {
	t.Helper()
	s := w.session(t, pipeline.PhaseApply, maps.Clone(p.Recorded.Private), slices.Clone(p.Recorded.Parts))
	return prepared{s, w.run(ctx, t, s)}
}

// applied is a plan that was applied.
func (w *world) applied(t *testing.T) prepared {
	t.Helper()
	a := w.apply(t.Context(), t, w.planned(t))
	if a.verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("verdict = %+v\n%s", a.verdict, a.LogText())
	}
	return a
}

// told is everything a session told that people can see.
func told(t *testing.T, s *stagetest.Session) string {
	t.Helper()
	text, err := json.Marshal(struct {
		Sections, Findings, Steps, Progress any
	}{s.Recorded.Sections, s.Recorded.Findings, s.Recorded.Steps, s.Recorded.Progress})
	if err != nil {
		t.Fatal(err)
	}
	all := string(text) + s.LogText()
	for name, content := range s.Recorded.Artifacts {
		all += name + string(content)
	}
	for name, value := range s.Recorded.Outputs {
		all += name + value
	}
	for _, part := range s.Recorded.Parts {
		all += part.Detail + part.ExtraApproval
	}
	return all
}

func wantVerdict(t *testing.T, p prepared, status pipeline.Status, title, cause string) {
	t.Helper()
	if v := p.verdict; v.Status != status || !strings.Contains(v.Title, title) || !strings.Contains(v.Cause, cause) {
		t.Errorf("verdict = %+v, want %s %q, %q\n%s", v, status, title, cause, p.LogText())
	}
}

func findingOf(s *stagetest.Session, rule string) (pipeline.Finding, bool) {
	at := slices.IndexFunc(s.Recorded.Findings, func(f pipeline.Finding) bool { return f.Rule == rule })
	if at < 0 {
		return pipeline.Finding{}, false
	}
	return s.Recorded.Findings[at], true
}

func mustWrite(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
