package githubclient

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const testInstallation = 7

var (
	testRepository = pipeline.Repository{
		ID: 42, Owner: "acme", Name: "shop", DefaultBranch: "main", InstallationID: testInstallation,
	}
	testKey = sync.OnceValue(func() []byte {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	})
)

// wire is a GitHub without a network, so that tests may run on synthetic time.
type wire struct {
	mux *http.ServeMux

	mu       sync.Mutex
	tokens   int
	revoked  map[string]bool
	requests []seen
}

type seen struct {
	at     time.Time
	method string
	path   string
	header http.Header
	body   string
}

func newWire() *wire {
	w := &wire{mux: http.NewServeMux(), revoked: map[string]bool{}}
	w.mux.HandleFunc("POST /app/installations/{id}/access_tokens", func(rw http.ResponseWriter, _ *http.Request) {
		w.mu.Lock()
		w.tokens++
		n := w.tokens
		w.mu.Unlock()
		rw.WriteHeader(http.StatusCreated)
		reply(rw, map[string]any{"token": fmt.Sprintf("t%d", n), "expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	})
	return w
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	body := ""
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		body = string(data)
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.requests = append(w.requests, seen{at: time.Now(), method: req.Method, path: req.URL.Path, header: req.Header.Clone(), body: body})
	refused := w.revoked[strings.TrimPrefix(req.Header.Get("Authorization"), "token ")]
	w.mu.Unlock()
	recorder := httptest.NewRecorder()
	recorder.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if refused {
		recorder.WriteHeader(http.StatusUnauthorized)
		reply(recorder, map[string]string{"message": "Bad credentials"})
		return answered(recorder, req), nil
	}
	in := req.Clone(req.Context())
	in.Body = io.NopCloser(strings.NewReader(body))
	w.mux.ServeHTTP(recorder, in)
	return answered(recorder, req), nil
}

func answered(recorder *httptest.ResponseRecorder, req *http.Request) *http.Response {
	resp := recorder.Result()
	resp.Request = req
	return resp
}

// sent are the requests of a method whose path contains part, the token requests apart.
func (w *wire) sent(method, part string) []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []seen
	for _, s := range w.requests {
		if s.method == method && strings.Contains(s.path, part) && !strings.HasSuffix(s.path, "access_tokens") {
			found = append(found, s)
		}
	}
	return found
}

func (w *wire) handle(pattern string, h http.HandlerFunc) { w.mux.HandleFunc(pattern, h) }

func reply(w io.Writer, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(err)
	}
}

func newPool(t *testing.T, w *wire, points int) *Pool {
	t.Helper()
	p, err := New(Config{
		V3: "http://github.test/", AppID: 1, PrivateKey: testKey(), PointsPerMinute: points, Transport: w, Logger: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testClient(t *testing.T, p *Pool) *github.Client {
	t.Helper()
	client, err := p.Client(testInstallation)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
