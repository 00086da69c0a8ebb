//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package executortest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func manyLogLines(t *testing.T, h Harness) {
	const lines = 100_000
	task := NewTask(t, "lines")
	task.Stage.With = json.RawMessage(fmt.Sprintf(`{"lines": %d}`, lines))
	record := Complete(t, h.Executor, task, pipeline.Secrets{})
	next := 0
	for _, event := range record.Events {
		if event.Log == nil || event.Log.Step == "checkout" {
			continue
		}
		if event.Log.Text != fmt.Sprintf("line %d", next) {
			t.Fatalf("line %d is %q", next, event.Log.Text)
		}
		next++
	}
	if next != lines {
		t.Fatalf("%d lines", next)
	}
}

func masks(t *testing.T, h Harness) {
	const secret, key, token = `pa"ss&wörd/1`, "first line of key\nsecond line of key\n", "ghs_0123456789abcdef" //nolint:gosec // invented for the suite
	secrets := pipeline.Secrets{Env: map[string]string{"PASSWORD": secret, "KEY": key}, GitToken: token}
	tell := NewTask(t, "tell")
	tell.Stage.Secrets = []string{"PASSWORD", "KEY"}
	shell := NewTask(t, "run", `
		half=${PASSWORD:0:5}; printf '%s' "$half"; printf '%s\n' "${PASSWORD#"$half"}"
		echo "$KEY"; printf '%s' "$PASSWORD" | base64; printf 'user:%s' "$PASSWORD" | base64
		echo "result=$PASSWORD" >> "$SLIPWAY_OUTPUT"; echo "## $KEY" >> "$SLIPWAY_SUMMARY"
		mkdir out; echo "$PASSWORD" > out/report.txt`)
	shell.ID, shell.Stage.Secrets, shell.Stage.Artifacts = "r1-s2-a1", []string{"PASSWORD", "KEY"}, []string{"out/**"}
	for _, task := range []pipeline.Task{tell, shell} {
		record := Complete(t, h.Executor, task, secrets)
		said, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, event := range record.Events {
			if event.Artifact != nil {
				content, err := os.ReadFile(event.Artifact.Path)
				if err != nil {
					t.Fatal(err)
				}
				kept++
				said = append(said, content...)
			}
		}
		// pa"ss&wörd/1 in base64 begins with cGEic3Mmd, after "user:" ends with b3JkLz.
		for _, form := range []string{secret, `pa\"ss`, "line of key", token, "cGEic3Mmd", "InNzJnf"} {
			if bytes.Contains(said, []byte(form)) {
				t.Errorf("%s: %q came out:\n%s", task.Stage.Uses, form, said)
			}
		}
		if kept != 1 || !bytes.Contains(said, []byte("***")) {
			t.Errorf("%s: %d artifacts, said %s", task.Stage.Uses, kept, said)
		}
	}
}

func masksWhatIsMade(t *testing.T, h Harness) {
	task := NewTask(t, "raw")
	record := Complete(t, h.Executor, task, pipeline.Secrets{Env: map[string]string{"PASSWORD": "correct-horse"}})
	want(t, record, pipeline.StatusSuccess, "27 characters: ***")
	said, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(said); strings.Contains(text, "correct-horse") || !strings.Contains(text, "printed: ***") || !strings.Contains(text, "a remark on ***") {
		t.Errorf("said %s", text)
	}
}

func refusesShortSecret(t *testing.T, h Harness) {
	task := NewTask(t, "run", "echo ran")
	task.Stage.Secrets = []string{"PIN"}
	record := Complete(t, h.Executor, task, pipeline.Secrets{Env: map[string]string{"PIN": "123"}})
	if v := record.Verdict; v.Status != pipeline.StatusFailure || v.Infrastructure || !strings.Contains(v.Title, "PIN") || record.Log() != "" {
		t.Fatalf("verdict %+v, log %q", v, record.Log())
	}
}

func sealed(t *testing.T, h Harness) {
	task := NewTask(t, "run", "env; tr '\\0' '\\n' < /proc/self/environ")
	task.Stage.Env = map[string]string{"FLAVOUR": "vanilla"}
	task.Stage.Matrix = pipeline.MatrixLeg{{Name: "python-version", Value: "3.13"}}
	record := Complete(t, h.Executor, task, pipeline.Secrets{Env: map[string]string{"UNNAMED": "not for this command"}, GitToken: "ghs_token"})
	log := record.Log()
	for _, found := range []string{"CI=true", "FLAVOUR=vanilla", "MATRIX_PYTHON_VERSION=3.13", "PATH=", "HOME=", "SLIPWAY_OUTPUT="} {
		if !strings.Contains(log, found) {
			t.Errorf("no %s in the environment:\n%s", found, log)
		}
	}
	for _, secret := range []string{"UNNAMED", "not for", "ghs_", SealedVariable} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is in the environment:\n%s", secret, log)
		}
	}
}

// SealedVariable is a variable that the process with the executor has and no command may see.
const SealedVariable = "GITHUB_APP_WEBHOOK_SECRET"

func collects(t *testing.T, h Harness) {
	task := NewTask(t, "run", `
		echo "digest=sha256:abc" >> "$SLIPWAY_OUTPUT"; echo "not an output" >> "$SLIPWAY_OUTPUT"
		echo "**bold**" >> "$SLIPWAY_SUMMARY"
		mkdir -p out/deep; echo one > out/one.txt; echo two > out/deep/two.txt; ln -s /etc/passwd out/link.txt; ln -s /etc out/folder
		mkfifo out/pipe.txt; exit 1`)
	task.Stage.Artifacts = []string{"out/**/*.txt", "missing/*", "../*"}
	record := Complete(t, h.Executor, task, pipeline.Secrets{})
	want(t, record, pipeline.StatusFailure, `No file matches the artifacts pattern "missing/*"`)
	artifacts, outputs, summary := map[string]string{}, map[string]string{}, ""
	for _, event := range record.Events {
		switch {
		case event.Artifact != nil:
			content, err := os.ReadFile(event.Artifact.Path)
			if err != nil {
				t.Fatal(err)
			}
			artifacts[event.Artifact.Name] = string(content)
		case event.Section != nil:
			summary += event.Section.Markdown
		}
		maps.Copy(outputs, event.Output)
	}
	if len(artifacts) != 2 || artifacts["out/one.txt"] != "one\n" || artifacts["out/deep/two.txt"] != "two\n" {
		t.Errorf("artifacts %q\n%s", artifacts, record.Log())
	}
	if len(outputs) != 1 || outputs["digest"] != "sha256:abc" || summary != "**bold**\n" {
		t.Errorf("outputs %q, summary %q", outputs, summary)
	}
}
