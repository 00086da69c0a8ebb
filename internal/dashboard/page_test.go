package dashboard

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/golden"
)

func get(t *testing.T, handler http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}

func goldenPage(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`(/-/[a-z.]+\?)[0-9a-f]{12}`).ReplaceAllString(got, "${1}HASH")
	golden.Equal(t, "testdata/"+name, got)
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
			goldenPage(t, name, answer.Body.String())
		})
	}
}
