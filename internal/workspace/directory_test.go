package workspace_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/workspace/changes"
)

func folderTask(dir string) pipeline.Task {
	return pipeline.Task{Source: pipeline.Source{Directory: dir}}
}

func TestCopyOfARepository(t *testing.T) {
	o := newOrigin(t)
	o.write(".gitignore", "*.log\nvenv/\n")
	o.write("app.py", "1\n")
	o.write("deleted.py", "1\n")
	o.write("sub/in.py", "1\n")
	o.write("turned/x.py", "1\n")
	base := o.commit("one")
	o.git("tag", "v1")
	o.write("app.py", "1\n2\n")
	o.commit("two")
	// What a person has lying about.
	o.write("app.py", "1\n2\n3\n")
	o.write("untracked.py", "u\n")
	o.write("x.log", "ignored\n")
	o.write("venv/bin/python", "ignored\n")
	o.write("with\nnewline", "n\n")
	mustRemove(t, filepath.Join(o.dir, "deleted.py"))
	mustRemove(t, filepath.Join(o.dir, "turned"))
	outside := t.TempDir()
	mustWrite(t, filepath.Join(outside, "x.py"), "outside\n")
	for link, target := range map[string]string{"turned": outside, "rel": "app.py", "dangling": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(o.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	o.write("nested/inner.py", "i\n")
	runGit(t, filepath.Join(o.dir, "nested"), "", "init", "-q")
	if err := os.Chmod(filepath.Join(o.dir, "app.py"), 0o755); err != nil {
		t.Fatal(err)
	}
	o.git("config", "core.fsmonitor", "touch "+filepath.Join(outside, "hooked"))
	before := files(t, o.dir)

	w := newWorkspace(t, t.TempDir())
	c := mustCheckout(t, w, folderTask(o.dir), "")
	want := ".gitignore app.py dangling nested/ nested/inner.py rel sub/ sub/in.py turned untracked.py with\nnewline"
	if got := files(t, c.Dir); got != want {
		t.Errorf("files:\n%s\nwant\n%s", got, want)
	}
	if target, err := os.Readlink(filepath.Join(c.Dir, "turned")); err != nil || target != outside {
		t.Errorf("link %q %v", target, err)
	}
	if info, err := os.Stat(filepath.Join(c.Dir, "app.py")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("%v %v", info, err)
	}
	if got := runGit(t, c.Dir, "", "describe", "--tags"); !strings.HasPrefix(got, "v1-1-g") {
		t.Errorf("describe: %s", got)
	}
	if changed, err := changes.ChangedLines(t.Context(), c.Dir, base); err != nil || !slices.Equal(changed["app.py"], []changes.Range{{First: 2, Last: 2}}) {
		t.Errorf("changed lines %v %v", changed, err)
	}
	mustWrite(t, filepath.Join(c.Dir, "sub", "in.py"), "the stage writes\n")
	dir := c.Dir
	mustClose(t, c)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy stayed: %v", err)
	}
	if files(t, o.dir) != before || content(t, filepath.Join(o.dir, "sub", "in.py")) != "1\n" {
		t.Error("the original was touched")
	}
	if got := files(t, outside); got != "x.py" {
		t.Errorf("outside: %s", got)
	}

	t.Run("a folder of it", func(t *testing.T) {
		o.write("sub/.gitignore", "secret\n")
		o.write("sub/secret", "s\n")
		o.write("sub/new.py", "n\n")
		c := mustCheckout(t, w, folderTask(filepath.Join(o.dir, "sub")), "")
		if got := files(t, c.Dir); got != ".gitignore in.py new.py" {
			t.Errorf("files: %s", got)
		}
		mustClose(t, c)
	})
}

func TestCopyOfAPlainFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b/c"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(dir, name), name)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := newWorkspace(t, t.TempDir())
	c := mustCheckout(t, w, folderTask(dir), "")
	if got := files(t, c.Dir); got != "a b/ b/c" {
		t.Errorf("files: %s", got)
	}
	if _, err := changes.ChangedLines(t.Context(), c.Dir, strings.Repeat("a", 40)); !errors.Is(err, changes.ErrUnknown) {
		t.Errorf("changed lines: %v", err)
	}
	mustClose(t, c)
	if _, err := w.Checkout(t.Context(), folderTask(filepath.Join(dir, "none")), "", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
