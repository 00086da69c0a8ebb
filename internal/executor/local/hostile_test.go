package local_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// bot is a data folder with everything in it that a repository must not see.
type bot struct {
	options  local.Options
	executor *local.Executor
	data     string
}

func newBot(t *testing.T) bot {
	t.Helper()
	needBubblewrap(t)
	options := newOptions(t, sandbox.ModeBubblewrap)
	b := bot{options: options, data: filepath.Dir(options.Dir)}
	for name, content := range map[string]string{
		"slipway.db": "the bot's database", "secrets/acme/TOKEN": "a secret of another repository",
		"workspaces/other/main.py": "another checkout", "caches/acme/other/pip": "another cache",
	} {
		file := filepath.Join(b.data, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil { // readable for all: only the sandbox stands between
			t.Fatal(err)
		}
	}
	b.executor = newExecutor(t, b.options)
	return b
}

// run runs a script as a stage.
func (b bot) run(t *testing.T, script string, change ...func(*pipeline.Task)) executortest.Record {
	t.Helper()
	task := executortest.NewTask(t, "run", script)
	for _, c := range change {
		c(&task)
	}
	return executortest.Complete(t, b.executor, task, pipeline.Secrets{})
}

func passed(t *testing.T, record executortest.Record) {
	t.Helper()
	if record.Verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("verdict %+v, log:\n%.3000s", record.Verdict, record.Log())
	}
}

func TestHostileReading(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range []string{
		filepath.Join(b.data, "slipway.db"), filepath.Join(b.data, "secrets/acme/TOKEN"), filepath.Join(b.data, "workspaces/other/main.py"),
		filepath.Join(b.data, "caches/acme/other/pip"), filepath.Join(b.options.Dir, "read-0", "events.ndjson"),
		filepath.Join(b.options.Dir, "read-0", "task.json"), "/etc/shadow", "/etc/ssh", "/etc/ssl/private", "/run/docker.sock", "/var/run/docker.sock",
		"/var/lib", "/sys", "/boot", filepath.Join(home, ".bashrc"), filepath.Join(home, ".ssh"), filepath.Join(home, ".npmrc"), filepath.Join(home, ".cargo/credentials.toml"),
	} {
		t.Run(path, func(t *testing.T) {
			record := b.run(t, `if cat "$1" 2>/dev/null || ls -d "$1" 2>/dev/null; then exit 3; fi`, func(task *pipeline.Task) {
				task.ID = fmt.Sprintf("read-%d", i)
				task.Stage.Run = []string{"set -- '" + path + "'\n" + task.Stage.Run[0]}
			})
			passed(t, record)
		})
	}
}

func TestHostileLookAtOtherProcesses(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	record := b.run(t, `
		for p in /proc/[0-9]*; do tr '\0' '\n' < $p/environ 2>/dev/null || true; cat $p/cmdline 2>/dev/null | tr '\0' ' ' || true; echo; done
		ls /proc | grep -c '^[0-9]' | sed 's/^/processes: /'; cat /proc/1/comm`)
	passed(t, record)
	if strings.Contains(record.Log(), executortest.SealedVariable) || !strings.Contains(record.Log(), "bwrap") {
		t.Fatalf("log:\n%s", record.Log())
	}
	var count string
	for line := range strings.Lines(record.Log()) {
		if rest, found := strings.CutPrefix(line, "processes: "); found {
			count = strings.TrimSpace(rest)
		}
	}
	if len(count) != 1 {
		t.Fatalf("the command sees %s processes", count)
	}
}

func TestHostileWriting(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	outside := t.TempDir()
	record := b.run(t, `
		touch here "$HOME/there" /tmp/temporary /var/tmp/temporary /dev/shm/shared
		for place in /usr/x /usr/local/bin/x /etc/x /opt/x /bin/x /lib/x /x /run/x /home/x /root/x /var/lib/x; do
			if mkdir -p "$place" 2>/dev/null; then echo "wrote to $place"; fi
		done
		# These lie in /tmp, of which the command has its own.
		mkdir -p "`+outside+`/x" "`+b.data+`/x" "`+b.data+`/secrets/x"
		# Root's own switches of the kernel, looked at without touching them.
		find /proc/sys /proc/sysrq-trigger /proc/irq /proc/fs /proc/scsi -type f -writable 2>/dev/null | sed 's/^/writable: /' || true`)
	passed(t, record)
	if strings.Contains(record.Log(), "wrote to") || strings.Contains(record.Log(), "writable: /proc") {
		t.Fatalf("log:\n%s", record.Log())
	}
	for _, path := range []string{outside + "/x", b.data + "/x", b.data + "/secrets/x", "/tmp/temporary", "/var/tmp/temporary"} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("the command wrote %s", path)
		}
	}
}

func TestHostilePrivileges(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	record := b.run(t, `
		grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)' /proc/self/status
		[ "$(id -u)" != 0 ] && echo "not root"
		unshare --user --map-root-user true 2>/dev/null && echo "made a namespace"
		mount -t tmpfs none /mnt 2>/dev/null && echo mounted
		ulimit -c | sed 's/^/core: /'; exit 0`)
	passed(t, record)
	log := record.Log()
	for _, line := range []string{"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "not root", "core: 0"} {
		if !strings.Contains(log, line) {
			t.Errorf("no %q in:\n%s", line, log)
		}
	}
	if strings.Contains(log, "made a namespace") || strings.Contains(log, "mounted") {
		t.Errorf("log:\n%s", log)
	}
}

func TestToolchainsWork(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	record := b.run(t, `git --version; python3 --version; python3 -c 'import ssl, getpass; print(getpass.getuser())'; getent hosts localhost; whoami; date`)
	passed(t, record)
	if !strings.Contains(record.Log(), "slipway\n") {
		t.Fatalf("log:\n%s", record.Log())
	}
}

func TestIsolatedNetwork(t *testing.T) {
	t.Parallel()
	needBubblewrap(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // the test's own
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	connect := "(exec 3<>/dev/tcp/127.0.0.1/" + port + ") 2>/dev/null && echo connected || echo refused"
	for network, answer := range map[string]string{sandbox.NetworkHost: "connected", sandbox.NetworkIsolated: "refused"} {
		options := newOptions(t, sandbox.ModeBubblewrap)
		options.Runner.Network = network
		record := executortest.Complete(t, newExecutor(t, options), executortest.NewTask(t, "run", connect, `
			(exec 3<>/dev/tcp/169.254.169.254/80) 2>/dev/null && echo metadata || true`), pipeline.Secrets{})
		passed(t, record)
		if !strings.Contains(record.Log(), answer) || network == sandbox.NetworkIsolated && strings.Contains(record.Log(), "metadata") {
			t.Errorf("%s: log:\n%s", network, record.Log())
		}
	}
}

func TestAGigabyteOfOutput(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	record := b.run(t, `head -c 1G /dev/zero | tr '\0' 'x'; echo; (yes || true) | head -c 10M; echo the end >&2`, func(task *pipeline.Task) {
		task.MaxLogBytes = 1 << 20
	})
	passed(t, record)
	log := record.Log()
	if len(log) > 2<<20 || !strings.Contains(log, "The log has reached its limit") || strings.Count(log, "limit") != 1 {
		t.Fatalf("%d bytes of log, ending in %q", len(log), log[max(0, len(log)-200):])
	}
	for _, event := range record.Events {
		if event.Log != nil && len(event.Log.Text) > 16<<10 {
			t.Fatalf("a line of %d bytes", len(event.Log.Text))
		}
	}
}

func TestCachesOfTrustedAndUntrustedCommits(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	cache := filepath.Join(b.data, "caches", "acme", "app", "shared")
	write := `ls ` + cache + ` 2>/dev/null || true; echo x > ` + cache + `/poison 2>/dev/null || echo "cannot write"`
	passed(t, b.run(t, "echo kept > "+cache+"/wheel", func(task *pipeline.Task) {
		task.ID, task.CacheScope, task.CacheWritable = "trusted", "acme/app", true
	}))
	record := b.run(t, write, func(task *pipeline.Task) { task.ID, task.CacheScope = "untrusted", "acme/app" })
	passed(t, record)
	if !strings.Contains(record.Log(), "cannot write") || strings.Contains(record.Log(), "wheel") {
		t.Fatalf("log:\n%s", record.Log())
	}
	left, err := os.ReadDir(cache)
	if err != nil || len(left) != 1 || left[0].Name() != "wheel" {
		t.Fatalf("cache: %v, %v", left, err)
	}
	passed(t, b.run(t, "cat "+cache+"/wheel", func(task *pipeline.Task) {
		task.ID, task.CacheScope, task.CacheWritable = "trusted-again", "acme/app", true
	}))
}

func TestSecretsAreNeverOnDisk(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	const secret = "never-on-disk-4711"
	task := executortest.NewTask(t, "run", `tr '\0' ' ' < /proc/1/cmdline; echo; echo "$PASSWORD" | wc -c; cat /proc/1/environ | tr '\0' '\n'; sleep 1000`)
	task.Stage.Secrets = []string{"PASSWORD"}
	if err := b.executor.Start(t.Context(), task, pipeline.Secrets{Env: map[string]string{"PASSWORD": secret}, GitToken: secret + "-token"}); err != nil {
		t.Fatal(err)
	}
	_, err := executortest.Follow(t, b.executor, task.ID, func(event pipeline.StageEvent) {
		if event.Log == nil || event.Log.Text != "19" {
			return
		}
		for _, args := range [][]string{{"grep", "-r", secret, b.data}, {"grep", "-l", "-a", secret + "-token", "/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline"}} {
			if out, err := exec.Command("bash", "-c", strings.Join(args, " ")+" 2>/dev/null").Output(); err == nil {
				t.Errorf("%s found:\n%s", args[0], out)
			}
		}
		if out, err := exec.Command("bash", "-c", "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; done 2>/dev/null | grep -v grep | grep "+secret).Output(); err == nil {
			t.Errorf("an argument list holds the secret: %s", out)
		}
		if err := b.executor.Cancel(t.Context(), task.ID, "seen enough"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNothingSurvives ends runners in every way while processes of theirs hold a pipe: its end is their death.
func TestNothingSurvives(t *testing.T) {
	t.Parallel()
	scripts := map[string]string{
		"daemon in a session of its own": `setsid sleep 1000 & `,
		"daemon without our environment": `env -i sleep 1000 & `,
		"daemon that ignores signals":    `(trap '' INT TERM HUP; setsid sleep 1000) & `,
	}
	for _, mode := range []string{sandbox.ModeBubblewrap, sandbox.ModeNone} {
		for name, script := range scripts {
			for _, end := range []string{"success", "cancel", "kill"} {
				t.Run(mode+", "+name+", "+end, func(t *testing.T) {
					t.Parallel()
					script := script // others of this name run beside it
					if mode == sandbox.ModeBubblewrap {
						needBubblewrap(t)
						script = strings.ReplaceAll(script, "env -i", "setsid env -i")
					}
					survive(t, mode, script, end)
				})
			}
		}
	}
}

func survive(t *testing.T, mode, script, end string) {
	t.Helper()
	options := newOptions(t, mode)
	e := newExecutor(t, options)
	task := executortest.NewTask(t, "run", `mkfifo "$HOME/alive"; exec 9<>"$HOME/alive"; `+script+` echo ready >&9; echo ready; `+map[string]string{
		"success": "read -r line < $HOME/go", "cancel": "sleep 1000", "kill": "sleep 1000",
	}[end])
	task.Grace = 50 * time.Millisecond
	task.Stage.Run[0] = `mkfifo "$HOME/go"; ` + task.Stage.Run[0]
	if err := e.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(options.Dir, task.ID, "scratch", "home")
	var alive *os.File
	_, err := executortest.Follow(t, e, task.ID, func(event pipeline.StageEvent) {
		if event.Log == nil || event.Log.Text != "ready" {
			return
		}
		var err error
		if alive, err = os.OpenFile(filepath.Join(home, "alive"), os.O_RDONLY, 0); err != nil {
			t.Error(err)
		}
		switch end {
		case "success":
			err = os.WriteFile(filepath.Join(home, "go"), []byte("go\n"), 0o600)
		case "cancel":
			err = e.Cancel(t.Context(), task.ID, "enough")
		case "kill":
			err = syscall.Kill(runnerPID(t, options, task.ID), syscall.SIGKILL)
		}
		if err != nil {
			t.Error(err)
		}
	})
	var lost *pipeline.LostError
	if err != nil && (end != "kill" || !errors.As(err, &lost)) {
		t.Fatal(err)
	}
	defer alive.Close() // opened for reading
	if err := alive.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(alive); err != nil || string(said) != "ready\n" {
		t.Fatalf("somebody still holds the pipe: %q, %v", said, err)
	}
}

func TestForkBomb(t *testing.T) {
	t.Parallel()
	b := newBot(t)
	task := executortest.NewTask(t, "run", `bomb() { while :; do setsid true & done; }; for i in $(seq 5); do bomb & done; echo ready; wait`)
	task.Grace = 50 * time.Millisecond
	task.Stage.Timeout = time.Second
	record := executortest.Complete(t, b.executor, task, pipeline.Secrets{})
	if record.Verdict.Status != pipeline.StatusTimedOut {
		t.Fatalf("verdict %+v, log:\n%.2000s", record.Verdict, record.Log())
	}
	if err := b.executor.Forget(t.Context(), task.ID); err != nil {
		t.Fatal(err)
	}
}
