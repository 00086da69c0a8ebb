package workspace_test

import (
	"encoding/base64"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/workspace"
)

// origin is a repository as a server has it.
type origin struct {
	t   *testing.T
	dir string
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	o := &origin{t: t, dir: filepath.Join(t.TempDir(), "acme", "shop.git")}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	o.git("init", "-q", "-b", "main")
	o.git("config", "http.receivepack", "false")
	return o
}

func (o *origin) git(args ...string) string {
	o.t.Helper()
	return runGit(o.t, o.dir, "", args...)
}

func runGit(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (o *origin) write(name, content string) {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *origin) commit(message string) string {
	o.t.Helper()
	o.git("add", "-A")
	o.git("commit", "-q", "--allow-empty", "-m", message)
	return o.git("rev-parse", "HEAD")
}

// commitTree makes a commit of entries that a working tree could not hold: "100644 blob <sha>\t<path>".
func (o *origin) commitTree(entries ...string) string {
	o.t.Helper()
	tree := runGit(o.t, o.dir, strings.Join(entries, "\n")+"\n", "mktree", "--missing")
	sha := o.git("commit-tree", "-m", "crafted", tree)
	o.git("update-ref", "refs/heads/crafted", sha)
	return sha
}

func (o *origin) blob(content string) string {
	o.t.Helper()
	return runGit(o.t, o.dir, content, "hash-object", "-w", "--stdin")
}

// server serves origins as GitHub does: by HTTP, with a token.
type server struct {
	*httptest.Server
	token    string
	status   atomic.Int32 // answers this instead, where set
	requests atomic.Int32
	mu       sync.Mutex
	paths    []string
	headers  []string
}

func serve(t *testing.T, o *origin, token string) *server {
	t.Helper()
	s := &server{token: token}
	program := filepath.Join(strings.TrimSpace(runGit(t, o.dir, "", "--exec-path")), "git-http-backend")
	root := filepath.Dir(filepath.Dir(o.dir))
	backend := &cgi.Handler{Path: program, Env: []string{
		"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}, InheritEnv: []string{"PATH"}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.mu.Lock()
		s.paths = append(s.paths, r.URL.String())
		s.headers = append(s.headers, r.Header.Get("Authorization"))
		s.mu.Unlock()
		if status := s.status.Load(); status != 0 {
			http.Error(w, "no", int(status))
			return
		}
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+s.token))
		if s.token != "" && r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
			http.Error(w, "Authentication required", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) cloneURL() string { return s.URL + "/acme/shop.git" }

func newWorkspace(t testing.TB, dir string) *workspace.Workspace {
	t.Helper()
	w, err := workspace.New(dir, workspace.Options{AllowFile: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func gitTask(url, ref, sha string) pipeline.Task {
	return pipeline.Task{Source: pipeline.Source{Git: &pipeline.GitSource{CloneURL: url, Ref: ref, SHA: sha}}}
}

func forked(task pipeline.Task) pipeline.Task {
	task.Trigger.Fork = true
	return task
}

func mustCheckout(t *testing.T, w *workspace.Workspace, task pipeline.Task, token string) *workspace.Checkout {
	t.Helper()
	c, err := w.Checkout(t.Context(), task, token, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustClose(t *testing.T, c *workspace.Checkout) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// files lists everything below dir but .git.
func files(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(dir, ".git") {
			return filepath.SkipDir
		}
		if path != dir {
			rel, err := filepath.Rel(dir, path)
			if d.IsDir() {
				rel += "/"
			}
			names = append(names, rel)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
