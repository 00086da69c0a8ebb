package githubclient

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	points   prometheus.Counter
	waits    *prometheus.HistogramVec
	limits   *prometheus.CounterVec
	cached   prometheus.Counter
	tokens   prometheus.Counter
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_github_requests_total", Help: "Requests sent to GitHub, by class and kind of answer.",
		}, []string{"class", "answer"}),
		points: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slipway_github_points_total", Help: "Points of GitHub's secondary limit used: a read 1, a write 5.",
		}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "slipway_github_wait_seconds", Help: "Time requests waited for their turn in the budget.",
			Buckets: []float64{0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900},
		}, []string{"priority"}),
		limits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "slipway_github_limit_hits_total", Help: "Answers that asked for patience: primary or secondary limit, server error.",
		}, []string{"kind"}),
		cached: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slipway_github_cached_answers_total", Help: "Reads answered from memory without asking GitHub.",
		}),
		tokens: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "slipway_github_tokens_replaced_total", Help: "Installation tokens refused before their time and replaced.",
		}),
	}
	if registry == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.points, m.waits, m.limits, m.cached, m.tokens} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the GitHub client: %w", err)
		}
	}
	return m, nil
}
