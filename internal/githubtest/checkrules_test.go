package githubtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// quiet turns the conformance check off, for tests that break the rules on purpose.
func quiet(o *githubtest.Options) { o.Conformance = nil }

func TestCheckRunRules(t *testing.T) {
	w := newWorld(t, quiet)
	head, token := w.gh.Head(shop, "main"), w.token(nil)
	note := map[string]any{"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
	with := func(key string, value any) map[string]any {
		out := map[string]any{}
		maps.Copy(out, note)
		out[key] = value
		return out
	}
	notes := func(n int) []any {
		var list []any
		for range n {
			list = append(list, note)
		}
		return list
	}
	output := func(pairs ...any) map[string]any {
		o := map[string]any{"title": "t", "summary": "s"}
		for i := 0; i < len(pairs); i += 2 {
			o[fmt.Sprint(pairs[i])] = pairs[i+1]
		}
		return map[string]any{"output": o}
	}
	action := func(label, description, identifier string) map[string]any {
		return map[string]any{"label": label, "description": description, "identifier": identifier}
	}
	for name, tc := range map[string]struct {
		body map[string]any
		want int
		text string
	}{
		"plain":                  {map[string]any{}, 201, ""},
		"completed":              {map[string]any{"conclusion": "skipped"}, 201, ""},
		"reserved status":        {map[string]any{"status": "waiting"}, 422, "reserved for GitHub Actions"},
		"unknown status":         {map[string]any{"status": "done"}, 422, "not a possible value"},
		"unknown conclusion":     {map[string]any{"conclusion": "stale"}, 422, "not a possible value"},
		"completed without":      {map[string]any{"status": "completed"}, 422, "conclusion"},
		"unknown commit":         {map[string]any{"head_sha": strings.Repeat("a", 40)}, 422, "No commit found"},
		"a branch as commit":     {map[string]any{"head_sha": "main"}, 422, "No commit found"},
		"no name":                {map[string]any{"name": ""}, 422, "name"},
		"output without title":   {map[string]any{"output": map[string]any{"summary": "s"}}, 422, "title"},
		"output without summary": {map[string]any{"output": map[string]any{"title": "t"}}, 422, "summary"},
		"longest summary":        {output("summary", strings.Repeat("é", 65535)), 201, ""},
		"summary too long":       {output("summary", strings.Repeat("x", 65536)), 422, "Only 65535 characters are allowed; 65536 were supplied"},
		"text too long":          {output("text", strings.Repeat("x", 65536)), 422, "Only 65535"},
		"50 annotations":         {output("annotations", notes(50)), 201, ""},
		"51 annotations":         {output("annotations", notes(51)), 422, "No more than 50"},
		"level":                  {output("annotations", []any{with("annotation_level", "error")}), 422, "annotation_level"},
		"no line":                {output("annotations", []any{with("start_line", 0)}), 422, "start_line"},
		"long title":             {output("annotations", []any{with("title", strings.Repeat("x", 256))}), 422, "255"},
		"long message":           {output("annotations", []any{with("message", strings.Repeat("x", 65537))}), 422, "64 KB"},
		"three actions":          {map[string]any{"actions": []any{action("a", "b", "c"), action("a", "b", "d"), action("a", "b", "e")}}, 201, ""},
		"four actions":           {map[string]any{"actions": []any{action("a", "b", "c"), action("a", "b", "d"), action("a", "b", "e"), action("a", "b", "f")}}, 422, "No more than 3"},
		"long label":             {map[string]any{"actions": []any{action(strings.Repeat("x", 21), "b", "c")}}, 422, "Only 20"},
		"long description":       {map[string]any{"actions": []any{action("a", strings.Repeat("x", 41), "c")}}, 422, "Only 40"},
		"long identifier":        {map[string]any{"actions": []any{action("a", "b", strings.Repeat("x", 21))}}, 422, "Only 20"},
		"wrong type":             {map[string]any{"name": 7}, 422, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			body := map[string]any{"name": "check", "head_sha": head}
			maps.Copy(body, tc.body)
			code, answer := w.post("repos/"+shop+"/check-runs", token, body)
			if code != tc.want || !strings.Contains(answer, tc.text) {
				t.Errorf("%d %s, want %d %s", code, answer, tc.want, tc.text)
			}
		})
	}
}

// post sends a body to the REST API as it is.
func (w *world) post(path, token string, body any) (int, string) {
	w.t.Helper()
	data, err := json.Marshal(body)
	w.must(err)
	req, err := http.NewRequestWithContext(w.ctx(), http.MethodPost, w.gh.URLs().REST+path, bytes.NewReader(data))
	w.must(err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	answer, err := io.ReadAll(resp.Body)
	w.must(err)
	w.must(resp.Body.Close())
	return resp.StatusCode, string(answer)
}

func TestAnnotationsAppendAndConclusionCompletes(t *testing.T) {
	w := newWorld(t)
	head := w.gh.Head(shop, "main")
	run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
	w.must(err)
	for range 2 {
		_, _, err = w.bot.Checks.UpdateCheckRun(w.ctx(), "acme", "shop", run.GetID(), github.UpdateCheckRunOptions{
			Name: "x", Conclusion: new("neutral"), Output: &github.CheckRunOutput{
				Title: new("t"), Summary: new("s"), Annotations: []*github.CheckRunAnnotation{{
					Path: new("a"), StartLine: new(1), EndLine: new(2),
					AnnotationLevel: new("notice"), Message: new("m"),
				}},
			},
		})
		w.must(err)
	}
	got := w.gh.CheckRuns(shop, head)[0]
	if len(got.Annotations) != 2 || got.Status != "completed" {
		t.Errorf("run: %+v", got)
	}
	if n := len(w.hook.of("check_run.completed")); n > 1 {
		t.Errorf("completed was told %d times", n)
	}
}

func TestOthersMayNotWriteChecks(t *testing.T) {
	w := newWorld(t)
	alice, err := w.gh.UserToken("alice")
	w.must(err)
	_, _, err = w.with(alice).Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: w.gh.Head(shop, "main")})
	if status(err) != http.StatusForbidden {
		t.Errorf("a person writes a check: %v", err)
	}
	_, resp, err := w.with("").Repositories.Get(w.ctx(), "acme", "shop")
	if resp == nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("anybody sees a private repository: %v", err)
	}
}
