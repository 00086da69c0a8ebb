package githubtest

import (
	"fmt"
	"slices"
	"time"
)

// checkSuite holds the runs of one App on one commit.
type checkSuite struct {
	id          int64
	repo        *repository
	app         *app
	head        *commit
	branch      string // empty: pushed to a fork
	before      string
	status      string
	conclusion  string
	rerequested bool // reset by a person; no run has moved since
	runs        []*checkRun
	createdAt   time.Time
	updatedAt   time.Time
}

// CheckSuite is a suite as it is now.
type CheckSuite struct {
	ID         int64
	AppID      int64
	HeadSHA    string
	HeadBranch string
	Status     string
	Conclusion string
}

// CheckSuites returns the suites of a commit.
func (g *GitHub) CheckSuites(fullName, sha string) []CheckSuite {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []CheckSuite
	if repo := g.repo(fullName); repo != nil {
		for _, s := range repo.suites {
			if s.head.sha == sha {
				list = append(list, CheckSuite{s.id, s.app.id, s.head.sha, s.branch, s.status, s.conclusion})
			}
		}
	}
	return list
}

// priorities orders conclusions: a suite concludes with the highest of its runs.
var priorities = []string{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	"skipped", "neutral", "success", "cancelled", "stale", "timed_out", "failure", "startup_failure", "action_required",
}

// newest are the newest runs of each name.
func (s *checkSuite) newest() []*checkRun {
	seen := map[string]bool{}
	var runs []*checkRun
	for _, run := range slices.Backward(s.runs) {
		if !seen[run.name] {
			seen[run.name] = true
			runs = append(runs, run)
		}
	}
	return runs
}

func (s *checkSuite) reset() { s.status, s.conclusion, s.rerequested = "queued", "", true }

// suiteFor finds or makes the suite of an App on a commit. g.mu is held.
func (g *GitHub) suiteFor(r *repository, a *app, head *commit) *checkSuite {
	for _, s := range slices.Backward(r.suites) {
		if s.app == a && s.head.sha == head.sha {
			return s
		}
	}
	s := &checkSuite{
		id: g.id(), repo: r, app: a, head: head, status: "queued", before: zeroSHA, createdAt: g.now(), updatedAt: g.now(),
	}
	for _, name := range r.branches() {
		if r.branch(name) == head.sha {
			s.branch = name
			break
		}
	}
	r.suites = append(r.suites, s)
	return s
}

// suitesForPush makes a suite for every App that writes checks and asks it to begin. g.mu is held.
func (g *GitHub) suitesForPush(r *repository, by *account, branch string, p pushed) {
	for _, inst := range g.installationsFor(r) {
		if automatic, set := r.autoTrigger[inst.app.id]; (set && !automatic) || !grants(inst.permissions, "checks=write") {
			continue
		}
		s := g.suiteFor(r, inst.app, p.head)
		s.branch, s.before = branch, p.before
		g.suiteEvent(s, "requested", by)
	}
}

// suiteFollows derives a suite's state from its runs, and tells when it is complete. g.mu is held.
func (g *GitHub) suiteFollows(s *checkSuite) {
	if s.rerequested {
		return
	}
	best, waiting, unfinished := -1, 0, 0
	newest := s.newest()
	for _, run := range newest {
		switch run.status {
		case "queued":
			waiting++
			unfinished++
		case "in_progress":
			unfinished++
		}
		best = max(best, slices.Index(priorities, run.conclusion))
	}
	status := "in_progress"
	switch {
	case unfinished == 0:
		status = "completed"
	case waiting == len(newest):
		status = "queued"
	}
	was := s.status
	s.status, s.conclusion, s.updatedAt = status, "", g.now()
	if status == "completed" && best >= 0 {
		s.conclusion = priorities[best]
		if was != "completed" {
			g.suiteEvent(s, "completed", s.app.bot)
		}
	}
}

// suiteEvent tells of a suite: requested and rerequested only to its App. g.mu is held.
func (g *GitHub) suiteEvent(s *checkSuite, action string, sender *account) {
	payload := doc{"check_suite": g.checkSuiteDoc(s)}
	if action == "completed" {
		g.tell(s.repo, sender, "check_suite", action, payload)
		return
	}
	for _, inst := range g.installationsFor(s.repo) {
		if inst.app == s.app && inst.wants("check_suite") {
			g.tellOne(inst, s.repo, sender, "check_suite", action, payload)
		}
	}
}

func (g *GitHub) checkSuiteDoc(s *checkSuite) doc {
	self := fmt.Sprintf("%s/check-suites/%d", s.repo.api(g), s.id)
	return doc{
		"id": s.id, "node_id": nodeID("CS", s.id), "head_branch": orNull(s.branch), "head_sha": s.head.sha,
		"status": s.status, "conclusion": orNull(s.conclusion), "url": self, "before": s.before, "after": s.head.sha,
		"pull_requests": g.suitePulls(s), "app": g.appDoc(s.app), "created_at": stamp(s.createdAt),
		"updated_at": stamp(s.updatedAt), "rerequestable": true, "runs_rerequestable": true,
		"latest_check_runs_count": len(s.newest()), "check_runs_url": self + "/check-runs",
		"head_commit": g.headCommitDoc(s.head),
	}
}

// suitePulls are the open pull requests whose head branch is the suite's: matched by branch, so that their head may be
// newer than the suite's commit. A fork's pull requests are never among them. g.mu is held.
func (g *GitHub) suitePulls(s *checkSuite) []doc {
	list := []doc{}
	for _, p := range s.repo.pulls {
		if p.state == "open" && p.headRepo == s.repo && s.branch != "" && p.headBranch == s.branch {
			list = append(list, g.minimalPullDoc(p))
		}
	}
	return list
}
