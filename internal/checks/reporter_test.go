package checks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
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
		for _, c := range b.github.checks {
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
		if got := len(b.github.checks); got != runs*stages {
			t.Fatalf("%d checks", got)
		}
		writes := 0
		for _, c := range b.github.checks {
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
	for i, first := range g.writes {
		within := 0
		for _, w := range g.writes[i:] {
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
		b.change(&first, func([]pipeline.StageRun) {})
		for i := range 20 {
			run := newRun(int64(i+2), "x", "y")
			b.change(&run, func([]pipeline.StageRun) {})
		}
		synctest.Wait()
		if n := len(b.github.writes); n != 10 {
			t.Fatalf("%d writes with 50 points", n)
		}
		names := map[string]int{}
		for _, w := range b.github.writes {
			names[w.head]++
		}
		if len(names) != 10 {
			t.Errorf("the first ten writes show %d runs", len(names))
		}
		b.change(&first, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusFailure) })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if w := b.github.writes[10]; w.name != "a" || w.status != "completed failure" {
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
		if n := len(b.github.writes); n < 4 || n > 7 {
			t.Errorf("%d writes in ten seconds of progress", n)
		}
		b.flush()
		if got := b.github.checks[1].Output.Title; got != "test 99" {
			t.Errorf("the last progress is %q", got)
		}
		n := len(b.github.writes)
		b.reporter.RunChanged(run)
		b.flush()
		if len(b.github.writes) != n {
			t.Error("what GitHub shows already was written again")
		}
	})
}

func TestStormsDelayAndNeverDrop(t *testing.T) {
	for name, codes := range map[string][]int{
		"403": {403}, "429": {429}, "server errors": {500, 502, 503, 504}, "mixed": {429, 502, 403, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 900)
				n := 0
				storm := func(string, string) int {
					if n++; n%3 != 0 && n < 40 {
						return codes[n%len(codes)]
					}
					return 0
				}
				b.github.before = storm
				if name == "403" {
					b.github.before = func(m, p string) int {
						if storm(m, p) != 0 {
							return http.StatusTooManyRequests
						}
						return 0
					}
				}
				b.start()
				defer b.reporter.Stop()
				run := newRun(1, "a", "b", "c")
				b.change(&run, func([]pipeline.StageRun) {})
				time.Sleep(time.Second)
				b.change(&run, func(s []pipeline.StageRun) {
					for i := range s {
						finish(&s[i], pipeline.StatusSuccess)
					}
				})
				b.flush()
				got := b.github.states()
				slices.Sort(got)
				if !slices.Equal(got, []string{"a: completed success", "b: completed success", "c: completed success"}) {
					t.Errorf("%v", got)
				}
			})
		})
	}
}

func TestAnAnswerThatIsLostMakesNoSecondCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		lost := 0
		b.github.after = func(method, _ string) int {
			if method == http.MethodPost && lost < 2 {
				lost++
				return http.StatusBadGateway
			}
			return 0
		}
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "a", "b")
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		b.change(&run, func(s []pipeline.StageRun) {
			finish(&s[0], pipeline.StatusSuccess)
			finish(&s[1], pipeline.StatusSuccess)
		})
		b.flush()
		b.wantStates("a: completed success", "b: completed success")
	})
}

func TestKilledBetweenCreatingAndRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		b.store.broken = true
		b.start()
		run := newRun(1, "a", "b")
		b.change(&run, func([]pipeline.StageRun) {})
		synctest.Wait()
		b.reporter.Stop()
		if len(b.github.checks) != 2 || len(b.store.mirrors) != 0 {
			t.Fatalf("%d checks, %d records", len(b.github.checks), len(b.store.mirrors))
		}
		b.store.broken, b.github.reads = false, 0
		b.restart()
		// The engine may tell of the run before its repair has begun.
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusSuccess) })
		b.reporter.Start()
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[1], pipeline.StatusCancelled) })
		b.flush()
		b.reporter.Stop()
		b.wantStates("a: completed success", "b: completed cancelled")
		if b.github.reads != 1 {
			t.Errorf("GitHub was asked %d times", b.github.reads)
		}
	})
}

func TestWhatAnEarlierProcessLeftIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		for i := range 30 {
			run := newRun(int64(i+1), "a", "b")
			finish(&run.Stages[0], pipeline.StatusSuccess)
			finish(&run.Stages[1], pipeline.StatusTimedOut)
			b.put(run)
		}
		b.start()
		b.flush()
		b.reporter.Stop()
		if ids, _ := b.store.DirtyRuns(t.Context()); len(ids) != 0 || len(b.github.checks) != 60 {
			t.Errorf("dirty %v, %d checks", ids, len(b.github.checks))
		}
	})
}

func withFindings(run *pipeline.Run, n int) {
	for i := range n {
		run.Stages[0].Result.Findings = append(run.Stages[0].Result.Findings, pipeline.Finding{
			Tool: "flake8", Path: fmt.Sprintf("f%d.py", i), Line: i + 1, Message: "E501", Level: pipeline.LevelWarning,
		})
	}
	run.Stages[0].Result.Findings = append(run.Stages[0].Result.Findings, pipeline.Finding{Tool: "pip", Title: "no place"})
}

func TestManyAnnotationsComeInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "a")
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		withFindings(&run, 120)
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusFailure) })
		b.flush()
		if c := b.github.checks[1]; c.annotations != 120 || c.writes != 4 || c.Conclusion != "failure" {
			t.Errorf("%d annotations in %d writes, %s", c.annotations, c.writes, c.Conclusion)
		}
		if m := b.store.mirrors[100]; m.Annotations != 120 || m.Version != run.Stages[0].Version {
			t.Errorf("recorded %+v", m)
		}
	})
}

func TestKilledBetweenBatchesOfAnnotations(t *testing.T) {
	for _, recorded := range []bool{true, false} {
		t.Run(fmt.Sprint("recorded ", recorded), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 900)
				run := newRun(1, "a")
				withFindings(&run, 120)
				finish(&run.Stages[0], pipeline.StatusFailure)
				patches := 0
				b.github.before = func(method, _ string) int {
					if method == http.MethodPatch {
						if patches++; patches == 2 {
							b.store.broken = !recorded
							return http.StatusServiceUnavailable
						}
					}
					return 0
				}
				b.start()
				b.change(&run, func([]pipeline.StageRun) {})
				synctest.Wait()
				b.reporter.Stop()
				if c := b.github.checks[1]; c.annotations != 100 {
					t.Fatalf("%d annotations before the end", c.annotations)
				}
				b.store.broken = false
				b.restart()
				b.start()
				b.flush()
				b.reporter.Stop()
				if c := b.github.checks[1]; c.annotations != 120 {
					t.Errorf("%d annotations", c.annotations)
				}
			})
		})
	}
}

func TestAnInterruptedRequestWithAnnotationsIsNotRepeatedBlindly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		n := 0
		b.github.after = func(method, _ string) int {
			if n++; method != http.MethodGet && n%2 == 1 && n < 9 {
				return http.StatusBadGateway // carried out, and not said
			}
			return 0
		}
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "a")
		withFindings(&run, 120)
		finish(&run.Stages[0], pipeline.StatusFailure)
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		if len(b.github.checks) != 1 || b.github.checks[1].annotations != 120 {
			t.Errorf("%d checks, %d annotations", len(b.github.checks), b.github.checks[1].annotations)
		}
	})
}

func TestWhatGitHubRefusesForGoodIsGivenUp(t *testing.T) {
	tests := map[string]struct {
		code   int
		reason string
	}{
		"gone repository": {http.StatusNotFound, "installed on that repository"},
		"gone":            {http.StatusGone, "installed on that repository"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, 900)
				requests := 0
				b.github.before = func(string, string) int { requests++; return test.code }
				b.start()
				defer b.reporter.Stop()
				run := newRun(1, "a", "b", "c")
				b.change(&run, func([]pipeline.StageRun) {})
				b.flush()
				for _, s := range run.Stages {
					if m := b.store.mirrors[s.ID]; !strings.Contains(m.GaveUp, test.reason) {
						t.Errorf("%s: %q", s.Spec.Key, m.GaveUp)
					}
				}
				if requests != 1 {
					t.Errorf("%d requests for a repository that is gone", requests)
				}
				b.change(&run, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusSuccess) })
				b.flush()
				if requests != 1 {
					t.Error("asked again")
				}
			})
		})
	}
}

func TestAReportThatGitHubCallsMalformedIsSentInLessDetail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 900)
		refusals := 0
		b.github.before = func(method, _ string) int {
			if method == http.MethodPatch && refusals < 2 {
				refusals++
				return http.StatusUnprocessableEntity
			}
			return 0
		}
		b.start()
		defer b.reporter.Stop()
		run := newRun(1, "a")
		b.change(&run, func([]pipeline.StageRun) {})
		b.flush()
		b.change(&run, func(s []pipeline.StageRun) { finish(&s[0], pipeline.StatusFailure) })
		b.flush()
		if c := b.github.checks[1]; c.Conclusion != "failure" || !strings.Contains(c.Output.Summary, "did not accept") {
			t.Errorf("%s, %q", c.Conclusion, c.Output.Summary)
		}
	})
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
		if len(b.github.checks) != 20 {
			t.Errorf("%d checks", len(b.github.checks))
		}
		for _, c := range b.github.checks {
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
