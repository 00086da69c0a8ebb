package imagetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestKilledParentLeavesNothing: whoever is killed cannot stop what it has started.
func TestKilledParentLeavesNothing(t *testing.T) {
	const child = "IMAGETEST_STARTS_A_COMPONENT"
	if dir := os.Getenv(child); dir != "" {
		d, err := launch(t.Context(), dir, "sleep", nil, func(context.Context) error { return nil }, "3600")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("\npid %d\n", d.cmd.Process.Pid)
		<-d.ended
		return
	}
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run", t.Name(), "-test.v")
	parent.Env = append(os.Environ(), child+"="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, out)
	component, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(component)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("it was not killed")
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(component), Events: unix.POLLIN}}, 20_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n != 1 {
			t.Errorf("the component runs on: %d %v", n, err)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		return
	}
}

func readPID(t *testing.T, out io.Reader) (pid int) {
	t.Helper()
	var text []byte
	for buffer := make([]byte, 256); ; {
		n, err := out.Read(buffer)
		text = append(text, buffer[:n]...)
		for i := range text {
			if _, scan := fmt.Sscanf(string(text[i:]), "\npid %d\n", &pid); scan == nil {
				return pid
			}
		}
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
	}
}
