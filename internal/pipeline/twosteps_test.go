package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// twice plays a stage of two steps: it keeps something in the first, and tells what it is given in the second.
func (b *bench) twice(key string) {
	b.script.plays[key] = func(_ context.Context, emit func(pipeline.StageEvent)) *pipeline.Verdict {
		b.script.mu.Lock()
		own := slices.DeleteFunc(slices.Clone(b.script.seen), func(t pipeline.Task) bool { return t.Stage.Key != key })
		task, files := own[len(own)-1], b.script.secrets[key].Files
		b.script.mu.Unlock()
		say := func(text string) {
			emit(pipeline.StageEvent{Type: pipeline.StageEventLog, Log: &pipeline.LogLine{Text: text}})
		}
		step := string(task.Phase)
		say("begin " + step)
		emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &pipeline.Step{Name: step, Status: pipeline.StatusSuccess}})
		emit(pipeline.StageEvent{Type: pipeline.StageEventSection, Section: &pipeline.Section{Title: step}})
		emit(pipeline.StageEvent{Type: pipeline.StageEventOutput, Output: map[string]string{step: "yes"}})
		if task.Phase == pipeline.PhasePrepare {
			emit(pipeline.StageEvent{Type: pipeline.StageEventPrivate, Private: &pipeline.Artifact{Name: "plan", Path: "/x"}})
			emit(pipeline.StageEvent{Type: pipeline.StageEventPart, Part: &pipeline.Part{Kind: pipeline.PartPlan, Name: key, Value: "1"}})
			return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "built"}
		}
		say(fmt.Sprintf("given %s and %d part", files["plan"], len(task.Parts)))
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "published"}
	}
}

func TestAStageOfTwoSteps(t *testing.T) {
	b := newBench(t, stage("test"), pipeline.StageDefinition{ID: "image", Uses: "image", Needs: []pipeline.Need{{Stage: "test"}}})
	b.twice("image")
	built := make(chan struct{})
	b.script.plays["test"] = func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict {
		<-built
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "48 tests"}
	}
	waits := b.until(b.submit(b.trigger("aaaa")), func(r pipeline.Run) bool { return r.Stages[1].Phase == pipeline.PhaseApply })
	if s := waits.Stages[1]; s.Status != pipeline.StatusQueued || !s.StartedAt.IsZero() || s.Result.Verdict.Title != "built" {
		t.Errorf("it does not wait for its needs: %+v", s)
	}
	run := b.until(func() { close(built) }, ended)
	image := run.Stages[1]
	if got := summary(run); got != "test=success image=success" || len(run.Stages) != 2 {
		t.Fatal(got)
	}
	if diff := cmp.Diff([]string{"begin prepare", "begin apply", "given kept plan and 1 part"}, b.world.lines[image.ID]); diff != "" {
		t.Error(diff)
	}
	var steps, sections []string
	for _, s := range image.Result.Steps {
		steps = append(steps, s.Name)
	}
	for _, s := range image.Result.Sections {
		sections = append(sections, fmt.Sprint(s.Title, " ", s.Folded))
	}
	if diff := cmp.Diff([]string{"prepare", "apply"}, steps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"apply false", "prepare true"}, sections); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"prepare": "yes", "apply": "yes"}, image.Result.Outputs); diff != "" {
		t.Error(diff)
	}
	if image.Result.Verdict.Title != "published" || image.Result.PreparedSteps != 1 || len(image.Result.Parts) != 1 {
		t.Errorf("%+v", image.Result)
	}
	ids := make([]string, 0, 2)
	for _, task := range b.script.seen {
		if task.Stage.Key == "image" {
			ids = append(ids, task.ID)
		}
	}
	slices.Sort(ids)
	if len(ids) != 2 || ids[0]+"-p" != ids[1] {
		t.Errorf("the tasks of its steps are %v", ids)
	}
	b.halt() // whatever is cleared up is cleared up by now
	if len(b.script.tasks) != 0 {
		t.Errorf("tasks are left: %d", len(b.script.tasks))
	}
}

// A bot that is killed after the first step, or in mid-second, goes on where it was.
func TestARestartBetweenTheSteps(t *testing.T) {
	b := stopped(t, pipeline.StageDefinition{ID: "image", Uses: "image"})
	b.twice("image")
	s := b.ready("aaaa")
	if err := b.engine.Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.load(s.RunID).Stages[0]; got.Status != pipeline.StatusReady || got.Phase != pipeline.PhaseApply {
		t.Fatalf("%s of %s", got.Status, got.Phase)
	}
	second := b.script.plays["image"]
	began := b.hold("image")
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.newEngine().Work(ctx, s.ID) }()
	<-began
	kill()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	b.script.mu.Lock()
	b.script.tasks, b.script.plays["image"] = map[string]*play{}, second // the machine was started anew: its runner is gone
	b.script.mu.Unlock()
	for range 2 { // the second time there is nothing left to do
		if err := b.newEngine().Work(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
	}
	run := b.load(s.RunID)
	if got := summary(run); got != "image=success" || len(run.Stages) != 1 || run.Stages[0].Result.PreparedSteps != 1 {
		t.Errorf("%s after %v", got, b.script.started)
	}
}

func TestACancelBetweenTheStepsEndsTheStage(t *testing.T) {
	b := stopped(t, pipeline.StageDefinition{ID: "image", Uses: "image"})
	b.script.plays["image"] = func(context.Context, func(pipeline.StageEvent)) *pipeline.Verdict {
		if _, err := b.service.Cancel(context.Background(), 1, "enough"); err != nil {
			t.Error(err)
		}
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "built all the same"}
	}
	s := b.ready("aaaa")
	if err := b.engine.Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	got := b.load(s.RunID).Stages[0]
	if got.Status != pipeline.StatusCancelled || got.Reason != "enough" || got.Result.Verdict.Title != "Cancelled: enough" {
		t.Errorf("%s: %s, %+v", got.Status, got.Reason, got.Result.Verdict)
	}
}

// What was kept for the second step is gone, perhaps swept while somebody thought it over: it is prepared again.
func TestWhatWasPreparedIsGone(t *testing.T) {
	b := newBench(t, pipeline.StageDefinition{ID: "image", Uses: "image"})
	b.twice("image")
	b.world.lost = true
	run := b.until(b.submit(b.trigger("aaaa")), ended)
	if got := summary(run); got != "image=success" || len(run.Stages) != 2 {
		t.Fatalf("%s in %d attempts", got, len(run.Stages))
	}
	if first := run.Stages[0].Result.Verdict; !first.Infrastructure || !strings.Contains(first.Title, "no longer kept") {
		t.Errorf("%+v", first)
	}
}
