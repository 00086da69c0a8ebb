package process_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/runner/process"
)

func newReaper(t *testing.T) *process.Reaper {
	t.Helper()
	r, err := process.NewReaper()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func shell(t *testing.T, script string) []string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	return []string{bash, "-c", script}
}

func TestRunTellsHowTheCommandEnded(t *testing.T) {
	r := newReaper(t)
	tests := map[string]struct {
		script string
		code   int
		signal syscall.Signal
	}{
		"success": {"true", 0, 0},
		"code":    {"exit 7", 7, 0},
		"signal":  {"kill -SEGV $$", 139, syscall.SIGSEGV},
		"killed":  {"kill -KILL $$", 137, syscall.SIGKILL},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := r.Run(t.Context(), process.Spec{Args: shell(t, test.script), Stdout: &bytes.Buffer{}})
			if err != nil {
				t.Fatal(err)
			}
			if got != (process.Result{Code: test.code, Signal: test.signal}) {
				t.Fatalf("got %+v", got)
			}
		})
	}
}

func TestOutputsKeepTheirOrderOrAreApart(t *testing.T) {
	r := newReaper(t)
	var both bytes.Buffer
	script := "echo 1; echo 2 >&2; echo 3; cat"
	if _, err := r.Run(t.Context(), process.Spec{Args: shell(t, script), Stdout: &both, Stdin: []byte("4\n"), Env: os.Environ()}); err != nil {
		t.Fatal(err)
	}
	if both.String() != "1\n2\n3\n4\n" {
		t.Fatalf("got %q", both.String())
	}
	var out, errOut bytes.Buffer
	if _, err := r.Run(t.Context(), process.Spec{Args: shell(t, script), Stdout: &out, Stderr: &errOut, Env: os.Environ()}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "1\n3\n" || errOut.String() != "2\n" {
		t.Fatalf("got %q and %q", out.String(), errOut.String())
	}
}

func TestInputThatNobodyReads(t *testing.T) {
	r := newReaper(t)
	spec := process.Spec{Args: shell(t, "true"), Stdout: &bytes.Buffer{}, Stdin: bytes.Repeat([]byte("x"), 1<<20)}
	if got, err := r.Run(t.Context(), spec); err != nil || got.Code != 0 {
		t.Fatal(got, err)
	}
}

func TestProgramThatDoesNotExist(t *testing.T) {
	_, err := newReaper(t).Run(t.Context(), process.Spec{Args: []string{"/nowhere/tool"}, Stdout: &bytes.Buffer{}})
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// cancelOn ends a context when a line comes.
type cancelOn struct {
	line   string
	cancel context.CancelFunc
	seen   bytes.Buffer
}

func (c *cancelOn) Write(p []byte) (int, error) {
	c.seen.Write(p)
	if strings.Contains(c.seen.String(), c.line) {
		c.cancel()
	}
	return len(p), nil
}

func TestInterruptReachesTheWholeGroup(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelOn{line: "ready", cancel: cancel}
	script := `trap 'echo tidied; exit 3' INT; (sleep 1000) & echo ready; wait`
	got, err := r.Run(ctx, process.Spec{Args: shell(t, script), Stdout: out, Env: os.Environ(), Grace: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if got.Code != 3 || !got.Stopped || !strings.Contains(out.seen.String(), "tidied") {
		t.Fatalf("%+v, output %q", got, out.seen.String())
	}
}

func TestACommandThatIgnoresSignalsIsKilledAfterItsGrace(t *testing.T) {
	r := newReaper(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelOn{line: "ready", cancel: cancel}
	script := `trap '' INT TERM HUP; echo ready; while :; do sleep 1000; done`
	got, err := r.Run(ctx, process.Spec{Args: shell(t, script), Stdout: out, Env: os.Environ(), Grace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if got.Signal != syscall.SIGKILL || !got.Stopped {
		t.Fatalf("%+v", got)
	}
}

func TestNothingOutlivesTheCommand(t *testing.T) {
	r := newReaper(t)
	scripts := map[string]string{
		"child in the background": `sleep 1000 & echo $!`,
		"daemon that forked twice, in a session of its own, without our pipes": `
			daemon() { setsid bash -c 'bash -c "echo \$\$; exec >/dev/null 2>&1 </dev/null; exec sleep 1000" &' & }
			echo $(daemon)`,
		"many that ignore signals": `for i in 1 2 3 4 5 6 7 8; do (trap '' INT TERM HUP; setsid sleep 1000) & echo $!; done`,
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if _, err := r.Run(t.Context(), process.Spec{Args: shell(t, script), Stdout: &out, Env: os.Environ()}); err != nil {
				t.Fatal(err)
			}
			pids := strings.Fields(out.String())
			if len(pids) == 0 {
				t.Fatal("the script told no process")
			}
			for _, field := range pids {
				pid, err := strconv.Atoi(field)
				if err != nil {
					t.Fatal(err)
				}
				if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
					t.Errorf("process %d still lives (%v)", pid, err)
				}
			}
		})
	}
}

func TestAForkBombIsGoneAfterItsCommand(t *testing.T) {
	r := newReaper(t)
	// Bounded: each of 40 processes replaces itself in a session of its own until it is killed.
	script := `bomb() { while :; do setsid true; done; }; for i in $(seq 40); do bomb & done; echo ready; wait`
	ctx, cancel := context.WithCancel(t.Context())
	out := &cancelOn{line: "ready", cancel: cancel}
	if _, err := r.Run(ctx, process.Spec{Args: shell(t, script), Stdout: out, Env: os.Environ(), Grace: 10 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	if err := r.Sweep(); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentCommandsDoNotKillEachOther(t *testing.T) {
	r := newReaper(t)
	results := make(chan error, 20)
	for range cap(results) {
		go func() {
			got, err := r.Run(t.Context(), process.Spec{Args: shell(t, "sleep 0.02 & wait $!; exit 5"), Stdout: &bytes.Buffer{}, Env: os.Environ()})
			if err == nil && got.Code != 5 {
				err = errors.New("ended with " + strconv.Itoa(got.Code))
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestChildrenBesideTheCommandsAreSpared(t *testing.T) {
	r := newReaper(t)
	beside := exec.CommandContext(t.Context(), "cat")
	input, err := beside.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := beside.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(t.Context(), process.Spec{Args: shell(t, "setsid sleep 1000 &"), Stdout: &bytes.Buffer{}, Env: os.Environ()}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(input.Close(), beside.Wait()); err != nil {
		t.Fatalf("the other child was ended: %v", err)
	}
}

func TestAContextThatHasEndedStartsNothing(t *testing.T) {
	cause := errors.New("stopped before")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err := newReaper(t).Run(ctx, process.Spec{Args: shell(t, "true"), Stdout: &bytes.Buffer{}})
	if !errors.Is(err, cause) {
		t.Fatal(err)
	}
}
