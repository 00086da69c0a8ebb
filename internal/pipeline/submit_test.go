package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// hold makes a stage run until it is cancelled.
func (b *bench) hold(key string) (began <-chan struct{}) {
	running := make(chan struct{}, 10)
	b.script.plays[key] = func(ctx context.Context, _ func(pipeline.StageEvent)) *pipeline.Verdict {
		running <- struct{}{}
		<-ctx.Done()
		return &pipeline.Verdict{Status: pipeline.StatusCancelled, Title: context.Cause(ctx).Error()}
	}
	return running
}

func (b *bench) mustSubmit(t pipeline.Trigger) pipeline.Run {
	b.Helper()
	run, err := b.service.Submit(b.Context(), t)
	if err != nil {
		b.Fatal(err)
	}
	return run
}

func (b *bench) load(id int64) pipeline.Run {
	b.Helper()
	run, err := b.db.Run(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	return run
}

func TestAnOlderPushThatComesLateDoesNotStopTheNewer(t *testing.T) {
	b := newBench(t, stage("a"))
	began := b.hold("a")
	newer, older := b.trigger("bbbb"), b.trigger("aaaa")
	newer.Before, newer.At, older.At = "aaaa", time.Unix(20, 0), time.Unix(10, 0)
	first := b.mustSubmit(newer)
	<-began
	late := b.mustSubmit(older)
	if run := b.load(first.ID); run.Reason != "" {
		t.Errorf("the run of the branch's head was cancelled: %s", run.Reason)
	}
	if run := b.load(late.ID); run.Reason != "superseded by run #1" {
		t.Errorf("the run of the older push goes on: %q", run.Reason)
	}
}

func TestAReopenedPullRequestRunsAgain(t *testing.T) {
	b := newBench(t, stage("a"))
	began := b.hold("a")
	trigger := b.trigger("aaaa")
	trigger.Event, trigger.Ref, trigger.Base, trigger.PullRequest = pipeline.EventPullRequest, "refs/pull/7/head", "main", 7
	opened := b.mustSubmit(trigger)
	<-began
	if err := b.service.CancelGroup(t.Context(), trigger, "the pull request was closed"); err != nil {
		t.Fatal(err)
	}
	closed := trigger
	closed.At = time.Unix(10, 0)
	trigger.Delivery, trigger.At = "reopened", time.Unix(20, 0)
	reopened := b.mustSubmit(trigger)
	if reopened.ID == opened.ID {
		t.Fatalf("nothing runs for the reopened pull request: its run is %s (%s)", reopened.Status, reopened.Reason)
	}
	if repeated := b.mustSubmit(trigger); repeated.ID != reopened.ID {
		t.Errorf("one delivery made the runs %d and %d", reopened.ID, repeated.ID)
	}
	if err := b.service.CancelGroup(t.Context(), closed, "the pull request was closed"); err != nil {
		t.Fatal(err)
	}
	if run := b.load(reopened.ID); run.Reason != "" {
		t.Errorf("a late delivery of the close cancelled what was reopened since: %s", run.Reason)
	}
}

func TestLookingAtAnOldCommitAgainDoesNotStopTheHead(t *testing.T) {
	b := newBench(t, stage("a"))
	began := b.hold("a")
	b.mustSubmit(b.trigger("aaaa"))
	<-began
	head := b.mustSubmit(b.trigger("bbbb"))
	again := b.trigger("aaaa")
	again.Fresh, again.Delivery = true, "asked"
	b.mustSubmit(again)
	if run := b.load(head.ID); run.Reason != "" {
		t.Errorf("the run of the branch's head was cancelled: %s", run.Reason)
	}
}

func TestRerunIsOneWishAndOneRepositorys(t *testing.T) {
	b := newBench(t, stage("a"))
	b.script.plays["a"] = fails("no")
	run := b.until(b.submit(b.trigger("aaaa")), ended)
	clicked := run.Stages[0].ID
	if _, err := b.service.Rerun(t.Context(), 2, clicked, "alice"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("a stage of another repository was run again: %v", err)
	}
	rerun := func() {
		if _, err := b.service.Rerun(t.Context(), 1, clicked, "alice"); err != nil {
			t.Error(err)
		}
	}
	b.until(rerun, func(r pipeline.Run) bool { return len(r.Stages) == 2 && ended(r) })
	rerun() // the delivery is worked again
	if got := len(b.load(run.ID).Stages); got != 2 {
		t.Errorf("one click made %d attempts", got)
	}
}

func TestARunThatWaitsEndsWithItsPullRequest(t *testing.T) {
	b := newBench(t, stage("a"))
	trigger := b.trigger("aaaa")
	trigger.Event, trigger.Ref, trigger.Base, trigger.Fork = pipeline.EventPullRequest, "refs/pull/7/head", "main", true
	fork := b.mustSubmit(trigger)
	if err := b.service.CancelWaiting(t.Context(), trigger, "the pull request was merged"); err != nil {
		t.Fatal(err)
	}
	if run := b.load(fork.ID); run.Status != pipeline.StatusCancelled {
		t.Error(run.Status)
	}
	began := b.hold("a")
	trigger.Fork, trigger.SHA = false, "bbbb"
	own := b.mustSubmit(trigger)
	<-began
	if err := b.service.CancelWaiting(t.Context(), trigger, "the pull request was merged"); err != nil {
		t.Fatal(err)
	}
	if run := b.load(own.ID); run.Reason != "" {
		t.Errorf("a run that works was cancelled: %s", run.Reason)
	}
}
