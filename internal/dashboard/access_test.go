package dashboard

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		peer, host, header string
		want               Decision
	}{
		"this machine":            {"127.0.0.1:5000", "localhost:8080", "", Visible},
		"this machine, IPv6":      {"[::1]:5000", "[::1]:8080", "", Visible},
		"by number":               {"127.0.0.1:5000", "127.0.0.1", "", Visible},
		"mapped address":          {"[::ffff:127.0.0.1]:5000", "localhost", "", Visible},
		"another machine":         {"192.0.2.7:5000", "localhost:8080", "", SignInFirst},
		"through a proxy":         {"127.0.0.1:5000", "localhost:8080", "X-Forwarded-For", SignInFirst},
		"through a tunnel":        {"127.0.0.1:5000", "ci.example.com", "", SignInFirst},
		"rebound name":            {"127.0.0.1:5000", "evil.example:8080", "", SignInFirst},
		"name that looks local":   {"127.0.0.1:5000", "localhost.evil.example", "", SignInFirst},
		"number that looks local": {"127.0.0.1:5000", "127.0.0.1.nip.io", "", SignInFirst},
		"no address":              {"", "localhost", "", SignInFirst},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = test.peer, test.host
		if test.header != "" {
			r.Header.Set(test.header, "192.0.2.7")
		}
		if got := (LoopbackOnly{}).Enter(r); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
		if got := (LoopbackOnly{}).See(r, displaytest.Repository()); got != test.want {
			t.Errorf("%s: repository %d, want %d", name, got, test.want)
		}
	}
}

// private hides what belongs to others and asks strangers who they are.
type private struct{ see Decision }

func (private) Enter(*http.Request) Decision                      { return Visible }
func (p private) See(*http.Request, pipeline.Repository) Decision { return p.see }
func (private) Visitor(*http.Request) (Person, bool)              { return Person{}, false }

func TestWhatMayNotBeSeenIsNotShown(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := withLogs(newMemory(run), run)
	store.artifacts["100/reports/junit.xml"] = "x"
	for see, status := range map[Decision]int{Hidden: http.StatusNotFound, SignInFirst: http.StatusForbidden} {
		handler := serverOf(t, store, func(d *Deps) { d.Access = private{see} }).handler()
		for _, path := range []string{"", "/runs/12", "/runs/12/events?stage=100", "/runs/12/logs/100", "/runs/12/artifacts/100/reports/junit.xml"} {
			answer := get(t, handler, "/acme/inventory-manager"+path)
			if answer.Code != status || strings.Contains(answer.Body.String(), "Warn when stock") {
				t.Errorf("%q: %d, want %d", path, answer.Code, status)
			}
		}
		if list := get(t, handler, "/").Body.String(); strings.Contains(list, "inventory") {
			t.Error("the list names a repository that may not be seen")
		}
	}
	handler := serverOf(t, store, func(d *Deps) { d.Access = private{Hidden} }).handler()
	for hidden, missing := range map[string]string{"/acme/inventory-manager": "/acme/nothing", "/acme/inventory-manager/runs/12": "/acme/nothing/runs/12"} {
		a, b := get(t, handler, hidden), get(t, handler, missing)
		if a.Code != b.Code || a.Body.String() != b.Body.String() {
			t.Errorf("%s can be told from what does not exist", hidden)
		}
	}
}
