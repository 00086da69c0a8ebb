package githubtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// hookSender delivers what is queued with a bounded number of workers.
type hookSender struct {
	g       *GitHub
	client  *http.Client
	workers int
	ctx     context.Context //nolint:containedctx // ends the workers; handed to every delivery
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	mu    sync.Mutex
	more  *sync.Cond
	queue []*delivery
	held  bool
	// stopped: what is queued stays.
	stopped bool
}

func newHookSender(g *GitHub) *hookSender {
	timeout := g.opts.HookTimeout
	if timeout == 0 {
		timeout = hookTimeout
	}
	workers := max(1, g.opts.HookWorkers)
	s := &hookSender{g: g, workers: workers}
	transport := &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}
	s.client = &http.Client{
		Timeout: timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	s.more = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *hookSender) start() {
	for range s.workers {
		s.wg.Go(s.work)
	}
}

// stopGrace is how long a delivery under way may go on after stop.
const stopGrace = time.Second

func (s *hookSender) stop() {
	s.mu.Lock()
	s.stopped = true
	s.more.Broadcast()
	s.mu.Unlock()
	cut := time.AfterFunc(stopGrace, s.cancel)
	s.wg.Wait()
	cut.Stop()
	s.cancel()
	s.client.CloseIdleConnections()
}

func (s *hookSender) push(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, d)
	s.more.Signal()
}

// hold stops deliveries from leaving, or lets them go.
func (s *hookSender) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.more.Broadcast()
}

func (s *hookSender) next() *delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	for (len(s.queue) == 0 || s.held) && !s.stopped {
		s.more.Wait()
	}
	if s.stopped {
		return nil
	}
	d := s.queue[0]
	s.queue = s.queue[1:]
	return d
}

func (s *hookSender) work() {
	for d := s.next(); d != nil; d = s.next() {
		start := time.Now()
		code, header, answer, err := s.send(d)
		s.g.record(d, time.Since(start), code, header, answer, err)
	}
}

func (s *hookSender) send(d *delivery) (code int, header http.Header, answer string, err error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, d.url, bytes.NewReader(d.payload))
	if err != nil {
		return 0, nil, "", fmt.Errorf("webhook address %q: %w", d.url, err)
	}
	for key, value := range d.headers() {
		req.Header[key] = []string{value}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end below
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHookAnswer))
	return resp.StatusCode, resp.Header, string(body), err
}

// HoldWebhooks keeps deliveries from leaving until ReleaseWebhooks.
func (g *GitHub) HoldWebhooks() { g.hooks.hold(true) }

// ReleaseWebhooks lets held deliveries go, in order.
func (g *GitHub) ReleaseWebhooks() { g.hooks.hold(false) }
