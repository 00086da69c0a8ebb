package queue_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkInsertToWork is the time from a delivery's arrival to the start of its handler, one at a time: the commit
// with its sync to the disk, the wake-up, the taking of the job.
func BenchmarkInsertToWork(b *testing.B) {
	db, o := fresh(b), options(b)
	worked := make(chan time.Time, 1)
	o.Handlers.Delivery = func(context.Context, string) error { worked <- time.Now(); return nil }
	begin(b, db, o)
	var waits []time.Duration
	for i := 0; b.Loop(); i++ {
		begun := time.Now()
		accept(b, db, fmt.Sprint("g", i))
		waits = append(waits, (<-worked).Sub(begun))
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkWork is a flood of deliveries: from the first arrival to the end of the last handler, which notes its end.
func BenchmarkWork(b *testing.B) {
	db, o := fresh(b), options(b)
	done := make(chan struct{}, 1<<20)
	o.Handlers.Delivery = func(ctx context.Context, guid string) error {
		if _, err := db.Delivery(ctx, guid); err != nil {
			return err
		}
		if err := db.DeliveryDone(ctx, guid); err != nil {
			return err
		}
		done <- struct{}{}
		return nil
	}
	begin(b, db, o)
	b.ResetTimer()
	next := make(chan int)
	for range 64 {
		go func() {
			for i := range next {
				accept(b, db, fmt.Sprint("g", i))
			}
		}()
	}
	for i := range b.N {
		next <- i
	}
	close(next)
	for range b.N {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
