package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// smallDisk is a folder on a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mount of a small tmpfs, which takes root: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill takes all that is left of a disk.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	filler, err := os.Create(filepath.Join(dir, "filler"))
	must(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	must(t, filler.Close())
	return func() { must(t, os.Remove(filler.Name())) }
}

// What cannot be kept is not accepted; GitHub's log tells it again.
func TestPushWhileTheDiskIsFull(t *testing.T) {
	disk := smallDisk(t, "6m")
	s := newSite(t, shop("true\n"))
	s.env = []string{"SLIPWAY_DATA_DIR=" + disk}
	s.start()
	empty := fill(t, disk)
	sha := s.push("main", change("echo well\n"), "while the disk is full")
	s.waitFor("the delivery to be refused", func() bool { return strings.Contains(s.log.String(), "delivery could not be stored") })
	empty()
	s.stop()
	s.start()
	s.whole(sha, "success")
}

// A disk that fills while a stage runs delays the end of the run.
func TestDiskFillsWhileAStageRuns(t *testing.T) {
	disk := smallDisk(t, "8m")
	s := newSite(t, shop("true\n"))
	s.env = []string{"SLIPWAY_DATA_DIR=" + disk}
	s.start()
	sha := s.push("main", change("echo begun; sleep 4; seq 100\n"), "slow")
	s.check(sha, "test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	empty := fill(t, disk)
	s.waitFor("the bot to notice", func() bool { return strings.Contains(s.log.String(), "full") })
	empty()
	s.check(sha, "deployment-summary", concluded)
	for _, run := range s.github.CheckRuns(repo, sha) {
		ended := s.check(sha, run.Name, concluded)
		t.Logf("%s is %s: %s", ended.Name, ended.Conclusion, ended.Title)
	}
}
