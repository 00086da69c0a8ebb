//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func testCreate(t *testing.T, s Store) {
	var seen pipeline.Run
	run, created, err := s.CreateRun(t.Context(), pipeline.NewRun(push(1, "aaa"), plan(), start), func(r *pipeline.Run) ([]pipeline.Job, error) {
		seen = *r
		seen.Stages = append([]pipeline.StageRun(nil), r.Stages...)
		return r.Advance(start), nil
	})
	no(t, err)
	if !created || run.ID == 0 || run.Number != 1 {
		t.Fatalf("created %t, id %d, number %d", created, run.ID, run.Number)
	}
	if seen.ID != run.ID || seen.Number != 1 || seen.Stages[0].ID == 0 {
		t.Errorf("prepare saw run %d #%d with stage attempt %d: the numbers must be known", seen.ID, seen.Number, seen.Stages[0].ID)
	}
	for i, stage := range run.Stages {
		if stage.ID == 0 || stage.RunID != run.ID || stage.Index != i || stage.Version != 1 || stage.Attempt != 1 {
			t.Errorf("stage %d: %+v", i, stage)
		}
	}
	if run.Stages[0].Status != pipeline.StatusReady || run.Stages[1].Status != pipeline.StatusQueued {
		t.Errorf("prepare did not advance the run: %s, %s", run.Stages[0].Status, run.Stages[1].Status)
	}
	loaded, err := s.Run(t.Context(), run.ID)
	no(t, err)
	if diff := cmp.Diff(run, loaded); diff != "" {
		t.Errorf("what is loaded differs from what was created:\n%s", diff)
	}
	found := jobs(t, s, "stage")
	if len(found) != 1 || found[0].StageRunID != run.Stages[0].ID {
		t.Errorf("jobs %+v, want one for attempt %d", found, run.Stages[0].ID)
	}
}

func testCreateOnce(t *testing.T, s Store) {
	first := create(t, s, push(1, "aaa"))
	again, created, err := s.CreateRun(t.Context(), pipeline.NewRun(push(1, "aaa"), plan(), start), func(*pipeline.Run) ([]pipeline.Job, error) {
		t.Error("prepare was called for a run that exists")
		return nil, nil
	})
	no(t, err)
	if created {
		t.Error("created a second run of the key")
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("another run than the one stored:\n%s", diff)
	}
	if n := len(jobs(t, s, "stage")); n != 1 {
		t.Errorf("%d jobs, want 1", n)
	}
}

func testCreateFails(t *testing.T, s Store) {
	broken := errors.New("broken")
	_, created, err := s.CreateRun(t.Context(), pipeline.NewRun(push(1, "aaa"), plan(), start), func(r *pipeline.Run) ([]pipeline.Job, error) {
		return r.Advance(start), broken
	})
	if created || err != broken { //nolint:errorlint // it must come back as it is
		t.Errorf("created %t, error %v", created, err)
	}
	_, err = s.RunByKey(t.Context(), push(1, "aaa").Key())
	wantNotFound(t, "run whose prepare failed", err)

	_, _, err = s.CreateRun(t.Context(), pipeline.NewRun(push(1, "bbb"), plan(), start), func(*pipeline.Run) ([]pipeline.Job, error) {
		panic("in prepare")
	})
	wantError(t, err, "in prepare")
	_, _, err = s.CreateRun(t.Context(), pipeline.NewRun(push(1, "ccc"), plan(), start), func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Stages[0].Status = "unheard of"
		return nil, nil
	})
	wantError(t, err, "unheard of")
	if n := len(jobs(t, s, "stage")); n != 0 {
		t.Errorf("%d jobs of runs that were not created", n)
	}
	if run := create(t, s, push(1, "ddd")); run.Number != 1 {
		t.Errorf("number %d: failed runs used some up", run.Number)
	}
}

func testNumbers(t *testing.T, s Store) {
	for i, sha := range []string{"a", "b", "c"} {
		if run := create(t, s, push(1, sha)); run.Number != int64(i+1) {
			t.Errorf("run %s has number %d", sha, run.Number)
		}
	}
	if run := create(t, s, push(2, "a")); run.Number != 1 {
		t.Errorf("the first run of another repository has number %d", run.Number)
	}
}

// testRoundTrip fills every field there is, those added later included.
func testRoundTrip(t *testing.T, s Store) {
	run := pipeline.NewRun(push(1, "aaa"), plan(), start)
	want, _, err := s.CreateRun(t.Context(), run, func(r *pipeline.Run) ([]pipeline.Job, error) {
		kept := *r
		fill(reflect.ValueOf(r).Elem())
		r.ID, r.Number, r.Key, r.Trigger.Repository.ID, r.Status = kept.ID, kept.Number, kept.Key, 1, pipeline.StatusRunning
		r.Stages = append([]pipeline.StageRun(nil), kept.Stages...)
		for i := range r.Stages {
			stage := r.Stages[i]
			fill(reflect.ValueOf(&r.Stages[i]).Elem())
			r.Stages[i].ID, r.Stages[i].RunID, r.Stages[i].Index = stage.ID, stage.RunID, stage.Index
			r.Stages[i].Attempt, r.Stages[i].Spec.Key, r.Stages[i].Status = stage.Attempt, stage.Spec.Key, pipeline.StatusRunning
		}
		return nil, nil
	})
	no(t, err)
	got, err := s.Run(t.Context(), want.ID)
	no(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lost or altered on the way:\n%s", diff)
	}
}

// fill sets everything below v to something that is not zero.
func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(start))
		return
	case v.Type() == reflect.TypeFor[[]byte](), v.Type().ConvertibleTo(reflect.TypeFor[[]byte]()) && v.Kind() == reflect.Slice:
		v.SetBytes([]byte(`{"a":"<b>"}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("té<x>\u2028")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(42)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value)
		v.SetMapIndex(reflect.ValueOf("key").Convert(v.Type().Key()), value)
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	default: // a kind without a filling shows as a zero value that was not altered
	}
}
