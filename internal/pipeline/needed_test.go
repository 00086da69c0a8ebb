package pipeline_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestTasksAreNeededUntilTheirAttemptEnds(t *testing.T) {
	b := newBench(t, stage("a"))
	running, end := make(chan struct{}), make(chan struct{})
	b.script.plays["a"] = func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict {
		close(running)
		<-end
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "done"}
	}
	run := b.mustSubmit(b.trigger("aaaa"))
	<-running
	task := fmt.Sprintf("r%d-s%d-a1", run.ID, run.Stages[0].ID)
	needs := func(id string, want bool) {
		t.Helper()
		if got, err := b.engine.NeedsTask(t.Context(), id); got != want || err != nil {
			t.Errorf("%s is needed: %v, %v", id, got, err)
		}
	}
	needs(task, true)
	for _, other := range []string{
		fmt.Sprintf("r%d-s%d-a2", run.ID, run.Stages[0].ID), fmt.Sprintf("r%d-s%d-a1", run.ID+1, run.Stages[0].ID), "r1-s999-a1", "", "README", task + "x",
	} {
		needs(other, false)
	}
	b.until(func() { close(end) }, ended)
	needs(task, false)
}
