package githubclient_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func (w *world) deployment(environment string, run int) githubclient.NewDeployment {
	return githubclient.NewDeployment{
		SHA: w.github.Head(shop, "main"), Environment: environment, Task: "deploy", Description: "Deploy of main", Production: true,
		Payload: map[string]int{"run": run},
	}
}

func ofRun(run int) func(json.RawMessage) bool {
	return func(payload json.RawMessage) bool {
		var p struct {
			Run int `json:"run"`
		}
		return json.Unmarshal(payload, &p) == nil && p.Run == run
	}
}

func TestDeploymentsAndTheirStatuses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	first, err := w.pool.CreateDeployment(ctx, w.repository, w.deployment("eu-production", 1))
	must(t, err)
	second, err := w.pool.CreateDeployment(ctx, w.repository, w.deployment("eu-production", 2))
	must(t, err)
	for id, states := range map[int64][]string{first: {"pending", "in_progress", "success"}, second: {"queued", "in_progress", "success"}} {
		for _, state := range states {
			must(t, w.pool.AddDeploymentStatus(ctx, w.repository, id, githubclient.DeploymentStatus{
				State: state, Description: "it is " + state, LogURL: "https://ci.example.org/acme/shop/runs/1", EnvironmentURL: "https://shop.example.org",
			}))
		}
	}
	got := w.github.Deployments(shop)
	if len(got) != 2 || got[0].SHA != w.github.Head(shop, "main") || got[0].Payload != `{"run":1}` || !got[0].Production || got[0].Transient ||
		got[0].Task != "deploy" || got[0].Description != "Deploy of main" || got[0].LogURL != "https://ci.example.org/acme/shop/runs/1" ||
		got[0].EnvironmentURL != "https://shop.example.org" {
		t.Errorf("%+v", got)
	}
	// A success touches no other deployment: which one it replaces is ours to say.
	if states := strings.Join(got[0].States, " "); states != "pending in_progress success" {
		t.Errorf("the first one: %s", states)
	}
	state, err := w.pool.DeploymentState(ctx, w.repository, first)
	must(t, err)
	if state != "success" {
		t.Errorf("newest state %q", state)
	}
	third, err := w.pool.CreateDeployment(ctx, w.repository, w.deployment("staging", 3))
	must(t, err)
	if state, err = w.pool.DeploymentState(ctx, w.repository, third); err != nil || state != "" {
		t.Errorf("state %q of a deployment without any: %v", state, err)
	}
	if _, err := w.pool.DeploymentState(ctx, w.repository, 12345); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("a deployment that is not there: %v", err)
	}
}

// A branch that lacks commits of the default branch is where GitHub would merge instead of deploying.
func TestNothingIsMergedForADeployment(t *testing.T) {
	w := newWorld(t)
	ann := w.github.As("ann")
	topic, err := ann.Push(t.Context(), shop, "topic", githubtest.Files{"a": "1"}, "a change")
	must(t, err)
	_, err = ann.Push(t.Context(), shop, "main", githubtest.Files{"b": "1"}, "another")
	must(t, err)
	d := w.deployment("production", 1)
	d.SHA = topic
	_, err = w.pool.CreateDeployment(t.Context(), w.repository, d)
	must(t, err)
	if got := w.github.Deployments(shop); len(got) != 1 || got[0].SHA != topic || w.github.Head(shop, "topic") != topic {
		t.Errorf("%+v, topic is at %s", got, w.github.Head(shop, "topic"))
	}
	w.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/deployments", Status: http.StatusAccepted, Body: `{"message":"Auto-merged main into topic on deployment."}`})
	if id, err := w.pool.CreateDeployment(t.Context(), w.repository, d); !errors.Is(err, githubclient.ErrMergedInstead) || id != 0 {
		t.Errorf("202: deployment %d, %v", id, err)
	}
}

func TestADeploymentIsFoundByItsPayload(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	app := w.github.App()
	unlimited, err := githubclient.New(githubclient.Config{V3: w.github.URLs().REST, AppID: app.ID, PrivateKey: app.PrivateKey})
	must(t, err)
	w.pool = unlimited
	find := func(run int) int64 {
		t.Helper()
		id, err := w.pool.FindDeployment(ctx, w.repository, w.github.Head(shop, "main"), "production", ofRun(run))
		must(t, err)
		return id
	}
	if id := find(1); id != 0 {
		t.Errorf("found %d where there is none", id)
	}
	for run := range 103 { // more than a page
		_, err := w.pool.CreateDeployment(ctx, w.repository, w.deployment("production", run))
		must(t, err)
	}
	_, err = w.pool.CreateDeployment(ctx, w.repository, w.deployment("staging", 1000))
	must(t, err)
	made := w.github.Deployments(shop)
	if id := find(1); id != made[1].ID {
		t.Errorf("run 1 is %d, want %d", id, made[1].ID)
	}
	if id := find(1000); id != 0 {
		t.Errorf("one of another environment: %d", id)
	}
	// The answer is lost; what was made is found.
	w.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/deployments", Drop: true, AfterEffect: true})
	if _, err := w.pool.CreateDeployment(ctx, w.repository, w.deployment("production", 500)); err == nil {
		t.Error("no error though the connection was cut")
	}
	if id := find(500); id == 0 {
		t.Error("what was made is not found")
	}
}

func TestDeploymentsWithoutPermission(t *testing.T) {
	w := newWorld(t)
	w.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/deployments", Status: http.StatusForbidden,
		Header: http.Header{"X-Accepted-Github-Permissions": {"deployments=write"}}, Body: `{"message":"Resource not accessible by integration"}`})
	_, err := w.pool.CreateDeployment(t.Context(), w.repository, w.deployment("production", 1))
	reason, permanent := githubclient.Permanent(err)
	if !permanent || !strings.Contains(reason, "deployments=write") {
		t.Errorf("%v, %q", err, reason)
	}
}

func TestOneCommentIsEditedInPlace(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ann := w.github.As("ann")
	_, err := ann.Push(ctx, shop, "topic", githubtest.Files{"a": "b\n"}, "a change")
	must(t, err)
	pull, err := ann.OpenPullRequest(ctx, shop, githubtest.NewPullRequest{Title: "Topic", Head: "topic", Base: "main"})
	must(t, err)
	const mark = "<!-- mark -->"
	id, err := w.pool.Comment(ctx, w.repository, pull.Number, mark+"\none")
	must(t, err)
	must(t, w.pool.EditComment(ctx, w.repository, id, mark+"\ntwo"))
	if got := w.github.Comments(shop, pull.Number); len(got) != 1 || got[0].ID != id || !strings.HasSuffix(got[0].Body, "two") {
		t.Errorf("%+v", got)
	}
	found, err := w.pool.FindComment(ctx, w.repository, pull.Number, time.Time{}, mark)
	must(t, err)
	if found != id {
		t.Errorf("found %d, want %d", found, id)
	}
	must(t, ann.DeleteComment(shop, id))
	if err := w.pool.EditComment(ctx, w.repository, id, "three"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("a comment that was deleted: %v", err)
	}
	if found, err = w.pool.FindComment(ctx, w.repository, pull.Number, time.Time{}, mark); err != nil || found != 0 {
		t.Errorf("found %d, %v after it was deleted", found, err)
	}
}
