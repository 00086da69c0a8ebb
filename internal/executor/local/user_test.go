package local_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// asUser marks the tests that were started again as an ordinary user.
const asUser = "SLIPWAY_TEST_ORDINARY_USER"

// TestAsOrdinaryUser repeats what depends on who the bot is: root's sandbox and everybody's differ.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Getuid() != 0 || os.Getenv(asUser) != "" {
		t.Skip("only root can become somebody else")
	}
	needBubblewrap(t)
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is not installed")
	}
	const nobody = "65534"
	dir, err := os.MkdirTemp("", "slipway-user-") //nolint:usetesting // t.TempDir lies in a folder for root alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "local.test")
	copyProgram(t, binary)
	cmd := exec.CommandContext(t.Context(), setpriv, "--reuid="+nobody, "--regid="+nobody, "--clear-groups", binary,
		"-test.run", "^(TestHostile|TestForkBomb|TestNothingSurvives|TestToolchains|TestIsolatedNetwork|TestExecutorInBubblewrap)", "-test.failfast")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), asUser+"=1", "TMPDIR="+dir, "HOME="+dir, "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%.6000s", err, out)
	}
}

func copyProgram(t *testing.T, target string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()                                                       // opened for reading
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755) // a program
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}
