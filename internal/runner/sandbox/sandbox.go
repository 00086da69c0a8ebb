// Package sandbox decides what a command of a repository sees of the machine it runs on.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/runner/process"
)

// The modes of a sandbox.
const (
	// ModeBubblewrap gives commands namespaces of their own: they see toolchains, the checkout and their caches.
	ModeBubblewrap = "bubblewrap"
	// ModeNone runs commands as the bot's own user, who sees all that the user sees: for a person's own checkout.
	ModeNone = "none"
)

// The networks of a sandbox.
const (
	// NetworkHost is the network of the host. Nothing in it can be taken away from a process without rules in the
	// host's firewall; that includes the cloud metadata address 169.254.169.254.
	NetworkHost = "host"
	// NetworkIsolated is a loopback interface and nothing else, so no metadata address either.
	NetworkIsolated = "isolated"
)

// Policy is what the commands of one stage may see and do.
type Policy struct {
	Mode    string
	Network string
	// Checkout and Scratch are writable, at the same path inside and outside.
	Checkout string
	Scratch  string
	// Home is the commands' home folder, within Scratch.
	Home string
	// ReadOnly are further paths that commands see.
	ReadOnly []string
	// Hide are paths that stay invisible even below something that is shown: the bot's data, secrets, keys.
	Hide []string
	// MemoryBytes bounds the address space of each process; 0: no bound.
	MemoryBytes int64
	// Path is the PATH of the host, whose toolchains are shown.
	Path string
}

// Command is one command to put into the sandbox.
type Command struct {
	Args []string
	// Env is the whole environment.
	Env []string
	// Dir is absolute.
	Dir string
	// Writable are further folders the command may write: its caches. ReadOnly are those that it alone may read, of which
	// what Policy.Hide names stays hidden.
	Writable, ReadOnly []string
}

// Prepared is a command that is ready to run.
type Prepared struct {
	// Spec has everything but streams and grace.
	Spec process.Spec
	// Check is called with the result: an error says that the sandbox failed, not the command.
	Check func(process.Result) error
}

// Sandbox makes commands fit its policy. It is safe for concurrent use.
type Sandbox struct {
	policy Policy
	bwrap  string
	base   []string // bubblewrap's arguments that every command shares
	etc    settings
}

// New checks the policy and looks at the machine once.
func New(policy Policy) (*Sandbox, error) {
	s := &Sandbox{policy: policy}
	if policy.Network != NetworkHost && policy.Network != NetworkIsolated {
		return nil, fmt.Errorf("sandbox network %q is unknown: use %q or %q", policy.Network, NetworkHost, NetworkIsolated)
	}
	switch policy.Mode {
	case ModeNone:
		if policy.Network == NetworkIsolated {
			return nil, errors.New("an isolated network needs the bubblewrap sandbox, and there is none here: " +
				"install bubblewrap or set SLIPWAY_SANDBOX_NETWORK=host")
		}
		return s, nil
	case ModeBubblewrap:
		bwrap, err := exec.LookPath("bwrap")
		if err != nil {
			return nil, fmt.Errorf("find bubblewrap: %w: install the package bubblewrap", err)
		}
		s.bwrap, s.base, s.etc = bwrap, baseArguments(policy), newSettings(policy.Home)
		return s, nil
	default:
		return nil, fmt.Errorf("sandbox mode %q is unknown: use %q or %q", policy.Mode, ModeBubblewrap, ModeNone)
	}
}

// Prepare makes a command ready. A program that does not exist is an error that wraps exec.ErrNotFound.
func (s *Sandbox) Prepare(c Command) (Prepared, error) {
	if len(c.Args) == 0 || c.Args[0] == "" {
		return Prepared{}, errors.New("a command without a program")
	}
	program, err := lookPath(c.Args[0], c.Dir, c.Env)
	if err != nil {
		return Prepared{}, err
	}
	if s.policy.Mode == ModeBubblewrap {
		return s.wrap(c)
	}
	args := s.limited(append([]string{program}, c.Args[1:]...))
	if len(args) != len(c.Args) {
		if args[0], err = lookPath(args[0], c.Dir, c.Env); err != nil {
			return Prepared{}, err
		}
	}
	return Prepared{
		Spec:  process.Spec{Args: args, Env: c.Env, Dir: c.Dir},
		Check: func(process.Result) error { return nil },
	}, nil
}

// limited puts the bound of memory in front of a command: prlimit sets it and becomes the command.
func (s *Sandbox) limited(args []string) []string {
	if s.policy.MemoryBytes <= 0 {
		return args
	}
	return append([]string{"prlimit", "--as=" + strconv.FormatInt(s.policy.MemoryBytes, 10), "--"}, args...)
}

// lookPath finds a program as execvp would in that folder with that environment. Toolchains are shown at their own
// paths, so what is not here is not in the sandbox either.
func lookPath(program, dir string, env []string) (string, error) {
	if strings.ContainsRune(program, '/') {
		if !filepath.IsAbs(program) {
			program = filepath.Join(dir, program)
		}
		return program, executable(program)
	}
	for _, folder := range filepath.SplitList(pathOf(env)) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		if file := filepath.Join(folder, program); executable(file) == nil {
			return file, nil
		}
	}
	return "", &exec.Error{Name: program, Err: exec.ErrNotFound}
}

func pathOf(env []string) string {
	path := ""
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, "PATH="); found {
			path = value
		}
	}
	return path
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &exec.Error{Name: file, Err: exec.ErrNotFound}
	case err != nil:
		return err
	case info.IsDir() || info.Mode()&0o111 == 0:
		return &exec.Error{Name: file, Err: os.ErrPermission}
	}
	return nil
}
