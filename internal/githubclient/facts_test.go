package githubclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

var _ pipeline.Forge = (*Pool)(nil)

const testSHA = "0123456789abcdef0123456789abcdef01234567"

func TestReadAsksOnceForWhatNeverChanges(t *testing.T) {
	w := newWire()
	w.handle("GET /repos/acme/shop/contents/{path...}", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/vnd.github.raw+json" {
			t.Errorf("Accept %q", r.Header.Get("Accept"))
		}
		switch r.PathValue("path") {
		case ".github/slipway.yml":
			rw.Header().Set("Content-Type", "application/vnd.github.raw+json; charset=utf-8")
			fmt.Fprint(rw, "name: shop")
		case "folder":
			rw.Header().Set("Content-Type", "application/json; charset=utf-8")
			fmt.Fprint(rw, `[{"name":"x"}]`)
		case "huge":
			fmt.Fprint(rw, strings.Repeat("x", maxFileBytes+1))
		default:
			rw.WriteHeader(http.StatusNotFound)
		}
	})
	p := newPool(t, w, 0)
	for _, ref := range []string{testSHA, testSHA, "main", "main"} {
		data, err := p.Read(t.Context(), testRepository, ref, ".github/slipway.yml")
		if err != nil || string(data) != "name: shop" {
			t.Fatalf("%q, %v", data, err)
		}
	}
	if got := len(w.sent("GET", "slipway.yml")); got != 3 {
		t.Errorf("%d requests: a commit is asked for once, a branch each time", got)
	}
	for _, path := range []string{"folder", "absent"} {
		if _, err := p.Read(t.Context(), testRepository, testSHA, path); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := p.Read(t.Context(), testRepository, testSHA, "huge"); err == nil || errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("huge: %v", err)
	}
}

func TestListWalksATruncatedTree(t *testing.T) {
	w := newWire()
	blob := func(path string) map[string]string { return map[string]string{"type": "blob", "path": path} }
	tree := func(path, sha string) map[string]string {
		return map[string]string{"type": "tree", "path": path, "sha": sha}
	}
	w.handle("GET /repos/acme/shop/git/trees/{sha}", func(rw http.ResponseWriter, r *http.Request) {
		recursive := r.URL.Query().Get("recursive") != ""
		switch sha := r.PathValue("sha"); {
		case sha == "main" && recursive:
			reply(rw, map[string]any{"truncated": true, "tree": []any{blob("a")}})
		case sha == "main":
			reply(rw, map[string]any{"tree": []any{blob("a"), tree("dir", "d")}})
		default:
			reply(rw, map[string]any{"tree": []any{tree("sub", "s"), blob("sub/b")}})
		}
	})
	paths, err := newPool(t, w, 0).List(t.Context(), testRepository, "main")
	if err != nil || !slices.Equal(paths, []string{"a", "dir/sub/b"}) {
		t.Errorf("%v, %v", paths, err)
	}
}

func TestChangedPaths(t *testing.T) {
	other := strings.Replace(testSHA, "0", "f", 1)
	many := make([]map[string]string, maxComparedFiles)
	for i := range many {
		many[i] = map[string]string{"filename": fmt.Sprintf("f%03d", i)}
	}
	w := newWire()
	w.handle("GET /repos/acme/shop/compare/{range}", func(rw http.ResponseWriter, r *http.Request) {
		switch r.PathValue("range") {
		case other + "..." + testSHA:
			reply(rw, map[string]any{"files": []any{map[string]string{"filename": "new", "previous_filename": "old"}}})
		case "main..." + testSHA:
			reply(rw, map[string]any{"files": []any{map[string]string{"filename": "against-main"}}})
		case "wide..." + testSHA:
			reply(rw, map[string]any{"files": many})
		default:
			rw.WriteHeader(http.StatusNotFound)
		}
	})
	w.handle("GET /repos/acme/shop/pulls/5", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, map[string]any{"number": 5, "head": map[string]string{"sha": testSHA}})
	})
	w.handle("GET /repos/acme/shop/pulls/6", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, map[string]any{"number": 6, "head": map[string]string{"sha": other}})
	})
	files := func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page") == "" {
			rw.Header().Set("Link", `<http://github.test`+r.URL.Path+`?page=2>; rel="next"`)
			reply(rw, many)
			return
		}
		reply(rw, []any{map[string]string{"filename": "last"}})
	}
	w.handle("GET /repos/acme/shop/pulls/5/files", files)
	w.handle("GET /repos/acme/shop/pulls/6/files", files)
	w.handle("GET /repos/acme/shop/git/trees/{sha}", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, map[string]any{"tree": []any{map[string]string{"type": "blob", "path": "everything"}}})
	})
	p := newPool(t, w, 0)
	push := func(branch, before string) pipeline.Trigger {
		return pipeline.Trigger{Event: pipeline.EventPush, Repository: testRepository, SHA: testSHA, Branch: branch, Before: before}
	}
	pull := func(number int, base string) pipeline.Trigger {
		return pipeline.Trigger{Event: pipeline.EventPullRequest, Repository: testRepository, SHA: testSHA, PullRequest: number, Base: base}
	}
	tests := map[string]struct {
		trigger pipeline.Trigger
		first   string
		last    string
		count   int
	}{
		"push":                       {push("main", other), "new", "old", 2},
		"new branch":                 {push("topic", ""), "against-main", "against-main", 1},
		"forced push, before gone":   {push("topic", strings.Repeat("9", 40)), "against-main", "against-main", 1},
		"forced push of the default": {push("main", strings.Repeat("9", 40)), "everything", "everything", 1},
		"first push of all":          {push("main", ""), "everything", "everything", 1},
		"deploy":                     {pipeline.Trigger{Event: pipeline.EventDeploy, Repository: testRepository, SHA: testSHA}, "everything", "everything", 1},
		"wide pull request":          {pull(5, "wide"), "f000", "last", 301},
		"wide, head moved":           {pull(6, "wide"), "everything", "last", 302},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			paths, err := p.ChangedPaths(t.Context(), test.trigger)
			if err != nil || len(paths) != test.count || paths[0] != test.first || paths[len(paths)-1] != test.last {
				t.Errorf("%d paths %.60v…, %v", len(paths), paths, err)
			}
		})
	}
}

func TestDefaultHead(t *testing.T) {
	w := newWire()
	w.handle("GET /repos/acme/shop", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, map[string]string{"default_branch": "trunk"})
	})
	w.handle("GET /repos/acme/shop/git/ref/heads/trunk", func(rw http.ResponseWriter, _ *http.Request) {
		reply(rw, map[string]any{"object": map[string]string{"sha": testSHA}})
	})
	w.handle("GET /repos/acme/empty/git/ref/heads/main", func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusConflict)
		reply(rw, map[string]string{"message": "Git Repository is empty."})
	})
	p := newPool(t, w, 0)
	repository := testRepository
	repository.DefaultBranch = ""
	if sha, err := p.DefaultHead(t.Context(), repository); err != nil || sha != testSHA {
		t.Errorf("%q, %v", sha, err)
	}
	for _, name := range []string{"empty", ".github"} {
		repository := testRepository
		repository.Name = name
		if _, err := p.DefaultHead(t.Context(), repository); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGateSharesOnlyAnswersYoungerThanTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate[int]
		var asked atomic.Int64
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				began := asked.Load()
				got, err := g.do(t.Context(), "key", func(context.Context) (int, error) {
					n := asked.Add(1)
					time.Sleep(time.Second)
					return int(n), nil
				})
				if err != nil || int64(got) <= began {
					t.Errorf("answer %d to a question put after %d were asked: %v", got, began, err)
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		wg.Wait()
		synctest.Wait()
		if n := asked.Load(); n > 3 {
			t.Errorf("asked %d times", n)
		}
		if len(g.doors) != 0 {
			t.Error("doors are left")
		}
	})
}

func TestRepositoryTokenIsNarrowAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		p := newPool(t, w, 0)
		token := func() string {
			got, err := p.RepositoryToken(t.Context(), testRepository)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		first := token()
		time.Sleep(49 * time.Minute)
		if token() != first {
			t.Error("a token with eleven minutes left was replaced")
		}
		time.Sleep(2 * time.Minute)
		if token() == first {
			t.Error("a token with nine minutes left was handed out")
		}
		body := w.requests[0].body
		if !strings.Contains(body, `"repository_ids":[42]`) || !strings.Contains(body, `"permissions":{"contents":"read"}`) {
			t.Errorf("asked for %s", body)
		}
	})
}

func TestPermissionIsNeverRemembered(t *testing.T) {
	w := newWire()
	level := "write"
	w.handle("GET /repos/acme/shop/collaborators/{user}/permission", func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			t.Error("asked conditionally")
		}
		if r.PathValue("user") == "nobody" {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		rw.Header().Set("ETag", `"x"`)
		reply(rw, map[string]string{"permission": level})
	})
	p := newPool(t, w, 0)
	for _, want := range []string{"write", "read"} {
		level = want
		if got, err := p.Permission(t.Context(), testRepository, "ann"); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got, err := p.Permission(t.Context(), testRepository, "nobody"); err != nil || got != "none" {
		t.Errorf("%q, %v", got, err)
	}
}
