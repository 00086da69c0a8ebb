package githubtest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// parse reads a delivery as the type go-github has for it.
func parse[T any](w *world, r received) T {
	w.t.Helper()
	event, err := github.ParseWebHook(r.event, r.raw)
	w.must(err)
	typed, ok := event.(T)
	if !ok {
		w.t.Fatalf("%s is a %T", r.event, event)
	}
	return typed
}

func (w *world) openPull(head string) githubtest.PullRequest {
	w.t.Helper()
	pull, err := w.gh.As("alice").OpenPullRequest(w.ctx(), shop, githubtest.NewPullRequest{Title: "Topic", Head: head})
	w.must(err)
	return pull
}

func TestPullRequestEvents(t *testing.T) {
	w := newWorld(t)
	first := w.push("topic", githubtest.Files{"a": "1"})
	pull := w.openPull("topic")
	opened := parse[*github.PullRequestEvent](w, w.hook.wait(t, "pull_request.opened", 0))
	if opened.GetPullRequest().GetHead().GetSHA() != first || opened.GetNumber() != pull.Number || opened.GetPullRequest().GetBase().GetRef() != "main" {
		t.Errorf("opened: %v", opened)
	}
	second := w.push("topic", githubtest.Files{"a": "2"})
	sync := parse[*github.PullRequestEvent](w, w.hook.wait(t, "pull_request.synchronize", 0))
	if sync.GetBefore() != first || sync.GetAfter() != second || sync.GetPullRequest().GetHead().GetSHA() != second {
		t.Errorf("synchronize: %v", sync)
	}
	alice := w.gh.As("alice")
	w.must(alice.Label(shop, pull.Number, "ready"))
	w.must(alice.Close(shop, pull.Number))
	w.must(alice.Reopen(shop, pull.Number))
	w.must(alice.ConvertToDraft(shop, pull.Number))
	w.must(alice.ReadyForReview(shop, pull.Number))
	merge, err := alice.Merge(w.ctx(), shop, pull.Number, "merge")
	w.must(err)
	closed := parse[*github.PullRequestEvent](w, w.hook.wait(t, "pull_request.closed", 1))
	if !closed.GetPullRequest().GetMerged() || closed.GetPullRequest().GetMergeCommitSHA() != merge || w.gh.Head(shop, "main") != merge {
		t.Errorf("merged: %v", closed.GetPullRequest())
	}
	want := []string{"opened", "synchronize", "labeled", "closed", "reopened", "converted_to_draft", "ready_for_review", "closed"}
	var got []string
	for _, r := range w.hook.of("pull_request") {
		got = append(got, r.action())
	}
	if !slices.Equal(got, want) {
		t.Errorf("in order: %v", got)
	}
}

func TestForkedPullRequest(t *testing.T) {
	w := newWorld(t)
	w.must(w.gh.AddCollaborator(shop, "mallory", "read"))
	mallory := w.gh.As("mallory")
	fork, err := mallory.Fork(w.ctx(), shop)
	w.must(err)
	head, err := mallory.Push(w.ctx(), fork, "evil", githubtest.Files{"Makefile": "all:\n\tcurl evil\n"}, "evil")
	w.must(err)
	pull, err := mallory.OpenPullRequest(w.ctx(), shop, githubtest.NewPullRequest{Title: "Nice", Head: "mallory:evil"})
	w.must(err)
	opened := parse[*github.PullRequestEvent](w, w.hook.wait(t, "pull_request.opened", 0))
	if opened.GetPullRequest().GetHead().GetRepo().GetFullName() != fork || !opened.GetPullRequest().GetHead().GetRepo().GetFork() {
		t.Errorf("head repository: %v", opened.GetPullRequest().GetHead().GetRepo())
	}
	_, _, err = w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
	w.must(err)
	created := parse[*github.CheckRunEvent](w, w.hook.wait(t, "check_run.created", 0))
	if suite := created.GetCheckRun().GetCheckSuite(); suite.HeadBranch != nil || len(created.GetCheckRun().PullRequests) != 0 {
		t.Errorf("a fork's check suite: %v", suite)
	}
	second, err := mallory.Push(w.ctx(), fork, "evil", githubtest.Files{"Makefile": "all:\n"}, "more")
	w.must(err)
	w.hook.wait(t, "pull_request.synchronize", 0)
	out, err := w.git(".", "ls-remote", w.cloneURL(w.token(nil), shop), "refs/pull/1/head", "refs/pull/1/merge")
	if err != nil || !strings.HasPrefix(out, second) || strings.Count(out, "\n") != 1 {
		t.Errorf("refs/pull: %s, %v", out, err)
	}
	if len(w.hook.of("push")) != 0 || len(w.hook.of("check_suite.requested")) != 0 {
		t.Errorf("a push to a fork was told: %v", w.hook.names())
	}
	if _, err := mallory.Merge(w.ctx(), shop, pull.Number, "merge"); err == nil {
		t.Error("a reader has merged")
	}
}

func TestCommentEvents(t *testing.T) {
	w := newWorld(t)
	w.push("topic", githubtest.Files{"a": "1"})
	pull := w.openPull("topic")
	id, err := w.gh.As("bob").Comment(shop, pull.Number, "/deploy staging")
	w.must(err)
	event := parse[*github.IssueCommentEvent](w, w.hook.wait(t, "issue_comment.created", 0))
	if !event.GetIssue().IsPullRequest() || event.GetComment().GetID() != id || event.GetSender().GetLogin() != "bob" || event.GetIssue().GetState() != "open" {
		t.Errorf("comment: %v", event)
	}
	w.must(w.gh.As("alice").EditComment(shop, id, "/deploy production"))
	edited := w.hook.wait(t, "issue_comment.edited", 0)
	if sender, _ := edited.payload["sender"].(map[string]any); sender["login"] != "alice" {
		t.Errorf("edited by %v", sender)
	}
	w.must(w.gh.As("bob").DeleteComment(shop, id))
	w.hook.wait(t, "issue_comment.deleted", 0)
	comment, _, err := w.bot.Issues.CreateComment(w.ctx(), "acme", "shop", pull.Number, &github.IssueComment{Body: new("hello")})
	w.must(err)
	own := w.hook.wait(t, "issue_comment.created", 1)
	if c, _ := own.payload["comment"].(map[string]any); c["performed_via_github_app"] == nil {
		t.Errorf("the bot's own comment: %v", c)
	}
	w.hide(comment.GetNodeID())
	if c := w.gh.Comments(shop, pull.Number)[0]; c.Minimized != "OUTDATED" {
		t.Errorf("hidden: %+v", c)
	}
}

func (w *world) hide(node string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{
		"query":     "mutation($input:MinimizeCommentInput!){minimizeComment(input:$input){minimizedComment{isMinimized}}}",
		"variables": map[string]any{"input": map[string]any{"subjectId": node, "classifier": "OUTDATED"}},
	})
	w.must(err)
	req, err := http.NewRequestWithContext(w.ctx(), http.MethodPost, w.gh.URLs().GraphQL, strings.NewReader(string(body)))
	w.must(err)
	req.Header.Set("Authorization", "bearer "+w.token(nil))
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	w.must(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		w.t.Errorf("graphql: %d", resp.StatusCode)
	}
}

func TestButtonsOfChecks(t *testing.T) {
	w := newWorld(t)
	head := w.push("main", githubtest.Files{"a": "1"})
	finish := func(name, conclusion string) int64 {
		run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{
			Name: name, HeadSHA: head, Conclusion: &conclusion,
		})
		w.must(err)
		return run.GetID()
	}
	good, bad := finish("good", "success"), finish("bad", "failure")
	suite := w.gh.CheckSuites(shop, head)[0]
	if suite.Conclusion != "failure" || suite.HeadBranch != "main" {
		t.Errorf("suite: %+v", suite)
	}
	bob := w.gh.As("bob")
	if err := bob.ClickAction(shop, good, "retry"); err == nil {
		t.Error("a button that is not there was pressed")
	}
	w.must(bob.RerequestFailed(shop, suite.ID))
	event := parse[*github.CheckRunEvent](w, w.hook.wait(t, "check_run.rerequested", 0))
	if event.GetCheckRun().GetID() != bad || event.GetSender().GetLogin() != "bob" {
		t.Errorf("rerequested: %v", event)
	}
	if s := w.gh.CheckSuites(shop, head)[0]; s.Status != "queued" || s.Conclusion != "" {
		t.Errorf("a rerequest resets the suite: %+v", s)
	}
	if run, _ := w.gh.CheckRun(shop, head, "bad"); run.Status != "completed" {
		t.Errorf("and leaves the run: %+v", run)
	}
	w.must(bob.RerequestSuite(shop, suite.ID))
	w.hook.wait(t, "check_suite.rerequested", 0)
}

func TestMergeQueue(t *testing.T) {
	w := newWorld(t)
	w.push("topic", githubtest.Files{"a": "1"})
	pull := w.openPull("topic")
	group, err := w.gh.As("alice").EnqueueMerge(w.ctx(), shop, pull.Number)
	w.must(err)
	event := parse[*github.MergeGroupEvent](w, w.hook.wait(t, "merge_group.checks_requested", 0))
	ref := event.GetMergeGroup().GetHeadRef()
	if event.GetMergeGroup().GetHeadSHA() != group || !strings.HasPrefix(ref, "refs/heads/gh-readonly-queue/main/pr-1-") {
		t.Errorf("merge group: %v", event)
	}
	if push := w.hook.wait(t, "push", 1); push.payload["ref"] != ref {
		t.Errorf("the queue's branch: %v", push.payload["ref"])
	}
	w.must(w.gh.As("alice").Dequeue(w.ctx(), shop, pull.Number, "merged"))
	destroyed := w.hook.wait(t, "merge_group.destroyed", 0)
	if destroyed.payload["reason"] != "merged" || w.gh.Head(shop, "main") != group {
		t.Errorf("destroyed: %v", destroyed.payload["reason"])
	}
}

func TestBranchesTagsAndForce(t *testing.T) {
	w := newWorld(t)
	alice := w.gh.As("alice")
	first := w.gh.Head(shop, "main")
	w.push("main", githubtest.Files{"a": "1"})
	_, err := alice.ForcePush(w.ctx(), shop, "main", first, githubtest.Files{"b": "1"}, "again")
	w.must(err)
	w.must(alice.SetBranch(w.ctx(), shop, "copy", "main"))
	w.must(alice.DeleteBranch(w.ctx(), shop, "copy"))
	w.must(alice.Tag(w.ctx(), shop, "v1", "main"))
	forced := parse[*github.PushEvent](w, w.hook.wait(t, "push", 1))
	made := parse[*github.PushEvent](w, w.hook.wait(t, "push", 2))
	gone := parse[*github.PushEvent](w, w.hook.wait(t, "push", 3))
	tag := parse[*github.PushEvent](w, w.hook.wait(t, "push", 4))
	if !forced.GetForced() || len(forced.Commits) != 1 {
		t.Errorf("forced: %v", forced)
	}
	if !made.GetCreated() || made.GetBefore() != strings.Repeat("0", 40) || len(made.Commits) != 0 || made.GetHeadCommit().GetID() == "" {
		t.Errorf("created: %v", made)
	}
	if !gone.GetDeleted() || gone.GetAfter() != strings.Repeat("0", 40) || gone.HeadCommit != nil {
		t.Errorf("deleted: %v", gone)
	}
	if tag.GetRef() != "refs/tags/v1" {
		t.Errorf("tag: %v", tag)
	}
}

func TestDeliveryLog(t *testing.T) {
	w := newWorld(t)
	w.must(w.gh.WaitDelivered(w.ctx()))
	w.hook.answer(http.StatusServiceUnavailable)
	w.push("main", githubtest.Files{"a": "1"})
	w.must(w.gh.WaitDelivered(w.ctx()))
	w.hook.answer(http.StatusOK)
	first, resp, err := w.app.Apps.ListHookDeliveries(w.ctx(), &github.ListCursorOptions{PerPage: 2})
	w.must(err)
	if len(first) != 2 || first[0].GetEvent() != "check_suite" || first[1].GetEvent() != "push" || first[1].GetStatusCode() != 503 || first[1].GetStatus() == "OK" {
		t.Errorf("log: %v", first)
	}
	rest, _, err := w.app.Apps.ListHookDeliveries(w.ctx(), &github.ListCursorOptions{PerPage: 2, Cursor: resp.Cursor})
	w.must(err)
	if len(rest) != 1 || rest[0].GetEvent() != "installation" || rest[0].GetStatus() != "OK" {
		t.Errorf("next page: %v", rest)
	}
	full, _, err := w.app.Apps.GetHookDelivery(w.ctx(), first[1].GetID())
	w.must(err)
	if payload, err := full.ParseRequestPayload(); err != nil || payload.(*github.PushEvent).GetRef() != "refs/heads/main" {
		t.Errorf("payload: %v, %v", payload, err)
	}
	_, _, err = w.app.Apps.RedeliverHookDelivery(w.ctx(), first[1].GetID())
	var accepted *github.AcceptedError
	if !asError(err, &accepted) {
		t.Errorf("redelivery: %v", err)
	}
	w.must(w.gh.WaitDelivered(w.ctx()))
	again := w.hook.of("push")
	if len(again) != 2 || again[0].guid != again[1].guid {
		t.Errorf("redelivered: %v", again)
	}
	newest, _, err := w.app.Apps.ListHookDeliveries(w.ctx(), &github.ListCursorOptions{PerPage: 1})
	w.must(err)
	if !newest[0].GetRedelivery() || newest[0].GetGUID() != again[0].guid || newest[0].GetStatus() != "OK" {
		t.Errorf("log after redelivery: %v", newest)
	}
	w.clock.advance(73 * time.Hour)
	if late, _, err := w.app.Apps.ListHookDeliveries(w.ctx(), nil); err != nil || len(late) != 0 {
		t.Errorf("after three days: %v, %v", late, err)
	}
}

func TestOnlyWantedEvents(t *testing.T) {
	w := newWorld(t, func(o *githubtest.Options) {
		o.App.Events = []string{"push"}
		o.App.Permissions = map[string]string{"checks": "write", "contents": "read"}
	})
	head := w.push("topic", githubtest.Files{"a": "1"})
	w.openPull("topic")
	_, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
	w.must(err)
	w.must(w.gh.WaitDelivered(w.ctx()))
	if got := strings.Join(w.hook.names(), " "); got != "installation.created push check_suite.requested check_run.created" {
		t.Errorf("told: %s", got)
	}
	w.must(w.gh.SetPermissions("acme", map[string]string{"checks": "read"}))
	w.push("topic", githubtest.Files{"a": "2"})
	w.must(w.gh.WaitDelivered(w.ctx()))
	if names := w.hook.names(); names[len(names)-1] != "installation.new_permissions_accepted" {
		t.Errorf("without contents: %v", names)
	}
}

func TestDeploymentRules(t *testing.T) {
	w := newWorld(t, quiet)
	head, token := w.push("topic", githubtest.Files{"a": "1"}), w.token(nil)
	_, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: "x", HeadSHA: head})
	w.must(err)
	path := "repos/" + shop + "/deployments"
	if code, text := w.post(path, token, map[string]any{"ref": head, "auto_merge": false}); code != 409 || !strings.Contains(text, "status checks failed") {
		t.Errorf("unfinished checks: %d %s", code, text)
	}
	if code, _ := w.post(path, token, map[string]any{"ref": head, "auto_merge": false, "required_contexts": []string{}}); code != 201 {
		t.Errorf("with no required contexts: %d", code)
	}
	w.push("main", githubtest.Files{"b": "1"})
	if code, text := w.post(path, token, map[string]any{"ref": "topic"}); code != 202 || w.gh.Head(shop, "topic") == head {
		t.Errorf("auto_merge: %d %s", code, text)
	}
	if n := len(w.gh.Deployments(shop)); n != 1 {
		t.Errorf("%d deployments", n)
	}
}
