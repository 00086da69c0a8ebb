package githubtest

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is something going wrong with requests that match it.
type Fault struct {
	// Method and Path select requests; empty matches all. Path is looked for anywhere in the request's path.
	Method string
	Path   string
	// Match, where set, must hold too.
	Match func(*http.Request) bool
	// Times is how many requests suffer; zero: one; negative: all until ClearFaults.
	Times int

	// Delay is waited first; alone it only slows the request down.
	Delay time.Duration
	// Status, Header and Body are the answer; Status zero lets the request through.
	Status int
	Header http.Header
	Body   string
	// Drop cuts the connection instead of answering.
	Drop bool
	// AfterEffect carries the request out before its answer is replaced or lost, as a real outage often does.
	AfterEffect bool
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Inject makes the next matching requests, to the API or to git, suffer a fault.
func (g *GitHub) Inject(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.list = append(g.faults.list, &f)
}

// ClearFaults ends all faults.
func (g *GitHub) ClearFaults() {
	g.faults.mu.Lock()
	defer g.faults.mu.Unlock()
	g.faults.list = nil
}

func (f *faults) take(r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.list {
		if fault.Times != 0 && fault.matches(r) {
			fault.Times--
			return fault
		}
	}
	return nil
}

func (f *Fault) matches(r *http.Request) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) && strings.Contains(r.URL.Path, f.Path) &&
		(f.Match == nil || f.Match(r))
}

// wrap makes faults happen around a handler.
func (f *faults) wrap(g *GitHub, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault := f.take(r)
		if fault == nil {
			next.ServeHTTP(w, r)
			return
		}
		if fault.Delay > 0 {
			timer := time.NewTimer(fault.Delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-r.Context().Done():
				return
			}
		}
		if !fault.Drop && fault.Status == 0 {
			next.ServeHTTP(w, r)
			return
		}
		if fault.AfterEffect {
			next.ServeHTTP(discard{http.Header{}}, r)
		}
		if fault.Drop {
			cut(g, w)
			return
		}
		fault.write(g, w, r)
	})
}

// cut ends a connection without an answer.
func cut(g *GitHub, w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		err = connection.Close()
	}
	if err != nil {
		g.log.Error().Err(err).Msg("a connection that was to be dropped was not")
	}
}

func (f *Fault) write(g *GitHub, w http.ResponseWriter, r *http.Request) {
	for key, values := range f.Header {
		w.Header()[http.CanonicalHeaderKey(key)] = values
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", jsonMediaType)
	}
	if !f.AfterEffect {
		g.logRequest(r, identity{}, f.Status)
	}
	w.WriteHeader(f.Status)
	body := f.Body
	if body == "" {
		body = `{"message":"` + http.StatusText(f.Status) + `"}`
	}
	if _, err := w.Write([]byte(body)); err != nil {
		g.log.Debug().Err(err).Msg("the caller of a faulty request went away")
	}
}

// discard is an answer nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
