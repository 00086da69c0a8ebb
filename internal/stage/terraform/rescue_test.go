package terraform

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// stateServer is a backend of the kind http. refuse is how many writes it refuses from now on.
type stateServer struct {
	*httptest.Server
	mu     sync.Mutex
	state  []byte
	refuse int
}

func newStateServer(t *testing.T) *stateServer {
	t.Helper()
	s := &stateServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case r.Method == http.MethodGet && s.state == nil:
			http.NotFound(w, r)
		case r.Method == http.MethodGet:
			_, _ = w.Write(s.state)
		case s.refuse > 0:
			s.refuse--
			http.Error(w, "no room", http.StatusInsufficientStorage)
		default:
			s.state, _ = io.ReadAll(r.Body)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *stateServer) config() string {
	return fmt.Sprintf("terraform {\n  backend \"http\" {\n    address   = %q\n    retry_max = 0\n  }\n}\n\nresource \"terraform_data\" \"a\" {}\n", s.URL+"/state")
}

func TestStateThatIsNotTaken(t *testing.T) {
	for name, test := range map[string]struct {
		refuse      int
		says        string
		kept, wrote bool
	}{
		"for a moment": {refuse: 1, says: "it was afterwards, and nothing is lost. The state in the backend http is at serial 1", wrote: true},
		"at all":       {refuse: 1000, says: "as terraform-state/errored-r7-s1-a1.tfstate in the repository's cache", kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := newStateServer(t)
			w := newWorld(t, map[string]string{"infra/main.tf": server.config(), "infra/errored.tfstate": `{"version":4}`})
			p := w.planned(t)
			server.mu.Lock()
			server.refuse = test.refuse
			server.mu.Unlock()
			a := w.apply(t.Context(), t, p)
			wantVerdict(t, a, pipeline.StatusFailure, "terraform apply failed: ", test.says)
			kept, err := os.ReadFile(filepath.Join(w.cache, stateCache, "errored-r7-s1-a1.tfstate"))
			if test.kept != (err == nil) || test.kept && !strings.Contains(string(kept), "terraform_data") {
				t.Errorf("kept: %v, %.100s", err, kept)
			}
			if test.wrote != strings.Contains(string(server.state), "terraform_data") {
				t.Errorf("the backend has %s", server.state)
			}
		})
	}
}
