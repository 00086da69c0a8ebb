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
		if len(b.github.all()) != 2 || len(b.store.mirrors) != 0 {
			t.Fatalf("%d checks, %d records", len(b.github.all()), len(b.store.mirrors))
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
		if ids, _ := b.store.DirtyRuns(t.Context()); len(ids) != 0 || len(b.github.all()) != 60 {
			t.Errorf("dirty %v, %d checks", ids, len(b.github.all()))
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
		if c := b.github.all()[1]; c.annotations != 120 || c.writes != 4 || c.Conclusion != "failure" {
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
				if c := b.github.all()[1]; c.annotations != 100 {
					t.Fatalf("%d annotations before the end", c.annotations)
				}
				b.store.broken = false
				b.restart()
				b.start()
				b.flush()
				b.reporter.Stop()
				if c := b.github.all()[1]; c.annotations != 120 {
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
		if len(b.github.all()) != 1 || b.github.all()[1].annotations != 120 {
			t.Errorf("%d checks, %d annotations", len(b.github.all()), b.github.all()[1].annotations)
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
		if c := b.github.all()[1]; c.Conclusion != "failure" || !strings.Contains(c.Output.Summary, "did not accept") {
			t.Errorf("%s, %q", c.Conclusion, c.Output.Summary)
		}
	})
}
