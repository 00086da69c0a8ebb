package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

// etc are the parts of /etc that tools need and that hold nothing secret. Globs.
var etc = []string{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	"alternatives", "ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "ca-certificates", "ca-certificates.conf", "pki/tls/certs",
	"pki/tls/cert.pem", "pki/ca-trust", "crypto-policies", "nsswitch.conf", "resolv.conf", "hosts", "host.conf", "gai.conf",
	"protocols", "services", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "mime.types", "magic", "os-release",
	"debian_version", "lsb-release", "gitconfig", "bash.bashrc", "profile", "profile.d", "inputrc", "terminfo", "fonts",
	"locale.alias", "locale.conf", "pip.conf", "java-*", "maven", "perl", "php", "python*", "ruby*",
}

// kernel are files of /proc through which root, even without capabilities, changes the machine or reads its memory:
// their permission bits speak of root itself, whatever the namespace. Bubblewrap leaves /proc/sys writable to root.
var kernel = struct{ readOnly, masked []string }{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	readOnly: []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs"},
	masked:   []string{"/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/mtrr", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug"},
}

// baseArguments is everything but what differs between two commands of a stage.
func baseArguments(policy Policy) []string {
	args := []string{
		"--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
		// No namespaces within: they would hand the kernel's whole privileged surface to the command.
		"--disable-userns", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--clearenv",
	}
	if os.Getuid() == 0 {
		id := strconv.Itoa(insideID)
		args = append(args, "--uid", id, "--gid", id)
	}
	if policy.Network == NetworkIsolated {
		args = append(args, "--unshare-net")
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev")
	for _, path := range kernel.readOnly {
		args = append(args, "--ro-bind-try", path, path)
	}
	for _, path := range kernel.masked {
		if _, err := os.Lstat(path); err == nil {
			args = append(args, "--ro-bind", "/dev/null", path)
		}
	}
	args = append(args,
		"--bind", tmpOf(policy), "/tmp", "--bind", tmpOf(policy), "/var/tmp",
		"--dir", "/run/lock", "--symlink", "/run", "/var/run")
	shown, roots := systemRoots()
	args = append(args, shown...)
	for _, root := range toolchains(policy.Path, roots) {
		args = append(args, "--ro-bind", root, root)
		roots = append(roots, root)
	}
	return append(args, hidden(policy, roots)...)
}

func tmpOf(policy Policy) string { return filepath.Join(policy.Scratch, "tmp") }

// systemRoots shows the distribution's programs and the harmless part of /etc.
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
	for _, pattern := range etc {
		files, err := filepath.Glob(filepath.Join("/etc", pattern))
		if err != nil {
			continue // only a malformed pattern, and these are constant
		}
		for _, file := range files {
			// The target of a link (resolv.conf into /run) may not be shown itself.
			if target, err := filepath.EvalSymlinks(file); err == nil {
				args = append(args, "--ro-bind", target, file)
			}
		}
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
	args := append([]string{}, s.base...)
	passwd, group := accounts(s.policy.Home)
	args = append(args, "--ro-bind-data", "5", "/etc/passwd", "--ro-bind-data", "6", "/etc/group")
	for _, path := range s.policy.ReadOnly {
		args = append(args, "--ro-bind", path, path)
	}
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
	files, err := anonymousFiles(strings.Join(args, "\x00")+"\x00", passwd, group)
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
			Files: []*os.File{files[0], statusWrite, files[1], files[2]},
		},
		Check: status.check,
	}, nil
}

// accounts are /etc/passwd and /etc/group as commands see them.
func accounts(home string) (passwd, group string) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = insideID, insideID
	}
	passwd = fmt.Sprintf("root:x:0:0:root:/:/bin/sh\nslipway:x:%d:%d:Slipway:%s:/bin/bash\nnobody:x:65534:65534:nobody:/:/bin/false\n", uid, gid, home)
	group = fmt.Sprintf("root:x:0:\nslipway:x:%d:\nnogroup:x:65534:\n", gid)
	return passwd, group
}

// anonymousFiles makes files that exist in memory alone and are read from their start.
func anonymousFiles(contents ...string) ([]*os.File, error) {
	files := make([]*os.File, 0, len(contents))
	for _, content := range contents {
		fd, err := unix.MemfdCreate("slipway", unix.MFD_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("make an anonymous file: %w", err)
		}
		file := os.NewFile(uintptr(fd), "slipway")
		files = append(files, file)
		if _, err := file.WriteString(content); err != nil {
			return nil, fmt.Errorf("write an anonymous file: %w", err)
		}
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("rewind an anonymous file: %w", err)
		}
	}
	return files, nil
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
		_ = syscall.Kill(-outer, syscall.SIGKILL) //nolint:errcheck // gone already: what was wanted
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
