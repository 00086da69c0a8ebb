package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/test/leftover"
)

const (
	repo   = "acme/shop"
	secret = "a secret of the benchmark"
)

// site is a stand-in and a bot as a process of its own.
type site struct {
	github *githubtest.GitHub
	binary string
	dir    string
	addr   string
	env    []string
	cmd    *exec.Cmd
	// sha is the commit that pushes are for; commits are all that were. GitHub keeps 1,000 checks of one name a commit.
	sha     string
	commits []string
	client  *http.Client
}

// pipelineOf has one short stage: what is measured is the way there.
const pipelineOf = "name: bench\non: {push: {}, pull_request: {}}\nstages:\n  build:\n    run: ['true']\n"

func newSite(ctx context.Context, binary string, files githubtest.Files) (*site, error) {
	dir, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	github, err := githubtest.New(githubtest.Options{
		Dir: filepath.Join(dir, "github"), App: githubtest.AppOptions{WebhookSecret: secret},
	})
	if err := errors.Join(err, listener.Close()); err != nil {
		return nil, err
	}
	github.Start()
	s := &site{
		github: github, binary: binary, dir: dir, addr: addr,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	if files == nil {
		files = githubtest.Files{".github/slipway.yml": pipelineOf}
	}
	err = errors.Join(
		github.AddUser("alice", "Alice"), github.AddOrganization("acme", "alice"),
		github.AddRepository(ctx, repo, githubtest.RepositoryOptions{Files: files, Author: "alice"}),
		github.AddCollaborator(repo, "alice", "write"))
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if _, err := github.Install("acme"); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.sha = github.Head(repo, "main")
	s.commits = []string{s.sha}
	return s, nil
}

// more adds commits, so that a burst is not one of checks on a single commit.
func (s *site) more(ctx context.Context, n int) error {
	for i := range n {
		sha, err := s.github.As("alice").Push(ctx, repo, "main", githubtest.Files{"n": fmt.Sprint(i)}, "more")
		if err != nil {
			return err
		}
		s.commits = append(s.commits, sha)
	}
	return nil
}

func (s *site) start(ctx context.Context) error {
	app, urls := s.github.App(), s.github.URLs()
	s.cmd = exec.CommandContext(ctx, s.binary, "serve") //nolint:gosec // the program under test
	s.cmd.Env = append(environment(),
		"GITHUB_WEB_URL="+urls.Web, "GITHUB_V3_API_URL="+urls.REST, "GITHUB_V4_API_URL="+urls.GraphQL,
		"GITHUB_APP_INTEGRATION_ID="+strconv.FormatInt(app.ID, 10), "GITHUB_APP_PRIVATE_KEY="+string(app.PrivateKey),
		"GITHUB_APP_WEBHOOK_SECRET="+secret, "SLIPWAY_ADDR="+s.addr, "SLIPWAY_PUBLIC_URL=http://"+s.addr,
		"SLIPWAY_DATA_DIR="+filepath.Join(s.dir, "data"), "SLIPWAY_LOG_LEVEL=error", "SLIPWAY_GITHUB_POINTS_PER_MINUTE=0")
	s.cmd.Env = append(s.cmd.Env, s.env...)
	s.cmd.Stderr = os.Stderr
	if err := s.cmd.Start(); err != nil {
		return err
	}
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		answer, err := s.client.Get("http://" + s.addr + "/readyz") //nolint:noctx,gosec // bounded by the deadline; the bot that was started here
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the bot did not become ready")
}

// environment is this process's without settings of Slipway: unknown ones stop the start.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "SLIPWAY_") })
}

func (s *site) kill() error {
	if s.cmd == nil || s.cmd.ProcessState != nil {
		return nil
	}
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // "signal: killed" is what was asked for
	return nil
}

func (s *site) close() error {
	return errors.Join(s.kill(), leftover.End(filepath.Join(s.dir, "data")), s.github.Close(), os.RemoveAll(s.dir)) //nolint:gosec // the benchmark's own temporary folder
}

// push is a push event of a branch at the repository's one commit.
func (s *site) push(branch string) []byte { return s.pushOf(branch, s.sha) }

func (s *site) pushOf(branch, sha string) []byte {
	id, installation := s.github.IDs(repo)
	payload, err := json.Marshal(map[string]any{
		"ref": "refs/heads/" + branch, "before": strings.Repeat("0", 40), "after": sha, "created": true,
		"head_commit":  map[string]any{"id": sha, "message": "bench"},
		"repository":   s.repository(id),
		"installation": map[string]any{"id": installation}, "sender": map[string]any{"login": "alice"},
	})
	if err != nil {
		panic(err) // constants above
	}
	return payload
}

func (s *site) repository(id int64) map[string]any {
	return map[string]any{
		"id": id, "name": "shop", "full_name": repo, "default_branch": "main",
		"clone_url": s.github.URLs().Clone + repo + ".git", "owner": map[string]any{"name": "acme", "login": "acme"},
	}
}

// deliver posts a delivery and returns the status of the answer.
func (s *site) deliver(ctx context.Context, guid, event string, payload []byte) (int, error) {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(payload)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/api/github/hook", bytes.NewReader(payload)) //nolint:gosec // the bot that was started here
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", event)
	request.Header.Set("X-GitHub-Delivery", guid)
	request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := s.client.Do(request) //nolint:gosec // the bot that was started here
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

// created reports whether a request made a check run.
func created(r githubtest.Request) bool {
	return r.Method == http.MethodPost && r.Status == http.StatusCreated && strings.HasSuffix(r.Path, "/check-runs")
}

// creates counts the check runs that were made.
func (s *site) creates() int { return s.github.CountRequests(created) }

// lastCreate is when the stand-in answered the newest creation of a check run.
func (s *site) lastCreate() time.Time {
	requests := s.github.Requests()
	for _, request := range slices.Backward(requests) {
		if created(request) {
			return request.Time
		}
	}
	return time.Time{}
}

// waitCreates waits until n check runs exist. It looks now and then, so as not to be what is measured: the times come
// from the stand-in's log.
func (s *site) waitCreates(ctx context.Context, n int, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; s.creates() < n; pause = min(2*pause, 50*time.Millisecond) {
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("%d of %d check runs after %s", s.creates(), n, limit)
		}
		time.Sleep(pause)
	}
	return nil
}

// memory reads a line such as VmRSS or VmHWM of the bot's /proc status, in MB.
func (s *site) memory(name string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)) //nolint:gosec // a number between constant parts
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in the process's status", name)
}

// parallel calls f for 0 ≤ i < n from so many goroutines.
func parallel(n, workers int, f func(i int) error) error {
	next := make(chan int)
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		all   error
	)
	for range workers {
		group.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					mu.Lock()
					all = errors.Join(all, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	return all
}
