package smoke

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// shop is a service that needs some requests before it works.
func shop(t *testing.T, failures int32) *httptest.Server {
	t.Helper()
	var asked atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= failures {
			http.Error(w, "the database is not there; password=hunter22", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("POST /items", func(w http.ResponseWriter, r *http.Request) {
		var item struct{ Name string }
		if err := json.NewDecoder(r.Body).Decode(&item); err != nil || r.Header.Get("X-Token") != "hunter22" || r.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"item": {"name": %q, "tags": ["a", "b"], "price": 29.99}, "count": 3}`, item.Name)
	})
	mux.HandleFunc("GET /away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	})
	mux.HandleFunc("GET /huge", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4<<20)) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func run(t *testing.T, with string, own bool) (*stagetest.Session, pipeline.Verdict) {
	t.Helper()
	task := pipeline.Task{Stage: pipeline.StageSpec{ID: "smoke-tests", Uses: "smoke", With: []byte(with), Secrets: []string{"TOKEN"}}}
	if own {
		task.Source.Directory = t.TempDir() // a person's own checkout may ask its own machine
	}
	session := stagetest.New(t, stagetest.Options{Task: task, Secrets: map[string]string{"TOKEN": "hunter22"}})
	verdict, err := New(Options{Now: time.Now}).Run(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	return session, verdict
}

var (
	portText = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	timeText = regexp.MustCompile(`\b\d+ ms`)
)

// TestClusterOutOfReach: that nothing could be asked says nothing of what was deployed.
func TestClusterOutOfReach(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	session := stagetest.New(t, stagetest.Options{
		Secrets: map[string]string{"KUBECONFIG": `apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "` + gone.URL + `"}}]
users: [{name: a, user: {token: correct-horse}}]
`},
		Task: pipeline.Task{
			Stage:       pipeline.StageSpec{ID: "smoke-tests", Uses: "smoke", Environment: "test", With: []byte(`{"service": "web"}`), Secrets: []string{"KUBECONFIG"}},
			Environment: &pipeline.EnvironmentDefinition{Name: "test", Cluster: &pipeline.ClusterDefinition{Kubeconfig: "KUBECONFIG"}},
		},
	})
	verdict, err := New(Options{Now: time.Now}).Run(t.Context(), session)
	if err != nil || verdict.Title != "The cluster cannot be reached" || !verdict.Infrastructure {
		t.Errorf("%+v, %v", verdict, err)
	}
}

func TestSmoke(t *testing.T) {
	server := shop(t, 2)
	session, verdict := run(t, fmt.Sprintf(`{"url": %q, "attempts": 5, "interval": "1ms", "checks": [
		{"method": "GET", "path": "/health", "contains": ["ok"], "max-ms": 5000},
		{"method": "POST", "path": "/items", "json": {"name": "Pen"}, "headers": {"X-Token": "$(TOKEN)"}, "status": [200, 201],
		 "jsonpath": {"$.item.name": "Pen", "$.item.price": 29.99, "$.count": 3, "$.item.tags[1]": "b"}},
		{"method": "GET", "path": "/away", "status": [302]}]}`, server.URL), true)
	if verdict.Status != pipeline.StatusSuccess || !strings.HasPrefix(verdict.Title, "3 checks passed, slowest answer") || !strings.HasSuffix(verdict.Title, "2 tries before they did") {
		t.Errorf("%+v\n%s", verdict, session.LogText())
	}
	section, _ := session.SectionTitled("Requests")
	var out strings.Builder
	fmt.Fprintln(&out, portText.ReplaceAllString(section.Text, "HOST"))
	for _, row := range section.Table.Rows {
		row[3] = "N"
		fmt.Fprintln(&out, strings.Join(row, " | "))
	}
	golden.Equal(t, "testdata/requests.golden.txt", out.String())
}

func TestSmokeFails(t *testing.T) {
	server := shop(t, 1000)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	var out strings.Builder
	for _, c := range []struct{ name, url, checks string }{
		{"status", server.URL, `{"method": "GET", "path": "/health", "status": [200, 204]}`},
		{"text", server.URL, `{"method": "GET", "path": "/health", "status": [503], "contains": ["all is well"]}`},
		{"no JSON", server.URL, `{"method": "GET", "path": "/health", "status": [503], "jsonpath": {"$.a": 1}}`},
		{"no value", server.URL, `{"method": "POST", "path": "/items", "json": {"name": "Pen"}, "headers": {"X-Token": "$(TOKEN)"}, "status": [201], "jsonpath": {"$.a.b": 1}}`},
		{"other value", server.URL, `{"method": "POST", "path": "/items", "json": {"name": "Pen"}, "headers": {"X-Token": "$(TOKEN)"}, "status": [201], "jsonpath": {"$.item.name": "Pencil"}}`},
		{"no path", server.URL, `{"method": "GET", "path": "/health", "status": [503], "contains": ["database"], "jsonpath": {"$.[": 1}}`},
		{"nobody there", gone.URL, `{"method": "GET", "path": "/"}`},
		{"no such name", "http://nothing.invalid", `{"method": "GET", "path": "/"}`},
		{"secret that is not named", server.URL, `{"method": "GET", "path": "/health", "headers": {"X": "$(OTHER)"}}`},
		{"metadata", "http://169.254.169.254", `{"method": "GET", "path": "/latest/meta-data/"}`},
		{"metadata as one number", "http://2852039166", `{"method": "GET", "path": "/"}`},
		{"link-local", "http://[fe80::1%25lo]:80", `{"method": "GET", "path": "/"}`},
	} {
		session, verdict := run(t, fmt.Sprintf(`{"url": %q, "attempts": 2, "interval": "1ms", "checks": [%s]}`, c.url, c.checks), true)
		fmt.Fprintf(&out, "%s\n  %s %s\n  %s\n", c.name, verdict.Status, verdict.Title, timeText.ReplaceAllString(portText.ReplaceAllString(verdict.Cause, "HOST"), "N ms"))
		if strings.Contains(session.LogText(), "hunter22") {
			t.Errorf("%s: the log holds the secret", c.name)
		}
	}
	golden.Equal(t, "testdata/failures.golden.txt", out.String())
}

func TestSmokeTakesTooLong(t *testing.T) {
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(30 * time.Millisecond):
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(slow.Close)
	_, verdict := run(t, fmt.Sprintf(`{"url": %q, "attempts": 1, "interval": "1ms", "checks": [{"method": "GET", "path": "/", "max-ms": 5}]}`, slow.URL), true)
	if verdict.Status != pipeline.StatusFailure || !strings.Contains(verdict.Cause, "more than 5") || !strings.HasPrefix(verdict.Title, "Health check failed after 1 attempt") {
		t.Errorf("%+v", verdict)
	}
}

// TestTheBotsOwnMachine is asked only from a person's own checkout: its pages are for people.
func TestTheBotsOwnMachine(t *testing.T) {
	server := shop(t, 0)
	_, verdict := run(t, fmt.Sprintf(`{"url": %q, "attempts": 1, "checks": [{"method": "GET", "path": "/health"}]}`, server.URL), false)
	if verdict.Status != pipeline.StatusFailure || verdict.Title != "The address is not allowed" {
		t.Errorf("%+v", verdict)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	server := shop(t, 0)
	session, verdict := run(t, fmt.Sprintf(`{"url": %q, "attempts": 1, "checks": [{"method": "GET", "path": "/huge", "contains": ["x"]}]}`, server.URL), true)
	section, _ := session.SectionTitled("Answer to GET /huge")
	if verdict.Status != pipeline.StatusFailure || len(section.Code) > shownBody+10 {
		t.Errorf("%+v, %d bytes shown", verdict, len(section.Code))
	}
}

func TestAllowedAddresses(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34:80": true, "10.0.0.5:443": true, "[2001:db8::1]:443": true, "169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false,
		"[fe80::1%eth0]:80": false, "[fd00:ec2::254]:80": false, "127.0.0.1:80": false, "[::1]:80": false, "0.0.0.0:80": false, "168.63.129.16:80": false,
		"100.100.100.200:80": false, "[::]:80": false, "nonsense": false,
	} {
		if got := allowed(address, false) == nil; got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	if allowed("127.0.0.1:80", true) != nil || allowed("169.254.169.254:80", true) == nil {
		t.Error("a person's own machine")
	}
}
