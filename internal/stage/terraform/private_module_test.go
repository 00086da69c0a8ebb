package terraform

import (
	"encoding/base64"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// privateModules serves a repository with a module to whoever has the token.
func privateModules(t *testing.T, token string) (server string) {
	t.Helper()
	root := t.TempDir()
	work := filepath.Join(root, "work")
	git := func(dir string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.MkdirAll(work, 0o700); err != nil {
		t.Fatal(err)
	}
	git(work, "init", "-q", "-b", "main")
	mustWrite(t, filepath.Join(work, "main.tf"), "output \"name\" {\n  value = \"of the module\"\n}\n")
	git(work, "add", "-A")
	git(work, "commit", "-q", "-m", "one")
	git(root, "clone", "-q", "--bare", "work", "modules.git")
	backend := &cgi.Handler{
		Path: filepath.Join(git(root, "--exec-path"), "git-http-backend"), Dir: root,
		Env: []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1"},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, got, _ := r.BasicAuth(); got != token {
			w.Header().Set("WWW-Authenticate", `Basic realm="modules"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// A module of a private repository is fetched with the lines of docs/how-to/terraform.md, in the sandbox, and its token is told
// nowhere.
func TestPrivateModuleWithItsToken(t *testing.T) {
	const token = "ghp_correct-horse-battery"
	server := privateModules(t, token)
	s := newInSandbox(t, map[string]string{
		"infra/main.tf": "module \"m\" {\n  source = \"git::" + server + "/modules.git?ref=main\"\n}\n\noutput \"name\" {\n  value = module.m.name\n}\n",
	})
	refused := executortest.Complete(t, s.executor, s.task("r7-s1-a1-p", pipeline.PhasePrepare, 1), pipeline.Secrets{})
	if refused.Verdict.Status != pipeline.StatusFailure {
		t.Fatalf("verdict = %+v", refused.Verdict)
	}
	header := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+token))
	s.secrets = map[string]string{"GIT_CONFIG_VALUE_0": header}
	task := s.task("r7-s2-a1-p", pipeline.PhasePrepare, 1)
	task.Env["GIT_CONFIG_COUNT"], task.Env["GIT_CONFIG_KEY_0"] = "1", "http."+server+"/.extraheader"
	fetched := executortest.Complete(t, s.executor, task, pipeline.Secrets{Env: s.secrets})
	if fetched.Verdict.Status != pipeline.StatusSuccess || fetched.Verdict.Title != "Only outputs change" {
		t.Errorf("verdict = %+v\n%s", fetched.Verdict, fetched.Log())
	}
	if strings.Contains(fetched.Log(), header) {
		t.Error("the token is told")
	}
}
