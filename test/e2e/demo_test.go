package e2e

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A terminal's Ctrl-C reaches the whole process group. Whenever it comes, the demo ends without an error and leaves
// neither files nor processes.
func TestInterruptEndsTheDemo(t *testing.T) {
	cases := []struct {
		name, after string
		args        []string
		code        int
		signal      syscall.Signal
	}{
		{"while it is prepared", "", nil, 0, syscall.SIGINT},
		{"while Alice pushes", "Alice clones", nil, 0, syscall.SIGINT},
		{"while a stage runs", "build-and-test: running", nil, 0, syscall.SIGINT},
		{"while a stage runs, with --once", "build-and-test: running", []string{"--once"}, 1, syscall.SIGINT},
		{"when the terminal goes away", "build-and-test: running", nil, 0, syscall.SIGHUP},
		{"while it waits for the person", "Ctrl-C ends the demo", nil, 0, syscall.SIGINT},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			temp, out := t.TempDir(), &lockedBuffer{}
			cmd := exec.Command(binary(t), append([]string{"demo", "--addr", "127.0.0.1:0"}, tc.args...)...)
			cmd.Env = append(environment(), "TMPDIR="+temp)
			cmd.Stdout, cmd.Stderr = out, out
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			must(t, cmd.Start())
			eventually(t, "the demo to say "+tc.after, func() bool { return strings.Contains(out.String(), tc.after) })
			must(t, syscall.Kill(-cmd.Process.Pid, tc.signal))
			_ = cmd.Wait() // the code is looked at
			if got := cmd.ProcessState.ExitCode(); got != tc.code && tc.after != "" {
				t.Errorf("exit code %d: %s", got, cmd.ProcessState)
			}
			for _, bad := range []string{"slipway: ", "signal", "/runs/0", "panic", "cgi"} {
				if strings.Contains(out.String(), bad) {
					t.Errorf("%q is said:\n%s", bad, out)
				}
			}
			left, err := os.ReadDir(temp)
			must(t, err)
			if len(left) > 0 {
				t.Errorf("%s is left", left[0].Name())
			}
			eventually(t, "its processes to end", func() bool { return !mentioned(t, temp) })
		})
	}
}

// eventually polls, since the program under test has no other way to tell; bounded.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}

// mentioned reports whether a process has the text among its arguments.
func mentioned(t *testing.T, text string) bool {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	must(t, err)
	for _, e := range entries {
		if line, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && strings.Contains(string(line), text) {
			return true
		}
	}
	return false
}
