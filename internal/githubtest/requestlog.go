package githubtest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Request is one API request that was answered.
type Request struct {
	Time   time.Time
	Method string
	// Path is below the root of the REST API, with its slash: "/repos/acme/shop/check-runs".
	Path   string
	Query  string
	Status int
	// Auth is "app", "client", "installation", "user" or "none".
	Auth string
	// InstallationID is set where an installation token was used.
	InstallationID int64
}

const rememberRequests = 100_000

func (g *GitHub) logRequest(r *http.Request, who identity, status int) {
	entry := Request{
		Time: g.clock.Now(), Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, apiPrefix), Query: r.URL.RawQuery,
		Status: status, Auth: who.kind(),
	}
	if entry.Auth == "installation" {
		entry.InstallationID = who.token.inst.id
	}
	g.log.Debug().Str("method", r.Method).Str("path", entry.Path).Int("status", status).Str("auth", entry.Auth).Msg("api")
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) >= rememberRequests {
		g.requests = slices.Clone(g.requests[rememberRequests/2:])
	}
	g.requests = append(g.requests, entry)
	g.touch()
}

// Requests returns the API requests answered so far (the newest 50,000 at least), oldest first.
func (g *GitHub) Requests() []Request {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.requests)
}

// CountRequests counts the answered API requests that match; a nil function matches all.
func (g *GitHub) CountRequests(match func(Request) bool) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	count := 0
	for _, r := range g.requests {
		if match == nil || match(r) {
			count++
		}
	}
	return count
}

// ForgetRequests empties the log of requests.
func (g *GitHub) ForgetRequests() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests = nil
}
