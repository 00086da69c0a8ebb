package registry

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Bounds of a registry's answers. Bodies take as long as they take.
const (
	connectWithin = 30 * time.Second
	answerWithin  = 2 * time.Minute
	// longestWait is how long a registry that counts requests may make us wait at a time.
	longestWait = time.Minute
)

// newTransport speaks plain HTTP to the hosts that an operator has named, and to no other: a password would be read by
// everybody on the way. The library would try it for every private address.
func newTransport(o Options) http.RoundTripper {
	base := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: connectWithin, KeepAlive: connectWithin}).DialContext,
		ForceAttemptHTTP2: true, MaxIdleConns: 100, MaxIdleConnsPerHost: 50, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ExpectContinueTimeout: time.Second, ResponseHeaderTimeout: answerWithin,
	}
	return &guarded{next: &patient{next: base, log: o.Log}, insecure: o.Insecure}
}

type guarded struct {
	next     http.RoundTripper
	insecure []string
}

// InsecureError says that a registry would have to be spoken to without TLS.
type InsecureError struct{ Host string }

func (e *InsecureError) Error() string {
	return fmt.Sprintf("%s would be spoken to without TLS, which the server's setting SLIPWAY_INSECURE_REGISTRIES does not allow", e.Host)
}

func (g *guarded) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Scheme != "https" && !contains(g.insecure, request.URL.Host) {
		return nil, &InsecureError{request.URL.Host}
	}
	return g.next.RoundTrip(request)
}

// patient waits as long as a registry that has counted too many requests asks for. The library then asks again.
type patient struct {
	next http.RoundTripper
	log  func(string)
}

func (p *patient) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := p.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests {
		p.say(request, response)
	}
	wait := retryAfter(response)
	if wait == 0 {
		return response, nil
	}
	timer := time.NewTimer(min(wait, longestWait))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-request.Context().Done():
	}
	return response, nil
}

func (p *patient) say(request *http.Request, response *http.Response) {
	if p.log != nil {
		p.log(fmt.Sprintf("%s answers %s to %s %s.", request.URL.Host, response.Status, request.Method, request.URL.Path))
	}
}

// retryAfter is the time that a 429 or 503 asks to be left alone.
func retryAfter(response *http.Response) time.Duration {
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	if err != nil || seconds <= 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
