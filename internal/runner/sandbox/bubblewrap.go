package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/runner/process"
)

// insideID is the user and group of commands when the bot is root: tools behave differently for root (tar restores
// owners, initdb refuses), and no repository should get used to it.
const insideID = 1000

// kernel are parts of /proc through which root, even without capabilities, changes the machine: their permission bits
// speak of root itself, whatever the namespace. Bubblewrap leaves them writable.
var kernel = []string{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	"/proc/sys", "/proc/sysrq-trigger", "/proc/scsi", "/proc/acpi",
}

// baseArguments is everything but what differs between two commands of a stage.
func baseArguments(policy Policy) []string {
	args := []string{
		"--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
		// No namespaces within: they would hand the kernel's whole privileged surface to the command.
		"--disable-userns", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv",
	}
	if policy.Network == NetworkIsolated {
		args = append(args, "--unshare-net")
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev")
	if os.Getuid() == 0 {
		id := strconv.Itoa(insideID)
		args = append(args, "--uid", id, "--gid", id)
	}
	for _, path := range kernel {
		if _, err := os.Lstat(path); err == nil {
			args = append(args, "--ro-bind", path, path)
		}
	}
	args = append(args,
		"--bind", filepath.Join(policy.Scratch, "tmp"), "/tmp", "--dir", "/var", "--symlink", "/tmp", "/var/tmp",
		"--dir", "/run/lock", "--symlink", "/run", "/var/run")
	shown, roots := systemRoots()
	args = append(args, shown...)
	for _, root := range toolchains(policy.Path, roots) {
		args = append(args, "--ro-bind", root, root)
		roots = append(roots, root)
	}
	return append(args, hidden(policy, roots)...)
}

// systemRoots shows the distribution's programs.
func systemRoots() (args, roots []string) {
	for _, dir := range []string{"/usr", "/opt", "/nix/store", "/gnu/store", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		info, err := os.Lstat(dir)
		if err != nil {
			continue
		}
		if info.Mode()&os.ModeSymlink != 0 {
			if target, err := os.Readlink(dir); err == nil {
				args = append(args, "--symlink", target, dir)
			}
			continue
		}
		args = append(args, "--ro-bind", dir, dir)
		roots = append(roots, dir)
	}
	return args, roots
}

// hidden covers what lies below something shown, with an empty folder or an empty file.
func hidden(policy Policy, roots []string) []string {
	var args []string
	for _, path := range policy.Hide {
		info, err := os.Stat(path)
		if err != nil || !within(path, roots) {
			continue
		}
		if info.IsDir() {
			args = append(args, "--tmpfs", path)
		} else {
			args = append(args, "--ro-bind", "/dev/null", path)
		}
	}
	return args
}

// within reports whether path is one of the folders or below one.
func within(path string, folders []string) bool {
	for _, folder := range folders {
		if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// wrap puts a command into bubblewrap. Its arguments travel in an anonymous file: they hold the environment, with
// secrets, which must neither be seen in a list of processes nor take effect on bubblewrap itself (LD_PRELOAD).
func (s *Sandbox) wrap(c Command) (Prepared, error) {
	const firstFile = 5 // after the arguments and the status
	args, contents := s.etc.arguments(firstFile)
	args = append(append([]string{}, s.base...), args...)
	for _, path := range s.policy.ReadOnly {
		args = append(args, "--ro-bind", path, path)
	}
	for _, path := range c.ReadOnly {
		args = append(args, "--ro-bind", path, path)
	}
	args = append(args, hidden(s.policy, c.ReadOnly)...)
	for _, path := range append([]string{s.policy.Checkout, s.policy.Scratch}, c.Writable...) {
		args = append(args, "--bind", path, path)
	}
	args = append(args, "--remount-ro", "/")
	for _, entry := range c.Env {
		if name, value, found := strings.Cut(entry, "="); found {
			args = append(args, "--setenv", name, value)
		}
	}
	args = append(args, "--chdir", c.Dir)
	files, err := anonymousFiles(append([]string{strings.Join(args, "\x00") + "\x00"}, contents...)...)
	if err != nil {
		return Prepared{}, err
	}
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		return Prepared{}, fmt.Errorf("pipe for the sandbox's status: %w", err)
	}
	status := readStatus(statusRead)
	argv := append([]string{s.bwrap, "--args", "3", "--json-status-fd", "4", "--"}, s.limited(c.Args)...)
	return Prepared{
		Spec: process.Spec{
			Args: argv, Dir: "/", Interrupt: status.interrupt,
			Files: slices.Insert(files, 1, statusWrite),
		},
		Check: status.check,
	}, nil
}

// anonymousFiles makes files that exist in memory alone and are read from their start.
func anonymousFiles(contents ...string) ([]*os.File, error) {
	files := make([]*os.File, 0, len(contents))
	for _, content := range contents {
		file, err := anonymousFile(content)
		if err != nil {
			for _, made := range files {
				err = errors.Join(err, made.Close())
			}
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

func anonymousFile(content string) (*os.File, error) {
	fd, err := unix.MemfdCreate("slipway", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an anonymous file: %w", err)
	}
	file := os.NewFile(uintptr(fd), "slipway")
	// Written at an offset, so that the position stays at the start.
	if _, err := file.WriteAt([]byte(content), 0); err != nil {
		return nil, errors.Join(fmt.Errorf("write an anonymous file: %w", err), file.Close())
	}
	return file, nil
}

// status is what bubblewrap tells of a command, as JSON documents in a pipe.
type status struct {
	once    sync.Once
	started chan struct{} // closed when child is known, or never will be
	ended   chan struct{}
	child   int
	exited  bool
}

func readStatus(from *os.File) *status {
	s := &status{started: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		defer s.once.Do(func() { close(s.started) })
		defer from.Close() //nolint:errcheck // read to its end
		decoder := json.NewDecoder(from)
		for {
			var message struct {
				ChildPID int  `json:"child-pid"`
				ExitCode *int `json:"exit-code"`
			}
			if decoder.Decode(&message) != nil {
				return
			}
			if message.ChildPID != 0 {
				s.child = message.ChildPID
				s.once.Do(func() { close(s.started) })
			}
			s.exited = s.exited || message.ExitCode != nil
		}
	}()
	return s
}

// interrupt signals the group of the command, which is led by the first process of its namespace; that one ignores it.
func (s *status) interrupt(outer int) {
	<-s.started
	if s.child == 0 || syscall.Kill(-s.child, syscall.SIGINT) != nil {
		// The command has not begun, or is gone: there is nobody to be polite to.
		_ = syscall.Kill(-outer, syscall.SIGKILL) // gone already: what was wanted
	}
}

// check tells a sandbox that could not be made from a command that failed.
func (s *status) check(result process.Result) error {
	<-s.ended
	if s.exited || result.Stopped || result.Signal != 0 {
		return nil
	}
	return errors.New("bubblewrap could not make the sandbox: its last lines in the log say why")
}
