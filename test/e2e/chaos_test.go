package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// everyBranch is the shop's pipeline for pushes to all branches.
func everyBranch(script string, i int) githubtest.Files {
	return githubtest.Files{
		".github/slipway.yml": strings.Replace(pipelineOf, "[main]", "['**']", 1), "test.sh": "set -u\n" + script, "n": fmt.Sprint(i),
	}
}

// whole holds when each check of a commit exists once and has concluded as wanted.
func (s *site) whole(sha, conclusion string) {
	s.Helper()
	for _, name := range []string{"test", "after", "deployment-summary"} {
		if run := s.check(sha, name, concluded); run.Conclusion != conclusion {
			s.Errorf("%s of %.7s is %s: %q", name, sha, run.Conclusion, run.Title)
		}
	}
	if got := len(s.github.CheckRuns(repo, sha)); got != 3 {
		s.Errorf("%d check runs: %s", got, s.checks(sha))
	}
}

// Killed at any instant, the bot loses nothing, leaves no check open and makes none twice.
func TestKilledAgainAndAgain(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	var shas []string
	for i := range 20 {
		shas = append(shas, s.push(fmt.Sprintf("b%d", i), everyBranch("echo begun; sleep 0.2\n", i), "push"))
		time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // the instant of the kill is what is varied
		s.kill()
		s.start()
	}
	for _, sha := range shas {
		s.whole(sha, "success")
	}
}

func TestStoppedWhileStagesRun(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	var shas []string
	for i := range 5 {
		shas = append(shas, s.push(fmt.Sprintf("b%d", i), everyBranch("sleep 1\n", i), "push"))
		s.check(shas[0], "test", func(run githubtest.CheckRun) bool { return true })
		s.stop()
		s.start()
	}
	for _, sha := range shas {
		s.whole(sha, "success")
	}
	s.stop()
}

// GitHub's own trouble delays a run and changes nothing else.
func TestTroubleOfGitHub(t *testing.T) {
	faults := map[string]githubtest.Fault{
		"errors":       {Status: 500, Times: 6},
		"bad gateway":  {Status: 502, Method: "POST", Times: 4},
		"lost answers": {Drop: true, AfterEffect: true, Method: "POST", Path: "check-runs", Times: 3},
		"connections":  {Drop: true, Times: 6},
		"slow":         {Delay: 300 * time.Millisecond, Times: 20},
		"rate limit": {Status: 403, Times: 2, Path: "check-runs", Header: http.Header{"Retry-After": {"1"}},
			Body: `{"message":"You have exceeded a secondary rate limit"}`},
		"git": {Status: 503, Path: "git-upload-pack", Times: 2},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, shop("true\n"))
			s.start()
			s.github.Inject(fault)
			sha := s.push("main", change("echo well\n"), "push")
			s.check(sha, "deployment-summary", concluded)
			current := map[string]githubtest.CheckRun{}
			for _, run := range s.github.CheckRuns(repo, sha) {
				current[run.Name] = run
				if run.Status != "completed" {
					s.check(sha, run.Name, concluded)
				}
			}
			for _, name := range []string{"test", "after", "deployment-summary"} {
				if run := s.check(sha, name, concluded); run.Conclusion != "success" {
					t.Errorf("%s is %s: %q", name, run.Conclusion, run.Title)
				}
			}
			if got := len(s.github.CheckRuns(repo, sha)); got != 3 && fault.Path != "git-upload-pack" {
				t.Errorf("%d check runs: %s", got, s.checks(sha))
			}
		})
	}
}

// A runner that is gone is an attempt of its own, and the stage is tried again.
func TestKilledRunner(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("echo begun; sleep 8; echo ended\n"), "slow")
	s.check(sha, "test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	out, err := exec.Command("pgrep", "-f", "runner "+s.data).Output()
	must(t, err)
	for field := range strings.FieldsSeq(string(out)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	run := s.check(sha, "test", func(run githubtest.CheckRun) bool { return run.Conclusion == "success" })
	if !strings.Contains(run.Summary, "ttempt") {
		t.Errorf("the second attempt does not say so:\n%s", run.Summary)
	}
	s.check(sha, "deployment-summary", concluded)
}

func TestLoudStageAndDaemons(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	sha := s.push("main", change("(setsid sleep 4242 >/dev/null 2>&1 &)\nnohup sleep 4242 &\nyes 'a line of output that goes on and on' | head -c 200000000\n"), "loud")
	if run := s.check(sha, "test", concluded); run.Conclusion != "success" {
		t.Errorf("%s %q", run.Conclusion, run.Title)
	}
	s.waitFor("the daemons to end", func() bool { return !mentioned(t, "sleep\x004242") })
}

func TestManyPushesInARow(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.env = []string{"SLIPWAY_GITHUB_POINTS_PER_MINUTE=0"}
	s.start()
	var shas []string
	for i := range 100 {
		shas = append(shas, s.push("main", githubtest.Files{"n": fmt.Sprint(i)}, "again"))
	}
	s.whole(shas[len(shas)-1], "success")
	for _, sha := range shas {
		for _, run := range s.github.CheckRuns(repo, sha) {
			s.check(sha, run.Name, concluded)
		}
	}
}
