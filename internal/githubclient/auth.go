package githubclient

import (
	"errors"
	"net/http"
	"sync"

	"github.com/bradleyfalzon/ghinstallation/v2"
)

// authTransport signs requests. A token that GitHub refuses before its time (revoked, or lost in a fail-over) is replaced
// once and the request repeated.
type authTransport struct {
	// fresh makes a transport without any token yet.
	fresh func() (http.RoundTripper, error)
	// repeated is told of a repetition, which costs points of its own.
	repeated func(*http.Request)

	mu         sync.Mutex
	current    http.RoundTripper
	generation int
}

func (t *authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	signer, generation, err := t.signer()
	if err != nil {
		return nil, err
	}
	resp, err := send(signer, req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !repeatable(req) {
		return resp, err
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	t.replace(generation)
	if signer, _, err = t.signer(); err != nil {
		return nil, err
	}
	again, err := rewound(req)
	if err != nil {
		return nil, err
	}
	t.repeated(req)
	return send(signer, again)
}

// send also closes the answer to a refused token request, which ghinstallation leaves open.
func send(signer http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := signer.RoundTrip(req)
	var refused *ghinstallation.HTTPError
	if errors.As(err, &refused) && refused.RootCause == nil && refused.Response != nil {
		peek(refused.Response, 4<<10)
		err = errors.Join(err, refused.Response.Body.Close())
	}
	return resp, err
}

func (t *authTransport) signer() (http.RoundTripper, int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == nil {
		current, err := t.fresh()
		if err != nil {
			return nil, 0, err
		}
		t.current = current
	}
	return t.current, t.generation, nil
}

// replace forgets the token of a generation, unless another request has done so already.
func (t *authTransport) replace(generation int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.generation == generation {
		t.current = nil
		t.generation++
	}
}

func repeatable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// rewound is the request with its body from the start.
func rewound(req *http.Request) (*http.Request, error) {
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		again.Body = body
	}
	return again, nil
}
