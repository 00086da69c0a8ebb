package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipelinefile"
)

// asProgram makes this binary slipway itself. It has no prefix that slipway would take for a setting.
const asProgram = "TEST_RUNS_SLIPWAY"

// TestMain makes this binary slipway when a test, or slipway as it starts a runner, starts it again.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "1" || len(os.Args) == 3 && os.Args[1] == "runner" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// result is what a call of the program left.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the program in dir as a process of its own, with nothing of the tests' environment but what every program needs.
func call(t *testing.T, dir string, env []string, args ...string) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append([]string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "USER=alice", "GOCOVERDIR=" + t.TempDir()}, env...)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") {
		t.Errorf("%q panicked:\n%s", args, r.stderr)
	}
	return r
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

const help = "Run 'slipway --help' for usage.\n"

func TestCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, pipelinefile.Path), "stages:\n  test: {run: ['true']}\n  lint: {run: ['true']}\n")
	writeFile(t, filepath.Join(dir, "good.yml"), "stages: {a: {run: [make]}}\nenvironments: {prod: }\n")
	writeFile(t, filepath.Join(dir, "empty", "README.md"), "nothing to run\n")
	for _, test := range []struct {
		args           string
		code           int
		stdout, stderr string // the whole; … stands for anything at the end
	}{
		{"frobnicate", 2, "", "slipway: there is no command \"frobnicate\"\n" + help},
		{"--frobnicate", 2, "", "slipway: unknown flag: --frobnicate\n" + help},
		{"serve --frobnicate", 2, "", "slipway: unknown flag: --frobnicate\n" + help},
		{"serve now", 2, "", "slipway: slipway serve takes at most 0 argument(s), not 1\n" + help},
		{"run a b", 2, "", "slipway: slipway run takes at most 1 argument(s), not 2\n" + help},
		{"version 1", 2, "", "slipway: slipway version takes at most 0 argument(s), not 1\n" + help},
		{"version", 0, "slipway development\ncommit  unknown\ngo      go1.…", ""},
		{"", 0, "Slipway is a self-hosted GitHub App.…", ""},
		{"help", 0, "Slipway is a self-hosted GitHub App.…", ""},
		{"validate", 0, ".github/slipway.yml is valid: 2 stages, 0 environments\n", ""},
		{"validate good.yml", 0, "good.yml is valid: 1 stage, 1 environment\n", ""},
		{"validate missing.yml", 1, "", "slipway: there is no file missing.yml\n"},
		{"validate empty", 1, "", "slipway: read empty: is a directory\n"},
		{"validate --schema", 0, string(pipelinefile.Schema()), ""},
		{"run missing", 1, "", "slipway: there is no folder missing\n"},
		{"run good.yml", 1, "", "slipway: good.yml is no folder\n"},
		{"run empty", 1, "…", "slipway: …"},
		{"run --event release", 2, "", "slipway: --event is push or pull_request, not \"release\"\n" + help},
		{"run --secrets vault:x", 2, "", "slipway: --secrets: …"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			r := call(t, dir, nil, strings.Fields(test.args)...)
			if r.code != test.code || !fits(r.stdout, test.stdout) || !fits(r.stderr, test.stderr) {
				t.Errorf("exit code %d, want %d\nstdout %q\n  want %q\nstderr %q\n  want %q", r.code, test.code, r.stdout, test.stdout, r.stderr, test.stderr)
			}
		})
	}
}

func fits(got, want string) bool {
	if prefix, open := strings.CutSuffix(want, "…"); open {
		return strings.HasPrefix(got, prefix)
	}
	return got == want
}

func TestValidateShowsEveryProblemWithItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "bad.yml"), "stages:\n  a: {}\n  b: {run: [make], needs: [c]}\nstage: 5\n")
	r := call(t, dir, nil, "validate", "bad.yml")
	want := `bad.yml:2:3: stages.a says neither what it uses nor what to run: write uses with a kind of stage, or run with shell commands
bad.yml:3:28: stages.b.needs[0] names "c", which is no stage of this file: did you mean a?
bad.yml:4:1: unknown key "stage": did you mean stages?
`
	if r.code != exitFailed || r.stdout != "" || r.stderr != want {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestRunOfAStageThatIsNotThereNamesThose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, pipelinefile.Path), "stages:\n  test: {run: ['true']}\n  lint: {run: ['true']}\n")
	r := call(t, dir, nil, "run", "--stage", "tset")
	if r.code != exitUsage || !strings.Contains(r.stderr, "there is no stage \"tset\"; there is test, lint\n"+help) {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// settings are valid ones for serve.
func settings(t *testing.T, addr string) []string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return []string{
		"GITHUB_APP_INTEGRATION_ID=1", "GITHUB_APP_PRIVATE_KEY=" + string(text), "GITHUB_APP_WEBHOOK_SECRET=hush-hush",
		"GITHUB_V3_API_URL=http://127.0.0.1:1/", "GITHUB_V4_API_URL=http://127.0.0.1:1/graphql",
		"SLIPWAY_ADDR=" + addr, "SLIPWAY_DATA_DIR=" + t.TempDir(), "SLIPWAY_ALLOW_UNSANDBOXED=true", "SLIPWAY_LOG_FORMAT=json",
	}
}

// said is what the program says besides its log.
func (r result) said() string {
	lines := slices.DeleteFunc(strings.SplitAfter(r.stderr, "\n"), func(line string) bool { return strings.HasPrefix(line, "{") })
	return strings.Join(lines, "")
}

func TestServeWithoutSettingsListsWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := call(t, t.TempDir(), []string{"SLIPWAY_CONCURRENCY=many", "SLIPWAY_COLOUR=red"}, "serve")
	want := []string{
		"slipway: the settings have 5 problems:", "GITHUB_APP_INTEGRATION_ID is not set", "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE is not set",
		"GITHUB_APP_WEBHOOK_SECRET is empty", "SLIPWAY_COLOUR is not a setting", "SLIPWAY_CONCURRENCY: ",
	}
	for _, part := range want {
		if r.code != exitFailed || !strings.Contains(r.stderr, part) {
			t.Errorf("exit code %d, %q is missing from\n%s", r.code, part, r.stderr)
		}
	}
}

func TestServeOnATakenAddressSaysSo(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	addr := listener.Addr().String()
	r := call(t, t.TempDir(), settings(t, addr), "serve")
	want := "slipway: another program listens on " + addr + ": stop it, or set SLIPWAY_ADDR to a free address\n"
	if r.code != exitFailed || r.stdout != "" || r.said() != want {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	if !strings.Contains(r.stderr, "no stage has a secret") {
		t.Errorf("the folder of secrets is not looked at:\n%s", r.stderr)
	}
}

func TestServeOnAnAddressOfAnotherMachineSaysSo(t *testing.T) {
	t.Parallel()
	r := call(t, t.TempDir(), settings(t, "192.0.2.1:8080"), "serve") // RFC 5737: nobody's
	if want := "slipway: this machine has no address 192.0.2.1:8080: set SLIPWAY_ADDR to one it has\n"; r.code != exitFailed || r.said() != want {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

func TestServeRefusesRepositoryCodeWithoutASandbox(t *testing.T) {
	t.Parallel()
	bin := t.TempDir() // a search path with git and nothing else
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(git, filepath.Join(bin, "git")); err != nil {
		t.Fatal(err)
	}
	r := call(t, t.TempDir(), append(settings(t, "127.0.0.1:0"), "PATH="+bin, "SLIPWAY_ALLOW_UNSANDBOXED=false"), "serve")
	for _, part := range []string{"no sandbox can be had", "install bubblewrap", "SLIPWAY_ALLOW_UNSANDBOXED=true"} {
		if r.code != exitFailed || !strings.Contains(r.said(), part) {
			t.Errorf("exit code %d, %q is missing from\n%s", r.code, part, r.stderr)
		}
	}
}
