package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/executor/local"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// TestMain makes this binary a runner when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "runner" {
		deps := executortest.Deps()
		deps.Stages["terraform"] = New(Options{Machine: ThisMachine(), LockTimeout: time.Second})
		if err := runner.Main(context.Background(), os.Args[2], deps); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inSandbox is the stage in real runners, whose commands are in a sandbox.
type inSandbox struct {
	executor *local.Executor
	source   string
	secrets  map[string]string
}

func newInSandbox(t *testing.T, files map[string]string) inSandbox {
	t.Helper()
	if dir := stagetest.Terraform(t); !slices.Contains(filepath.SplitList(os.Getenv("PATH")), dir) {
		t.Setenv("PATH", os.Getenv("PATH")+":"+dir)
	}
	if mode, reason := sandbox.Detect(t.Context()); mode != sandbox.ModeBubblewrap {
		stagetest.Missing(t, "bubblewrap ("+reason+")")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := inSandbox{source: filepath.Join(root, "source")}
	for name, text := range files {
		file := filepath.Join(s.source, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, file, text)
	}
	s.executor, err = local.New(local.Options{
		Dir: filepath.Join(root, "tasks"), Command: []string{self, "runner"}, Logger: zerolog.Nop(), Toolchain: "test",
		Runner: runner.Options{
			WorkspaceDir: filepath.Join(root, "workspaces"), CacheDir: filepath.Join(root, "caches"), Sandbox: sandbox.ModeBubblewrap, Network: sandbox.NetworkHost,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.executor.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s inSandbox) task(id string, phase pipeline.Phase, attempt int) pipeline.Task {
	return pipeline.Task{
		ID: id, Attempt: attempt, RunNumber: 7, Phase: phase, Grace: time.Minute, MaxLogBytes: 16 << 20, CacheScope: "acme/shop", CacheWritable: true,
		Trigger: pipeline.Trigger{SHA: strings.Repeat("ab", 20)}, Source: pipeline.Source{Directory: s.source}, Env: map[string]string{"CI": "true"},
		Stage: pipeline.StageSpec{
			Key: "terraform", ID: "terraform", Uses: "terraform", With: json.RawMessage(`{"dir":"infra"}`), Environment: "production",
			Secrets: slices.Sorted(maps.Keys(s.secrets)), Steps: pipeline.PrepareThenApply, Enters: true, Timeout: 10 * time.Minute,
		},
	}
}

// prepare plans, and returns the task that applies with the files it is handed.
func (s inSandbox) prepare(t *testing.T, id string, attempt int) (apply pipeline.Task, secrets pipeline.Secrets, record executortest.Record) {
	t.Helper()
	record = executortest.Complete(t, s.executor, s.task(id+"-p", pipeline.PhasePrepare, attempt), pipeline.Secrets{Env: s.secrets})
	apply = s.task(id, pipeline.PhaseApply, attempt)
	secrets = pipeline.Secrets{Env: s.secrets, Files: map[string][]byte{}}
	for _, event := range record.Events {
		if event.Part != nil {
			apply.Parts = append(apply.Parts, *event.Part)
		}
		if event.Private != nil {
			content, err := os.ReadFile(event.Private.Path)
			if err != nil {
				t.Fatal(err)
			}
			secrets.Files[event.Private.Name] = content
		}
	}
	if record.Verdict.Status != pipeline.StatusSuccess {
		t.Fatalf("verdict = %+v\n%s", record.Verdict, record.Log())
	}
	return apply, secrets, record
}

func TestInTheSandbox(t *testing.T) {
	s := newInSandbox(t, map[string]string{"infra/main.tf": `variable "password" {
  sensitive = true
}

variable "plain" {}

resource "terraform_data" "a" {
  input = { password = var.password, plain = var.plain }
  provisioner "local-exec" {
    command = "echo I am $(id -u); ls /etc/shadow 2>&1; echo password ${self.output.password} plain ${self.output.plain}"
  }
}

output "plain" {
  value = var.plain
}
`})
	s.secrets = map[string]string{"TF_VAR_password": "correct-horse-battery", "TF_VAR_plain": "also-a-secret"}
	apply, secrets, prepared := s.prepare(t, "r1-s1-a1", 1)
	applied := executortest.Complete(t, s.executor, apply, secrets)
	if applied.Verdict.Title != "Applied: 1 added, 0 changed, 0 destroyed" {
		t.Fatalf("verdict = %+v\n%s", applied.Verdict, applied.Log())
	}
	if log := applied.Log(); !strings.Contains(log, "I am ") || strings.Contains(log, "I am 0") || !strings.Contains(log, "password *** plain ***") || !strings.Contains(log, "No such file") {
		t.Errorf("log:\n%s", log)
	}
	outputs := map[string]string{}
	for _, record := range []executortest.Record{prepared, applied} {
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		for _, event := range record.Events {
			maps.Copy(outputs, event.Output)
			if event.Artifact != nil {
				content, err := os.ReadFile(event.Artifact.Path)
				if err != nil {
					t.Fatal(err)
				}
				text = append(text, content...)
			}
		}
		for _, secret := range s.secrets {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s is told", secret)
			}
		}
	}
	if outputs["plain"] != "***" {
		t.Errorf("a secret of the stage as an output: %q", outputs["plain"])
	}
}

// The executor's cancel reaches Terraform as one interrupt; it ends what it has begun, and the verdict tells how far it came.
func TestCancelInTheSandbox(t *testing.T) {
	s := newInSandbox(t, map[string]string{"infra/main.tf": `resource "terraform_data" "first" {}

resource "terraform_data" "waits" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" {
    command = "echo it has begun; mkfifo never; cat never"
  }
}

resource "terraform_data" "last" {
  depends_on = [terraform_data.waits]
}
`})
	apply, secrets, _ := s.prepare(t, "r1-s1-a1", 1)
	if err := s.executor.Start(t.Context(), apply, secrets); err != nil {
		t.Fatal(err)
	}
	record, err := executortest.Follow(t, s.executor, apply.ID, func(event pipeline.StageEvent) {
		if event.Log != nil && strings.HasSuffix(event.Log.Text, "(local-exec): it has begun") {
			if err := s.executor.Cancel(t.Context(), apply.ID, "cancelled by alice"); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	v := record.Verdict
	if v.Status != pipeline.StatusCancelled || v.Title != "Cancelled: cancelled by alice" {
		t.Errorf("verdict = %+v\n%s", v, record.Log())
	}
	for _, part := range []string{"was interrupted once and ended by itself. 1 of 3 changes made, 1 change not finished.", "2 resources. Its lock is free."} {
		if !strings.Contains(v.Cause, part) {
			t.Errorf("cause %q lacks %q", v.Cause, part)
		}
	}
	if n := strings.Count(record.Log(), "Interrupt received."); n != 1 {
		t.Errorf("Terraform was interrupted %d times\n%s", n, record.Log())
	}
	_, _, again := s.prepare(t, "r1-s1-a2", 2)
	if again.Verdict.Title != "2 to add, 0 to change, 1 to destroy (1 replaced)" || !strings.Contains(again.Log(), "This is not the first attempt.") {
		t.Errorf("verdict = %+v\n%s", again.Verdict, again.Log())
	}
}
