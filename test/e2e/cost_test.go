package e2e

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

var number = regexp.MustCompile(`/[0-9]+`)

// costs counts requests by what they are for: "POST check-runs".
func (s *site) costs() map[string]int {
	counts := map[string]int{}
	for _, r := range s.github.Requests() {
		path, ours := strings.CutPrefix(r.Path, "/repos/"+repo+"/")
		if !ours {
			continue
		}
		if r.Method == http.MethodGet {
			counts["reads"]++
			continue
		}
		counts[r.Method+" "+number.ReplaceAllString(path, "/N")]++
	}
	return counts
}

// A deploy by comment with one approval, of two stages, a test and a summary, with GitHub's own limits.
func TestWhatADeployCosts(t *testing.T) {
	s, _ := opsSite(t, opsPipeline)
	s.github.SetLimits(githubtest.GitHubLimits())
	head, pull := s.proposal(t, "one", "1")
	s.waitFor("the comment to tell the end", func() bool { return strings.Contains(s.sticky(pull), "✓ Passed") })
	s.github.ForgetRequests()

	wish, err := s.github.As("bob").Comment(repo, pull, "/deploy production")
	must(t, err)
	s.check(head, "deploy (production)", waits)
	s.waitFor("the comment to ask", func() bool { return strings.Contains(s.sticky(pull), "/approve production") })
	s.say("carol", pull, "/approve production", "rocket")
	s.check(head, "deployment-summary", passed)
	s.waitFor("the end to be told", func() bool {
		return s.signs(wish) == "eyes rocket" && strings.Contains(s.sticky(pull), ": release 1 |")
	})

	costs := s.costs()
	points := costs["reads"]
	for what, n := range costs {
		if what != "reads" {
			points += 5 * n
		}
	}
	t.Logf("%v: %d points", costs, points)
	for what, most := range map[string]int{
		"POST deployments": 1, "POST deployments/N/statuses": 3, // pending, in_progress, success
		"POST issues/comments/N/reactions": 4, // 👀 and 🚀 for each of two comments
		"POST check-runs":                  4, "PATCH check-runs/N": 10,
		"POST issues/N/comments":  1, // the answer to /approve
		"PATCH issues/comments/N": 6,
	} {
		if costs[what] > most {
			t.Errorf("%d %s, at most %d were wanted", costs[what], what, most)
		}
		delete(costs, what)
	}
	delete(costs, "reads")
	if len(costs) > 0 {
		t.Errorf("writes that nobody expects: %s", fmt.Sprint(costs))
	}
}
