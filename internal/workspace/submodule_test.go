package workspace_test

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipwayhq/slipway/internal/workspace"
)

func TestSubmodules(t *testing.T) {
	o := newOrigin(t)
	lib := &origin{t: t, dir: filepath.Join(filepath.Dir(o.dir), "lib.git")}
	if err := os.MkdirAll(lib.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lib.git("init", "-q", "-b", "main")
	lib.write("lib.py", "lib\n")
	libSHA := lib.commit("lib")
	o.write("app.py", "1\n")
	o.write(".gitmodules", "[submodule \"../../evil\"]\n\tpath = vendor/lib\n\turl = ../lib.git\n\tupdate = !touch /tmp/slipway-evil\n")
	o.git("add", "-A")
	o.git("update-index", "--add", "--cacheinfo", "160000,"+libSHA+",vendor/lib")
	o.git("commit", "-qm", "with a submodule")
	sha := o.git("rev-parse", "HEAD")
	s := serve(t, o, "token-of-both")
	w := newWorkspace(t, t.TempDir())

	task := gitTask(s.cloneURL(), "refs/heads/main", sha)
	c := mustCheckout(t, w, task, "token-of-both")
	if got := files(t, c.Dir); got != ".gitmodules app.py vendor/ vendor/lib/" {
		t.Errorf("not asked for, files: %s", got)
	}
	mustClose(t, c)
	task.Source.Git.Submodules = true
	for range 2 {
		c = mustCheckout(t, w, task, "token-of-both")
		if got := files(t, c.Dir); got != ".gitmodules app.py vendor/ vendor/lib/ vendor/lib/lib.py" {
			t.Errorf("files: %s", got)
		}
		mustClose(t, c)
	}

	t.Run("another host of the inner network", func(t *testing.T) {
		o.write(".gitmodules", "[submodule \"x\"]\n\tpath = vendor/lib\n\turl = https://127.0.0.1:1/a/b.git\n")
		o.git("add", ".gitmodules")
		o.git("commit", "-qm", "inner")
		task.Source.Git.SHA = o.git("rev-parse", "HEAD")
		_, err := w.Checkout(t.Context(), task, "token-of-both", nil)
		wantError(t, err, workspace.KindRefused, false, "inner network")
	})
	t.Run("no address", func(t *testing.T) {
		o.write(".gitmodules", "")
		o.git("add", ".gitmodules")
		o.git("commit", "-qm", "none")
		task.Source.Git.SHA = o.git("rev-parse", "HEAD")
		_, err := w.Checkout(t.Context(), task, "token-of-both", nil)
		wantError(t, err, workspace.KindRefused, false, "vendor/lib has no address")
	})
}

func TestSubmoduleURL(t *testing.T) {
	parent, err := url.Parse("https://github.com/acme/shop.git")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"../lib.git":                    "https://github.com/acme/lib.git",
		"../../other/lib.git":           "https://github.com/other/lib.git",
		"../../../../x":                 "https://github.com/x",
		"https://example.com/a/b":       "https://example.com/a/b",
		"git@github.com:acme/lib.git":   "https://github.com/acme/lib.git",
		"ssh://git@github.com/acme/lib": "https://github.com/acme/lib",
		"http://example.com/a":          "",
		"http://127.0.0.1/a":            "",
		"file:///etc":                   "",
		"/etc":                          "",
		"--upload-pack=id":              "",
		"ext::sh -c id":                 "",
		"-oProxyCommand=id":             "",
		"https://user:pw@github.com/a":  "",
		"git://github.com/acme/lib":     "",
		"":                              "",
	} {
		got, err := workspace.SubmoduleURL(parent, address)
		switch {
		case want == "" && err == nil:
			t.Errorf("%q became %s", address, got)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("%q became %v %v, want %s", address, got, err, want)
		}
	}
}

func TestIsPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"140.82.121.4": true, "2606:50c0::1": true, "127.0.0.1": false, "10.1.2.3": false, "169.254.169.254": false,
		"100.64.0.1": false, "::1": false, "fd00::1": false, "0.0.0.0": false, "224.0.0.1": false,
	} {
		if got := workspace.IsPublic(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
