package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// stopped is a bench whose queue works nothing: the test works attempts itself, step by step.
func stopped(t *testing.T, stages ...pipeline.StageDefinition) *bench {
	t.Helper()
	b := newBench(t)
	b.halt()
	b.world.definition.Stages = stages
	return b
}

func (b *bench) ready(sha string) pipeline.StageRun {
	b.Helper()
	return b.mustSubmit(b.trigger(sha)).Stages[0]
}

func TestACancelThatCameBeforeTheRunnerReachesItAfterAKill(t *testing.T) {
	b := stopped(t, stage("a"))
	began := b.hold("a")
	s := b.ready("aaaa")
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.engine.Work(ctx, s.ID) }()
	<-began
	kill() // the bot ends while the runner goes on
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := b.service.Cancel(t.Context(), s.RunID, "enough"); err != nil {
		t.Fatal(err)
	}
	// Its interrupt job was worked when there was no runner yet, so only the attempt itself can pass the cancel on.
	if err := b.newEngine().Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.load(s.RunID).Stages[0]; got.Status != pipeline.StatusCancelled || got.Reason != "enough" {
		t.Errorf("%s: %s", got.Status, got.Reason)
	}
}

func TestAStageCancelledBeforeItsRunnerIsNotStarted(t *testing.T) {
	b := stopped(t, stage("a"))
	s := b.ready("aaaa")
	_, err := b.db.Change(t.Context(), s.RunID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		return nil, r.Stage(s.ID).Move(pipeline.StatusRunning, time.Now()) // the bot was killed here
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.service.Cancel(t.Context(), s.RunID, "enough"); err != nil {
		t.Fatal(err)
	}
	if err := b.engine.Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.load(s.RunID).Stages[0]; got.Status != pipeline.StatusCancelled || len(b.script.started) != 0 {
		t.Errorf("%s, started %v", got.Status, b.script.started)
	}
}

func TestAnArtifactThatCannotBeKeptDoesNotHoldUpTheEnd(t *testing.T) {
	b := stopped(t, stage("a"))
	b.world.refused = "strange\u200b.txt"
	b.script.plays["a"] = func(_ context.Context, emit func(pipeline.StageEvent)) *pipeline.Verdict {
		for _, name := range []string{"good.txt", b.world.refused} {
			emit(pipeline.StageEvent{Type: pipeline.StageEventArtifact, Artifact: &pipeline.Artifact{Name: name, Path: "/x"}})
		}
		return &pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "done"}
	}
	s := b.ready("aaaa")
	if err := b.engine.Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	got := b.load(s.RunID).Stages[0]
	if got.Status != pipeline.StatusSuccess || len(got.Result.Artifacts) != 1 || !strings.Contains(got.Result.Sections[0].Code, "strange") {
		t.Errorf("%s: %+v", got.Status, got.Result)
	}
}

func TestATaskIsForgottenThoughTheBotWasKilledAfterItsEnd(t *testing.T) {
	b := stopped(t, stage("a"))
	s := b.ready("aaaa")
	if err := b.engine.Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	b.script.tasks["r1-s1-a1"] = &play{} // as if the clean-up had not come
	if err := b.engine.Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if len(b.script.tasks) != 0 {
		t.Errorf("left for ever: %v", b.script.tasks)
	}
}

func TestAnInlineStageThatPanicsFails(t *testing.T) {
	b := stopped(t, pipeline.StageDefinition{ID: "all", Uses: "summary"})
	b.panics = true
	s := b.ready("aaaa")
	if err := b.newEngine().Work(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.load(s.RunID); got.Status != pipeline.StatusFailure {
		t.Error(got.Status)
	}
}

func TestGivingUpTellsTheCauseInOneLineAndStopsTheRunner(t *testing.T) {
	b := stopped(t, stage("a"))
	began := b.hold("a")
	s := b.ready("aaaa")
	ctx, kill := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.engine.Work(ctx, s.ID) }()
	<-began
	kill()
	<-done
	b.script.mu.Lock()
	task := b.script.tasks["r1-s1-a1"]
	b.script.mu.Unlock()
	if err := b.engine.GiveUp(t.Context(), s.ID, errors.New("panic: oops\ngoroutine 1 [running]")); err != nil {
		t.Fatal(err)
	}
	got := b.load(s.RunID).Stages[0]
	if got.Status != pipeline.StatusFailure || strings.Contains(got.Result.Verdict.Cause, "goroutine") {
		t.Errorf("%s: %s", got.Status, got.Result.Verdict.Cause)
	}
	for ended := false; !ended; {
		task.mu.Lock()
		grown := task.grown
		ended = task.ended
		task.mu.Unlock()
		if !ended {
			<-grown
		}
	}
}

// Two steps within a second, then silence: the page must not show the first one for as long as the second takes.
func TestProgressIsToldThoughNothingElseHappens(t *testing.T) {
	b := newBench(t, stage("a"))
	next, release := make(chan struct{}), make(chan struct{})
	b.script.plays["a"] = func(_ context.Context, emit func(pipeline.StageEvent)) *pipeline.Verdict {
		emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &pipeline.Step{Name: "install", Status: pipeline.StatusRunning}})
		<-next
		emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &pipeline.Step{Name: "pytest", Status: pipeline.StatusRunning}})
		<-release
		return &pipeline.Verdict{Status: pipeline.StatusSuccess}
	}
	shows := func(step string) func(pipeline.Run) bool {
		return func(r pipeline.Run) bool { return r.Stages[0].Progress == step }
	}
	b.until(b.submit(b.trigger("aaaa")), shows("install"))
	b.until(func() { close(next) }, shows("pytest"))
	b.until(func() { close(release) }, ended)
}
