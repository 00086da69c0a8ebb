package githubclient

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of one try of one request.
const (
	tryTimeout = 40 * time.Second
	readTries  = 3
)

// transport is what every request of an installation goes through: its turn in the budget, then the token, then the wire.
// A refusal for rate delays the request, it never fails it; a read that met a server error is repeated.
type transport struct {
	installation int64
	host         string
	clock        Clock
	budget       *budget
	answers      *answers
	metrics      *metrics
	next         http.RoundTripper
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close() //nolint:errcheck // each try sends a copy; closing the original has nothing to tell
	}
	if req.URL.Host != t.host {
		return nil, fmt.Errorf("GitHub redirects to %s, which is not %s: the App's credentials are not sent there", req.URL.Host, t.host)
	}
	if !repeatable(req) {
		return nil, fmt.Errorf("%s %s has a body that cannot be repeated", req.Method, req.URL.Path)
	}
	if cachingOf(req.Context()) == cacheImmutable {
		if known, ok := t.answers.get(answerKey(t.installation, req)); ok {
			t.metrics.cached.Inc()
			return known.response(req, nil), nil
		}
	}
	class := classify(req)
	for try := 1; ; try++ {
		resp, again, err := t.try(req, class, try)
		if !again {
			return resp, err
		}
	}
}

// try sends the request once, when it may. again: it is to be tried again.
func (t *transport) try(req *http.Request, class Class, try int) (resp *http.Response, again bool, err error) {
	ctx := req.Context()
	p, reserved, err := t.permit(ctx, class)
	if err != nil {
		return nil, false, err
	}
	p.used = true
	resp, err = t.send(req, class)
	if err != nil {
		p.release()
		if class == ClassRead && try < readTries && ctx.Err() == nil {
			return nil, sleep(t.clock, ctx.Done(), backoff(firstFaultWait, maxFaultWait, try-1)), err
		}
		return nil, false, err
	}
	kind := judge(resp)
	until := t.budget.observe(resp.Header, kind)
	p.release()
	// The client must not keep a rate state of its own beside ours: it would fail requests that we would delay.
	resp.Header.Del("X-Ratelimit-Reset")
	switch kind {
	case limitNone:
		return resp, false, nil
	case limitServer:
		t.metrics.limits.WithLabelValues(string(kind)).Inc()
		if class != ClassRead || try >= readTries {
			return resp, false, nil
		}
		drain(resp)
		return nil, sleep(t.clock, ctx.Done(), backoff(firstFaultWait, maxFaultWait, try-1)), ctx.Err()
	default:
		t.metrics.limits.WithLabelValues(string(kind)).Inc()
		drain(resp)
		if reserved || priorityOf(ctx) == PriorityProgress {
			return nil, false, &LimitedError{Installation: t.installation, Until: until}
		}
		return nil, true, nil
	}
}

// permit is the one the caller reserved with Acquire, where it did and has not used it, or a new one.
func (t *transport) permit(ctx context.Context, class Class) (p *permit, reserved bool, err error) {
	if held, ok := ctx.Value(permitKey).(*permit); ok && held.budget == t.budget && !held.used && class == held.class {
		return held, true, nil
	}
	begun := t.clock.Now()
	p, err = t.budget.acquire(ctx, class, priorityOf(ctx))
	if waited := t.clock.Now().Sub(begun); waited > time.Millisecond {
		t.metrics.waits.WithLabelValues(priorityOf(ctx).String()).Observe(waited.Seconds())
	}
	return p, false, err
}

func (t *transport) send(req *http.Request, class Class) (*http.Response, error) {
	once, err := rewound(req)
	if err != nil {
		return nil, err
	}
	t.metrics.points.Add(float64(class.points()))
	resp, err := t.next.RoundTrip(once)
	if err != nil {
		t.metrics.requests.WithLabelValues(class.String(), "error").Inc()
		return nil, err
	}
	t.metrics.requests.WithLabelValues(class.String(), fmt.Sprintf("%dxx", resp.StatusCode/100)).Inc()
	return resp, nil
}

// drain lets the connection be used again.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // what is left only costs the connection
	_ = resp.Body.Close()
}

// deadlineTransport bounds one exchange with GitHub, its body included, but not the time a request waits for its turn.
type deadlineTransport struct{ next http.RoundTripper }

func (t deadlineTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), tryTimeout)
	resp, err := t.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancellingBody{ReadCloser: resp.Body, cancel: cancel}
	return resp, nil
}

type cancellingBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancellingBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
