package githubclient

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudgetNeverSpendsMoreThanItsPointsInAnyMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(SystemClock{}, 900)
		var mu sync.Mutex
		var spent []time.Time
		var wg sync.WaitGroup
		for range 600 {
			wg.Go(func() {
				p, err := b.acquire(t.Context(), ClassWrite, PriorityAnswer)
				if err != nil {
					t.Error(err)
					return
				}
				p.used = true
				mu.Lock()
				spent = append(spent, time.Now())
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
				p.release()
			})
		}
		begun := time.Now()
		wg.Wait()
		if got := len(spent); got != 600 {
			t.Fatalf("%d of 600 were let through", got)
		}
		for i, at := range spent {
			within := 0
			for _, other := range spent[i:] {
				if other.Sub(at) < time.Minute {
					within += writePoints
				}
			}
			if within > 900 {
				t.Fatalf("%d points within the minute after %s", within, at.Sub(begun))
			}
		}
		// 600 writes are 3,000 points: three full minutes and what the fourth still needs.
		if took := time.Since(begun); took > 4*time.Minute {
			t.Errorf("600 writes took %s", took)
		}
	})
}

func TestBudgetSendsConclusionsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(SystemClock{}, 10)
		for range 2 {
			p, err := b.acquire(t.Context(), ClassWrite, PriorityAnswer)
			if err != nil {
				t.Fatal(err)
			}
			p.used = true
			p.release()
		}
		var mu sync.Mutex
		var order []Priority
		var wg sync.WaitGroup
		for _, priority := range []Priority{PriorityProgress, PriorityAnswer, PriorityCreate, PriorityConclusion, PriorityCreate} {
			wg.Go(func() {
				p, err := b.acquire(t.Context(), ClassWrite, priority)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, priority)
				mu.Unlock()
				p.used = true
				p.release()
			})
			synctest.Wait()
		}
		wg.Wait()
		want := []Priority{PriorityConclusion, PriorityCreate, PriorityCreate, PriorityAnswer, PriorityProgress}
		if !slices.Equal(order, want) {
			t.Errorf("order %v, want %v", order, want)
		}
	})
}

func TestBudgetOfContentDoesNotHoldBackOtherWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(SystemClock{}, 5000)
		var times []time.Duration
		begun := time.Now()
		for range contentPerMinute + 1 {
			p, err := b.acquire(t.Context(), ClassContent, PriorityAnswer)
			if err != nil {
				t.Fatal(err)
			}
			p.used = true
			p.release()
			times = append(times, time.Since(begun))
			if len(times) == contentPerMinute {
				go func() {
					w, err := b.acquire(t.Context(), ClassWrite, PriorityProgress)
					if err != nil || time.Since(begun) != 0 {
						t.Errorf("a write that is no content waited %s: %v", time.Since(begun), err)
						return
					}
					w.release()
				}()
			}
		}
		if times[contentPerMinute-1] != 0 || times[contentPerMinute] < time.Minute {
			t.Errorf("comment %d after %s, the next after %s", contentPerMinute, times[contentPerMinute-1], times[contentPerMinute])
		}
	})
}

func TestBudgetOfContentIsBoundedByTheHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(SystemClock{}, 5000)
		begun := time.Now()
		for range contentPerHour + 1 {
			p, err := b.acquire(t.Context(), ClassContent, PriorityAnswer)
			if err != nil {
				t.Fatal(err)
			}
			p.used = true
			p.release()
		}
		if took := time.Since(begun); took < time.Hour {
			t.Errorf("%d comments within %s", contentPerHour+1, took)
		}
	})
}

func TestBudgetReturnsWhatIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(SystemClock{}, 10)
		p, err := b.acquire(t.Context(), ClassWrite, PriorityAnswer)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.available(); got != 5 {
			t.Errorf("available %d, want 5", got)
		}
		// While one write is on its way the next one waits, though there are points.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.acquire(ctx, ClassWrite, PriorityConclusion); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a second write at the same time: %v", err)
		}
		p.release()
		p.release()
		if got := b.available(); got != 10 {
			t.Errorf("available %d after the release, want 10", got)
		}
	})
}

func TestBudgetWithoutLimitLetsEverythingPass(t *testing.T) {
	b := newBudget(SystemClock{}, 0)
	for range 10_000 {
		if _, err := b.acquire(t.Context(), ClassWrite, PriorityProgress); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.available(); got != math.MaxInt {
		t.Errorf("available %d", got)
	}
}

func TestBudgetTellsWhenPointsAreThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(SystemClock{}, 10)
		for range 2 {
			p, err := b.acquire(t.Context(), ClassWrite, PriorityAnswer)
			if err != nil {
				t.Fatal(err)
			}
			p.used = true
			p.release()
			time.Sleep(10 * time.Second)
		}
		now := time.Now()
		if got := b.availableAt(5).Sub(now); got != 41*time.Second {
			t.Errorf("5 points in %s, want 41s", got)
		}
		if got := b.availableAt(1000).Sub(now); got != 51*time.Second {
			t.Errorf("all points in %s, want 51s", got)
		}
	})
}
