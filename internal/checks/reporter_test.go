package checks

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestARunIsMirroredFromQueuedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "test", "lint", "deploy")
		run.Stages[2].Status, run.Stages[2].Reason, run.Stages[2].FinishedAt = pipeline.StatusSkipped, "no environment", noon
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		if got := b.github.states(); len(got) != 3 || !slices.Contains(got, "deploy: completed skipped") || !slices.Contains(got, "test: queued") {
			t.Fatalf("%v", got)
		}
		b.change(&run, func(s []pipeline.StageRun) { s[0].Status, s[0].StartedAt = pipeline.StatusRunning, noon })
		b.flush()
		if got := b.github.states(); !slices.Contains(got, "test: in_progress") {
			t.Fatalf("%v", got)
		}
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusSuccess) })
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[1], pipeline.StatusFailure) })
		b.flush()
		for _, c := range b.github.all() {
			if c.StartedAt == nil || c.CompletedAt == nil || c.DetailsURL != "https://ci.example.org/acme/shop/runs/1?stage="+c.Name {
				t.Errorf("%s: %v to %v, %s", c.Name, c.StartedAt, c.CompletedAt, c.DetailsURL)
			}
			if c.Name == "deploy" && c.writes != 1 {
				t.Errorf("a skipped stage cost %d writes", c.writes)
			}
			if c.Name == "test" && !c.StartedAt.Equal(noon) {
				t.Errorf("started %s: the time in the queue is no work", c.StartedAt)
			}
		}
		if len(b.reporter.runs) != 0 {
			t.Error("a run that is over is still remembered")
		}
		if ids, _ := b.store.DirtyRuns(t.Context()); len(ids) != 0 {
			t.Errorf("dirty: %v", ids)
		}
		// A second attempt of a run that was forgotten.
		b.change(&run, func(s []pipeline.StageRun) { s[1].Superseded = true })
		again := run.Stages[1]
		again.ID, again.Attempt, again.Superseded, again.Version = 150, 2, false, 1
		finish(&again, pipeline.StatusSuccess)
		run.Stages = append(run.Stages, again)
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		if got := b.github.states(); len(got) != 4 || got[3] != "lint: completed success" {
			t.Errorf("%v", got)
		}
	})
}

// A retry appends an attempt to a run whose checks are known already.
func TestARetryWhileTheRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "test", "lint")
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		again := run.Stages[0]
		again.ID, again.Attempt, again.Version = 150, 2, 1
		run.Stages = append(run.Stages, again)
		b.change(&run, func(s []pipeline.StageRun) { s[0].Superseded = true; finish(&s[0], pipeline.StatusFailure) })
		b.flush()
		if m := b.store.mirrors[150]; m.CheckRunID == 0 {
			t.Errorf("the second attempt's check is not recorded: %+v", m)
		}
		b.change(&run, func(s []pipeline.StageRun) {
			finish(&s[1], pipeline.StatusSuccess)
			finish(&s[2], pipeline.StatusSuccess)
		})
		b.flush()
		if got := b.github.states(); len(got) != 3 || got[2] != "test: completed success" {
			t.Errorf("%v", got)
		}
		if len(b.reporter.runs) != 0 {
			t.Error("a run that is over is still remembered")
		}
	})
}

func TestWithFewPointsAStageCostsTwoWritesAndConclusionsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		b.start()
		defer b.reporter.Stop()
		const runs, stages = 60, 3
		all := make([]pipeline.Run, runs)
		for i := range all {
			all[i] = newRun(int64(i+1), "a", "b", "c")
			b.change(&all[i], func([]pipeline.StageRun) {})
		}
		time.Sleep(time.Second) // the points of the first minute are gone
		for i := range all {
			b.change(&all[i], func(s []pipeline.StageRun) {
				for j := range s {
					s[j].Status, s[j].StartedAt = pipeline.StatusRunning, noon
				}
			})
		}
		for tick := range 20 {
			time.Sleep(time.Second)
			for i := range all {
				b.change(&all[i], func(s []pipeline.StageRun) { s[0].Progress = fmt.Sprint("step ", tick) })
			}
		}
		for i := range all {
			b.change(&all[i], func(s []pipeline.StageRun) {
				for j := range s {
					finish(&s[j], pipeline.StatusSuccess)
				}
			})
		}
		b.flush()
		if got := len(b.github.all()); got != runs*stages {
			t.Fatalf("%d checks", got)
		}
		writes := 0
		for _, c := range b.github.all() {
			writes += c.writes
			if c.Conclusion != "success" {
				t.Errorf("%s is %s", c.Name, c.Status)
			}
		}
		if writes > 2*runs*stages {
			t.Errorf("%d writes for %d stages", writes, runs*stages)
		}
		assertBudget(t, b.github, 900)
	})
}

func assertBudget(t *testing.T, g *fakeGitHub, points int) {
	t.Helper()
	for i, first := range g.written() {
		within := 0
		for _, w := range g.written()[i:] {
			if w.at.Sub(first.at) < time.Minute {
				within += pointsOfWrite
			}
		}
		if within > points {
			t.Fatalf("%d points within a minute", within)
		}
	}
}

func TestAConclusionOvertakesCreationsThatWaitForPoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 50)
		b.start()
		defer b.reporter.Stop()
		first := newRun(1, "a")
		b.put(first)
		b.reporter.mu.Lock() // all at the same time
		b.reporter.admit(first)
		for i := range 20 {
			run := newRun(int64(i+2), "x", "y")
			b.put(run)
			b.reporter.admit(run)
		}
		b.reporter.mu.Unlock()
		synctest.Wait()
		if n := len(b.github.written()); n != 10 {
			t.Fatalf("%d writes with 50 points", n)
		}
		names := map[string]int{}
		for _, w := range b.github.written() {
			names[w.head]++
		}
		if len(names) != 10 {
			t.Errorf("the first ten writes show %d runs", len(names))
		}
		b.change(&first, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusFailure) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if w := b.github.written()[10]; w.name != "a" || w.status != "completed failure" {
			t.Errorf("first with new points: %+v", w)
		}
		b.flush()
	})
}

func TestProgressIsCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 0)
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "a")
		for i := range 100 {
			b.change(&run, func(s []pipeline.StageRun) {
				s[0].Status, s[0].StartedAt, s[0].Progress = pipeline.StatusRunning, noon, fmt.Sprint("test ", i)
			})
			time.Sleep(100 * time.Millisecond)
		}
		if n := len(b.github.written()); n < 4 || n > 7 {
			t.Errorf("%d writes in ten seconds of progress", n)
		}
		b.flush()
		if got := b.github.all()[1].Output.Title; got != "test 99" {
			t.Errorf("the last progress is %q", got)
		}
		n := len(b.github.written())
		b.reporter.RunChanged(run)
		b.flush()
		if len(b.github.written()) != n {
			t.Error("what GitHub shows already was written again")
		}
	})
}

func TestThatAStageHasBegunIsShownWithinASecondOrTwo(t *testing.T) {
	for _, points := range []int{0, 900} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, points)
			b.start()
			defer b.reporter.Stop()
			run := newRun(1, "a")
			b.change(&run, func([]pipeline.StageRun) {})
			b.flush()
			b.change(&run, func(s []pipeline.StageRun) { s[0].Status, s[0].StartedAt = pipeline.StatusRunning, noon })
			time.Sleep(1500 * time.Millisecond)
			if got := b.github.states(); got[0] != "a: in_progress" {
				t.Errorf("%d points: %v", points, got)
			}
			b.flush()
		})
	}
}

func TestChangesToldOutOfOrderShowTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "a", "b")
		b.change(&run, func([]pipeline.StageRun) {})
		old := run
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusSuccess) })
		b.reporter.RunChanged(old)
		b.flush()
		b.reporter.RunChanged(old)
		b.flush()
		if got := b.github.states(); !slices.Contains(got, "a: completed success") {
			t.Errorf("%v", got)
		}
	})
}

func TestStoppedInTheMiddleAndStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 50)
		b.start()
		var all []pipeline.Run
		for i := range 10 {
			run := newRun(int64(i+1), "a", "b")
			b.change(&run, func([]pipeline.StageRun) {})
			all = append(all, run)
		}
		synctest.Wait()
		b.reporter.Stop()
		for i := range all {
			b.change(&all[i], func(s []pipeline.StageRun) {
				finish(&s[0], pipeline.StatusSuccess)
				finish(&s[1], pipeline.StatusFailure)
			})
		}
		b.restart()
		b.start()
		b.flush()
		b.reporter.Stop()
		if len(b.github.all()) != 20 {
			t.Errorf("%d checks", len(b.github.all()))
		}
		for _, c := range b.github.all() {
			if c.Status != "completed" {
				t.Errorf("%s of %s is %s", c.Name, c.HeadSHA, c.Status)
			}
		}
		assertBudget(t, b.github, 50)
	})
}

func BenchmarkFirstWrites(b *testing.B) {
	for b.Loop() {
		bench := newBench(b, 0)
		bench.reporter.Start()
		for i := range 2000 {
			run := newRun(int64(i+1), "a", "b", "c", "d", "e", "f", "g")
			bench.put(run)
			bench.reporter.RunChanged(run)
		}
		bench.flush()
		bench.reporter.Stop()
	}
}
