package workspace_test

import (
	"path/filepath"
	"strconv"
	"testing"
)

const benchFiles = 20_000

// BenchmarkSecondCommit is a checkout of a commit that follows another by 50 changed files, fetch included.
func BenchmarkSecondCommit(b *testing.B) {
	dir := b.TempDir()
	shas := importTree(b, dir, benchFiles, 2, 50)
	w := newWorkspace(b, b.TempDir())
	checkout := func(sha string) {
		c, err := w.Checkout(b.Context(), gitTask("file://"+dir, "refs/heads/main", sha), "", nil)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	checkout(shas[0])
	n := 0
	for b.Loop() {
		n++
		checkout(shas[n%2])
	}
}

// BenchmarkCloneDepth1 is what it is compared with.
func BenchmarkCloneDepth1(b *testing.B) {
	dir := b.TempDir()
	importTree(b, dir, benchFiles, 2, 50)
	into := b.TempDir()
	n := 0
	for b.Loop() {
		n++
		runGit(b, into, "", "clone", "-q", "--depth", "1", "file://"+dir, filepath.Join(into, strconv.Itoa(n)))
	}
}
