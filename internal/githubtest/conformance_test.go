package githubtest_test

import (
	"bufio"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

func TestViolationsAreReported(t *testing.T) {
	var mu sync.Mutex
	var problems []string
	w := newWorld(t, func(o *githubtest.Options) {
		o.Conformance = func(problem string) {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, problem)
		}
	})
	token, head := w.token(nil), w.gh.Head(shop, "main")
	path := "repos/" + shop + "/check-runs"
	for _, tc := range []struct {
		path, want string
		body       map[string]any
	}{
		{path, "status", map[string]any{"name": "x", "head_sha": head, "status": "done"}},
		{path, `no field "sha"`, map[string]any{"name": "x", "head_sha": head, "sha": head}},
		{path + "?draft=1", `no query parameter "draft"`, map[string]any{"name": "x", "head_sha": head}},
	} {
		w.post(tc.path, token, tc.body)
		mu.Lock()
		if len(problems) != 1 || !strings.Contains(problems[0], tc.want) {
			t.Errorf("%v: reported %v, want %s", tc.body, problems, tc.want)
		}
		problems = nil
		mu.Unlock()
	}
}

func TestHeldWebhooksKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	w.must(w.gh.WaitDelivered(w.ctx()))
	w.gh.HoldWebhooks()
	first, second := w.push("main", githubtest.Files{"a": "1"}), w.push("main", githubtest.Files{"a": "2"})
	if n := len(w.hook.of("push")); n != 0 {
		t.Errorf("%d pushes were told while held", n)
	}
	w.gh.ReleaseWebhooks()
	w.must(w.gh.WaitDelivered(w.ctx()))
	told := w.hook.of("push")
	if len(told) != 2 || told[0].payload["after"] != first || told[1].payload["after"] != second {
		t.Errorf("told: %v", w.hook.names())
	}
}

func TestPagesHearOfChanges(t *testing.T) {
	w := newWorld(t)
	resp, err := http.Get(w.gh.URLs().Web + "-/events")
	w.must(err)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() { // the stream has begun
		t.Fatal(lines.Err())
	}
	w.push("main", githubtest.Files{"a": "1"})
	for lines.Scan() {
		if lines.Text() == "data: changed" {
			return
		}
	}
	t.Errorf("the stream ended without a change: %v", lines.Err())
}
