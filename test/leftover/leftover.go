// Package leftover ends what a killed bot left running: its runners outlive it on purpose.
package leftover

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// patience is how long killed processes may take to be gone.
const patience = 20 * time.Second

// End kills the processes that name the folder in their arguments and waits until they are gone.
func End(folder string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		left, err := kill(folder)
		if err != nil || left == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of %s do not end", left, folder)
		}
	}
}

func kill(folder string) (left int, err error) {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, path := range found {
		line, err := os.ReadFile(path) //nolint:gosec // a path below /proc
		if err != nil || !strings.Contains(string(line), folder) {
			continue // it has ended, or is none of them
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if process, err := os.FindProcess(pid); err == nil && process.Kill() == nil {
			left++
		}
	}
	return left, nil
}
