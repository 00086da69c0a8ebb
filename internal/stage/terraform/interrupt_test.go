package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// pipes are how a resource in the middle of an apply tells that it has begun, and what it waits for.
type pipes struct{ begun, goOn string }

func newPipes(t *testing.T) pipes {
	t.Helper()
	dir := t.TempDir()
	p := pipes{filepath.Join(dir, "begun"), filepath.Join(dir, "go-on")}
	for _, name := range []string{p.begun, p.goOn} {
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// waiting are three resources, of which the second waits until somebody writes into a pipe.
func (p pipes) waiting() string {
	return fmt.Sprintf(`resource "terraform_data" "first" {}

resource "terraform_data" "waits" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "echo begun > %s; cat %s"
  }
}

resource "terraform_data" "last" {
  depends_on = [terraform_data.waits]
}
`, p.begun, p.goOn)
}

// whenBegun calls do in the middle of the apply. Reading the pipe waits for its writer.
func (p pipes) whenBegun(t *testing.T, do func()) {
	t.Helper()
	go func() {
		if _, err := os.ReadFile(p.begun); err != nil {
			t.Error(err)
		}
		do()
	}()
}

var errEnough = errors.New("somebody cancelled it")

func TestInterrupt(t *testing.T) {
	p := newPipes(t)
	w := newBucketWorld(t, p.waiting(), "acme-state")
	planned := w.planned(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	p.whenBegun(t, func() { cancel(errEnough) })
	a := w.apply(ctx, t, planned)
	wantVerdict(t, a, pipeline.StatusFailure, "Interrupted", "was interrupted once and ended by itself.")
	for _, part := range []string{"1 of 3 changes made, 1 change not finished.", "2 resources. Its lock is free."} {
		if !strings.Contains(a.verdict.Cause, part) {
			t.Errorf("cause %q lacks %q", a.verdict.Cause, part)
		}
	}
	section, _ := a.SectionTitled("How far it came")
	if section.Table == nil || fmt.Sprint(section.Table.Rows) != "[[terraform_data.waits create failed] [terraform_data.last create not begun]]" {
		t.Errorf("section = %+v", section.Table)
	}
	if keys := w.keys(t); len(keys) != 1 {
		t.Errorf("the bucket holds %q: the lock is left", keys)
	}

	// The next attempt says what it found, and plans what is left.
	w.attempt = 2
	again := w.planned(t)
	if section, _ := again.SectionTitled("What was there"); !strings.Contains(section.Text, "2 resources") || !strings.Contains(section.Text, "Its lock is free.") {
		t.Errorf("section = %+v", section)
	}
	if want := "2 to add, 0 to change, 1 to destroy (1 replaced)"; again.verdict.Title != want {
		t.Errorf("title = %q", again.verdict.Title)
	}
	p.whenBegun(t, func() {
		if err := os.WriteFile(p.goOn, []byte("go on\n"), 0o600); err != nil {
			t.Error(err)
		}
	})
	wantVerdict(t, w.apply(t.Context(), t, again), pipeline.StatusSuccess, "Applied: 2 added, 0 changed, 1 destroyed", "")
}

// A Terraform that does not end when it is interrupted is killed after its grace; its lock stays, and is told.
func TestOrphanedLock(t *testing.T) {
	p := newPipes(t)
	w := newBucketWorld(t, p.waiting(), "acme-state")
	planned := w.planned(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w.grace = time.Second
	s := w.session(t, pipeline.PhaseApply, planned.Recorded.Private, planned.Recorded.Parts)
	p.whenBegun(t, func() {
		stopProgram(t, s.Dir(), "apply")
		cancel(errEnough)
	})
	a := prepared{s, w.run(ctx, t, s)}
	wantVerdict(t, a, pipeline.StatusFailure, "Interrupted", "and was killed.")
	if !strings.Contains(a.verdict.Cause, "-chdir=infra force-unlock ") || !strings.Contains(a.verdict.Cause, "It is locked: ") {
		t.Errorf("cause = %q", a.verdict.Cause)
	}
	w.attempt, w.grace = 2, 30*time.Second
	again := w.prepare(t)
	wantVerdict(t, again, pipeline.StatusFailure, "The state is locked by ", "force-unlock")
	if section, _ := again.SectionTitled("What was there"); !strings.Contains(section.Text, "It is locked: ") {
		t.Errorf("section = %+v", section)
	}
}

// stopProgram freezes the Terraform that works in a folder, as a machine without memory would.
func stopProgram(t *testing.T, dir, doing string) {
	t.Helper()
	processes, err := os.ReadDir("/proc")
	if err != nil {
		t.Error(err)
	}
	for _, process := range processes {
		pid, err := strconv.Atoi(process.Name())
		if err != nil {
			continue
		}
		arguments, _ := os.ReadFile(filepath.Join("/proc", process.Name(), "cmdline"))
		cwd, _ := os.Readlink(filepath.Join("/proc", process.Name(), "cwd"))
		if strings.HasPrefix(cwd, dir) && strings.Contains(string(arguments), "\x00"+doing+"\x00") {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("no Terraform works there")
}

func TestInterruptWithoutBackend(t *testing.T) {
	p := newPipes(t)
	w := newWorld(t, map[string]string{"infra/main.tf": p.waiting()})
	planned := w.planned(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	p.whenBegun(t, func() { cancel(errEnough) })
	a := w.apply(ctx, t, planned)
	wantVerdict(t, a, pipeline.StatusFailure, "Interrupted", "Its lock is free.")
}

// A plan locks the state, too: one that is killed leaves its lock, and says so.
func TestOrphanedLockOfAPlan(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	w := newBucketWorld(t, "terraform {\n  required_providers {\n    local = {\n      source = \"example.com/slipway/local\"\n    }\n  }\n}\n\n"+
		"data \"local_file\" \"waits\" {\n  filename = \""+pipe+"\"\n}\n", "acme-state")
	w.options.CLIConfig, w.grace = stagetest.LocalProvider(t), time.Second
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s := w.session(t, pipeline.PhasePrepare, nil, nil)
	go func() {
		writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // waits for whoever reads
		if err != nil {
			t.Error(err)
			return
		}
		stopProgram(t, s.Dir(), "plan")
		cancel(errEnough)
		<-t.Context().Done()
		_ = writer.Close() // nothing was written
	}()
	p := prepared{s, w.run(ctx, t, s)}
	wantVerdict(t, p, pipeline.StatusFailure, "Interrupted", "Nothing was changed.")
	if !strings.Contains(p.verdict.Cause, "-chdir=infra force-unlock ") || !strings.Contains(p.verdict.Cause, "It is locked: ") {
		t.Errorf("cause = %q", p.verdict.Cause)
	}
}

// Two applies of one state: the second waits for the first, and says for whom it waited.
func TestLockContention(t *testing.T) {
	p := newPipes(t)
	w := newWorld(t, map[string]string{"infra/main.tf": p.waiting()})
	planned := w.planned(t)
	done := make(chan prepared, 1)
	locked := make(chan prepared, 1)
	p.whenBegun(t, func() {
		locked <- w.prepare(t)
		if err := os.WriteFile(p.goOn, []byte("go on\n"), 0o600); err != nil {
			t.Error(err)
		}
	})
	go func() { done <- w.apply(t.Context(), t, planned) }()
	second := <-locked
	wantVerdict(t, second, pipeline.StatusFailure, "The state is locked by ", "(apply)")
	wantVerdict(t, <-done, pipeline.StatusSuccess, "Applied: 3 added", "")
}

func TestTimeoutOfAPlan(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "resource \"terraform_data\" \"a\" {}\n"})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errEnough)
	s := w.session(t, pipeline.PhasePrepare, nil, nil)
	if verdict, err := New(w.options).Run(ctx, s); !errors.Is(err, errEnough) {
		t.Errorf("verdict = %+v, error = %v", verdict, err)
	}
}
