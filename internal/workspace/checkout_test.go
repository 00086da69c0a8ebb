package workspace_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/workspace"
	"github.com/slipwayhq/slipway/internal/workspace/changes"
)

func TestCheckoutByHTTP(t *testing.T) {
	o := newOrigin(t)
	o.write("app.py", "one\n")
	o.write("bin/run", "#!/bin/sh\n")
	first := o.commit("one")
	o.git("tag", "-m", "v1", "v1.2.3")
	o.write("app.py", "one\ntwo\n")
	second := o.commit("two")
	const token = "ghs_very.secret-token"
	s := serve(t, o, token)
	data := t.TempDir()
	w := newWorkspace(t, data)

	task := gitTask(s.cloneURL(), "refs/heads/main", second)
	task.Source.Git.BaseSHA = first
	var lines []string
	c, err := w.Checkout(t.Context(), task, token, func(l string) { lines = append(lines, l) })
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, c.Dir); got != "app.py bin/ bin/run" {
		t.Errorf("files: %s", got)
	}
	if got := runGit(t, c.Dir, "", "rev-parse", "HEAD"); got != second {
		t.Errorf("HEAD is %s", got)
	}
	if got := runGit(t, c.Dir, "", "status", "--porcelain"); got != "" {
		t.Errorf("status: %s", got)
	}
	if got := runGit(t, c.Dir, "", "describe"); !strings.HasPrefix(got, "v1.2.3-1-g") {
		t.Errorf("describe: %s", got)
	}
	changed, err := changes.ChangedLines(t.Context(), c.Dir, first)
	if err != nil || !slices.Equal(changed["app.py"], []changes.Range{{First: 2, Last: 2}}) {
		t.Errorf("changed lines: %v %v", changed, err)
	}

	before := s.requests.Load()
	again := mustCheckout(t, w, task, token)
	if s.requests.Load() != before {
		t.Error("a commit that is here was asked for again")
	}
	if again.Dir == c.Dir {
		t.Error("two checkouts in one folder")
	}
	mustClose(t, again)
	mustClose(t, c)
	mustClose(t, c)

	noTraceOf(t, token, data, strings.Join(lines, "\n"), strings.Join(s.paths, "\n"))
}

// noTraceOf looks for the token in every file below dir and in the texts.
func noTraceOf(t *testing.T, token, dir string, texts ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			texts = append(texts, content(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if strings.Contains(text, token) || strings.Contains(text, "Authorization") {
			t.Errorf("the token is in %.200q", text)
		}
	}
}

func TestNextCommitMovesTheCleanTree(t *testing.T) {
	o := newOrigin(t)
	o.write(".gitignore", "build/\n*.pyc\n")
	o.write("same.py", "same\n")
	o.write("gone.py", "gone\n")
	o.write("changed.py", "1\n")
	first := o.commit("one")
	o.git("rm", "-q", "gone.py")
	o.write("changed.py", "2\n")
	o.write("new/new.py", "new\n")
	second := o.commit("two")
	w := newWorkspace(t, t.TempDir())

	c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", first), "")
	dir := c.Dir
	before, err := os.Stat(filepath.Join(dir, "same.py"))
	if err != nil {
		t.Fatal(err)
	}
	// What a stage may leave behind.
	vandalise(t, dir)
	mustClose(t, c)
	if got := files(t, dir); got != ".gitignore changed.py gone.py same.py" {
		t.Errorf("after the stage: %s", got)
	}

	c = mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", second), "")
	if c.Dir != dir {
		t.Error("the clean tree was not used again")
	}
	if got := files(t, dir); got != ".gitignore changed.py new/ new/new.py same.py" {
		t.Errorf("files: %s", got)
	}
	if content(t, filepath.Join(dir, "changed.py")) != "2\n" || content(t, filepath.Join(dir, "same.py")) != "same\n" {
		t.Error("content of another commit")
	}
	// A file as old as the index (a tick of the clock) is written again once, since git cannot tell whether it changed.
	for round := 0; ; round++ {
		after, err := os.Stat(filepath.Join(dir, "same.py"))
		if err != nil {
			t.Fatal(err)
		}
		if os.SameFile(before, after) {
			break
		}
		if round == 3 {
			t.Fatal("a file that did not change is written again each time")
		}
		before = after
		mustClose(t, c)
		mustClose(t, mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", first), ""))
		c = mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", second), "")
	}
	mustClose(t, c)

	t.Run("what is done to a clean tree by a process that outlived its stage is undone", func(t *testing.T) {
		vandalise(t, dir)
		// The same size and time as the original: only the change time tells.
		path := filepath.Join(dir, "new", "new.py")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("bad\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", second), "")
		if c.Dir != dir {
			t.Error("the tree was not used again")
		}
		if got := files(t, dir); got != ".gitignore changed.py new/ new/new.py same.py" {
			t.Errorf("files: %s", got)
		}
		if got := content(t, path); got != "new\n" {
			t.Errorf("forged content stayed: %q", got)
		}
		mustClose(t, c)
	})
}

// vandalise does to a tree what tests, package managers and attackers do.
func vandalise(t *testing.T, dir string) {
	t.Helper()
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if content(t, filepath.Join(outside, "precious")) != "precious" {
			t.Error("a file outside the tree was touched")
		}
	})
	do := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	do(os.WriteFile(filepath.Join(dir, "same.py"), []byte("evil\n"), 0o600))
	do(os.WriteFile(filepath.Join(dir, "untracked.pyc"), nil, 0o600))
	do(os.MkdirAll(filepath.Join(dir, "build", "deep"), 0o700))
	do(os.WriteFile(filepath.Join(dir, "build", "deep", "x"), nil, 0o600))
	do(os.MkdirAll(filepath.Join(dir, "empty"), 0o700))
	do(os.Symlink(outside, filepath.Join(dir, "link")))
	runGit(t, dir, "", "init", "-q", "nested")
	do(os.WriteFile(filepath.Join(dir, "nested", "x"), nil, 0o600))
	do(os.MkdirAll(filepath.Join(dir, ".git", "hooks"), 0o700))
	for _, hook := range []string{"post-checkout", "post-index-change", "fsmonitor-watchman"} {
		do(os.WriteFile(filepath.Join(dir, ".git", "hooks", hook), []byte("#!/bin/sh\ntouch "+outside+"/hooked\n"), 0o700))
	}
	config := "[core]\n\tfsmonitor = touch " + outside + "/hooked\n\tworktree = " + outside + "\n[filter \"x\"]\n\tsmudge = touch " + outside + "/hooked\n"
	do(os.WriteFile(filepath.Join(dir, ".git", "config"), []byte(config), 0o600))
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(outside, "hooked")); err == nil {
			t.Error("a command of the stage ran outside of it")
		}
	})
}

// Go's module cache is read-only, for one.
func TestReadOnlyFoldersAreRemoved(t *testing.T) {
	o := newOrigin(t)
	o.write("a", "1\n")
	sha := o.commit("one")
	data := t.TempDir()
	w := newWorkspace(t, data)
	for _, task := range []pipeline.Task{gitTask(o.dir, "refs/heads/main", sha), forked(gitTask(o.dir, "refs/heads/main", sha))} {
		c := mustCheckout(t, w, task, "")
		deep := filepath.Join(c.Dir, "mod", "deep")
		if err := os.MkdirAll(deep, 0o700); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(deep, "x"), "")
		for _, dir := range []string{deep, filepath.Dir(deep), c.Dir} {
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, c)
		c = mustCheckout(t, w, task, "")
		if got := files(t, c.Dir); got != "a" {
			t.Errorf("files: %s", got)
		}
		mustClose(t, c)
	}
}

func TestForkHead(t *testing.T) {
	o := newOrigin(t)
	o.write("app.py", "base\n")
	o.commit("base")
	o.git("checkout", "-q", "--detach")
	o.write("app.py", "fork\n")
	head := o.commit("fork")
	o.git("update-ref", "refs/pull/7/head", head)
	o.git("checkout", "-q", "main")
	s := serve(t, o, "")
	w := newWorkspace(t, t.TempDir())

	c := mustCheckout(t, w, forked(gitTask(s.cloneURL(), "refs/pull/7/head", head)), "")
	if got := content(t, filepath.Join(c.Dir, "app.py")); got != "fork\n" {
		t.Errorf("content %q", got)
	}
	dir := c.Dir
	mustClose(t, c)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the tree of a fork is kept: %v", err)
	}
}

func TestForkLeavesCleanTreesAlone(t *testing.T) {
	o := newOrigin(t)
	o.write("app.py", "1\n")
	sha := o.commit("one")
	w := newWorkspace(t, t.TempDir())
	trusted := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
	mustClose(t, trusted)
	fork := mustCheckout(t, w, forked(gitTask(o.dir, "refs/heads/main", sha)), "")
	if fork.Dir == trusted.Dir {
		t.Error("a fork got the tree that trusted commits use")
	}
	mustClose(t, fork)
	if _, err := os.Stat(filepath.Join(trusted.Dir, "app.py")); err != nil {
		t.Error(err)
	}
}

func TestRewrittenBranch(t *testing.T) {
	o := newOrigin(t)
	o.write("a", "1\n")
	o.commit("one")
	o.write("a", "2\n")
	lost := o.commit("two")
	o.git("reset", "-q", "--hard", "HEAD~1")
	o.write("a", "3\n")
	o.commit("three")
	s := serve(t, o, "")
	w := newWorkspace(t, t.TempDir())

	t.Run("the server still has the commit", func(t *testing.T) {
		c := mustCheckout(t, w, gitTask(s.cloneURL(), "refs/heads/main", lost), "")
		if got := content(t, filepath.Join(c.Dir, "a")); got != "2\n" {
			t.Errorf("content %q", got)
		}
		mustClose(t, c)
	})
	t.Run("it is gone", func(t *testing.T) {
		vanished := strings.Repeat("4", 40)
		_, err := w.Checkout(t.Context(), gitTask(s.cloneURL(), "refs/heads/main", vanished), "", nil)
		wantError(t, err, workspace.KindVanished, false, "commit "+vanished+" is no longer reachable: refs/heads/main was force-pushed or deleted after the run was asked for; push again")
	})
	t.Run("the branch is gone too", func(t *testing.T) {
		_, err := w.Checkout(t.Context(), gitTask(s.cloneURL(), "refs/heads/old", strings.Repeat("4", 40)), "", nil)
		wantError(t, err, workspace.KindVanished, false, "no longer reachable")
	})
	t.Run("the base is gone: the checkout is not", func(t *testing.T) {
		head := o.git("rev-parse", "HEAD")
		task := gitTask(s.cloneURL(), "refs/heads/main", head)
		task.Source.Git.BaseSHA = strings.Repeat("5", 40)
		c := mustCheckout(t, w, task, "")
		if _, err := changes.ChangedLines(t.Context(), c.Dir, task.Source.Git.BaseSHA); !errors.Is(err, changes.ErrUnknown) {
			t.Errorf("changed lines: %v", err)
		}
		mustClose(t, c)
	})
}

func wantError(t *testing.T, err error, kind workspace.Kind, infrastructure bool, says string) {
	t.Helper()
	var e *workspace.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error of kind %s", err, kind)
	}
	if e.Kind != kind || e.Infrastructure != infrastructure || !strings.Contains(e.Error(), says) {
		t.Errorf("got %s (infrastructure %v): %s", e.Kind, e.Infrastructure, e)
	}
}

func TestServerTrouble(t *testing.T) {
	o := newOrigin(t)
	o.write("a", "1\n")
	sha := o.commit("one")
	s := serve(t, o, "right")
	for name, test := range map[string]struct {
		status         int
		token, url     string
		kind           workspace.Kind
		infrastructure bool
		says           string
	}{
		"wrong token":  {token: "wrong-token", kind: workspace.KindAuth, infrastructure: true, says: "Contents: read"},
		"no token":     {kind: workspace.KindAuth, infrastructure: true, says: "refused the token"},
		"forbidden":    {status: 403, token: "right", kind: workspace.KindAuth, infrastructure: true},
		"unauthorized": {status: 401, token: "right", kind: workspace.KindAuth, infrastructure: true},
		"gone":         {status: 404, token: "right", kind: workspace.KindGone, says: "does not show acme/shop"},
		"server error": {status: 502, token: "right", kind: workspace.KindNetwork, infrastructure: true, says: "broke off"},
		"rate limit":   {status: 429, token: "right", kind: workspace.KindNetwork, infrastructure: true},
		"nobody there": {url: "http://127.0.0.1:1/acme/shop.git", kind: workspace.KindNetwork, infrastructure: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.status.Store(int32(test.status))
			defer s.status.Store(0)
			url := s.cloneURL()
			if test.url != "" {
				url = test.url
			}
			_, err := newWorkspace(t, t.TempDir()).Checkout(t.Context(), gitTask(url, "refs/heads/main", sha), test.token, nil)
			wantError(t, err, test.kind, test.infrastructure, test.says)
			if test.token != "" && strings.Contains(err.Error(), test.token+" ") {
				t.Errorf("the token is in %v", err)
			}
		})
	}
}

func TestRefusedSources(t *testing.T) {
	w, err := workspace.New(t.TempDir(), workspace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sha := strings.Repeat("a", 40)
	for name, g := range map[string]pipeline.GitSource{
		"ssh":                 {CloneURL: "ssh://git@example.com/a/b", Ref: "refs/heads/main", SHA: sha},
		"a command":           {CloneURL: "ext::sh -c id", Ref: "refs/heads/main", SHA: sha},
		"an option":           {CloneURL: "--upload-pack=id", Ref: "refs/heads/main", SHA: sha},
		"a path":              {CloneURL: "/etc", Ref: "refs/heads/main", SHA: sha},
		"a file":              {CloneURL: "file:///etc", Ref: "refs/heads/main", SHA: sha},
		"plain http":          {CloneURL: "http://example.com/a/b", Ref: "refs/heads/main", SHA: sha},
		"credentials":         {CloneURL: "https://user:pass@example.com/a/b", Ref: "refs/heads/main", SHA: sha},
		"a branch as commit":  {CloneURL: "https://example.com/a/b", Ref: "refs/heads/main", SHA: "main"},
		"an option as commit": {CloneURL: "https://example.com/a/b", Ref: "refs/heads/main", SHA: "--output=x"},
		"a branch as base":    {CloneURL: "https://example.com/a/b", Ref: "refs/heads/main", SHA: sha, BaseSHA: "main"},
		"option as ref":       {CloneURL: "https://example.com/a/b", Ref: "--upload-pack=id", SHA: sha},
		"two refs":            {CloneURL: "https://example.com/a/b", Ref: "refs/heads/a:refs/heads/b", SHA: sha},
		"a glob":              {CloneURL: "https://example.com/a/b", Ref: "refs/heads/*", SHA: sha},
		"a ref with dots":     {CloneURL: "https://example.com/a/b", Ref: "refs/heads/../../x", SHA: sha},
		"a ref with newline":  {CloneURL: "https://example.com/a/b", Ref: "refs/heads/a\nb", SHA: sha},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Checkout(t.Context(), pipeline.Task{Source: pipeline.Source{Git: &g}}, "", nil)
			wantError(t, err, workspace.KindRefused, false, "")
			if strings.Contains(err.Error(), "pass") {
				t.Errorf("credentials in %v", err)
			}
		})
	}
	if _, err := w.Checkout(t.Context(), pipeline.Task{}, "", nil); err == nil {
		t.Error("a task without a source")
	}
}

func TestCancelled(t *testing.T) {
	o := newOrigin(t)
	sha := o.commit("one")
	reason := errors.New("superseded")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	_, err := newWorkspace(t, t.TempDir()).Checkout(ctx, gitTask(o.dir, "refs/heads/main", sha), "", nil)
	if !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}
