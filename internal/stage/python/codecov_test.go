package python

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// codecovServer behaves as codecov.io's /upload/v4 and its storage do.
type codecovServer struct {
	*httptest.Server
	query, uploaded string
	header          http.Header
	refuse          bool
}

func newCodecovServer(t *testing.T) *codecovServer {
	t.Helper()
	c := &codecovServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /upload/v4", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Upload-Token") != "token-of-the-repository" {
			http.Error(w, "Could not find a repository, try using repo upload token", http.StatusBadRequest)
			return
		}
		c.query = r.URL.RawQuery
		_, _ = fmt.Fprintf(w, "%s/github/acme/shop/commit/%s\n%s/storage?signature=s3cr3t", c.URL, r.FormValue("commit"), c.URL)
	})
	mux.HandleFunc("PUT /storage", func(w http.ResponseWriter, r *http.Request) {
		if c.refuse {
			http.Error(w, "AccessDenied", http.StatusForbidden)
			return
		}
		c.header = r.Header
		body, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		text, err := io.ReadAll(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.uploaded = string(text)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.Close)
	return c
}

func upload(t *testing.T, c *codecovServer, token string) (pipeline.Verdict, string, string) {
	t.Helper()
	verdict, s := run(t, world{
		settings: map[string]any{"codecov": true},
		files: project(map[string]string{"tests/test_env.py": `import os


def test_the_token_is_not_ours():
    assert "CODECOV_TOKEN" not in os.environ
    assert os.environ["API_KEY"] == "key-of-the-tests"
`}),
		secrets: map[string]string{"CODECOV_TOKEN": token, "API_KEY": "key-of-the-tests"}, named: []string{"CODECOV_TOKEN", "API_KEY"},
		options: Options{CodecovURL: c.URL, HTTP: c.Client()},
	})
	section, _ := s.SectionTitled("Codecov")
	return verdict, section.Text, s.LogText()
}

func TestCodecovUpload(t *testing.T) {
	needPython(t)
	c := newCodecovServer(t)
	verdict, text, log := upload(t, c, "token-of-the-repository")
	if verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("verdict = %+v\n%s", verdict, log)
	}
	if want := "The coverage report is at " + c.URL + "/github/acme/shop/commit/" + strings.Repeat("ab", 20); text != want {
		t.Errorf("section = %q, want %q", text, want)
	}
	for _, part := range []string{"slug=acme%2Fshop", "branch=main", "service=custom", "build=7", "job=build-and-test"} {
		if !strings.Contains(c.query, part) {
			t.Errorf("query %s lacks %s", c.query, part)
		}
	}
	if strings.Contains(c.query, "token-of") {
		t.Error("the token is in the address")
	}
	if !strings.HasPrefix(c.uploaded, "shop/__init__.py\n") && !strings.Contains(c.uploaded, "shop/cart.py\n") {
		t.Errorf("no list of files: %.200s", c.uploaded)
	}
	if !strings.Contains(c.uploaded, "<<<<<< network\n# path=coverage.xml\n<?xml") || !strings.HasSuffix(c.uploaded, "\n<<<<<< EOF\n") {
		t.Errorf("uploaded = %.300s", c.uploaded)
	}
	if c.header.Get("Content-Encoding") != "gzip" || c.header.Get("Content-Type") != "text/plain" {
		t.Errorf("header = %v", c.header)
	}
}

func TestCodecovTroubleIsAWarning(t *testing.T) {
	needPython(t)
	for name, test := range map[string]struct {
		token  string
		refuse bool
		want   string
	}{
		"a wrong token":            {token: "not-the-right-one", want: "answered 400 Bad Request: Could not find a repository"},
		"a storage that refuses":   {token: "token-of-the-repository", refuse: true, want: "send the report: "},
		"an address that is a key": {token: "token-of-the-repository", refuse: true, want: "answered 403 Forbidden: AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCodecovServer(t)
			c.refuse = test.refuse
			verdict, text, log := upload(t, c, test.token)
			if verdict.Status != pipeline.StatusSuccess || !strings.Contains(text, test.want) || !strings.HasSuffix(text, "This does not fail the stage.") {
				t.Errorf("verdict = %+v, section = %q", verdict, text)
			}
			if strings.Contains(text+log, "s3cr3t") {
				t.Error("the signed address was told")
			}
		})
	}
}

func TestCodecovIsNotReachable(t *testing.T) {
	needPython(t)
	c := newCodecovServer(t)
	c.Close()
	verdict, text, _ := upload(t, c, "token-of-the-repository")
	if verdict.Status != pipeline.StatusSuccess || !strings.Contains(text, "connection refused") {
		t.Errorf("verdict = %+v, section = %q", verdict, text)
	}
}
