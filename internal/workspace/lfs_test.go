package workspace_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/workspace"
)

// lfsServer answers the batch API of git-lfs for one object, to whoever has the header git sends the token in.
func lfsServer(t *testing.T, git *server, object string) *httptest.Server {
	t.Helper()
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/object":
			if _, err := io.WriteString(w, object); err != nil {
				t.Error(err)
			}
		case strings.HasSuffix(r.URL.Path, "/info/lfs/objects/batch"):
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/vnd.git-lfs+json")
			answer := map[string]any{"transfer": "basic", "objects": []any{map[string]any{
				"oid": digest(object), "size": len(object), "authenticated": true,
				"actions": map[string]any{"download": map[string]any{"href": s.URL + "/object"}},
			}}}
			if err := json.NewEncoder(w).Encode(answer); err != nil {
				t.Error(err)
			}
		default:
			git.Config.Handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestLargeFiles(t *testing.T) {
	if _, err := exec.LookPath("git-lfs"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git-lfs is not installed: apt-get install git-lfs")
		}
		t.Skip("git-lfs is not installed")
	}
	const object, token = "a large file\n", "lfs-token"
	o := newOrigin(t)
	o.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
	o.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:1/elsewhere\n")
	o.write("big.bin", fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", digest(object), len(object)))
	sha := o.commit("a pointer")
	s := lfsServer(t, serve(t, o, token), object)
	data := t.TempDir()
	w := newWorkspace(t, data)
	task := gitTask(s.URL+"/acme/shop.git", "refs/heads/main", sha)
	task.Source.Git.LFS = true
	for range 2 {
		c := mustCheckout(t, w, task, token)
		if got := content(t, filepath.Join(c.Dir, "big.bin")); got != object {
			t.Errorf("content %q", got)
		}
		mustClose(t, c)
	}
	noTraceOf(t, token, data)
}

func TestLargeFilesWithoutTheTool(t *testing.T) {
	o := newOrigin(t)
	sha := o.commit("one")
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	w, err := workspace.New(t.TempDir(), workspace.Options{AllowFile: true, Git: git})
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(git, filepath.Join(bin, "git")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	task := gitTask(o.dir, "refs/heads/main", sha)
	task.Source.Git.LFS = true
	_, err = w.Checkout(t.Context(), task, "", nil)
	wantError(t, err, workspace.KindTool, false, "git-lfs is not installed")
}
