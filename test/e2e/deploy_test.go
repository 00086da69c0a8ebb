package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// place is what gets deployed to: a server that notes which commit each environment was told to run.
type place struct {
	mu      sync.Mutex
	running map[string]string
	history []string
	server  *httptest.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{running: map[string]string{}}
	p.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		environment, sha, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		p.running[environment] = sha
		p.history = append(p.history, environment+" "+sha)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *place) runs(environment string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running[environment]
}

func (p *place) told() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.history)
}

// script deploys as repositories do: from the sandbox, to a server of its own.
func (p *place) script(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(p.server.Listener.Addr().String())
	must(t, err)
	return fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%s\n"+
		"printf 'PUT /%%s/%%s HTTP/1.0\\r\\n\\r\\n' \"$SLIPWAY_ENVIRONMENT\" \"$SLIPWAY_SHA\" >&3\ncat <&3\necho deployed to $SLIPWAY_ENVIRONMENT\n", port)
}

const opsPipeline = `on:
  push: {branches: [main, develop]}
  pull_request: {branches: [main]}
stages:
  test:
    run: [bash test.sh]
  deploy:
    environment: "*"
    needs: [test]
    run: [bash deploy.sh]
  verify:
    environment: "*"
    needs: [deploy]
    run: ["echo verified $SLIPWAY_ENVIRONMENT"]
  deployment-summary:
    uses: summary
environments:
  staging:
    branches: [develop]
  production:
    branches: [main]
    auto-deploy: false
    url: https://shop.example.org
    approvals: {required: 1, from: ["@acme/platform"], prevent-self-approval: true}
`

// opsSite has alice and bob, who may write, and carol of the platform team, who may approve.
func opsSite(t *testing.T, pipeline string) (*site, *place) {
	t.Helper()
	p := newPlace(t)
	s := newSite(t, githubtest.Files{".github/slipway.yml": pipeline, "test.sh": "true\n", "deploy.sh": p.script(t)})
	must(t, s.github.AddUser("carol", "Carol"))
	must(t, s.github.AddUser("dave", "Dave"))
	must(t, s.github.AddTeam("acme", "platform", ""))
	must(t, s.github.AddTeamMember("acme", "platform", "carol", false))
	must(t, s.github.AddTeamMember("acme", "platform", "bob", false))
	must(t, s.github.AddCollaborator(repo, "bob", "write"))
	must(t, s.github.AddCollaborator(repo, "carol", "write"))
	must(t, s.github.AddCollaborator(repo, "dave", "read"))
	s.start()
	return s, p
}

// proposal opens a pull request of alice's and waits until its own checks have ended.
func (s *site) proposal(t *testing.T, branch, text string) (head string, number int) {
	t.Helper()
	head = s.push(branch, githubtest.Files{branch + ".txt": text}, "feat: "+branch)
	pull, err := s.github.As("alice").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "Add " + branch, Head: branch, Base: "main"})
	must(t, err)
	s.check(head, "deployment-summary", concluded)
	return head, pull.Number
}

func waits(run githubtest.CheckRun) bool { return run.Conclusion == "action_required" }

func passed(run githubtest.CheckRun) bool { return run.Conclusion == "success" }

func (s *site) deployments(environment string) []githubtest.Deployment {
	return slices.DeleteFunc(s.github.Deployments(repo), func(d githubtest.Deployment) bool { return d.Environment != environment })
}

func (s *site) button(t *testing.T, who string, run githubtest.CheckRun, label string) {
	t.Helper()
	i := slices.IndexFunc(run.Actions, func(a githubtest.Action) bool { return a.Label == label })
	if i < 0 {
		t.Fatalf("%s has no button %s: %+v", run.Name, label, run.Actions)
	}
	must(t, s.github.As(who).ClickAction(repo, run.ID, run.Actions[i].Identifier))
}

func TestDeployApproveRollBack(t *testing.T) {
	s, p := opsSite(t, opsPipeline)
	first, number := s.proposal(t, "one", "1")
	if skipped := s.check(first, "deploy (production)", concluded); skipped.Conclusion != "skipped" {
		t.Errorf("a pull request deploys: %s %q", skipped.Conclusion, skipped.Title)
	}

	wish, err := s.github.As("bob").Comment(repo, number, "/deploy production")
	must(t, err)
	waiting := s.check(first, "deploy (production)", waits)
	if !strings.Contains(waiting.Title, "1 approval of @\u200bacme/platform") || !strings.Contains(waiting.Summary, "/approve production") {
		t.Errorf("%q\n%s", waiting.Title, waiting.Summary)
	}
	var labels []string
	for _, a := range waiting.Actions {
		labels = append(labels, a.Label)
	}
	if strings.Join(labels, " ") != "Approve Reject" {
		t.Errorf("buttons %v", labels)
	}
	if got := s.signs(wish); got != "eyes" {
		t.Errorf("signs while it waits: %q", got)
	}
	s.waitFor("the sticky comment to name who may approve", func() bool {
		shown := s.sticky(number)
		return strings.Contains(shown, "/approve production") && strings.Contains(shown, "acme/platform") && strings.Contains(shown, "```mermaid")
	})
	s.waitFor("a pending deployment", func() bool {
		d := s.deployments("production")
		return len(d) == 1 && d[0].State == "pending" && d[0].SHA == first
	})

	s.say("bob", number, "/approve production", "-1")
	s.refusedWith(number, "bob asked for it")
	s.say("alice", number, "/approve production", "-1")
	s.refusedWith(number, "alice may not approve", "acme/platform can approve")
	s.button(t, "bob", waiting, "Approve")
	s.check(first, "deploy (production)", func(run githubtest.CheckRun) bool {
		return waits(run) && strings.Contains(run.Summary, "bob asked for it")
	})
	if p.told() != 0 {
		t.Fatalf("deployed without an approval: %v", p.history)
	}

	s.say("carol", number, "/approve production", "rocket")
	deployed := s.check(first, "deploy (production)", passed)
	s.check(first, "verify (production)", passed)
	s.check(first, "deployment-summary", passed)
	if p.runs("production") != first || !strings.Contains(deployed.Text, "deployed to production") {
		t.Errorf("%v\n%s", p.history, deployed.Text)
	}
	s.waitFor("the rocket", func() bool { return s.signs(wish) == "eyes rocket" })
	s.waitFor("the deployment to have succeeded", func() bool {
		d := s.deployments("production")
		return d[0].State == "success" && strings.Join(d[0].States, " ") == "pending in_progress success" &&
			d[0].EnvironmentURL == "https://shop.example.org"
	})

	second, another := s.proposal(t, "two", "2")
	s.say("bob", another, "/deploy production", "eyes")
	s.button(t, "carol", s.check(second, "deploy (production)", waits), "Approve")
	s.check(second, "deploy (production)", passed)
	s.check(second, "deployment-summary", passed)
	s.waitFor("the second deployment to take the first one's place", func() bool {
		d := s.deployments("production")
		return len(d) == 2 && d[0].State == "inactive" && d[1].State == "success"
	})
	s.say("dave", another, "/releases production", "rocket")
	s.refusedWith(another, "**2** (now)", "carol")

	back, err := s.github.As("bob").Comment(repo, another, "/rollback production --to 1")
	must(t, err)
	held := s.check(first, "deploy (production)", func(run githubtest.CheckRun) bool { return run.ID > deployed.ID && waits(run) })
	s.refusedWith(another, "**release 1**", first[:12])
	s.button(t, "carol", held, "Approve")
	s.check(first, "deploy (production)", func(run githubtest.CheckRun) bool { return run.ID == held.ID && passed(run) })
	s.waitFor("the rollback's rocket", func() bool { return s.signs(back) == "eyes rocket" })
	if p.runs("production") != first || p.told() != 3 {
		t.Errorf("%v", p.history)
	}
	s.say("dave", another, "/releases production", "rocket")
	s.refusedWith(another, "**3** (now)", "rollback to release 1")
}

// Each wish that cannot be granted gets one clear answer and changes nothing.
func TestDeployRefusals(t *testing.T) {
	s, p := opsSite(t, opsPipeline)
	head, number := s.proposal(t, "one", "1")
	before := len(s.github.CheckRuns(repo, head))
	stranger := strings.Repeat("ab", 20)
	for _, c := range []struct{ who, say, says string }{
		{"bob", "/deploy", "several environments"},
		{"bob", "/deploy moon", "no environment `moon`"},
		{"bob", "/deploy staging", "Branch main does not belong to the environment staging"},
		{"dave", "/deploy production", "`dave` may not deploy"},
		{"bob", "/deploy production --ref " + stranger, "No branch that may enter"},
		{"bob", "/deploy production --ref nowhere", "no branch `nowhere`"},
		{"bob", "/rollback production", "has no release yet"},
		{"bob", "/rollback production --to 7", "has no release yet"},
		{"carol", "/approve production", "Nothing of this pull request waits"},
		{"carol", "/reject", "Nothing of this pull request waits"},
		{"bob", "/unlock production", "is not locked"},
		{"dave", "/lock production", "may not deploy"},
		{"bob", "/destroy production", "protected and must not be destroyed"},
		{"bob", "/deplyo production", "Did you mean `/deploy"},
	} {
		s.say(c.who, number, c.say, "-1")
		s.refusedWith(number, c.says)
	}
	s.say("bob", number, "/lock production the database is being moved", "rocket")
	s.say("carol", number, "/deploy production", "-1")
	s.refusedWith(number, "locked by bob", "the database is being moved", "/unlock production")
	s.say("carol", number, "/why production", "rocket")
	s.refusedWith(number, "locked by bob", "approvals")
	s.say("carol", number, "/unlock production", "rocket")
	must(t, s.github.As("alice").Close(repo, number))
	s.say("bob", number, "/deploy production", "-1")
	s.refusedWith(number, "closed without being merged")
	if got := s.checks(head); len(s.github.CheckRuns(repo, head)) != before || len(s.github.Deployments(repo)) != 0 || p.told() != 0 {
		t.Errorf("something was changed: %s, %v, %v", got, s.github.Deployments(repo), p.history)
	}
}

// A comment is about the commit that was there when it was written, whenever it arrives.
func TestDeployOfWhatWasPushedSince(t *testing.T) {
	s, p := opsSite(t, opsPipeline)
	head, number := s.proposal(t, "one", "1")
	s.github.HoldWebhooks()
	id, err := s.github.As("bob").Comment(repo, number, "/deploy production")
	must(t, err)
	s.waitFor("the next second: GitHub's times have no smaller unit", func() bool { return s.nextSecond(number) })
	pushed := s.push("one", githubtest.Files{"one.txt": "evil"}, "sneaked in")
	s.github.ReleaseWebhooks()
	s.waitFor("the refusal", func() bool { return s.signs(id) == "-1" })
	s.refusedWith(number, head, pushed, "pushed since")

	s.check(pushed, "deployment-summary", concluded)
	s.say("bob", number, "/deploy production", "eyes")
	s.check(pushed, "deploy (production)", waits)
	again := s.push("one", githubtest.Files{"one.txt": "again"}, "pushed while it waits")
	void := s.check(pushed, "deploy (production)", func(run githubtest.CheckRun) bool { return run.Conclusion == "cancelled" })
	if !strings.Contains(void.Title, "the commit moved from "+pushed[:12]+" to "+again[:12]) {
		t.Errorf("%q", void.Title)
	}
	s.say("carol", number, "/approve production", "-1")
	if p.told() != 0 {
		t.Errorf("%v", p.history)
	}
}

// nextSecond reports whether GitHub's clock shows a later second than that of the last comment.
func (s *site) nextSecond(number int) bool {
	comments := s.github.Comments(repo, number)
	return s.github.Now().After(comments[len(comments)-1].CreatedAt)
}

// Whenever the bot is killed, what was approved is deployed once, and what was not is not.
func TestDeploySurvivesKills(t *testing.T) {
	s, p := opsSite(t, opsPipeline)
	head, number := s.proposal(t, "one", "1")
	s.say("bob", number, "/deploy production", "eyes")
	s.check(head, "deploy (production)", waits)
	s.kill()
	s.start()
	if p.told() != 0 {
		t.Fatal("deployed without an approval")
	}
	_, err := s.github.As("carol").Comment(repo, number, "/approve production")
	must(t, err)
	s.kill()
	s.start()
	s.check(head, "deploy (production)", passed)
	s.check(head, "deployment-summary", passed)
	s.waitFor("one truthful deployment", func() bool {
		d := s.deployments("production")
		return len(d) == 1 && d[0].State == "success"
	})
	if p.told() != 1 {
		t.Errorf("%v", p.history)
	}
	s.waitFor("the one comment to tell the release", func() bool { return strings.Contains(s.sticky(number), ": release 1 |") })
}

// A push deploys by itself where the environment says so; what is merged waits for its approval, given where it was merged.
func TestDeployOfPushes(t *testing.T) {
	s, p := opsSite(t, strings.Replace(opsPipeline, "    auto-deploy: false\n", "", 1))
	sha := s.push("develop", githubtest.Files{"a": "1"}, "for staging")
	s.check(sha, "deploy (staging)", passed)
	s.check(sha, "deployment-summary", passed)
	if p.runs("staging") != sha {
		t.Errorf("%v", p.history)
	}
	_, number := s.proposal(t, "one", "1")
	merged, err := s.github.As("bob").Merge(t.Context(), repo, number, "merge")
	must(t, err)
	s.check(merged, "deploy (production)", waits)
	s.say("bob", number, "/approve production", "-1")
	s.say("carol", number, "/approve", "rocket")
	s.check(merged, "deploy (production)", passed)
	s.check(merged, "deployment-summary", passed)
	if p.runs("production") != merged {
		t.Errorf("%v", p.history)
	}
	s.say("bob", number, "/lock staging", "rocket")
	held := s.push("develop", githubtest.Files{"a": "2"}, "held")
	s.check(held, "deploy (staging)", func(run githubtest.CheckRun) bool {
		return run.Status == "queued" && strings.Contains(run.Title, "locked by bob")
	})
	newest := s.push("develop", githubtest.Files{"a": "3"}, "newest")
	s.check(newest, "deploy (staging)", func(run githubtest.CheckRun) bool { return strings.Contains(run.Title, "locked by bob") })
	s.check(held, "deploy (staging)", func(run githubtest.CheckRun) bool { return run.Conclusion == "cancelled" })
	s.say("bob", number, "/unlock staging", "rocket")
	s.check(newest, "deploy (staging)", passed)
	if p.runs("staging") != newest || slices.Contains(p.history, "staging "+held) {
		t.Errorf("%v", p.history)
	}
}

// A stage gets the secrets of its own environment and of no other.
func TestDeploySecretsStayInTheirEnvironment(t *testing.T) {
	pipeline := strings.Replace(opsPipeline, "    run: [bash deploy.sh]", "    secrets: [DEPLOY_KEY]\n    run: [\"echo length ${#DEPLOY_KEY} $(printf %s \\\"$DEPLOY_KEY\\\" | rev)\", \"env | grep -c DEPLOY_KEY\", bash deploy.sh]", 1)
	s, _ := opsSite(t, pipeline)
	for name, value := range map[string]string{"staging": "staging-key-1", "production": "the-production-key"} {
		dir := filepath.Join(s.data, "secrets", "acme", "shop", name)
		must(t, os.MkdirAll(dir, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, "DEPLOY_KEY"), []byte(value+"\n"), 0o600))
	}
	sha := s.push("develop", githubtest.Files{"a": "1"}, "for staging")
	run := s.check(sha, "deploy (staging)", concluded)
	if !strings.Contains(run.Text, "length 13 1-yek-gnigats") {
		t.Errorf("staging's stage did not get staging's secret:\n%s", run.Text)
	}
	if strings.Contains(run.Text+run.Summary, "yek-noitcudorp") {
		t.Error("staging's stage got production's secret")
	}

	// It looks for the other one where it lies, and asks for it by name.
	file := filepath.Join(s.data, "secrets", "acme", "shop", "production", "DEPLOY_KEY")
	looks := strings.Replace(opsPipeline, "    run: [bash deploy.sh]",
		fmt.Sprintf("    run: [\"if [[ -e %s ]]; then rev < %s; fi\", \"(grep -rs the-production-key / --include=DEPLOY_KEY || echo nothing found) | rev\"]", file, file), 1)
	sha = s.push("develop", githubtest.Files{".github/slipway.yml": looks}, "looks for production's")
	run = s.check(sha, "deploy (staging)", concluded)
	if strings.Contains(run.Text+run.Summary, "yek-noitcudorp") || !strings.Contains(run.Text, "dnuof gnihton") {
		t.Errorf("%s %q\n%s", run.Conclusion, run.Title, run.Text)
	}
	must(t, os.WriteFile(filepath.Join(filepath.Dir(file), "ONLY_PRODUCTION"), []byte("nothing for staging\n"), 0o600))
	asks := strings.Replace(opsPipeline, "    run: [bash deploy.sh]", "    secrets: [ONLY_PRODUCTION]\n    run: [\"echo $ONLY_PRODUCTION | rev\"]", 1)
	sha = s.push("develop", githubtest.Files{".github/slipway.yml": asks}, "asks for production's")
	run = s.check(sha, "deploy (staging)", concluded)
	if run.Conclusion != "failure" || !strings.Contains(run.Title, "ONLY_PRODUCTION is not set") || strings.Contains(run.Text, "rof gnihton") {
		t.Errorf("%s %q\n%s", run.Conclusion, run.Title, run.Text)
	}
}

// Commits of forks do not enter, whoever asks.
func TestDeployOfAForkIsRefused(t *testing.T) {
	s, p := opsSite(t, opsPipeline)
	must(t, s.github.AddUser("mallory", "Mallory"))
	fork, err := s.github.As("mallory").Fork(t.Context(), repo)
	must(t, err)
	head, err := s.github.As("mallory").Push(t.Context(), fork, "gift", githubtest.Files{"gift": "1"}, "a gift")
	must(t, err)
	pull, err := s.github.As("mallory").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "Gift", Head: "mallory:gift", Base: "main"})
	must(t, err)
	s.check(head, "test", waits)
	s.say("bob", pull.Number, "/deploy production", "-1")
	s.refusedWith(pull.Number, "Commits of a fork do not enter")
	s.say("bob", pull.Number, "/deploy production --ref "+head, "-1")
	s.refusedWith(pull.Number, "No branch that may enter")
	s.say("bob", pull.Number, "/ok-to-test "+head, "rocket")
	s.check(head, "test", passed)
	if run := s.check(head, "deploy (production)", concluded); run.Conclusion != "skipped" {
		t.Errorf("a fork's commit: deploy is %s %q", run.Conclusion, run.Title)
	}
	if p.told() != 0 {
		t.Errorf("%v", p.history)
	}
}

// A freeze refuses a deploy until its end, and a repository without the App is left alone.
func TestDeployWhileFrozenAndWithoutTheApp(t *testing.T) {
	frozen := strings.Replace(opsPipeline, "    auto-deploy: false\n",
		"    auto-deploy: false\n    freeze: [{from: \"* * * * *\", to: \"0 0 29 2 *\", reason: the year's end}]\n", 1)
	s, p := opsSite(t, frozen)
	head, number := s.proposal(t, "one", "1")
	s.say("bob", number, "/deploy production", "-1")
	s.refusedWith(number, "production is frozen until", "the year's end")
	s.say("bob", number, "/why production", "rocket")
	s.refusedWith(number, "freeze", "approvals")
	if len(s.github.Deployments(repo)) != 0 {
		t.Error("a refused deploy made a deployment")
	}

	s.push("main", githubtest.Files{".github/slipway.yml": opsPipeline}, "the freeze is over")
	s.say("bob", number, "/deploy production", "eyes")
	s.check(head, "deploy (production)", waits)
	must(t, s.github.Uninstall("acme"))
	s.waitFor("what waits to end with the installation", func() bool { return strings.Contains(s.log.String(), "the App was uninstalled") || s.ended(t) })
	if p.told() != 0 {
		t.Errorf("%v", p.history)
	}
}

// An approval of somebody who is gone does not count, a word is taken once, and a repository that is renamed meanwhile is still
// the same one.
func TestDeployOfADeletedUserAndARenamedRepository(t *testing.T) {
	s, p := opsSite(t, strings.Replace(opsPipeline, "required: 1", "required: 2", 1))
	must(t, s.github.AddUser("erin", "Erin"))
	must(t, s.github.AddTeamMember("acme", "platform", "erin", false))
	must(t, s.github.AddCollaborator(repo, "erin", "write"))
	head, number := s.proposal(t, "one", "1")
	s.say("bob", number, "/deploy production", "eyes")
	s.check(head, "deploy (production)", waits)
	lacks := func(n string) {
		t.Helper()
		s.check(head, "deploy (production)", func(run githubtest.CheckRun) bool { return waits(run) && strings.Contains(run.Title, "Waiting for "+n) })
	}
	s.say("erin", number, "/approve production", "rocket")
	lacks("1 approval")
	s.say("erin", number, "/approve production", "-1") // twice is once
	s.refusedWith(number, "erin has approved")
	must(t, s.github.DeleteUser("erin"))
	s.say("carol", number, "/approve production", "rocket")
	s.say("bob", number, "/why production", "rocket")
	s.refusedWith(number, "It needs 2 approvals, and has 1")
	lacks("1 approval")
	if p.told() != 0 {
		t.Fatalf("deployed with the word of somebody who is gone: %v", p.history)
	}

	must(t, s.github.AddTeamMember("acme", "platform", "dave", false))
	must(t, s.github.AddCollaborator(repo, "dave", "write"))
	must(t, s.github.RenameRepository(repo, "store"))
	renamed, _, _ := strings.Cut(repo, "/")
	renamed += "/store"
	_, err := s.github.As("dave").Comment(renamed, number, "/approve production")
	must(t, err)
	s.waitFor("the deploy in the renamed repository", func() bool {
		d := s.github.Deployments(renamed)
		return p.runs("production") == head && len(d) == 1 && d[0].State == "success"
	})
	_, err = s.github.As("dave").Comment(renamed, number, "/releases production")
	must(t, err)
	s.waitFor("the release of the renamed repository", func() bool {
		comments := s.github.Comments(renamed, number)
		return strings.Contains(comments[len(comments)-1].Body, "**1** (now)")
	})
}

// ended reports whether the page of the waiting run says that it was cancelled.
func (s *site) ended(t *testing.T) bool {
	t.Helper()
	answer, err := http.Get("http://" + s.addr + "/" + repo + "?status=cancelled")
	must(t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	must(t, err)
	return strings.Contains(string(page), "runs/")
}
