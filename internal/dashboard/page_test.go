package dashboard

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
)

var update = flag.Bool("update", false, "write the golden files anew") // the switch of the golden files

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`(/-/[a-z.]+\?)[0-9a-f]{12}`).ReplaceAllString(got, "${1}HASH")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is served; look at it and run with -update.\n%s", path, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "want " + w[i] + "\ngot  " + g[i]
		}
	}
	return "one is longer"
}

func TestPages(t *testing.T) {
	t.Parallel()
	running, failed, passed := displaytest.Running(), displaytest.Failed(), displaytest.Passed()
	for name, test := range map[string]struct {
		store  *memory
		path   string
		status int
	}{
		"list.html":        {newMemory(failed, passed), "/", http.StatusOK},
		"list-open.html":   {newMemory(running, passed), "/", http.StatusOK},
		"list-empty.html":  {newMemory(), "/", http.StatusOK},
		"list-none.html":   {newMemory(passed), "/?branch=nothing", http.StatusOK},
		"repository.html":  {newMemory(failed, passed), "/acme/inventory-manager?status=failure", http.StatusOK},
		"run-running.html": {withLogs(newMemory(running), running), "/acme/inventory-manager/runs/12", http.StatusOK},
		"run-failed.html":  {withLogs(newMemory(failed), failed), "/acme/inventory-manager/runs/12", http.StatusOK},
		"run-passed.html":  {withLogs(newMemory(passed), passed), "/acme/inventory-manager/runs/13", http.StatusOK},
		"run-attempt.html": {withLogs(newMemory(failed), failed), "/acme/inventory-manager/runs/12?stage=build-and-test&attempt=1", http.StatusOK},
		"missing.html":     {newMemory(), "/acme/inventory-manager/runs/12", http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := get(t, serverOf(t, test.store, nil).handler(), test.path)
			if answer.Code != test.status {
				t.Errorf("status %d, want %d", answer.Code, test.status)
			}
			golden(t, name, answer.Body.String())
		})
	}
}
