package pipeline

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckoutOfTheDefinitionReachesTheTask(t *testing.T) {
	d := Definition{Stages: []StageDefinition{{ID: "a", Uses: "run"}}, Checkout: CheckoutDefinition{Submodules: true, LFS: true}}
	plan, err := NewPlan(push("main"), d, PlanFacts{Built: built})
	if err != nil {
		t.Fatal(err)
	}
	run := NewRun(push("main"), plan, at(0))
	shared := GitSourceOf(run.Trigger)
	task := newTask(run, run.Stages[0], shared)
	if !task.Source.Git.Submodules || !task.Source.Git.LFS || task.Source.Git.SHA != sha {
		t.Errorf("%+v", task.Source.Git)
	}
	if shared.Git.Submodules {
		t.Error("the trigger's source was changed for everybody")
	}
}

func TestTaskEnv(t *testing.T) {
	trigger := pull("main")
	trigger.Actor = "alice"
	run := NewRun(trigger, Plan{Stages: []StageSpec{
		{Key: "build", ID: "build"},
		{Key: "beside", ID: "beside"},
		{Key: "test (3.13)", ID: "test", Needs: []Need{{Stage: "build"}}, Env: map[string]string{"MODE": "fast"}, Matrix: MatrixLeg{{"python-version", "3.13"}}},
	}}, at(0))
	run.Number = 4
	run.Stages[0].Result.Outputs = map[string]string{"image-tag": "v1"}
	run.Stages[1].Result.Outputs = map[string]string{"x": "not needed, so not given"}
	want := map[string]string{
		"CI": "true", "SLIPWAY_REPOSITORY": "acme/shop", "SLIPWAY_SHA": sha, "SLIPWAY_REF": "refs/pull/7/head", "SLIPWAY_BRANCH": "topic",
		"SLIPWAY_BASE": "main", "SLIPWAY_EVENT": "pull_request", "SLIPWAY_RUN": "4", "SLIPWAY_STAGE": "test", "SLIPWAY_ATTEMPT": "1",
		"SLIPWAY_ACTOR": "alice", "SLIPWAY_PULL_REQUEST": "7", "SLIPWAY_OUTPUT_BUILD_IMAGE_TAG": "v1", "MODE": "fast", "MATRIX_PYTHON_VERSION": "3.13",
	}
	if diff := cmp.Diff(want, taskEnv(run, run.Stages[2])); diff != "" {
		t.Error(diff)
	}
}
