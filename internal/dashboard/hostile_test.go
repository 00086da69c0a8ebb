package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// foreign returns what in a page did not come from our templates: elements, handlers, addresses that should not be.
func foreign(t *testing.T, page string) []string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for node := range root.Descendants() {
		if node.Type != html.ElementNode {
			continue
		}
		switch node.Data {
		case "img", "iframe", "object", "embed", "style", "base", "form":
			if node.Data != "form" {
				found = append(found, "<"+node.Data+">")
			}
		case "script":
			if node.FirstChild != nil {
				found = append(found, "inline script")
			}
		}
		for _, a := range node.Attr {
			address, err := url.Parse(a.Val)
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
				found = append(found, a.Key)
			case (a.Key == "href" || a.Key == "src") && (err != nil || address.Scheme != "" && address.Scheme != "https" && address.Scheme != "http"):
				found = append(found, a.Key+"="+a.Val)
			}
		}
	}
	return found
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	run := displaytest.Hostile()
	store := withLogs(newMemory(run), run)
	for _, s := range run.Stages {
		store.appendLog(s.ID, pipeline.StoredLine{Seq: 9000, LogLine: pipeline.LogLine{Step: `<b onclick=x>`, Text: `</span><script>alert(1)</script>` + "\x1b[31m<img src=x>"}})
	}
	s := serverOf(t, store, nil)
	evil := url.QueryEscape(`"><script>alert(1)</script>`)
	paths := []string{
		"/", "/?repo=" + evil + "&branch=" + evil + "&status=" + evil + "&before=" + evil, "/acme/inventory-manager",
		"/acme/inventory-manager/runs/12", "/acme/inventory-manager/runs/12?stage=" + evil + "&attempt=" + evil + "&from=" + evil,
		"/" + url.PathEscape(`<script>`) + "/x",
	}
	for _, stage := range run.Stages {
		paths = append(paths, "/acme/inventory-manager/runs/12?"+url.Values{"stage": {stage.Spec.Key}}.Encode())
	}
	for _, path := range paths {
		answer := get(t, s.handler(), path)
		if found := foreign(t, answer.Body.String()); len(found) > 0 {
			t.Errorf("%s holds %q", path, found)
		}
		if strings.ContainsAny(answer.Body.String(), "\x1b\x07\u202e") {
			t.Errorf("%s holds control characters", path)
		}
	}
}

func TestEveryAnswerIsProtected(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := newMemory(run)
	store.artifacts["100/reports/junit.xml"] = "<x/>"
	s := serverOf(t, store, nil)
	for _, path := range []string{
		"/", "/nothing", "/-/app.js", "/-/nothing", "/acme/inventory-manager/runs/12",
		"/acme/inventory-manager/runs/12/logs/100", "/acme/inventory-manager/runs/12/artifacts/100/reports/junit.xml",
	} {
		header := get(t, s.handler(), path).Result().Header
		policy := header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, header)
		}
	}
}

func TestArtifacts(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	stage := displaytest.Stage(&run, "build-and-test")
	stage.Result.Artifacts = append(stage.Result.Artifacts,
		pipeline.Artifact{Name: "../../etc/passwd"}, pipeline.Artifact{Name: "page.html"}, pipeline.Artifact{Name: "gone.txt"},
		pipeline.Artifact{Name: "bericht ä\".txt"})
	store := newMemory(run)
	store.artifacts["100/reports/junit.xml"] = "<testsuites/>"
	store.artifacts["100/page.html"] = "<script>alert(1)</script>"
	store.artifacts["100/bericht ä\".txt"] = "x"
	store.artifacts["100/../../etc/passwd"] = "root"
	store.artifacts["100/secret"] = "not listed"
	s := serverOf(t, store, nil)
	const base = "/acme/inventory-manager/runs/12/artifacts/"
	for path, want := range map[string]struct {
		status      int
		disposition string
	}{
		"100/reports/junit.xml":         {http.StatusOK, "attachment; filename=junit.xml"},
		"100/page.html":                 {http.StatusOK, "attachment; filename=page.html"},
		"100/bericht%20%C3%A4%22.txt":   {http.StatusOK, "attachment; filename*=utf-8''bericht%20%C3%A4_.txt"},
		"100/secret":                    {http.StatusNotFound, ""},
		"100/gone.txt":                  {http.StatusNotFound, ""},
		"100/..%2f..%2fetc%2fpasswd":    {http.StatusNotFound, ""},
		"100/%2e%2e%2f%2e%2e/etc":       {http.StatusNotFound, ""},
		"101/reports/junit.xml":         {http.StatusNotFound, ""},
		"999/reports/junit.xml":         {http.StatusNotFound, ""},
		"abc/reports/junit.xml":         {http.StatusNotFound, ""},
		"100/reports%00/junit.xml":      {http.StatusNotFound, ""},
		"100/reports/../reports/junit.": {http.StatusTemporaryRedirect, ""},
	} {
		answer := get(t, s.handler(), base+path)
		if answer.Code != want.status || answer.Header().Get("Content-Disposition") != want.disposition {
			t.Errorf("%s: %d %q, want %d %q", path, answer.Code, answer.Header().Get("Content-Disposition"), want.status, want.disposition)
		}
		if answer.Code == http.StatusOK && (answer.Header().Get("Content-Type") != "application/octet-stream" || !strings.Contains(answer.Header().Get("Content-Security-Policy"), "sandbox")) {
			t.Errorf("%s may be shown: %v", path, answer.Header())
		}
	}
}
