package handlers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

type heads struct{ branches, pulls []pipeline.Trigger }

func (h heads) BranchTriggers(context.Context, pipeline.Repository) ([]pipeline.Trigger, error) {
	return h.branches, nil
}

func (h heads) PullRequestTriggers(context.Context, pipeline.Repository) ([]pipeline.Trigger, error) {
	return h.pulls, nil
}

func TestReconcile(t *testing.T) {
	repo := pipeline.Repository{ID: 5, Owner: "acme", Name: "shop", DefaultBranch: "main"}
	branch := func(name, sha string) pipeline.Trigger {
		return pipeline.Trigger{Event: pipeline.EventPush, Repository: repo, Ref: "refs/heads/" + name, Branch: name, SHA: sha}
	}
	found := heads{
		branches: []pipeline.Trigger{branch("main", headSHA), branch("topic", headSHA), branch("develop", "dddd")},
		pulls: []pipeline.Trigger{{
			Event: pipeline.EventPullRequest, Repository: repo, Ref: "refs/pull/7/head", Branch: "topic", Base: "main", SHA: headSHA, PullRequest: 7,
		}},
	}
	ran := pipeline.Run{ID: 1, Trigger: branch("main", headSHA)}
	submitMain := `submit push refs/heads/main main@aaaa base= pr=0 fork=false fresh=false skip="" by  in acme/shop#0`
	lay := "lay the schedules of acme/shop"
	submitDevelop := `submit push refs/heads/develop develop@dddd base= pr=0 fork=false fresh=false skip="" by  in acme/shop#0`
	submitPull := `submit pull_request refs/pull/7/head topic@aaaa base=main pr=7 fork=false fresh=false skip="" by  in acme/shop#0`
	old := ran
	old.Trigger.Ref = "refs/heads/old"
	wantsAllButTopic := pipeline.Definition{On: pipeline.On{
		Push: &pipeline.BranchFilter{Match: func(b string) bool { return b != "topic" }},
	}}
	cases := []struct {
		name       string
		runs       []pipeline.Run
		definition error
		want       []string
	}{
		{"a repository that never ran", nil, nil, nil},
		{"main has its run", []pipeline.Run{ran}, nil, []string{lay, submitDevelop, submitPull}},
		{"nothing has its run", []pipeline.Run{old}, nil, []string{lay, submitMain, submitDevelop, submitPull}},
		{"a file with problems", []pipeline.Run{old}, &pipeline.InvalidDefinitionError{}, []string{lay, submitMain, submitPull}},
		{"no file on the default branch", []pipeline.Run{old}, fmt.Errorf("no file: %w", pipeline.ErrNothingToRun), []string{lay, submitPull}},
		{"GitHub does not know the commit yet", []pipeline.Run{old}, fmt.Errorf("no tree: %w", pipeline.ErrNotFound), []string{lay}},
		{"GitHub does not answer", []pipeline.Run{old}, errors.New("no answer"), []string{lay}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			core := &recorder{runs: tc.runs}
			r := &Reconciler{
				Service: core, Runs: core, Heads: found, Commits: core, Drift: core,
				Repositories: func(context.Context) ([]pipeline.Repository, error) { return []pipeline.Repository{repo}, nil },
				Definition: func(context.Context, pipeline.Trigger) (pipeline.Definition, error) {
					return wantsAllButTopic, tc.definition
				},
				Now: time.Now, Log: zerolog.Nop(),
			}
			err := r.Reconcile(t.Context())
			if (err != nil) != strings.HasPrefix(tc.name, "GitHub does not") {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.want, core.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}
