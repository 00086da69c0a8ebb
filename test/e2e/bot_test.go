package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/test/leftover"
)

// binary is the program under test.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("SLIPWAY_BINARY")
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("SLIPWAY_BINARY is not set: call make e2e")
		}
		t.Skip("SLIPWAY_BINARY is not set: call make e2e")
	}
	return path
}

const repo = "acme/shop"

// site is a GitHub with one organisation, two people, one repository with a pipeline, and one bot that can be
// started, killed and started again on the same data.
type site struct {
	*testing.T
	github *githubtest.GitHub
	addr   string
	data   string
	cmd    *exec.Cmd
	log    *lockedBuffer
	env    []string
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newSite(t *testing.T, files githubtest.Files) *site {
	t.Helper()
	binary(t)
	s := &site{T: t, data: dataFolder(t), addr: freeAddress(t), log: &lockedBuffer{}}
	var err error
	s.github, err = githubtest.New(githubtest.Options{
		Dir:         t.TempDir(),
		App:         githubtest.AppOptions{WebhookURL: "http://" + s.addr + "/api/github/hook", WebhookSecret: "hush-hush"},
		Conformance: func(problem string) { t.Errorf("not what GitHub describes: %s", problem) },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.github.Start()
	t.Cleanup(func() {
		if err := s.github.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, s.github.AddUser("alice", "Alice"))
	must(t, s.github.AddUser("bob", "Bob"))
	must(t, s.github.AddOrganization("acme", "alice", "bob"))
	must(t, s.github.AddRepository(t.Context(), repo, githubtest.RepositoryOptions{Files: files, Author: "alice"}))
	must(t, s.github.AddCollaborator(repo, "alice", "write"))
	must(t, s.github.AddCollaborator(repo, "bob", "read"))
	if _, err := s.github.Install("acme"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		if err := leftover.End(s.data); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the bot's log:\n%s", s.log)
		}
	})
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// dataFolder is removed when the test and what it started have ended. t.TempDir would be removed while stages of a killed
// bot still write there: they outlive it on purpose.
func dataFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "slipway-e2e-") //nolint:usetesting // see above
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// start starts the bot and waits until it is ready.
func (s *site) start() {
	s.Helper()
	app, urls := s.github.App(), s.github.URLs()
	s.cmd = exec.Command(binary(s.T), "serve")
	s.cmd.Env = append(environment(),
		"GITHUB_WEB_URL="+urls.Web, "GITHUB_V3_API_URL="+urls.REST, "GITHUB_V4_API_URL="+urls.GraphQL,
		fmt.Sprintf("GITHUB_APP_INTEGRATION_ID=%d", app.ID), "GITHUB_APP_PRIVATE_KEY="+string(app.PrivateKey),
		"GITHUB_APP_WEBHOOK_SECRET="+app.WebhookSecret, "SLIPWAY_ADDR="+s.addr, "SLIPWAY_PUBLIC_URL=http://"+s.addr,
		"SLIPWAY_DATA_DIR="+s.data, "SLIPWAY_SECRETS=dir:"+filepath.Join(s.data, "secrets"), "SLIPWAY_LOG_LEVEL=debug")
	s.cmd.Env = append(s.cmd.Env, s.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	must(s.T, s.cmd.Start())
	s.waitFor("the bot to be ready", func() bool {
		answer, err := http.Get("http://" + s.addr + "/readyz")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// environment is this process's without settings of Slipway: unknown ones stop the start.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "SLIPWAY_") })
}

// waitFor polls, since the program under test has no other way to tell; bounded, and only from outside.
func (s *site) waitFor(what string, holds func() bool) {
	s.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			s.Fatalf("waited a minute for %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// kill ends the bot as a power cut does.
func (s *site) kill() {
	if s.cmd != nil && s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// stop asks the bot to end and waits for it.
func (s *site) stop() {
	s.Helper()
	must(s.T, s.cmd.Process.Signal(syscall.SIGTERM))
	if err := s.cmd.Wait(); err != nil {
		s.Errorf("the bot did not end cleanly: %v", err)
	}
}

func (s *site) push(branch string, files githubtest.Files, message string) string {
	s.Helper()
	sha, err := s.github.As("alice").Push(s.Context(), repo, branch, files, message)
	must(s.T, err)
	return sha
}

// check waits until the named check of a commit satisfies holds.
func (s *site) check(sha, name string, holds func(githubtest.CheckRun) bool) githubtest.CheckRun {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 3*time.Minute)
	defer cancel()
	var found githubtest.CheckRun
	err := s.github.Wait(ctx, func() bool {
		run, ok := s.github.CheckRun(repo, sha, name)
		found = run
		return ok && holds(run)
	})
	if err != nil {
		s.Fatalf("check %s of %.7s is %s %s: %q\nall: %s", name, sha, found.Status, found.Conclusion, found.Title, s.checks(sha))
	}
	return found
}

func concluded(run githubtest.CheckRun) bool { return run.Status == "completed" }

func (s *site) checks(sha string) string {
	var all []string
	for _, run := range s.github.CheckRuns(repo, sha) {
		all = append(all, fmt.Sprintf("%s=%s/%s", run.Name, run.Status, run.Conclusion))
	}
	return strings.Join(all, " ")
}

// deliver posts a delivery as GitHub does and returns the answer's status.
func (s *site) deliver(guid, event string, payload []byte) int {
	s.Helper()
	mac := hmac.New(sha256.New, []byte("hush-hush"))
	mac.Write(payload)
	request, err := http.NewRequestWithContext(s.Context(), http.MethodPost, "http://"+s.addr+"/api/github/hook", bytes.NewReader(payload))
	must(s.T, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", event)
	request.Header.Set("X-GitHub-Delivery", guid)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := http.DefaultClient.Do(request)
	must(s.T, err)
	defer answer.Body.Close()
	return answer.StatusCode
}
