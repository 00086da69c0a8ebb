package workspace_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/workspace"
)

func TestHostileTrees(t *testing.T) {
	o := newOrigin(t)
	o.commit("one")
	blob := o.blob("#!/bin/sh\ntouch /tmp/slipway-hooked\n")
	hooks := runGit(t, o.dir, "100755 blob "+blob+"\tpost-checkout\n", "mktree")
	dotGit := runGit(t, o.dir, "040000 tree "+hooks+"\thooks\n", "mktree")
	for _, name := range []string{".git", ".GIT", ".Git", "git~1", ".git ", ".git.", ".g\u200cit", ".git::$INDEX_ALLOCATION", "..", "."} {
		t.Run(name, func(t *testing.T) {
			tree := craftTree(t, o, "40000 "+name, dotGit)
			sha := o.git("commit-tree", "-m", "crafted", tree)
			o.git("update-ref", "refs/heads/crafted", sha)
			w := newWorkspace(t, t.TempDir())
			c, err := w.Checkout(t.Context(), gitTask(o.dir, "refs/heads/crafted", sha), "", nil)
			if err == nil {
				mustClose(t, c)
				t.Fatal("git wrote it")
			}
			wantError(t, err, workspace.KindRefused, false, "invalid path")
		})
	}
}

// craftTree writes a tree object git mktree would refuse.
func craftTree(t *testing.T, o *origin, entry, sha string) string {
	t.Helper()
	var object bytes.Buffer
	object.WriteString(entry + "\x00")
	for i := 0; i < len(sha); i += 2 {
		var b byte
		if _, err := fmt.Sscanf(sha[i:i+2], "%02x", &b); err != nil {
			t.Fatal(err)
		}
		object.WriteByte(b)
	}
	return runGit(t, o.dir, object.String(), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
}

func TestLinksOutOfTheTreeStayLinks(t *testing.T) {
	o := newOrigin(t)
	o.write("a", "1\n")
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(o.dir, "out")); err != nil {
		t.Fatal(err)
	}
	first := o.commit("a link")
	if err := os.Remove(filepath.Join(o.dir, "out")); err != nil {
		t.Fatal(err)
	}
	o.write("out/planted", "x\n")
	second := o.commit("the link became a folder")
	w := newWorkspace(t, t.TempDir())
	for _, sha := range []string{first, second, first} {
		c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
		info, err := os.Lstat(filepath.Join(c.Dir, "out"))
		if err != nil || (info.Mode()&os.ModeSymlink != 0) != (sha == first) {
			t.Errorf("%v %v", info, err)
		}
		mustClose(t, c)
	}
	if got := files(t, outside); got != "" {
		t.Errorf("written outside: %s", got)
	}
}

func TestFiltersAndHooksOfTheTreeDoNotRun(t *testing.T) {
	o := newOrigin(t)
	trap := filepath.Join(t.TempDir(), "ran")
	o.write(".gitattributes", "* filter=evil diff=evil merge=evil\n")
	o.write(".githooks/post-checkout", "#!/bin/sh\ntouch "+trap+"\n")
	o.write(".gitconfig", "[filter \"evil\"]\n\tsmudge = touch "+trap+"\n[core]\n\thooksPath = .githooks\n")
	o.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:1/\n")
	o.write("big.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("a", 64)+"\nsize 12\n")
	sha := o.commit("one")
	t.Setenv("HOME", o.dir) // a home with an evil .gitconfig
	t.Setenv("GIT_CONFIG_COUNT", "1")
	t.Setenv("GIT_CONFIG_KEY_0", "filter.evil.smudge")
	t.Setenv("GIT_CONFIG_VALUE_0", "touch "+trap)
	t.Setenv("GIT_DIR", "/nonexistent")
	w := newWorkspace(t, t.TempDir())
	c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
	if got := content(t, filepath.Join(c.Dir, "big.bin")); !strings.HasPrefix(got, "version https://git-lfs") {
		t.Errorf("a pointer did not stay one: %q", got)
	}
	mustClose(t, c)
	if _, err := os.Stat(trap); err == nil {
		t.Error("a command of the tree ran")
	}
}

// A folder that stands for a submodule is one git never looks into: what is left there must not reach the next stage.
func TestGitlinkFoldersAreNotAHidingPlace(t *testing.T) {
	o := newOrigin(t)
	sha := o.commitTree("160000 commit "+strings.Repeat("1", 40)+"\tsub", "100644 blob "+o.blob("a\n")+"\ta")
	w := newWorkspace(t, t.TempDir())
	c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/crafted", sha), "")
	if err := os.WriteFile(filepath.Join(c.Dir, "sub", "hidden"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustClose(t, c)
	c = mustCheckout(t, w, gitTask(o.dir, "refs/heads/crafted", sha), "")
	if got := files(t, c.Dir); got != "a sub/" {
		t.Errorf("files: %s", got)
	}
	mustClose(t, c)
}

func TestTreeReplacedByALink(t *testing.T) {
	o := newOrigin(t)
	o.write("a", "1\n")
	sha := o.commit("one")
	w := newWorkspace(t, t.TempDir())
	c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(c.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, c.Dir); err != nil {
		t.Fatal(err)
	}
	mustClose(t, c)
	c = mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
	mustClose(t, c)
	if got := files(t, outside); got != "precious" {
		t.Errorf("outside: %s", got)
	}
}

func TestDamagedMirrorIsMadeAnew(t *testing.T) {
	damage := map[string]func(t *testing.T, mirror string){
		"pack cut": func(t *testing.T, mirror string) {
			each(t, filepath.Join(mirror, "objects", "pack", "*.pack"), func(path string) error { return os.Truncate(path, 200) })
		},
		"pack overwritten": func(t *testing.T, mirror string) {
			each(t, filepath.Join(mirror, "objects", "pack", "*.pack"), func(path string) error {
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.WriteFile(path, bytes.Repeat([]byte("x"), int(info.Size())), 0o600)
			})
		},
		"no objects":      func(t *testing.T, mirror string) { mustRemove(t, filepath.Join(mirror, "objects", "pack")) },
		"no HEAD":         func(t *testing.T, mirror string) { mustRemove(t, filepath.Join(mirror, "HEAD")) },
		"config is trash": func(t *testing.T, mirror string) { mustWrite(t, filepath.Join(mirror, "config"), "\x00[") },
		"only half made":  func(t *testing.T, mirror string) { mustRemove(t, filepath.Join(mirror, "refs")) },
		"left-over locks": func(t *testing.T, mirror string) {
			mustRemove(t, filepath.Join(mirror, "objects", "pack"))
			mustWrite(t, filepath.Join(mirror, "packed-refs.lock"), "")
			mustWrite(t, filepath.Join(mirror, "shallow.lock"), "")
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t)
			for i := range 30 {
				o.write(fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint(i), 500))
			}
			first := o.commit("one")
			o.write("g", "2\n")
			second := o.commit("two")
			data := t.TempDir()
			w := newWorkspace(t, data)
			mustClose(t, mustCheckout(t, w, forked(gitTask(o.dir, "refs/heads/main", first)), ""))
			each(t, filepath.Join(data, "mirrors", "*.git"), func(mirror string) error { do(t, mirror); return nil })
			c := mustCheckout(t, w, forked(gitTask(o.dir, "refs/heads/main", second)), "")
			if got := content(t, filepath.Join(c.Dir, "g")); got != "2\n" {
				t.Errorf("content %q", got)
			}
			mustClose(t, c)
		})
	}
}

func each(t *testing.T, pattern string, do func(string) error) {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v %v", pattern, found, err)
	}
	for _, path := range found {
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := do(path); err != nil {
			t.Fatal(err)
		}
	}
}

func mustRemove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func mustWrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	o := newOrigin(t)
	var shas []string
	for i := range 6 {
		o.write("a", fmt.Sprint(i))
		shas = append(shas, o.commit("x"))
	}
	s := serve(t, o, "")
	data := t.TempDir()
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			w, err := workspace.New(data, workspace.Options{}) // as processes of their own have it
			if err != nil {
				t.Error(err)
				return
			}
			task := gitTask(s.cloneURL(), "refs/heads/main", shas[i%len(shas)])
			task.Trigger.Fork = i%3 == 0
			c, err := w.Checkout(t.Context(), task, "", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(filepath.Join(c.Dir, "a")); err != nil || string(got) != fmt.Sprint(i%len(shas)) {
				t.Errorf("%d: content %q %v", i, got, err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := s.requests.Load(); n > 4 {
		t.Errorf("%d requests for one fetch", n)
	}
}

func TestManyFetchesKeepFewPacks(t *testing.T) {
	o := newOrigin(t)
	o.commit("zero")
	data := t.TempDir()
	w := newWorkspace(t, data)
	for i := range 45 {
		o.write("a", fmt.Sprint(i))
		sha := o.commit("x")
		mustClose(t, mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), ""))
	}
	packs, err := filepath.Glob(filepath.Join(data, "mirrors", "*.git", "objects", "pack", "*.pack"))
	if err != nil || len(packs) > 40 {
		t.Errorf("%d packs %v", len(packs), err)
	}
}

func TestBranchNamesThatExcludeEachOther(t *testing.T) {
	o := newOrigin(t)
	first := o.commit("one")
	o.git("branch", "a")
	w := newWorkspace(t, t.TempDir())
	mustClose(t, mustCheckout(t, w, gitTask(o.dir, "refs/heads/a", first), ""))
	o.git("branch", "-D", "a")
	second := o.commit("two")
	o.git("branch", "a/b")
	mustClose(t, mustCheckout(t, w, gitTask(o.dir, "refs/heads/a/b", second), ""))
}

func TestSweep(t *testing.T) {
	o := newOrigin(t)
	o.write("a", "1\n")
	sha := o.commit("one")
	data := t.TempDir()
	w := newWorkspace(t, data)
	task := gitTask(o.dir, "refs/heads/main", sha)
	inUse := mustCheckout(t, w, task, "")
	clean := mustCheckout(t, w, task, "")
	dead := mustCheckout(t, w, task, "")
	old := mustCheckout(t, w, task, "")
	mustClose(t, clean)
	mustClose(t, old)
	past := time.Now().Add(-30 * 24 * time.Hour)
	if err := os.Chtimes(filepath.Join(filepath.Dir(old.Dir), "clean"), past, past); err != nil {
		t.Fatal(err)
	}
	if err := workspace.Abandon(dead); err != nil {
		t.Fatal(err)
	}
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		dir  string
		kept bool
	}{"in use": {inUse.Dir, true}, "clean": {clean.Dir, true}, "of a dead process": {dead.Dir, false}, "old": {old.Dir, false}} {
		if _, err := os.Stat(test.dir); (err == nil) != test.kept {
			t.Errorf("%s: kept %v, want %v", name, err == nil, test.kept)
		}
	}
	mustClose(t, inUse)
}

func TestKeepNoMoreTreesThanAllowed(t *testing.T) {
	o := newOrigin(t)
	sha := o.commit("one")
	data := t.TempDir()
	w, err := workspace.New(data, workspace.Options{AllowFile: true, KeepTrees: 2})
	if err != nil {
		t.Fatal(err)
	}
	var open []*workspace.Checkout
	for range 5 {
		open = append(open, mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), ""))
	}
	for _, c := range open {
		mustClose(t, c)
	}
	kept, err := filepath.Glob(filepath.Join(data, "trees", "*", "*", "tree"))
	if err != nil || len(kept) != 2 {
		t.Errorf("kept %v %v", kept, err)
	}
}
