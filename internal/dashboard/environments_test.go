package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func (m *memory) Environments(context.Context, pipeline.Repository) ([]pipeline.EnvironmentDefinition, error) {
	return []pipeline.EnvironmentDefinition{
		{Name: "staging", Branches: []string{"develop"}, AutoDeploy: true},
		{
			Name: "production", URL: "https://shop.example.org", Branches: []string{"main"}, Deployers: []string{"alice", "@acme/ops"}, WaitMinutes: 5,
			Approvals: pipeline.ApprovalRule{Required: 1, From: []string{"@acme/platform"}, PreventSelfApproval: true},
			Freeze:    []pipeline.FreezeWindow{{From: "0 18 * * FRI", To: "0 8 * * MON", TimeZone: "Europe/Berlin", Reason: "<b>weekend</b>"}},
		},
	}, m.broken
}

func (m *memory) EnvironmentStates(context.Context, int64) ([]pipeline.EnvironmentState, error) {
	at := displaytest.Clock{}.Now().Add(-time.Hour)
	return []pipeline.EnvironmentState{
		{Name: "production", Release: 2, Lock: &pipeline.Lock{By: "carol", Reason: "<script>moving", At: at}, Hold: &pipeline.Lock{By: "bob", At: at}, Holder: &pipeline.Place{RunNumber: 7}},
		{Name: "old", Release: 0},
	}, nil
}

func (m *memory) Releases(_ context.Context, f pipeline.ReleaseFilter) ([]pipeline.Release, error) {
	if f.Environment != "production" {
		return nil, nil
	}
	at := displaytest.Clock{}.Now()
	return []pipeline.Release{
		{Number: 2, Of: 1, Commit: strings.Repeat("b", 40), Branch: "main", Actor: "bob", RunNumber: 8, At: at.Add(-time.Hour)},
		{Number: 1, Commit: strings.Repeat("a", 40), Branch: "main", Title: "Add <i>that</i>", Actor: "alice", RunNumber: 3, At: at.Add(-2 * time.Hour), Approvals: []pipeline.Approval{{By: "carol"}}},
	}, nil
}

func (m *memory) Records(context.Context, pipeline.AuditFilter) ([]pipeline.AuditRecord, error) {
	at := displaytest.Clock{}.Now()
	return []pipeline.AuditRecord{
		{At: at, Actor: "mallory", Action: "approve", Environment: "production", Why: "<img> may not approve", Via: "button", RunNumber: 9, PullRequest: 4},
		{At: at.Add(-time.Minute), Actor: "slipway", Action: "enter", Environment: "production", Allowed: true, Why: "approved by carol", RunNumber: 8},
	}, nil
}

func (m *memory) Press(_ context.Context, p Press) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pressed = append(m.pressed, p)
	return m.refuses, nil
}

// before is a run that waits before production for an approval.
func before() pipeline.Run {
	run := displaytest.Running()
	run.ID, run.Number, run.Status = 90, 90, pipeline.StatusWaiting
	for i := range run.Stages {
		run.Stages[i].ID += 9000
	}
	last := &run.Stages[len(run.Stages)-1]
	last.Status, last.Spec.Enters, last.Spec.Environment = pipeline.StatusWaiting, true, "production"
	candidate := pipeline.Candidate{Environment: "production", Commit: run.Trigger.SHA, Parts: []pipeline.Part{
		{Kind: pipeline.PartImage, Name: "image", Value: "registry/shop@sha256:1234", Detail: "12 MiB"},
	}}
	run.Entries = []pipeline.Entry{{
		Environment: "production", State: pipeline.EntryWaiting, Candidate: &candidate,
		Hold: &pipeline.Hold{Title: "Waiting for 1 approval of @acme/platform", Person: true, Missing: []pipeline.Missing{
			{Rule: "approvals", Why: "It needs 1 approval, and has 0.", Who: "@acme/platform", Command: "/approve production"},
		}},
	}}
	return run
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	s := serverOf(t, newMemory(before()), nil)
	answer := get(t, s.handler(), "/acme/inventory-manager/environments")
	if answer.Code != http.StatusOK || strings.Contains(answer.Body.String(), "<form") {
		t.Errorf("%d: nobody is signed in, and there is a form", answer.Code)
	}
	goldenPage(t, "environments.html", answer.Body.String())
	for path, want := range map[string]int{"/acme/nothing/environments": http.StatusNotFound, "/nobody/nothing/environments": http.StatusNotFound} {
		if answer := get(t, s.handler(), path); answer.Code != want {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

// People who are signed in approve and reject exactly what the page showed; nobody else does.
func TestPressesOnThePage(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	g.store.put(before())
	waiting, _ := waitingStage(before(), "production")
	const page = "/acme/inventory-manager/environments"
	path := pressPath(displaytest.Repository(), waiting.ID, "approve")

	b := g.entered(bob)
	shown := b.get(page)
	candidate := before().Entries[0].Candidate.Fingerprint()
	if !strings.Contains(shown.body, path) || !strings.Contains(shown.body, candidate) {
		t.Fatalf("there is no form for %s of %s:\n%s", path, candidate, shown.body)
	}
	form := url.Values{"proof": {shown.proof()}, "candidate": {candidate}, "reason": {"no"}}
	if answer := b.post(path, form); answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != page {
		t.Errorf("%d to %s", answer.StatusCode, answer.Header.Get("Location"))
	}
	want := []Press{{Repository: displaytest.Repository(), StageRunID: waiting.ID, Button: "approve", By: "bob", Candidate: candidate, Reason: "no"}}
	if diff := cmp.Diff(want, g.store.pressed); diff != "" {
		t.Error(diff)
	}
	g.store.refuses = "bob asked for it."
	if answer := b.post(path, form); answer.StatusCode != http.StatusForbidden || !strings.Contains(answer.body, "bob asked for it.") {
		t.Errorf("%d\n%s", answer.StatusCode, answer.body)
	}
	pressed := len(g.store.pressed)
	g.forge.change(func() { g.forge.public[displaytest.Repository().ID] = true })
	g.clock.advance(answerAge)
	another := g.entered(Person{4, "bob"}) // whose login somebody else has by now
	b = g.entered(bob)
	form.Set("proof", b.get(page).proof())
	for name, answer := range map[string]int{
		"without proof":        b.post(path, url.Values{"candidate": {candidate}}).StatusCode,
		"a stranger":           g.guest().post(path, form).StatusCode,
		"who may not see it":   g.entered(mallory).post(path, url.Values{"proof": {g.entered(mallory).get("/").proof()}}).StatusCode,
		"another button":       b.post(pressPath(displaytest.Repository(), waiting.ID, "rollback"), form).StatusCode,
		"a login taken over":   another.post(path, url.Values{"proof": {another.get(page).proof()}, "candidate": {candidate}}).StatusCode,
		"no stage":             b.post("/acme/inventory-manager/press/x/approve", form).StatusCode,
		"a stage that is not":  b.get(path).StatusCode,
		"another's repository": b.post("/acme/nothing/press/1/approve", form).StatusCode,
	} {
		if answer < 400 {
			t.Errorf("%s: %d", name, answer)
		}
	}
	g.forge.change(func() { g.forge.down = errors.New("503") })
	if answer := b.post(path, form); answer.StatusCode < 400 {
		t.Errorf("GitHub cannot be asked: %d", answer.StatusCode)
	}
	if len(g.store.pressed) != pressed {
		t.Errorf("pressed: %v", g.store.pressed[pressed:])
	}
}
