package workspace_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A stage in a sandbox that shows Dir and, read-only, ReadOnly has a working git and cannot reach the mirror.
func TestGitInASandbox(t *testing.T) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("bubblewrap is not installed: apt-get install bubblewrap")
		}
		t.Skip("bubblewrap is not installed")
	}
	o := newOrigin(t)
	o.write("a", "1\n")
	o.commit("one")
	o.git("tag", "v1")
	o.write("a", "2\n")
	sha := o.commit("two")
	data := t.TempDir()
	w := newWorkspace(t, data)
	c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
	args := []string{"--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--unshare-all", "--die-with-parent"}
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/etc"} {
		if _, err := os.Stat(dir); err == nil {
			args = append(args, "--ro-bind", dir, dir)
		}
	}
	args = append(args, "--bind", c.Dir, c.Dir)
	for _, dir := range c.ReadOnly {
		args = append(args, "--ro-bind", dir, dir)
	}
	script := `git describe --tags; git status --porcelain; git log --oneline | wc -l
git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m mine && echo committed
for dir in "$@"; do touch "$dir/planted" 2>/dev/null && echo writable; done; ls "$DATA"/mirrors/*`
	args = append(args, "--chdir", c.Dir, "--setenv", "DATA", data, "--", "/bin/sh", "-c", script, "sh")
	out, err := exec.CommandContext(t.Context(), bwrap, append(args, c.ReadOnly...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got := strings.Fields(string(out))
	if len(got) != 4 || !strings.HasPrefix(got[0], "v1-1-g") || got[1] != "2" || got[2] != "committed" || got[3] != "objects" {
		t.Errorf("the stage sees:\n%s", out)
	}
	mustClose(t, c)
	if found, err := filepath.Glob(filepath.Join(data, "mirrors", "*", "objects", "planted")); err != nil || len(found) != 0 {
		t.Errorf("%v %v", found, err)
	}
}
