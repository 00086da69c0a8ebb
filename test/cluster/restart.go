package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Restart kills a daemon of the cluster of make cluster-up, such as kube-apiserver or kubelet, as a crash would. The node
// starts it again at once; when it is ready is for the test to see.
func Restart(tb testing.TB, daemon string) {
	tb.Helper()
	if os.Getenv("KUBECONFIG") != "" {
		tb.Skip("the cluster of KUBECONFIG is somebody else's: nothing of it is ended")
	}
	Kubeconfig(tb)
	var known struct{ Process struct{ PID int } }
	text, err := os.ReadFile(found(tb).Run("cluster.json"))
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, &known); err != nil {
		tb.Fatal(err)
	}
	pid, err := child(known.Process.PID, daemon)
	if err != nil {
		tb.Fatal(err)
	}
	if err := end(pid); err != nil {
		tb.Fatalf("end %s: %v", daemon, err)
	}
}

// child finds the process by its parent and the name of its program.
func child(parent int, program string) (int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path) //nolint:gosec // a path below /proc
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		if running, err := os.Readlink(filepath.Join(filepath.Dir(path), "exe")); err == nil && filepath.Base(running) == program {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("the cluster runs no %s", program)
}

// end returns when the process has ended.
func end(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return err
	}
	for {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds())) //nolint:gosec // a descriptor
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && ready == 0 {
			err = errors.New("it does not end")
		}
		return err
	}
}
