package sqlite_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

func openBench(b *testing.B) *sqlite.DB {
	b.Helper()
	db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "slipway.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return db
}

// pushPayload has the size and the look of a push event: much of it repeats.
func pushPayload(i int) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `{"ref":"refs/heads/main","after":"%040x","repository":{`, i)
	for n := range 80 {
		fmt.Fprintf(&out, `"url_%d":"https://api.github.com/repos/acme/inventory-manager/resource-%d{/sha}",`, n, n)
	}
	fmt.Fprintf(&out, `"id":%d}}`, i)
	return out.Bytes()
}

func benchRun(repository int64, n int64) pipeline.Run {
	return pipeline.NewRun(pipeline.Trigger{
		Event: pipeline.EventPush, SHA: fmt.Sprintf("%040x", n), Ref: "refs/heads/main", Branch: "main", Actor: "alice",
		Repository: pipeline.Repository{ID: repository, Owner: "acme", Name: fmt.Sprintf("r%d", repository), DefaultBranch: "main"},
	}, pipeline.Plan{Name: "CI", Stages: []pipeline.StageSpec{
		{Key: "build-and-test", ID: "build-and-test", Uses: "python", With: []byte(`{"python":"3.13","tests":"tests/"}`), Timeout: time.Minute},
		{Key: "security", ID: "security", Uses: "python-security", Needs: []pipeline.Need{{Stage: "build-and-test"}}},
		{Key: "summary", ID: "summary", Uses: "summary"},
	}}, time.Now())
}

func advance(r *pipeline.Run) ([]pipeline.Job, error) { return r.Advance(time.Now()), nil }

// BenchmarkAccept is a burst of deliveries over 64 connections; every answer waits for the disk.
func BenchmarkAccept(b *testing.B) {
	db := openBench(b)
	var n atomic.Int64
	b.SetParallelism(32) // times the number of cores, here 2
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			_, err := db.Accept(context.Background(), store.Delivery{GUID: fmt.Sprintf("%032d", i), Event: "push", Payload: pushPayload(i)})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

func BenchmarkCreateRun(b *testing.B) {
	b.Run("one caller", func(b *testing.B) {
		db := openBench(b)
		for i := 0; b.Loop(); i++ {
			if _, _, err := db.CreateRun(b.Context(), benchRun(1, int64(i)), advance); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
	})
	b.Run("32 callers", func(b *testing.B) {
		db := openBench(b)
		var n atomic.Int64
		b.SetParallelism(16)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				i := n.Add(1)
				if _, _, err := db.CreateRun(context.Background(), benchRun(i%8, i), advance); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
	})
}

func BenchmarkChange(b *testing.B) {
	b.Run("one caller", func(b *testing.B) {
		db := openBench(b)
		run, _, err := db.CreateRun(b.Context(), benchRun(1, 1), advance)
		if err != nil {
			b.Fatal(err)
		}
		for i := 0; b.Loop(); i++ {
			if _, err := db.Change(b.Context(), run.ID, progress(i)); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	})
	b.Run("32 callers of 32 runs", func(b *testing.B) {
		db := openBench(b)
		var n atomic.Int64
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			run, _, err := db.CreateRun(context.Background(), benchRun(1, n.Add(1)), advance)
			if err != nil {
				b.Error(err)
				return
			}
			for i := 0; pb.Next(); i++ {
				if _, err := db.Change(context.Background(), run.ID, progress(i)); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	})
}

func progress(i int) func(*pipeline.Run) ([]pipeline.Job, error) {
	return func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.Stages[0].Progress = fmt.Sprintf("%d tests", i)
		return nil, nil
	}
}

func BenchmarkRead(b *testing.B) {
	db := openBench(b)
	run, _, err := db.CreateRun(b.Context(), benchRun(1, 1), advance)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := db.Run(b.Context(), run.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChangeLarge is one line of progress in the largest run there is: 200 stages, every other with a long result.
func BenchmarkChangeLarge(b *testing.B) {
	db := openBench(b)
	run := benchRun(1, 1)
	plan := pipeline.Plan{Name: "CI"}
	for i := range 200 {
		plan.Stages = append(plan.Stages, pipeline.StageSpec{Key: fmt.Sprint("stage-", i), Uses: "run", Run: []string{"make"}})
	}
	run, _, err := db.CreateRun(b.Context(), pipeline.NewRun(run.Trigger, plan, time.Now()), func(r *pipeline.Run) ([]pipeline.Job, error) {
		for i := range r.Stages {
			for line := 0; i%2 == 0 && line < pipeline.MaxLogTail; line++ {
				r.Stages[i].Result.LogTail = append(r.Stages[i].Result.LogTail, "collecting tests: 412 found, 3 of them slow, none skipped")
			}
		}
		return nil, nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := db.Change(b.Context(), run.ID, progress(i)); err != nil {
			b.Fatal(err)
		}
	}
}
