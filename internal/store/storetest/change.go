//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testChange(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	result := pipeline.Result{
		Verdict:  pipeline.Verdict{Status: pipeline.StatusFailure, Title: "2 tests failed", Cause: "assert 1 == 2", ExitCode: 1},
		Findings: []pipeline.Finding{{Tool: "pytest", Path: "a.py", Line: 3, Title: "<script>"}},
		Outputs:  map[string]string{"digest": "sha256:abc"}, LogTail: []string{"\x1b[31mred", "\u2028"},
	}
	changed := conclude(t, s, run, result)
	loaded, err := s.Run(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(changed, loaded); diff != "" {
		t.Errorf("what is loaded differs from what Change returned:\n%s", diff)
	}
	if diff := cmp.Diff(result, loaded.Stages[0].Result); diff != "" {
		t.Errorf("result:\n%s", diff)
	}
	if loaded.Status != pipeline.StatusFailure || loaded.FinishedAt.IsZero() {
		t.Errorf("the run is %s, ended %v", loaded.Status, loaded.FinishedAt)
	}
	_, err = s.Change(t.Context(), run.ID+1000, func(*pipeline.Run) ([]pipeline.Job, error) { return nil, nil })
	wantNotFound(t, "change of a run that does not exist", err)
}

func testChangeAppends(t *testing.T, s Store) {
	run := end(t, s, create(t, s, push(1, "aaa")))
	run, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		return r.Rerun("test", "", "asked by @alice", start.Add(time.Hour))
	})
	no(t, err)
	if len(run.Stages) != 4 {
		t.Fatalf("%d attempts, want 4: %+v", len(run.Stages), run.Stages)
	}
	want := []struct {
		key     string
		attempt int
	}{{"test", 1}, {"test", 2}, {"deploy (production)", 1}, {"deploy (production)", 2}}
	ids := make(map[int64]bool)
	for i, w := range want {
		stage := run.Stages[i]
		if stage.Spec.Key != w.key || stage.Attempt != w.attempt || stage.RunID != run.ID || stage.Superseded != (w.attempt == 1) {
			t.Errorf("place %d: %s attempt %d of run %d, superseded %t", i, stage.Spec.Key, stage.Attempt, stage.RunID, stage.Superseded)
		}
		ids[stage.ID] = true
	}
	if len(ids) != 4 || ids[0] {
		t.Errorf("identifiers %v", ids)
	}
	loaded, err := s.Run(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(run, loaded); diff != "" {
		t.Errorf("what is loaded differs from what Change returned:\n%s", diff)
	}
	found := jobs(t, s, "stage")
	if last := found[len(found)-1]; last.StageRunID != run.Stages[1].ID {
		t.Errorf("the job is for attempt %d, want the appended one, %d", last.StageRunID, run.Stages[1].ID)
	}
	of, err := s.RunOfStage(t.Context(), run.Stages[3].ID)
	no(t, err)
	if of.ID != run.ID {
		t.Errorf("an appended attempt belongs to run %d", of.ID)
	}
}

func testChangeFails(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	before, err := s.Run(t.Context(), run.ID)
	no(t, err)
	broken := errors.New("broken")
	_, err = s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Stages[0].Progress = "half done"
		r.Stages = append(r.Stages, pipeline.StageRun{Spec: pipeline.StageSpec{Key: "more"}, Status: pipeline.StatusQueued})
		return []pipeline.Job{{Kind: pipeline.JobInterrupt, RunID: r.ID}}, broken
	})
	if err != broken { //nolint:errorlint // it must come back as it is
		t.Errorf("error %v", err)
	}
	for name, job := range map[string]pipeline.Job{
		"unknown kind":            {Kind: "unheard of"},
		"attempt of another run":  {Kind: pipeline.JobStage, StageRunID: run.Stages[0].ID + 1000},
		"attempt that is not":     {Kind: pipeline.JobStage, Key: "nothing"},
		"interrupt another's run": {Kind: pipeline.JobInterrupt, RunID: run.ID + 1},
	} {
		_, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
			r.Stages[0].Progress = "half done"
			return []pipeline.Job{job}, nil
		})
		if err == nil {
			t.Errorf("%s: the job was taken", name)
		}
	}
	after, err := s.Run(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("something of a failed change stayed:\n%s", diff)
	}
	if n := len(jobs(t, s, "interrupt")); n != 0 {
		t.Errorf("%d jobs of failed changes", n)
	}
}

func testChangeGuards(t *testing.T, s Store) {
	run := end(t, s, create(t, s, push(1, "aaa")))
	before, err := s.Run(t.Context(), run.ID)
	no(t, err)
	for name, change := range map[string]func(*pipeline.Run){
		"leaves a final state":      func(r *pipeline.Run) { r.Stages[0].Status = pipeline.StatusRunning },
		"unknown state of a stage":  func(r *pipeline.Run) { r.Stages[0].Status = "" },
		"unknown state of the run":  func(r *pipeline.Run) { r.Status = "gone" },
		"takes an attempt away":     func(r *pipeline.Run) { r.Stages = r.Stages[:1] },
		"another key of a stage":    func(r *pipeline.Run) { r.Stages[0].Spec.Key = "other" },
		"another stage to do":       func(r *pipeline.Run) { r.Stages[0].Spec.Run = []string{"rm -rf /"} },
		"another attempt":           func(r *pipeline.Run) { r.Stages[0].Attempt = 5 },
		"another number of the run": func(r *pipeline.Run) { r.Number++ },
		"another key of the run":    func(r *pipeline.Run) { r.Key = "other" },
		"attempt of another run": func(r *pipeline.Run) {
			r.Stages = append(r.Stages, pipeline.StageRun{ID: 99999, Spec: pipeline.StageSpec{Key: "x"}, Status: pipeline.StatusQueued})
		},
	} {
		_, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
			change(r)
			return nil, nil
		})
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	_, err = s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Stages[0].Status = pipeline.StatusRunning
		return nil, nil
	})
	if _, ok := errors.AsType[*pipeline.MoveError](err); !ok {
		t.Errorf("error %v, want a *pipeline.MoveError", err)
	}
	after, err := s.Run(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("something of a refused change stayed:\n%s", diff)
	}
}

func testVersions(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	change := func(fn func(*pipeline.Run)) pipeline.Run {
		t.Helper()
		changed, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) { fn(r); return nil, nil })
		no(t, err)
		return changed
	}
	versions := func(r pipeline.Run, first, second int64) {
		t.Helper()
		loaded, err := s.Run(t.Context(), run.ID)
		no(t, err)
		for _, r := range []pipeline.Run{r, loaded} {
			if r.Stages[0].Version != first || r.Stages[1].Version != second {
				t.Errorf("versions %d, %d, want %d, %d", r.Stages[0].Version, r.Stages[1].Version, first, second)
			}
		}
	}
	versions(change(func(*pipeline.Run) {}), 1, 1)
	versions(change(func(r *pipeline.Run) { r.Stages[0].Progress = "a" }), 2, 1)
	versions(change(func(r *pipeline.Run) { r.Stages[0].Progress = "a" }), 2, 1)
	versions(change(func(r *pipeline.Run) { r.Stages[1].Result.Outputs = map[string]string{"a": "b"} }), 2, 2)
	// Through what the copy shares with the original:
	versions(change(func(r *pipeline.Run) { r.Stages[1].Result.Outputs["a"] = "c" }), 2, 3)
	// It is the store that counts.
	versions(change(func(r *pipeline.Run) { r.Stages[0].Version = 77 }), 2, 3)
	versions(change(func(r *pipeline.Run) { r.Stages[0].Progress, r.Stages[0].Version = "b", 77 }), 3, 3)
	versions(change(func(r *pipeline.Run) { r.Reason = "of the run, not of a stage" }), 3, 3)
}

func testChangeJobs(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	for _, j := range jobs(t, s, "stage") {
		if j.State != "available" || j.Queue != "stages" {
			t.Errorf("first job %+v", j)
		}
	}
	before := time.Now()
	_, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		return []pipeline.Job{
			{Kind: pipeline.JobStage, StageRunID: r.Stages[1].ID, After: time.Hour}, {Kind: pipeline.JobInterrupt, RunID: r.ID},
		}, nil
	})
	no(t, err)
	stages, interrupts := jobs(t, s, "stage"), jobs(t, s, "interrupt")
	if len(stages) != 2 || len(interrupts) != 1 {
		t.Fatalf("%d stage jobs, %d interrupts, want 2 and 1", len(stages), len(interrupts))
	}
	if interrupts[0].RunID != run.ID || interrupts[0].Queue != "control" {
		t.Errorf("interrupt %+v", interrupts[0])
	}
	delayed := stages[1]
	if delayed.State != "scheduled" || delayed.StageRunID != run.Stages[1].ID || delayed.DueAt.Before(before.Add(time.Hour-time.Second)) {
		t.Errorf("delayed job %+v", delayed)
	}
}
