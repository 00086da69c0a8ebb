package queue

import (
	"math/rand/v2"
	"time"

	"github.com/slipwayhq/slipway/internal/store"
)

// backoff is the wait after a failed attempt, with up to a tenth more so that what failed together does not come back
// together.
func backoff(kind string, attempt int) time.Duration {
	steps := shortSteps()
	if kind == (store.DeliveryJob{}).Kind() {
		steps = deliverySteps()
	}
	d := steps[min(max(attempt, 1), len(steps))-1]
	return d + rand.N(d/10) //nolint:gosec // nothing secret about it
}

// deliverySteps spread ten attempts over some seven hours: an outage of GitHub or of a network is over by then.
func deliverySteps() []time.Duration {
	return []time.Duration{
		5 * time.Second, 20 * time.Second, time.Minute, 3 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour,
	}
}

// shortSteps are for work somebody waits for.
func shortSteps() []time.Duration {
	return []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
	}
}
