package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// signs are the bot's own on a comment, in order of coming.
func (s *site) signs(comment int64) string {
	var signs []string
	for _, r := range s.github.Reactions(repo, comment) {
		if strings.HasSuffix(r.User, "[bot]") {
			signs = append(signs, r.Content)
		}
	}
	return strings.Join(signs, " ")
}

// ours are the bot's own comments on a pull request that are, or are not, the one that shows where it stands.
func (s *site) ours(number int, sticky bool) []string {
	var found []string
	for _, c := range s.github.Comments(repo, number) {
		if strings.HasSuffix(c.Author, "[bot]") && strings.HasPrefix(c.Body, "<!-- slipway: status of pull request") == sticky {
			found = append(found, c.Body)
		}
	}
	return found
}

// replies are the bot's answers to comments.
func (s *site) replies(number int) []string { return s.ours(number, false) }

// sticky is the comment that shows where a pull request stands; empty: there is none yet.
func (s *site) sticky(number int) string {
	found := s.ours(number, true)
	if len(found) > 1 {
		s.Fatalf("%d comments show where #%d stands", len(found), number)
	}
	return strings.Join(found, "")
}

// say comments as somebody and waits for the last sign.
func (s *site) say(who string, number int, body, lastSign string) int64 {
	s.Helper()
	id, err := s.github.As(who).Comment(repo, number, body)
	must(s.T, err)
	s.waitFor(fmt.Sprintf("the answer to %q", body), func() bool {
		signs := " " + s.signs(id)
		if last := signs[strings.LastIndex(signs, " ")+1:]; last != lastSign && last != "" && last != "eyes" {
			s.Fatalf("the answer to %q is %s, want %s: %q", body, last, lastSign, s.replies(number))
		}
		return strings.HasSuffix(signs, " "+lastSign)
	})
	return id
}

// settled waits until every delivery was worked, so that what did not happen will not happen.
func (s *site) settled(number int) {
	s.Helper()
	must(s.T, s.github.WaitDelivered(s.Context()))
	s.say("alice", number, "/help", "rocket") // deliveries of comments are worked in the order of coming or at once
}

func (s *site) refusedWith(number int, parts ...string) {
	s.Helper()
	replies := s.replies(number)
	if len(replies) == 0 {
		s.Fatal("there is no reply")
	}
	for _, part := range parts {
		if last := replies[len(replies)-1]; !strings.Contains(last, part) {
			s.Errorf("the reply does not say %q:\n%s", part, last)
		}
	}
}

func (s *site) fork(t *testing.T, script string) (head string, number int) {
	t.Helper()
	must(t, s.github.AddUser("mallory", "Mallory"))
	fork, err := s.github.As("mallory").Fork(t.Context(), repo)
	must(t, err)
	head, err = s.github.As("mallory").Push(t.Context(), fork, "gift", change(script), "a gift")
	must(t, err)
	pull, err := s.github.As("mallory").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "Gift", Head: "mallory:gift", Base: "main"})
	must(t, err)
	return head, pull.Number
}

func (s *site) pull(t *testing.T, script string) (head string, number int) {
	t.Helper()
	head = s.push("topic", change(script), "topic")
	pull, err := s.github.As("alice").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "Topic", Head: "topic", Base: "main"})
	must(t, err)
	return head, pull.Number
}

func TestCommentLetsAForksCommitRun(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.fork(t, "echo a stranger was here\n")
	held := s.check(head, "test", concluded)
	if held.Conclusion != "action_required" || held.Title != "Waiting for /ok-to-test "+head {
		t.Errorf("%s %q", held.Conclusion, held.Title)
	}
	if !strings.Contains(held.Summary, "/ok-to-test "+head) || !strings.Contains(held.Summary, "write permission") {
		t.Errorf("the summary does not say what to do:\n%s", held.Summary)
	}

	s.say("alice", number, "/ok-to-test", "-1")
	s.refusedWith(number, "needs the commit", "/ok-to-test "+head)
	s.say("alice", number, "/ok-to-test "+head[:12], "-1")
	s.refusedWith(number, "in full", "/ok-to-test "+head)
	s.say("alice", number, "/ok-to-test "+strings.Repeat("a", 40), "-1")
	s.refusedWith(number, "is not `aaaa", "/ok-to-test "+head)
	s.say("bob", number, "/ok-to-test "+head, "-1")
	s.refusedWith(number, "write permission", "`bob` has read permission")
	s.say("mallory", number, "/ok-to-test "+head, "-1")
	if run := s.check(head, "test", concluded); run.Conclusion != "action_required" || run.Writes != held.Writes {
		t.Errorf("a refused word changed the check: %s after %d writes", run.Conclusion, run.Writes)
	}

	id := s.say("alice", number, "/ok-to-test "+head, "rocket")
	if got := s.signs(id); got != "eyes rocket" {
		t.Error(got)
	}
	succeeded := func(run githubtest.CheckRun) bool { return run.Conclusion == "success" }
	test := s.check(head, "test", succeeded)
	if !strings.Contains(test.Text, "a stranger was here") || test.ID != held.ID {
		t.Errorf("check %d after %d:\n%s", test.ID, held.ID, test.Text)
	}
	s.check(head, "after", succeeded)
	s.check(head, "deployment-summary", succeeded)

	pushed, err := s.github.As("mallory").Push(t.Context(), "mallory/shop", "gift", change("echo evil > /tmp/slipway-e2e-evil\n"), "now evil")
	must(t, err)
	if run := s.check(pushed, "test", concluded); run.Conclusion != "action_required" || run.Title != "Waiting for /ok-to-test "+pushed {
		t.Errorf("a new push is %s %q", run.Conclusion, run.Title)
	}
	s.say("alice", number, "/ok-to-test "+head, "-1")
	s.refusedWith(number, "/ok-to-test "+pushed)
	if run := s.check(pushed, "test", concluded); run.Conclusion != "action_required" {
		t.Errorf("the old word let a new push run: %s", run.Conclusion)
	}
}

func TestCommentThatIsHiddenGivesNoWord(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.fork(t, "true\n")
	s.check(head, "test", concluded)
	word := "/ok-to-test " + head
	for _, body := range []string{"> " + word, "```\n" + word + "\n```", "<!--\n" + word + "\n-->", "    " + word, "／ok-to-test " + head, "/lgtm\n/hold"} {
		_, err := s.github.As("alice").Comment(repo, number, body)
		must(t, err)
	}
	s.settled(number)
	if run := s.check(head, "test", concluded); run.Conclusion != "action_required" {
		t.Errorf("test is %s", run.Conclusion)
	}
	if got := len(s.replies(number)); got != 1 {
		t.Errorf("%d replies, one to /help was wanted", got)
	}
}

func TestCommentRetries(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.pull(t, "echo broken; exit 3\n")
	first := s.check(head, "test", concluded)
	after := s.check(head, "after", concluded)
	s.check(head, "deployment-summary", concluded)
	s.say("bob", number, "/retry", "-1")
	s.refusedWith(number, "write permission")
	s.say("alice", number, "/retry nothing", "-1")
	s.refusedWith(number, "no stage `nothing`", "`test`")
	if got := len(s.github.CheckRuns(repo, head)); got != 3 {
		t.Errorf("a refused retry made checks: %s", s.checks(head))
	}
	id := s.say("alice", number, "/retry\r\n\r\nplease", "rocket")
	second := s.check(head, "test", func(run githubtest.CheckRun) bool { return run.ID > first.ID && concluded(run) })
	if !strings.Contains(second.Summary, "asked by") {
		t.Errorf("the attempt does not say why it is:\n%s", second.Summary)
	}
	s.check(head, "after", func(run githubtest.CheckRun) bool { return run.ID > after.ID && concluded(run) })

	s.redeliver(id)
	s.settled(number)
	if run := s.check(head, "test", concluded); run.ID != second.ID {
		t.Error("a comment that was delivered again was carried out again")
	}
}

// redeliver sends the delivery of a comment again, under its own and under another GUID.
func (s *site) redeliver(comment int64) {
	s.Helper()
	for _, d := range s.github.Deliveries() {
		var event struct {
			Action  string
			Comment struct{ ID int64 }
		}
		if d.Event != "issue_comment" || json.Unmarshal(d.Payload, &event) != nil || event.Action != "created" || event.Comment.ID != comment {
			continue
		}
		for _, guid := range []string{d.GUID, "another-" + d.GUID} {
			if status := s.deliver(guid, d.Event, d.Payload); status/100 != 2 {
				s.Errorf("delivery answered %d", status)
			}
		}
		return
	}
	s.Fatalf("comment %d was never delivered", comment)
}

func TestCommentCancels(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.pull(t, "sleep 100\n")
	s.check(head, "test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	s.say("bob", number, "/cancel", "-1")
	s.refusedWith(number, "write permission")
	s.say("alice", number, "/cancel now", "-1")
	s.refusedWith(number, "alone on a line")
	if run, _ := s.github.CheckRun(repo, head, "test"); run.Status != "in_progress" {
		t.Errorf("a refused cancel made test %s", run.Status)
	}
	s.say("alice", number, "/cancel", "rocket")
	if run := s.check(head, "test", concluded); run.Conclusion != "cancelled" || !strings.Contains(run.Title, "alice") {
		t.Errorf("%s %q", run.Conclusion, run.Title)
	}
	s.check(head, "deployment-summary", concluded)
	s.say("alice", number, "/cancel", "-1")
	s.refusedWith(number, "Nothing runs")
}

func TestCommentHelpAndStatus(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.pull(t, "echo '@all | `x`'; exit 1\n")
	s.check(head, "deployment-summary", concluded)
	id := s.say("bob", number, "/help\n/status\n/help", "rocket")
	replies := s.replies(number)
	if len(replies) != 1 {
		t.Fatalf("%d replies", len(replies))
	}
	for _, part := range []string{"/ok-to-test SHA", "/retry [stage]", "write permission", "| ✗ failed | `test` |", head, "/acme/shop/runs/1"} {
		if !strings.Contains(replies[0], part) {
			t.Errorf("the reply does not say %q:\n%s", part, replies[0])
		}
	}
	s.redeliver(id)
	s.settled(number)
	if got := len(s.replies(number)); got != 2 {
		t.Errorf("%d replies to two comments: a delivery that comes again is answered again", got)
	}
	s.say("bob", number, "/statsu", "-1")
	s.refusedWith(number, "Did you mean `/status`?")

	must(t, s.github.As("alice").Close(repo, number))
	s.say("alice", number, "/retry", "-1")
	s.refusedWith(number, "closed")
	s.say("bob", number, "/status", "rocket")
}

func TestCommentEditedOrByABotIsIgnored(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.fork(t, "true\n")
	s.check(head, "test", concluded)
	id, err := s.github.As("alice").Comment(repo, number, "thank you")
	must(t, err)
	must(t, s.github.As("alice").EditComment(repo, id, "/ok-to-test "+head))
	s.say("alice", number, "/ok-to-test", "-1") // the bot's own reply holds the whole word
	s.settled(number)
	if run := s.check(head, "test", concluded); run.Conclusion != "action_required" {
		t.Errorf("test is %s", run.Conclusion)
	}
	if got := s.signs(id); got != "" {
		t.Errorf("an edited comment got %s", got)
	}
	for _, c := range s.github.Comments(repo, number) {
		if strings.HasSuffix(c.Author, "[bot]") && s.signs(c.ID) != "" {
			t.Errorf("the bot answers itself: %s", c.Body)
		}
	}
}

func TestCommentIsRefusedWhenGitHubDoesNotTellThePermission(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.fork(t, "true\n")
	s.check(head, "test", concluded)
	s.github.Inject(githubtest.Fault{Path: "/permission", Times: -1, Status: http.StatusInternalServerError})
	s.say("alice", number, "/ok-to-test "+head, "-1")
	s.refusedWith(number, "did not tell")
	s.github.ClearFaults()
	if run := s.check(head, "test", concluded); run.Conclusion != "action_required" {
		t.Errorf("test is %s", run.Conclusion)
	}
}

func TestCommentSurvivesAKill(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head, number := s.pull(t, "exit 3\n")
	s.check(head, "deployment-summary", concluded)
	// The reply is written and its answer lost; then the power goes.
	s.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: fmt.Sprintf("/issues/%d/comments", number), Delay: time.Second, Drop: true, AfterEffect: true})
	id, err := s.github.As("alice").Comment(repo, number, "/status\n/retry")
	must(t, err)
	s.waitFor("the retry", func() bool {
		return len(slices.DeleteFunc(s.github.CheckRuns(repo, head), func(c githubtest.CheckRun) bool { return c.Name != "test" })) == 2
	})
	s.waitFor("the reply", func() bool { return len(s.replies(number)) == 1 })
	s.kill()
	s.start()
	s.waitFor("the end", func() bool { return strings.HasSuffix(s.signs(id), "rocket") })
	s.settled(number)
	if got := len(s.replies(number)); got != 2 {
		t.Errorf("%d replies to two comments", got)
	}
	tests := slices.DeleteFunc(s.github.CheckRuns(repo, head), func(c githubtest.CheckRun) bool { return c.Name != "test" })
	if len(tests) != 2 {
		t.Errorf("one /retry made %d attempts", len(tests))
	}
}
