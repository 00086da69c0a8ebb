package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// detectFor is ample for a command that takes milliseconds.
const detectFor = 20 * time.Second

// Detect tries the sandbox in earnest, once, and returns the mode to use and the reason for it in one sentence.
func Detect(ctx context.Context) (mode, reason string) {
	ctx, cancel := context.WithTimeout(ctx, detectFor)
	defer cancel()
	if err := try(ctx); err != nil {
		return ModeNone, err.Error()
	}
	return ModeBubblewrap, "bubblewrap gives commands namespaces of their own"
}

func try(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "slipway-sandbox-")
	if err != nil {
		return fmt.Errorf("make a folder to try the sandbox in: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an empty folder of ours in the temporary folder
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		return fmt.Errorf("make a folder to try the sandbox in: %w", err)
	}
	sandbox, err := New(Policy{
		Mode: ModeBubblewrap, Network: NetworkHost, Checkout: dir, Scratch: dir, Home: dir, Path: os.Getenv("PATH"),
	})
	if err != nil {
		return err
	}
	prepared, err := sandbox.Prepare(Command{Args: []string{"true"}, Env: []string{"PATH=/usr/bin:/bin"}, Dir: dir})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, prepared.Spec.Args[0], prepared.Spec.Args[1:]...) //nolint:gosec // the sandbox's own command line, around true
	cmd.Env, cmd.ExtraFiles = []string{}, prepared.Spec.Files
	var output bytes.Buffer
	cmd.Stderr = &output
	err = cmd.Run()
	for _, file := range prepared.Spec.Files {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return fmt.Errorf("bubblewrap does not work here (%w: %s)%s", err, strings.TrimSpace(output.String()), hint())
	}
	return nil
}

// hint names the switches that most often forbid user namespaces.
func hint() string {
	switch {
	case setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		return ": AppArmor restricts user namespaces; allow them for bwrap with a profile (docs/how-to/sandbox.md)"
	case setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		return ": the kernel forbids user namespaces; set the sysctl kernel.unprivileged_userns_clone=1"
	case setting("/proc/sys/user/max_user_namespaces") == "0":
		return ": the kernel allows no user namespaces; raise the sysctl user.max_user_namespaces"
	default:
		return ": inside a container it needs permission to create user namespaces and to mount /proc"
	}
}

func setting(file string) string {
	text, err := os.ReadFile(file) //nolint:gosec // one of the constant names above
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
