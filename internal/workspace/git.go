package workspace

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// git runs the program with an environment made here: nothing of the process's own settings, no hook, no helper, no
// prompt, no protocol but those named.
type git struct {
	program   string
	allowFile bool
}

// call is one git command.
type call struct {
	args []string
	dir  string
	// env is added to the fixed one.
	env []string
	// config is added to the fixed one; it lives in the environment, so that no argument list and no file shows it.
	config []setting
	stdin  string
	// personal lets git read the settings of the person who runs Slipway, for their own folder.
	personal bool
	// secrets are taken out of what git says.
	secrets []string
}

type setting struct{ key, value string }

// killDelay is how long an interrupted git may take to remove its temporary files.
const killDelay = 5 * time.Second

// maxStderr bounds what is kept of a talkative server.
const maxStderr = 16 << 10

// run returns what the command prints. A failure is a *gitError.
func (g git) run(ctx context.Context, c call) ([]byte, error) {
	var out bytes.Buffer
	err := g.stream(ctx, c, &out)
	return out.Bytes(), err
}

// stream is run for output that need not be kept.
func (g git) stream(ctx context.Context, c call, out io.Writer) error {
	cmd := exec.CommandContext(ctx, g.program, c.args...) //nolint:gosec // the program is the operator's, arguments are checked
	cmd.Dir = c.dir
	cmd.Env = append(g.environment(c), c.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	if c.stdin != "" {
		cmd.Stdin = strings.NewReader(c.stdin)
	}
	stderr := &tail{limit: maxStderr}
	cmd.Stdout, cmd.Stderr = out, stderr
	err := cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return &gitError{command: c.args[subcommand(c.args)], stderr: mask(stderr.String(), c.secrets), err: err}
}

// subcommand finds what is run, for messages: the first argument that is no option.
func subcommand(args []string) int {
	for i, a := range args {
		if !strings.HasPrefix(a, "-") {
			return i
		}
	}
	return 0
}

// passed are variables of the process that git needs to reach the network as its host does.
var passed = []string{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	"PATH", "TMPDIR", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "CURL_CA_BUNDLE",
}

func (g git) environment(c call) []string {
	env := []string{
		"LC_ALL=C", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "GIT_PROTOCOL_FROM_USER=0", "GIT_ATTR_NOSYSTEM=1",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0", "GIT_ALLOW_PROTOCOL=" + g.protocols(),
	}
	names := passed
	if c.personal {
		names = append([]string{"HOME", "XDG_CONFIG_HOME"}, passed...)
	} else {
		env = append(env, "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	}
	for _, name := range names {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, configEnv(append(hardened(), c.config...))...)
}

// protocols are those git may speak at all; which address gets this far is decided by checkURL.
func (g git) protocols() string {
	if g.allowFile {
		return "https:http:file"
	}
	return "https:http"
}

// hardened is configuration that wins over any file.
func hardened() []setting {
	return []setting{
		{"core.hooksPath", "/dev/null"},
		{"core.fsmonitor", "false"},
		{"core.untrackedCache", "false"},
		{"core.symlinks", "true"},
		{"core.fileMode", "true"},
		{"core.autocrlf", "false"},
		{"core.protectHFS", "true"},
		{"core.protectNTFS", "true"},
		{"core.trustctime", "true"},
		{"core.checkStat", "default"},
		{"core.quotePath", "false"},
		{"credential.helper", ""},
		{"submodule.recurse", "false"},
		{"fetch.recurseSubmodules", "false"},
		{"fetch.unpackLimit", "1"},
		{"gc.auto", "0"},
		{"maintenance.auto", "false"},
		{"http.lowSpeedLimit", "1000"},
		{"http.lowSpeedTime", "60"},
	}
}

func configEnv(settings []setting) []string {
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(settings))}
	for i, s := range settings {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+s.key, "GIT_CONFIG_VALUE_"+n+"="+s.value)
	}
	return env
}

// credentials makes git send the token to this origin and to no other.
func credentials(origin, token string) ([]setting, []string) {
	if token == "" {
		return nil, nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
	return []setting{{"http." + origin + ".extraHeader", "Authorization: Basic " + basic}}, []string{token, basic}
}

func mask(text string, secrets []string) string {
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}

// tail keeps the end of what is written to it.
type tail struct {
	limit int
	kept  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.limit; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }

// checkVersion refuses a git that would ignore configuration in its environment, and so the token and the hardening.
func (g git) checkVersion(ctx context.Context) error {
	out, err := g.run(ctx, call{args: []string{"version"}})
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return fmt.Errorf("read the version of git from %q: %w", printable(string(out)), err)
	}
	if major < 2 || (major == 2 && minor < 32) {
		return &Error{Kind: KindTool, Message: fmt.Sprintf("git %d.%d is too old: Slipway needs 2.32 or newer", major, minor)}
	}
	return nil
}
