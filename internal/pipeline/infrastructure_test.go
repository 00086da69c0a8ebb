package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestARollbackIsToldWhereTheInfrastructureIs(t *testing.T) {
	running := &Release{Number: 5, Infrastructure: map[string]map[string]string{"tf": {"address": "db.example.com", "mode": "x"}}}
	cases := map[string]struct {
		infra       bool
		environment string
		running     *Release
		want        map[string]string
	}{
		"as it is":                  {false, "production", running, map[string]string{"SLIPWAY_OUTPUT_TF_ADDRESS": "db.example.com", "SLIPWAY_OUTPUT_TF_MODE": "own"}},
		"rolled back, too":          {true, "production", running, map[string]string{"SLIPWAY_OUTPUT_TF_MODE": "own"}},
		"outside of an environment": {false, "", running, map[string]string{"SLIPWAY_OUTPUT_TF_MODE": "own"}},
		"nothing runs":              {false, "production", nil, map[string]string{"SLIPWAY_OUTPUT_TF_MODE": "own"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			trigger := deploy("production", ActionRollback)
			trigger.Deploy.Infra = tc.infra
			run := NewRun(trigger, Plan{Stages: []StageSpec{{Key: "app", ID: "app", Environment: tc.environment}}, Restores: restoresOf(trigger)}, at(0))
			task := Task{Stage: run.Stages[0].Spec, Current: tc.running, Env: map[string]string{"SLIPWAY_OUTPUT_TF_MODE": "own"}}
			giveInfrastructure(&task, run)
			if diff := cmp.Diff(tc.want, task.Env); diff != "" {
				t.Error(diff)
			}
		})
	}
	push := NewRun(push("main"), Plan{Stages: []StageSpec{{Key: "app", ID: "app", Environment: "production"}}}, at(0))
	task := Task{Stage: push.Stages[0].Spec, Current: running, Env: map[string]string{}}
	if giveInfrastructure(&task, push); len(task.Env) > 0 {
		t.Errorf("a push is given %v", task.Env)
	}
}

func TestTheInfrastructureAfterARun(t *testing.T) {
	before := Release{Infrastructure: map[string]map[string]string{"tf": {"a": "old"}, "net": {"n": "old"}, "gone": {"g": "old"}}}
	b := walk(t, push("main"), define("tf terraform @production", "net terraform @production", "dep run @production <tf"))
	for i := range b.run.Stages {
		s := &b.run.Stages[i]
		switch s.Spec.ID {
		case "tf":
			s.Status, s.Result.Outputs = StatusSuccess, map[string]string{"a": "new"}
		case "net":
			s.Status = StatusSkipped
		default:
			s.Status, s.Result.Outputs = StatusSuccess, map[string]string{"x": "no infrastructure"}
		}
	}
	want := map[string]map[string]string{"tf": {"a": "new"}, "net": {"n": "old"}}
	if diff := cmp.Diff(want, b.run.Infrastructure("production", before)); diff != "" {
		t.Error(diff)
	}
}
