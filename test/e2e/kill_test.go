package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// pushPayload is a push event of the site's repository for a commit that exists.
func pushPayload(s *site, branch, sha string) []byte {
	s.Helper()
	id, installation := s.github.IDs(repo)
	payload, err := json.Marshal(map[string]any{
		"ref": "refs/heads/" + branch, "before": strings.Repeat("0", 40), "after": sha, "created": true,
		"head_commit": map[string]any{"id": sha, "message": "x"},
		"repository": map[string]any{
			"id": id, "name": "shop", "full_name": repo, "default_branch": "main",
			"clone_url": s.github.URLs().Clone + repo + ".git", "owner": map[string]any{"name": "acme", "login": "acme"},
		},
		"installation": map[string]any{"id": installation}, "sender": map[string]any{"login": "alice"},
	})
	must(s.T, err)
	return payload
}

// What was answered with 2xx is worked, even when the bot is killed right after the answer.
func TestNoAcceptedDeliveryIsLost(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.github.SetWebhook("", "")
	var shas []string
	for i := range 12 {
		shas = append(shas, s.push(fmt.Sprintf("b%d", i), githubtest.Files{".github/slipway.yml": strings.Replace(pipelineOf, "[main]", "['**']", 1),
			"n": fmt.Sprint(i)}, "n"))
	}
	s.start()
	for i, sha := range shas {
		if status := s.deliver(fmt.Sprintf("guid-%d", i), "push", pushPayload(s, fmt.Sprintf("b%d", i), sha)); status != 202 {
			t.Fatalf("answer %d", status)
		}
	}
	s.kill()
	s.start()
	for _, sha := range shas {
		if run := s.check(sha, "deployment-summary", concluded); run.Conclusion != "success" {
			t.Errorf("%s", s.checks(sha))
		}
		if got := len(s.github.CheckRuns(repo, sha)); got != 3 {
			t.Errorf("%d check runs: %s", got, s.checks(sha))
		}
	}
}

func TestOneGUIDIsOneRun(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.github.SetWebhook("", "")
	sha := s.push("main", change("echo once\n"), "once")
	s.start()
	for range 3 {
		s.deliver("same", "push", pushPayload(s, "main", sha))
	}
	s.check(sha, "deployment-summary", concluded)
	s.deliver("same", "push", pushPayload(s, "main", sha))
	s.deliver("other", "push", pushPayload(s, "main", sha))
	if got := len(s.github.CheckRuns(repo, sha)); got != 3 {
		t.Errorf("%d check runs: %s", got, s.checks(sha))
	}
}

// A stage goes on while the bot is away, and is found again.
func TestKilledBotFindsItsStageAgain(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("echo begun; sleep 6; echo ended\n"), "slow")
	s.check(sha, "test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	s.kill()
	s.start()
	run := s.check(sha, "test", concluded)
	if run.Conclusion != "success" || !strings.Contains(run.Text, "begun") || !strings.Contains(run.Text, "ended") || strings.Count(run.Text, "begun") != 1 {
		t.Errorf("%s\n%s", run.Conclusion, run.Text)
	}
	s.check(sha, "deployment-summary", concluded)
	if got := len(s.github.CheckRuns(repo, sha)); got != 3 {
		t.Errorf("an attempt too many: %s", s.checks(sha))
	}
}

func TestStopIsClean(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("sleep 4; echo ended\n"), "slow")
	s.check(sha, "test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	s.stop()
	s.start()
	if run := s.check(sha, "test", concluded); run.Conclusion != "success" {
		t.Errorf("%s %s", run.Conclusion, run.Title)
	}
	s.stop()
}

// Deliveries that GitHub could not hand over are found in its log; heads are compared with the runs.
func TestMissedPushIsFound(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	first := s.push("main", change("echo 1\n"), "one")
	s.check(first, "deployment-summary", concluded)
	s.stop()
	missed := s.push("main", change("echo 2\n"), "two")
	s.start()
	if run := s.check(missed, "deployment-summary", concluded); run.Conclusion != "success" {
		t.Errorf("%s", s.checks(missed))
	}
}

func TestSupersede(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	old := s.push("main", change("sleep 60\n"), "slow")
	s.check(old, "test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	s.push("main", change("echo quick\n"), "quick")
	if run := s.check(old, "test", concluded); run.Conclusion != "cancelled" || !strings.Contains(run.Title+run.Summary, "superseded by run #2") {
		t.Errorf("%s %q %q", run.Conclusion, run.Title, run.Summary)
	}
}
