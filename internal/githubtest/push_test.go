package githubtest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

func TestPushBecomesACheckRun(t *testing.T) {
	w := newWorld(t)
	head := w.push("main", githubtest.Files{"src/app.py": "print('hello')\n", "new.txt": "new", "src/lib/util.py": githubtest.Deleted})

	delivery := w.hook.wait(t, "push", 0)
	mac := hmac.New(sha256.New, []byte("whsec"))
	mac.Write(delivery.raw)
	if got := delivery.header.Get("X-Hub-Signature-256"); got != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		t.Errorf("signature %s does not fit", got)
	}
	event, err := github.ParseWebHook("push", delivery.raw)
	w.must(err)
	push, _ := event.(*github.PushEvent)
	if push.GetAfter() != head || push.GetRef() != "refs/heads/main" || push.GetInstallation().GetID() != w.inst ||
		push.GetSender().GetLogin() != "alice" || push.GetHeadCommit().GetTreeID() == "" || push.GetForced() || push.GetCreated() {
		t.Errorf("push event: %+v", push)
	}
	c := push.Commits[0]
	if !slices.Equal(c.Added, []string{"new.txt"}) || !slices.Equal(c.Modified, []string{"src/app.py"}) || !slices.Equal(c.Removed, []string{"src/lib/util.py"}) {
		t.Errorf("commit's files: %+v", c)
	}
	suite := w.hook.wait(t, "check_suite.requested", 0)
	if got, _ := suite.payload["check_suite"].(map[string]any); got["head_sha"] != head || got["head_branch"] != "main" {
		t.Errorf("check suite: %v", got)
	}

	tree, _, err := w.bot.Git.GetTree(w.ctx(), "acme", "shop", push.GetHeadCommit().GetTreeID(), true)
	w.must(err)
	if len(tree.Entries) != 4 {
		t.Errorf("tree: %v", tree.Entries)
	}
	file, _, _, err := w.bot.Repositories.GetContents(w.ctx(), "acme", "shop", "src/app.py", &github.RepositoryContentGetOptions{Ref: head})
	w.must(err)
	if content, err := file.GetContent(); err != nil || content != "print('hello')\n" {
		t.Errorf("content %q, %v", content, err)
	}

	run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{
		Name: "build-and-test", HeadSHA: head, ExternalID: new("7"),
	})
	w.must(err)
	_, _, err = w.bot.Checks.UpdateCheckRun(w.ctx(), "acme", "shop", run.GetID(), github.UpdateCheckRunOptions{
		Name: "build-and-test", Conclusion: new("success"),
		Output: &github.CheckRunOutput{Title: new("ok"), Summary: new("fine")},
	})
	w.must(err)
	got, _ := w.gh.CheckRun(shop, head, "build-and-test")
	if got.Status != "completed" || got.Conclusion != "success" || got.Title != "ok" || got.ExternalID != "7" || got.Writes != 2 {
		t.Errorf("check run: %+v", got)
	}
	w.hook.wait(t, "check_run.completed", 0)
	w.hook.wait(t, "check_suite.completed", 0)
}

func TestGitOverHTTP(t *testing.T) {
	w := newWorld(t)
	token, _, err := w.app.Apps.CreateInstallationToken(w.ctx(), w.inst, nil)
	w.must(err)
	dir := filepath.Join(t.TempDir(), "clone")
	out, err := w.git(".", "clone", "-q", w.cloneURL(token.GetToken(), shop), dir)
	if err != nil {
		t.Fatalf("clone: %v: %s", err, out)
	}
	write(t, dir, "big.bin", string(make([]byte, 3<<20))+"x")
	for _, args := range [][]string{{"checkout", "-q", "-b", "feature/x"}, {"add", "."}, {"commit", "-q", "-m", "big"}} {
		if out, err := w.git(dir, args...); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	if out, err := w.git(dir, "push", "-q", "origin", "HEAD"); err == nil {
		t.Errorf("a token that may only read has pushed: %s", out)
	}
	alice, err := w.gh.UserToken("alice")
	w.must(err)
	if out, err := w.git(dir, "-c", "http.postBuffer=4096", "push", "-q", w.cloneURL(alice, shop), "HEAD"); err != nil {
		t.Fatalf("push: %v: %s", err, out)
	}
	push := w.hook.wait(t, "push", 0)
	if push.payload["ref"] != "refs/heads/feature/x" || push.payload["created"] != true {
		t.Errorf("push of a new branch: %v", push.payload["ref"])
	}
	branch, _, err := w.bot.Repositories.GetBranch(w.ctx(), "acme", "shop", "feature/x", 0)
	w.must(err)
	if head, err := w.git(dir, "rev-parse", "HEAD"); err != nil || head != branch.GetCommit().GetSHA() || head != w.gh.Head(shop, "feature/x") {
		t.Errorf("branch is at %s, pushed was %s", branch.GetCommit().GetSHA(), head)
	}
	mallory, err := w.gh.UserToken("mallory")
	w.must(err)
	if out, err := w.git(".", "ls-remote", w.cloneURL(mallory, shop)); err == nil {
		t.Errorf("a stranger reads a private repository: %s", out)
	}
	if out, err := w.git(".", "ls-remote", w.gh.URLs().Clone+shop); err == nil {
		t.Errorf("anybody reads a private repository: %s", out)
	}
}
