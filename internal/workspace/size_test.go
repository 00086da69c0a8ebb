package workspace_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// importTree makes commits of n files each, all of one content but those changed by the later commits.
func importTree(t testing.TB, dir string, n, commits, changed int) []string {
	t.Helper()
	var in strings.Builder
	for c := range commits {
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter t <t@example.com> %d +0000\ndata 1\nx\n", 1700000000+c)
		count := n
		if c > 0 {
			count = changed
		}
		for f := range count {
			body := fmt.Sprintf("# file %d\n%s# %d\n", f, strings.Repeat("x = 1\n", f%100), c)
			fmt.Fprintf(&in, "M 100644 inline d%03d/s%d/f%d.py\ndata %d\n%s\n", f%200, f%7, f, len(body), body)
		}
	}
	in.WriteString("done\n")
	var shas []string
	runGit(t, dir, "", "init", "-q", "-b", "main")
	runGit(t, dir, in.String(), "fast-import", "--quiet", "--done")
	for c := range commits {
		shas = append(shas, runGit(t, dir, "", "rev-parse", fmt.Sprintf("main~%d", commits-1-c)))
	}
	return shas
}

func TestAHundredThousandFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100,000 files")
	}
	dir := t.TempDir()
	shas := importTree(t, dir, 100_000, 2, 10)
	w := newWorkspace(t, t.TempDir())
	for _, sha := range shas {
		c := mustCheckout(t, w, gitTask(dir, "refs/heads/main", sha), "")
		mustClose(t, c)
	}
}

func TestHugeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MB")
	}
	o := newOrigin(t)
	f, err := os.Create(filepath.Join(o.dir, "huge"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(200 << 20); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sha := o.commit("huge")
	w := newWorkspace(t, t.TempDir())
	c := mustCheckout(t, w, gitTask(o.dir, "refs/heads/main", sha), "")
	if info, err := os.Stat(filepath.Join(c.Dir, "huge")); err != nil || info.Size() != 200<<20 {
		t.Errorf("%v %v", info, err)
	}
	mustClose(t, c)
}
