package githubtest_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// Whoever knows a repository by an old name is led to it, with what they send.
func TestRenamedRepository(t *testing.T) {
	w := newWorld(t)
	head := w.push("topic", githubtest.Files{"a.txt": "a\n"})
	w.must(w.gh.RenameRepository(shop, "store"))
	repository, _, err := w.bot.Repositories.Get(w.ctx(), "acme", "shop")
	w.must(err)
	if repository.GetFullName() != "acme/store" {
		t.Error(repository.GetFullName())
	}
	run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "test", HeadSHA: head})
	w.must(err)
	_, _, err = w.bot.Checks.UpdateCheckRun(w.ctx(), "acme", "shop", run.GetID(), github.UpdateCheckRunOptions{Name: "test", Status: new("in_progress")})
	w.must(err)
	if runs := w.gh.CheckRuns("acme/store", head); len(runs) != 1 || runs[0].Status != "in_progress" {
		t.Errorf("%+v", runs)
	}
	token, err := w.gh.UserToken("alice")
	w.must(err)
	if out, err := w.git(t.TempDir(), "clone", "--quiet", w.cloneURL(token, shop), filepath.Join(t.TempDir(), "clone")); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDeletedUser(t *testing.T) {
	w := newWorld(t)
	w.push("topic", githubtest.Files{"a.txt": "a\n"})
	pull, err := w.gh.As("alice").OpenPullRequest(w.ctx(), shop, githubtest.NewPullRequest{Title: "Topic", Head: "topic"})
	w.must(err)
	id, err := w.gh.As("bob").Comment(shop, pull.Number, "hello")
	w.must(err)
	w.must(w.gh.DeleteUser("bob"))
	if _, _, err := w.bot.Repositories.GetPermissionLevel(w.ctx(), "acme", "shop", "bob"); status(err) != http.StatusNotFound {
		t.Errorf("permission of somebody who is gone: %v", err)
	}
	comment, _, err := w.bot.Issues.GetComment(w.ctx(), "acme", "shop", id)
	w.must(err)
	if comment.GetUser().GetLogin() != "ghost" {
		t.Error(comment.GetUser().GetLogin())
	}
}
