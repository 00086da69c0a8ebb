package local_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

const testImage = "slipway-test/tools:1"

// docker runs the engine's command line against the engine of the test.
func docker(t *testing.T, host string, input []byte, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// startDocker starts an engine of the test's own. It needs root and takes seconds, so a developer asks for it.
func startDocker(t *testing.T) (host string) {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("SLIPWAY_E2E") == "1" {
		missing = t.Fatalf
	}
	for _, program := range []string{"dockerd", "docker", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("%s is not installed", program)
		}
	}
	if os.Getuid() != 0 || os.Getenv("SLIPWAY_E2E") != "1" {
		missing("dockerd is started by root with SLIPWAY_E2E=1")
	}
	dir := t.TempDir()
	host = "unix://" + dir + "/docker.sock"
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "dockerd", "--host", host, "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--bridge", "none", "--iptables=false", "--storage-driver", "vfs")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		<-ended
		// The engine leaves the mount of its network namespace behind.
		unmounted := syscall.Unmount(filepath.Join(dir, "exec", "netns", "default"), syscall.MNT_DETACH)
		if errors.Is(unmounted, syscall.EINVAL) || errors.Is(unmounted, syscall.ENOENT) {
			unmounted = nil
		}
		if err := errors.Join(log.Close(), unmounted); err != nil {
			t.Error(err)
		}
	})
	awaitDocker(t, dir, ended)
	if out, err := docker(t, host, busybox(t), "import", "-", testImage); err != nil {
		t.Fatalf("import the image: %v: %s", err, out)
	}
	return host
}

// awaitDocker waits for the engine's socket to be answered.
func awaitDocker(t *testing.T, dir string, ended chan error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if out, err := docker(t, "unix://"+dir+"/docker.sock", nil, "version"); err == nil {
			return
		} else if len(ended) > 0 {
			said, _ := os.ReadFile(filepath.Join(dir, "log")) // to tell why
			t.Fatalf("dockerd ended: %s: %s", out, said)
		}
	}
	said, _ := os.ReadFile(filepath.Join(dir, "log")) // to tell why
	t.Fatalf("dockerd does not answer: %s", said)
}

// busybox is an image of one static program under the names that the tests use.
func busybox(t *testing.T) []byte {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	w := tar.NewWriter(&image)
	add := func(header tar.Header, content []byte) {
		header.Size = int64(len(content))
		if err := w.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	add(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o777}, nil)
	add(tar.Header{Name: "image-marker", Mode: 0o644}, []byte("of the image\n"))
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, program)
	for _, name := range []string{"sh", "cat", "id", "grep", "env", "sleep", "echo", "ls", "mount", "yes", "head"} {
		add(tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil)
	}
	// The suite's stages run bash; busybox's shell takes the same options under that name.
	add(tar.Header{Name: "bin/bash", Mode: 0o755}, []byte("#!/bin/sh\nexec /bin/sh -eu -c \"$4\"\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return image.Bytes()
}

func TestContainer(t *testing.T) {
	host := startDocker(t)
	options := newOptions(t, sandbox.ModeNone)
	t.Setenv("DOCKER_HOST", host)
	e := newExecutor(t, options)
	inImage := func(id, script string) pipeline.Task {
		task := executortest.NewTask(t, "run", script)
		task.ID, task.Stage.Image, task.Grace = id, testImage, 2*time.Second
		return task
	}
	t.Run("a command sees the image and the checkout", func(t *testing.T) {
		task := inImage("sees", `cat /image-marker; echo made > here; echo "digest=1" >> "$SLIPWAY_OUTPUT"; echo "$PASSWORD" > /dev/null
			echo "key: $KEY"; grep -E 'CapEff|NoNewPrivs' /proc/self/status; env | grep -E 'GITHUB_APP|DOCKER_HOST' && exit 3; ls /root /work /home 2>&1 || true; ls "$HOME/.."`)
		task.Stage.Secrets, task.Stage.Artifacts = []string{"PASSWORD", "KEY"}, []string{"here"}
		record := executortest.Complete(t, e, task, pipeline.Secrets{Env: map[string]string{"PASSWORD": "hunter2-and-more", "KEY": "line one\nline two"}})
		passed(t, record)
		for _, line := range []string{"of the image", "key: ***", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"} {
			if !strings.Contains(record.Log(), line) {
				t.Errorf("no %q in:\n%s", line, record.Log())
			}
		}
		kept, outputs := 0, 0
		for _, event := range record.Events {
			if event.Artifact != nil {
				kept++
			}
			outputs += len(event.Output)
		}
		if kept != 1 || outputs != 1 {
			t.Errorf("%d artifacts, %d outputs", kept, outputs)
		}
	})
	t.Run("a cancel ends the container", func(t *testing.T) {
		h := executortest.Harness{Executor: e}
		executortest.CancelWhen(t, h, inImage("cancel", "echo ready; sleep 1000"), "ready", "enough")
		noContainers(t, host)
	})
	t.Run("a lost runner's container is removed", func(t *testing.T) {
		task := inImage("lost", "echo ready; sleep 1000")
		if err := e.Start(t.Context(), task, pipeline.Secrets{}); err != nil {
			t.Fatal(err)
		}
		_, err := executortest.Follow(t, e, task.ID, func(event pipeline.StageEvent) {
			if event.Log != nil && event.Log.Text == "ready" {
				if err := syscall.Kill(runnerPID(t, options, task.ID), syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		})
		if _, ok := errors.AsType[*pipeline.LostError](err); !ok {
			t.Fatal(err)
		}
		noContainers(t, host)
	})
	t.Run("an image that does not exist is a clear failure", func(t *testing.T) {
		task := inImage("missing", "true")
		task.Stage.Image = "127.0.0.1:1/no/such:image"
		verdict := executortest.Complete(t, e, task, pipeline.Secrets{}).Verdict
		if verdict.Status != pipeline.StatusFailure || verdict.Infrastructure || !strings.Contains(verdict.Title, "no/such:image") {
			t.Errorf("verdict %+v", verdict)
		}
	})
}

func noContainers(t *testing.T, host string) {
	t.Helper()
	if out, err := docker(t, host, nil, "ps", "--all", "--quiet"); err != nil || out != "" {
		t.Errorf("containers are left: %s (%v)", out, err)
	}
}

func TestContainerWithoutEngine(t *testing.T) {
	if _, err := exec.LookPath("docker"); err != nil {
		t.Log("docker is not installed: the message is another, the verdict the same")
	}
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "unix://"+address)
	options := newOptions(t, sandbox.ModeNone)
	task := executortest.NewTask(t, "run", "true")
	task.Stage.Image = "python:3.13"
	verdict := executortest.Complete(t, newExecutor(t, options), task, pipeline.Secrets{}).Verdict
	if verdict.Status != pipeline.StatusFailure || verdict.Infrastructure || !strings.Contains(verdict.Title, "python:3.13") || !strings.Contains(verdict.Cause, "drop `image`") {
		t.Fatalf("verdict %+v", verdict)
	}
}
