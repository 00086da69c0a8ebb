package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

const pipelineOf = `name: Shop
on:
  push: {branches: [main]}
  pull_request: {branches: [main]}
stages:
  test:
    run: ["echo testing $SLIPWAY_BRANCH", "bash test.sh"]
    timeout-minutes: 2
  after:
    needs: [test]
    run: ["echo after"]
  deployment-summary:
    uses: summary
`

func shop(script string) githubtest.Files {
	return githubtest.Files{
		".github/slipway.yml": pipelineOf,
		"test.sh":             "set -u\n" + script,
	}
}

func change(script string) githubtest.Files {
	return githubtest.Files{"test.sh": "set -u\n" + script}
}

func TestPushToChecks(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("echo all is well\n"), "feat: begin")
	test := s.check(sha, "test", concluded)
	if test.Conclusion != "success" || !strings.Contains(test.Text, "all is well") {
		t.Errorf("%s %q\n%s", test.Conclusion, test.Title, test.Text)
	}
	all := s.check(sha, "deployment-summary", concluded)
	if all.Conclusion != "success" || !strings.Contains(all.Summary, "after") {
		t.Errorf("%s %q\n%s", all.Conclusion, all.Title, all.Summary)
	}
	if got := len(s.github.CheckRuns(repo, sha)); got != 3 {
		t.Errorf("%d check runs: %s", got, s.checks(sha))
	}
	answer, err := http.Get(test.DetailsURL)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the page behind the check answers %d", answer.StatusCode)
	}
}

func TestFailureSkipsWhatNeedsItAndRetryRuns(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("echo broken >&2; exit 3\n"), "break")
	test := s.check(sha, "test", concluded)
	if test.Conclusion != "failure" || len(test.Actions) == 0 || test.Actions[0].Identifier != "retry" {
		t.Errorf("%s %q %v", test.Conclusion, test.Title, test.Actions)
	}
	after := s.check(sha, "after", concluded)
	if after.Conclusion != "skipped" || !strings.Contains(after.Title+after.Summary, "test") {
		t.Errorf("%s %q %q", after.Conclusion, after.Title, after.Summary)
	}
	if all := s.check(sha, "deployment-summary", concluded); all.Conclusion != "failure" {
		t.Errorf("summary is %s", all.Conclusion)
	}
	before := len(s.github.CheckRuns(repo, sha))
	if err := s.github.As("bob").Rerequest(repo, test.ID); err == nil {
		t.Log("a reader's click reached the bot")
	}
	must(t, s.github.As("alice").Rerequest(repo, test.ID))
	again := s.check(sha, "test", func(run githubtest.CheckRun) bool { return run.ID != test.ID && concluded(run) })
	if again.Conclusion != "failure" {
		t.Errorf("second attempt is %s", again.Conclusion)
	}
	s.check(sha, "after", func(run githubtest.CheckRun) bool { return run.ID != after.ID && concluded(run) })
	if now := len(s.github.CheckRuns(repo, sha)); now <= before {
		t.Errorf("%d check runs before, %d after the retry", before, now)
	}
}

func TestPullRequestIsReusedByItsMerge(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head := s.push("topic", change("echo tested once\n"), "topic")
	pull, err := s.github.As("alice").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "Topic", Head: "topic", Base: "main"})
	must(t, err)
	s.check(head, "test", func(run githubtest.CheckRun) bool { return run.Conclusion == "success" })
	merged, err := s.github.As("alice").Merge(t.Context(), repo, pull.Number, "merge")
	must(t, err)
	test := s.check(merged, "test", concluded)
	if test.Conclusion != "success" || !strings.Contains(strings.ToLower(test.Title+test.Summary), "reuse") {
		t.Errorf("%s %q\n%s", test.Conclusion, test.Title, test.Summary)
	}
}

func TestSkipCI(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("echo no\n"), "docs [skip ci]")
	for _, name := range []string{"test", "after", "deployment-summary"} {
		run := s.check(sha, name, concluded)
		if run.Conclusion != "skipped" || run.Writes != 1 {
			t.Errorf("%s is %s after %d writes", name, run.Conclusion, run.Writes)
		}
	}
}

func TestProblemsOfThePipelineFile(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", githubtest.Files{".github/slipway.yml": "stages:\n  a:\n    rum: [x]\n    needs: [b]\n"}, "typo")
	run := s.check(sha, "slipway", concluded)
	if run.Conclusion != "failure" || len(run.Annotations) < 2 || run.Annotations[0].Path != ".github/slipway.yml" {
		t.Errorf("%s %q %+v", run.Conclusion, run.Title, run.Annotations)
	}
}

func TestForkRunsNothing(t *testing.T) {
	s := newSite(t, shop("true\n"))
	must(t, s.github.AddUser("mallory", "Mallory"))
	s.start()
	fork, err := s.github.As("mallory").Fork(t.Context(), repo)
	must(t, err)
	sha, err := s.github.As("mallory").Push(t.Context(), fork, "evil", change("echo stolen > /tmp/slipway-e2e-stolen\n"), "x")
	must(t, err)
	_, err = s.github.As("mallory").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "Gift", Head: "mallory:evil", Base: "main"})
	must(t, err)
	run := s.check(sha, "test", concluded)
	if run.Conclusion != "action_required" {
		t.Errorf("a fork's check is %s", run.Conclusion)
	}
	if _, err := os.Stat("/tmp/slipway-e2e-stolen"); err == nil {
		t.Error("the fork's code ran")
	}
}

func TestStageSeesNothingOfTheBot(t *testing.T) {
	s := newSite(t, shop("true\n"))
	secret := filepath.Join(s.data, "secrets", "acme", "TOKEN")
	must(t, os.MkdirAll(filepath.Dir(secret), 0o700))
	must(t, os.WriteFile(secret, []byte("very-secret-value\n"), 0o600))
	s.start()
	sha := s.push("main", change(`
		env | grep -q GITHUB_APP && echo LEAK environment
		env | grep -q TOKEN && echo LEAK secret
		cat `+s.data+`/slipway.db >/dev/null 2>&1 && echo LEAK database
		cat `+secret+` 2>/dev/null && echo LEAK secret file
		cat /proc/*/environ 2>/dev/null | tr '\0' '\n' | grep -q GITHUB_APP && echo LEAK process
		echo looked
	`), "look around")
	run := s.check(sha, "test", concluded)
	if strings.Contains(run.Text, "LEAK") || !strings.Contains(run.Text, "looked") {
		t.Errorf("%s\n%s", run.Title, run.Text)
	}
}

// A stage that shares the host's network reaches the bot's port, but not the pages: they show every repository's logs.
// With sign-in neither, though the repository is public: what a person may do there, a stage must not even try.
func TestStageCannotReadThePages(t *testing.T) {
	for name, signIn := range map[string]bool{"without sign-in": false, "with sign-in": true} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, shop("true\n"))
			if signIn {
				s.letPeopleSignIn()
			}
			s.start()
			s.stageCannotReadThePages()
		})
	}
}

func (s *site) stageCannotReadThePages() {
	s.Helper()
	sha := s.push("main", change(`
		exec 3<>/dev/tcp/`+strings.Replace(s.addr, ":", "/", 1)+`
		printf 'GET /acme/shop HTTP/1.1\r\nHost: `+s.addr+`\r\nConnection: close\r\n\r\n' >&3
		answer=$(cat <&3)
		case "$answer" in *"HTTP/1.1 200"*) echo LEAK pages;; *HTTP*) echo refused;; esac
	`), "look at the pages")
	run := s.check(sha, "test", concluded)
	if strings.Contains(run.Text, "LEAK") || !strings.Contains(run.Text, "refused") {
		s.Errorf("%s\n%s", run.Title, run.Text)
	}
}
