package changes_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/workspace/changes"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestChangedLines(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	write(t, filepath.Join(dir, "app.py"), "1\n2\n3\n4\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "one")
	git(t, dir, "branch", "feature")
	write(t, filepath.Join(dir, "app.py"), "main\n1\n2\n3\n4\n")
	git(t, dir, "commit", "-qam", "main goes on")
	base := git(t, dir, "rev-parse", "HEAD")
	git(t, dir, "checkout", "-q", "feature")
	write(t, filepath.Join(dir, "app.py"), "1\n2\nthree\n4\n5")
	write(t, filepath.Join(dir, "new.py"), "1\n2\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "feature")
	git(t, dir, "checkout", "-q", "--detach")
	want := map[string][]changes.Range{"app.py": {{First: 3, Last: 3}, {First: 5, Last: 5}}, "new.py": {{First: 1, Last: 2}}}

	got, err := changes.ChangedLines(t.Context(), dir, base)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the base's own changes must not count: %s", diff)
	}

	t.Run("configuration in the folder has no effect", func(t *testing.T) {
		trap := filepath.Join(t.TempDir(), "ran")
		for _, key := range []string{"diff.external", "core.fsmonitor", "diff.evil.textconv", "diff.evil.command"} {
			git(t, dir, "config", key, "touch "+trap+"; true")
		}
		write(t, filepath.Join(dir, ".gitattributes"), "* diff=evil\n")
		got, err := changes.ChangedLines(t.Context(), dir, base)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if _, err := os.Stat(trap); err == nil {
			t.Error("a command of the repository ran")
		}
	})
}

func TestChangedLinesUnknown(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	git(t, dir, "commit", "-q", "--allow-empty", "-m", "one")
	git(t, dir, "checkout", "-q", "--detach")
	for name, ask := range map[string]struct{ dir, base string }{
		"no base":         {dir, ""},
		"an option":       {dir, "--output=/tmp/x"},
		"base not here":   {dir, strings.Repeat("a", 40)},
		"no repository":   {t.TempDir(), strings.Repeat("a", 40)},
		"a branch's HEAD": {branchHead(t), strings.Repeat("a", 40)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := changes.ChangedLines(context.Background(), ask.dir, ask.base); !errors.Is(err, changes.ErrUnknown) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func branchHead(t *testing.T) string {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	return dir
}
