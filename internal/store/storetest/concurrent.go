//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

const callers = 16

// together calls fn from many goroutines at once.
func together(t *testing.T, fn func(caller int) error) {
	t.Helper()
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			if err := fn(caller); err != nil {
				t.Errorf("caller %d: %v", caller, err)
			}
		})
	}
	wg.Wait()
}

func testConcurrentAccepts(t *testing.T, s Store) {
	const each = 10
	var accepted, resumed atomic.Int64
	together(t, func(caller int) error {
		for i := range each {
			// Half of them are everybody's.
			guid := fmt.Sprintf("shared-%d", i)
			if i%2 == 0 {
				guid = fmt.Sprintf("own-%d-%d", caller, i)
			}
			got, err := s.Accept(t.Context(), delivery(guid))
			if err != nil {
				return err
			}
			switch got {
			case store.Accepted:
				accepted.Add(1)
			case store.Resumed:
				resumed.Add(1)
			default:
				return fmt.Errorf("%s: %s", guid, got)
			}
		}
		return nil
	})
	if want := int64(callers*each/2 + each/2); accepted.Load() != want || accepted.Load()+resumed.Load() != callers*each {
		t.Errorf("%d accepted, %d resumed, want %d accepted", accepted.Load(), resumed.Load(), want)
	}
	seen := make(map[string]bool)
	for _, j := range jobs(t, s, "delivery") {
		if seen[j.GUID] {
			t.Errorf("two jobs of %s", j.GUID)
		}
		seen[j.GUID] = true
	}
	if len(seen) != int(accepted.Load()) {
		t.Errorf("%d jobs, want %d", len(seen), accepted.Load())
	}
}

// testConcurrentChanges counts in one run from many sides: a change that is lost shows.
func testConcurrentChanges(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	const each = 10
	together(t, func(int) error {
		for range each {
			_, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
				r.Stages[1].Progress += "x"
				return nil, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	got, err := s.Run(t.Context(), run.ID)
	no(t, err)
	if n := len(got.Stages[1].Progress); n != callers*each || got.Stages[1].Version != callers*each+1 {
		t.Errorf("%d of %d changes, version %d", n, callers*each, got.Stages[1].Version)
	}
}

func testConcurrentCreates(t *testing.T, s Store) {
	var created atomic.Int64
	broken := errors.New("broken")
	together(t, func(caller int) error {
		for _, sha := range []string{"aaa", "bbb", "ccc"} {
			_, fresh, err := s.CreateRun(t.Context(), pipeline.NewRun(push(1, sha), plan(), start), advance)
			if err != nil {
				return err
			}
			if fresh {
				created.Add(1)
			}
			// Failures beside them must not take them along.
			own := push(2, fmt.Sprintf("%s-%d", sha, caller))
			_, _, err = s.CreateRun(t.Context(), pipeline.NewRun(own, plan(), start), func(*pipeline.Run) ([]pipeline.Job, error) {
				return nil, broken
			})
			if !errors.Is(err, broken) {
				return fmt.Errorf("error %w, want %w", err, broken)
			}
		}
		return nil
	})
	if created.Load() != 3 {
		t.Errorf("%d runs created of 3 keys", created.Load())
	}
	runs, err := s.Runs(t.Context(), pipeline.RunFilter{})
	no(t, err)
	numbers := make(map[int64]bool)
	for _, r := range runs {
		numbers[r.Number] = true
	}
	if len(runs) != 3 || !numbers[1] || !numbers[2] || !numbers[3] {
		t.Errorf("%d runs with numbers %v", len(runs), numbers)
	}
	if n := len(jobs(t, s, "stage")); n != 3 {
		t.Errorf("%d jobs, want 3", n)
	}
}

func testCancelled(t *testing.T, s Store) {
	run := create(t, s, push(1, "aaa"))
	why := errors.New("the caller left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := s.Accept(ctx, delivery("g1")); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("accept: %v", err)
	}
	_, err := s.Delivery(t.Context(), "g1")
	wantNotFound(t, "delivery of a caller who left", err)
	if _, err := s.Change(ctx, run.ID, func(*pipeline.Run) ([]pipeline.Job, error) { return nil, nil }); err == nil {
		t.Error("change with an ended context went through")
	}
	if _, err := s.Run(ctx, run.ID); err == nil {
		t.Error("read with an ended context went through")
	}
}
