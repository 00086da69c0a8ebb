package dashboard

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestRawLogIsWholeAndPlain(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := newMemory(run)
	store.short = 700
	for i := range 3 * readBatch {
		store.appendLog(100, pipeline.StoredLine{Seq: int64(2*i + 1), LogLine: pipeline.LogLine{Text: "\x1b[31mline\x1b[0m\x07"}})
	}
	answer := get(t, serverOf(t, store, nil).handler(), "/acme/inventory-manager/runs/12/logs/100")
	if got := strings.Count(answer.Body.String(), "line\a\n"); got != 3*readBatch || strings.Contains(answer.Body.String(), "\x1b") {
		t.Errorf("%d lines", got)
	}
	if got := answer.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
}

func TestABrokenDownloadIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := newMemory(run)
	store.artifacts["100/reports/junit.xml"] = "broken"
	web := httptest.NewServer(serverOf(t, store, nil).handler())
	t.Cleanup(web.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/acme/inventory-manager/runs/12/artifacts/100/reports/junit.xml", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return // cut before the first byte: as good
	}
	defer answer.Body.Close()
	if content, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("%q arrived as a whole file", content)
	}
}

func TestFileName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a/b/c.txt": "c.txt", ".bashrc": "bashrc", `a\b:c.txt`: "a_b_c.txt", "x\r\ny": "x  y", "": "artifact", "..": "artifact",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q is saved as %q, want %q", name, got, want)
		}
	}
}
