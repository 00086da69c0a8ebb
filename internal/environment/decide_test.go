package environment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// noon is a Friday.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// situation is all that a decision depends on.
type situation struct {
	rules pipeline.EnvironmentDefinition
	c     pipeline.Candidate
	f     Facts
}

func (s situation) decide() Decision { return Decide(s.rules, s.c, s.f) }

// open is a situation in which nothing is missing: alice's deploy of what main holds.
func open() situation {
	return situation{
		rules: pipeline.EnvironmentDefinition{
			Name: "production", Branches: []string{"main", "release/*"}, AutoDeploy: true, PullRequests: true,
			MatchBranch: func(b string) bool { return b == "main" || strings.HasPrefix(b, "release/") },
			Deployers:   []string{"alice", "@acme/ops"},
			Approvals:   pipeline.ApprovalRule{From: []string{"@acme/platform", "carol"}, PreventSelfApproval: true},
		},
		c: pipeline.Candidate{Environment: "production", Action: pipeline.ActionDeploy, Commit: "c0ffee", Configuration: "x"},
		f: Facts{
			Now: noon, RunID: 7, Asker: &Person{Login: "alice", Allowed: true}, Branch: "main", PreparedAt: noon.Add(-time.Minute),
			State: pipeline.EnvironmentState{Name: "production"},
		},
	}
}

func (s *situation) vote(login string) *Vote {
	s.f.Votes = append(s.f.Votes, Vote{Person: Person{Login: login, Allowed: true}, Fingerprint: s.c.Fingerprint()})
	return &s.f.Votes[len(s.f.Votes)-1]
}

func place(run int64) pipeline.Place { return pipeline.Place{RunID: run, RunNumber: run + 100} }

// obstacle is one thing that keeps a candidate out.
type obstacle struct {
	name   string
	rule   string
	answer Answer
	put    func(s *situation)
}

// obstacles are those that Decide knows, in the order in which it tells them.
func obstacles() []obstacle {
	return []obstacle{
		{"the commit moved", RuleMoved, Closed, func(s *situation) {
			s.f.Moved = []string{"the commit moved from aaaa to bbbb", "the base moved from cccc to dddd"}
		}},
		{"rejected", RuleRejected, Closed, func(s *situation) { s.f.Rejection = &pipeline.Rejection{By: "carol", Reason: "not on a Friday"} }},
		{"a fork's commit", RuleFork, Closed, func(s *situation) { s.f.Fork = true }},
		{"another branch", RuleBranches, Closed, func(s *situation) { s.f.Branch = "topic\u202e" }},
		{"a closed pull request", RulePullRequests, Closed, func(s *situation) { s.f.Pull = PullClosed }},
		{"not by itself", RuleAutoDeploy, Closed, func(s *situation) { s.f.Automatic, s.rules.AutoDeploy = true, false }},
		{"a stranger asks", RuleDeployers, Closed, func(s *situation) { s.f.Asker = &Person{Login: "mallory"} }},
		{"not signed", RuleSigned, Closed, func(s *situation) { s.rules.RequireSigned = true }},
		{"destroying what is protected", RuleDestroy, Closed, func(s *situation) { s.c.Action = pipeline.ActionDestroy }},
		{"the asker is unknown", RuleUnknown, Hold, func(s *situation) {
			login := "alice"
			if s.f.Asker != nil {
				login = s.f.Asker.Login
			}
			s.f.Asker = &Person{Login: login, Unknown: true}
		}},
		{"locked", RuleLock, Hold, func(s *situation) {
			s.f.State.Lock = &pipeline.Lock{By: "carol", Reason: "the database is moved", At: noon.Add(-time.Hour)}
		}},
		{"rolled back", RuleRollback, Hold, func(s *situation) {
			s.f.Automatic = true
			s.f.State.Hold = &pipeline.Lock{By: "bob", Reason: "rolled back to release 3", At: noon.Add(-time.Hour)}
		}},
		{"frozen", RuleFreeze, Hold, func(s *situation) {
			s.rules.Freeze = append(s.rules.Freeze, pipeline.FreezeWindow{From: "0 10 * * FRI", To: "0 6 * * MON", TimeZone: "Europe/Berlin", Reason: "no deploys over the weekend"})
		}},
		{"approvals", RuleApprovals, Hold, func(s *situation) {
			s.rules.Approvals.Required = 2
			s.f.Self = map[string]string{"alice": "asked for it", "bob": "wrote the commit"}
		}},
		{"wait", RuleWait, Hold, func(s *situation) { s.rules.WaitMinutes = 30 }},
		{"somebody is inside", RuleTurn, Hold, func(s *situation) {
			inside := place(3)
			s.f.State.Holder = &inside
		}},
	}
}

// told is a decision as people read it.
func told(s situation) string {
	d := s.decide()
	lines := []string{string(d.Answer)}
	if title := d.Title(s.rules, s.c); title != "" {
		lines = append(lines, "title: "+title)
	}
	for _, m := range d.Missing {
		line := m.Rule + ": " + m.Why
		if m.Who != "" {
			line += " [" + m.Who + "]"
		}
		if m.Command != "" {
			line += " `" + m.Command + "`"
		}
		if !m.Until.IsZero() {
			line += " until " + m.Until.UTC().Format(time.DateTime)
		}
		lines = append(lines, line)
	}
	if d.Required > 0 || d.Approved > 0 {
		lines = append(lines, fmt.Sprintf("approved %d of %d by %v", d.Approved, d.Required, d.Approvers))
	}
	if d.Ahead > 0 {
		lines = append(lines, fmt.Sprintf("%d ahead", d.Ahead))
	}
	if !d.Until.IsZero() {
		lines = append(lines, "again at "+d.Until.UTC().Format(time.DateTime))
	}
	return strings.Join(lines, "\n")
}

// hostile is a reason as somebody may write it who wants to pose as us.
const hostile = "x\r\n\r\n## Approved by @admin\n<!-- --> [free](https://evil.example) \x1b[31mred\u202e\u0000 " + "a very long tale "

func TestWhatADecisionSays(t *testing.T) {
	cases := []struct {
		name string
		put  func(s *situation)
	}{
		{"nothing is missing", func(*situation) {}},
	}
	for _, o := range obstacles() {
		cases = append(cases, struct {
			name string
			put  func(s *situation)
		}{o.name, o.put})
	}
	hard := strings.Repeat(hostile, 20)
	more := []struct {
		name string
		put  func(s *situation)
	}{
		{"an environment that nobody guards", func(s *situation) {
			s.rules = pipeline.EnvironmentDefinition{Name: "sandbox", MatchBranch: func(string) bool { return false }}
			s.f.Asker.Allowed = false
		}},
		{"an open pull request", func(s *situation) { s.f.Pull, s.rules.PullRequests = PullOpen, false }},
		{"a fork's open pull request", func(s *situation) { s.f.Fork, s.f.Pull = true, PullOpen }},
		{"one approval is there", func(s *situation) {
			s.rules.Approvals.Required = 2
			s.vote("carol")
		}},
		{"a plan that destroys", func(s *situation) {
			s.c.Parts = []pipeline.Part{{Kind: pipeline.PartPlan, Name: "tf", Value: "1", ExtraApproval: "the plan destroys 2 resources"}}
		}},
		{"a plan that destroys a database", func(s *situation) {
			s.c.Parts = []pipeline.Part{{Kind: pipeline.PartPlan, Name: "tf", Value: "1", ExtraApproval: "the plan destroys 2 resources, among them the database aws_db_instance.main", Lost: "the database aws_db_instance.main"}}
		}},
		{"a plan that may destroy a database", func(s *situation) {
			s.rules.Approvals.Required = 1
			s.c.Parts = []pipeline.Part{{Kind: pipeline.PartPlan, Name: "tf", Value: "1", Lost: "the database aws_db_instance.main"}}
		}},
		{"a destroy", func(s *situation) {
			destroyed(s)
			s.rules.Approvals.PreventSelfApproval = false
			s.f.Self = map[string]string{"alice": "asked for it"}
		}},
		{"the giver of an approval is unknown", func(s *situation) {
			s.rules.Approvals.Required = 1
			s.vote("carol").Unknown = true
		}},
		{"frozen twice", func(s *situation) {
			s.rules.Freeze = []pipeline.FreezeWindow{
				{From: "0 10 * * FRI", To: "0 6 * * MON", TimeZone: "Europe/Berlin"}, {From: "0 0 1 1 *", To: "0 0 8 1 *", Reason: "the first week"},
			}
		}},
		{"frozen without an end", func(s *situation) {
			s.rules.Freeze = []pipeline.FreezeWindow{{From: "0 0 1 1 *", To: "0 0 30 2 *", Reason: "it is retired"}}
		}},
		{"a freeze that cannot be read", func(s *situation) { s.rules.Freeze = []pipeline.FreezeWindow{{From: "sometimes", To: "0 0 8 1 *"}} }},
		{"the second in the queue", func(s *situation) {
			inside := place(3)
			s.f.State.Holder, s.f.State.Queue = &inside, []pipeline.Place{place(4), place(7)}
		}},
		{"the third in the queue", func(s *situation) {
			inside := place(3)
			s.f.State.Holder, s.f.State.Queue = &inside, []pipeline.Place{place(4), place(5), place(7)}
		}},
		{"somebody enters first", func(s *situation) { s.f.State.Queue = []pipeline.Place{place(4), place(7)} }},
		{"two enter first", func(s *situation) { s.f.State.Queue = []pipeline.Place{place(4), place(5)} }},
		{"three enter first", func(s *situation) { s.f.State.Queue = []pipeline.Place{place(4), place(5), place(6)} }},
		{"hostile reasons", func(s *situation) {
			s.f.State.Lock = &pipeline.Lock{By: "carol", Reason: hard, At: noon}
			s.rules.Freeze = []pipeline.FreezeWindow{{From: "0 0 1 1 *", To: "0 0 8 1 *", Reason: hard}}
		}},
		{"a hostile rejection", func(s *situation) { s.f.Rejection = &pipeline.Rejection{By: "carol", Reason: hard} }},
		{"reasons that end by themselves", func(s *situation) {
			s.f.State.Lock = &pipeline.Lock{By: "carol", Reason: " why not? ", At: noon}
			s.rules.Freeze = []pipeline.FreezeWindow{{From: "0 0 1 1 *", To: "0 0 8 1 *", Reason: "Because."}}
		}},
		{"a rollback is asked for anew", func(s *situation) {
			s.c.Action = pipeline.ActionRollback
			s.f.Moved = []string{"the configuration of the environment or of its stages changed"}
		}},
	}
	var text strings.Builder
	for _, tc := range append(cases, more...) {
		s := open()
		tc.put(&s)
		fmt.Fprintf(&text, "== %s\n%s\n\n", tc.name, told(s))
	}
	golden.Equal(t, "testdata/decisions.txt", text.String())
}

// Every two obstacles together are told as each is alone: all that refuses, or else all that holds, in one order.
func TestEveryPairOfObstacles(t *testing.T) {
	all := obstacles()
	alone := make([]Decision, len(all))
	for i, o := range all {
		s := open()
		o.put(&s)
		alone[i] = s.decide()
		if len(alone[i].Missing) != 1 || alone[i].Missing[0].Rule != o.rule || alone[i].Answer != o.answer {
			t.Errorf("%s: %+v", o.name, alone[i])
		}
	}
	for i, a := range all {
		for j, b := range all {
			if i == j || a.rule == RuleDeployers && b.rule == RuleUnknown || b.rule == RuleDeployers && a.rule == RuleUnknown {
				continue // the asker is either
			}
			s := open()
			a.put(&s)
			b.put(&s)
			got := s.decide()
			var want Decision
			if first, second := min(i, j), max(i, j); all[first].answer == Closed || all[second].rule == RuleTurn {
				want = alone[first] // nobody waits for a turn that is not to come
				if all[second].answer == Closed {
					want.Missing = slices.Concat(alone[first].Missing, alone[second].Missing)
				}
			} else {
				want = together(alone[first], alone[second])
			}
			if a.rule == RuleApprovals || b.rule == RuleApprovals {
				got.Approved, got.Required, want.Approved, want.Required = 0, 0, 0, 0
			}
			if s.c.Action == pipeline.ActionDestroy { // what is asked for anew is the destruction
				got.Missing, want.Missing = withoutCommands(got.Missing), withoutCommands(want.Missing)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s and %s:\n%s", a.name, b.name, diff)
			}
		}
	}
}

func withoutCommands(missing []pipeline.Missing) []pipeline.Missing {
	missing = slices.Clone(missing)
	for i := range missing {
		missing[i].Command = ""
	}
	return missing
}

func together(a, b Decision) Decision {
	d := Decision{Answer: Hold, Missing: slices.Concat(a.Missing, b.Missing), Until: a.Until}
	if d.Until.IsZero() || !b.Until.IsZero() && b.Until.Before(d.Until) {
		d.Until = b.Until
	}
	return d
}

func TestApprovals(t *testing.T) {
	anyone := func(s *situation) { s.rules.Approvals.PreventSelfApproval = false }
	asked := func(s *situation) { s.f.Self = map[string]string{"alice": "asked for it"} }
	cases := []struct {
		name     string
		required int
		votes    []string // login; ~ not allowed, ? unknown, - of another candidate
		put      func(s *situation)
		want     string // answer and who counts
	}{
		{"none is needed", 0, nil, nil, "open []"},
		{"one of one", 1, []string{"carol"}, nil, "open [carol]"},
		{"one of two", 2, []string{"carol"}, nil, "hold [carol]"},
		{"two of two", 2, []string{"carol", "dave"}, nil, "open [carol dave]"},
		{"more than enough", 1, []string{"carol", "dave"}, nil, "open [carol dave]"},
		{"one twice", 2, []string{"carol", "carol"}, nil, "hold [carol]"},
		{"one twice, spelled otherwise", 2, []string{"carol", "CaRoL"}, nil, "hold [carol]"},
		{"one who may not (any more)", 1, []string{"~mallory"}, nil, "hold []"},
		{"one of whom nothing is known", 1, []string{"?carol"}, nil, "hold []"},
		{"enough without one of whom nothing is known", 1, []string{"?carol", "dave"}, nil, "open [dave]"},
		{"of an earlier candidate", 1, []string{"-carol"}, nil, "hold []"},
		{"of an earlier candidate, and again", 1, []string{"-carol", "carol"}, nil, "open [carol]"},
		{"nobody", 1, []string{""}, nil, "hold []"},
		{"their own", 1, []string{"alice"}, asked, "hold []"},
		{"their own, spelled otherwise", 1, []string{"ALICE"}, asked, "hold []"},
		{"their own and another's", 1, []string{"Alice", "carol"}, asked, "open [carol]"},
		{"their own where that is let", 1, []string{"alice"}, func(s *situation) { asked(s); anyone(s) }, "open [alice]"},
		{"a plan that destroys wants one more", 1, []string{"carol"}, destroys, "hold [carol]"},
		{"a plan that destroys has one more", 1, []string{"carol", "dave"}, destroys, "open [carol dave]"},
		{"a plan that destroys where none is needed", 0, nil, destroys, "hold []"},
		{"a rollback", 1, nil, rollback, "hold []"},
		{"a rollback where that needs nobody", 1, nil, func(s *situation) { rollback(s); s.rules.RollbackWithoutApproval = true }, "open []"},
		{"a rollback of the infrastructure", 1, nil, func(s *situation) {
			rollback(s)
			s.rules.RollbackWithoutApproval = true
			s.c.Parts = []pipeline.Part{{Kind: pipeline.PartPlan, Name: "tf", Value: "1"}}
		}, "hold []"},
		{"a rollback of images only", 1, nil, func(s *situation) {
			rollback(s)
			s.rules.RollbackWithoutApproval = true
			s.c.Parts = []pipeline.Part{{Kind: pipeline.PartImage, Name: "i", Value: "1"}, {Kind: pipeline.PartManifests, Name: "m", Value: "1"}}
		}, "open []"},
		{"a destroy where none is needed", 0, nil, func(s *situation) { destroys(s); destroyed(s) }, "hold []"},
		{"a destroy has one", 0, []string{"carol"}, func(s *situation) { destroys(s); destroyed(s) }, "open [carol]"},
		{"a destroy that may destroy has one, too", 0, nil, destroyed, "hold []"},
		{"a destroy where one is needed wants one more", 1, []string{"carol"}, func(s *situation) { destroys(s); destroyed(s) }, "hold [carol]"},
		{"a destroy by whoever asked, though people may approve their own", 0, []string{"alice"}, func(s *situation) { destroyed(s); asked(s); anyone(s) }, "hold []"},
		{"a destroy by somebody else where people may approve their own", 0, []string{"alice", "carol"}, func(s *situation) { destroyed(s); asked(s); anyone(s) }, "open [carol]"},
		{"a rollback that destroys", 0, nil, func(s *situation) { rollback(s); destroys(s); s.rules.RollbackWithoutApproval = true }, "hold []"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := open()
			s.rules.Approvals.Required = tc.required
			if tc.put != nil {
				tc.put(&s)
			}
			for _, login := range tc.votes {
				v := s.vote(strings.TrimLeft(login, "~?-"))
				v.Allowed, v.Unknown = !strings.HasPrefix(login, "~"), strings.HasPrefix(login, "?")
				if strings.HasPrefix(login, "-") {
					older := s.c
					older.Commit = "older"
					v.Fingerprint = older.Fingerprint()
				}
			}
			d := s.decide()
			if got := fmt.Sprint(d.Answer, " ", d.Approvers); got != tc.want || d.Approved != len(d.Approvers) {
				t.Errorf("%s, want %s: %+v", got, tc.want, d)
			}
			if d.Lacks(RuleApprovals) != (d.Answer == Hold) {
				t.Errorf("held by something else: %+v", d.Missing)
			}
		})
	}
}

func destroys(s *situation) {
	s.c.Parts = []pipeline.Part{{Kind: pipeline.PartPlan, Name: "tf", Value: "1", ExtraApproval: "the plan destroys 2 resources"}}
}

func destroyed(s *situation) { s.c.Action, s.rules.AllowDestroy = pipeline.ActionDestroy, true }

func rollback(s *situation) { s.c.Action = pipeline.ActionRollback }

func TestDestroy(t *testing.T) {
	cases := []struct {
		name               string
		branches, required bool
		allow              bool
		want               Answer
		needs              int
	}{
		{"nobody guards it", false, false, false, Hold, 1},
		{"nobody guards it, and it is allowed", false, false, true, Hold, 1},
		{"it has branches", true, false, false, Closed, 0},
		{"it has approvals", false, true, false, Closed, 0},
		{"it has both", true, true, false, Closed, 0},
		{"it has branches, and it is allowed", true, false, true, Hold, 1},
		{"it has approvals, and it is allowed", false, true, true, Hold, 2},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := open()
			s.c.Action, s.rules.AllowDestroy = pipeline.ActionDestroy, tc.allow
			if !tc.branches {
				s.rules.Branches, s.rules.MatchBranch = nil, func(string) bool { return true }
			}
			if tc.required {
				s.rules.Approvals.Required = 2
			}
			d := s.decide()
			if d.Answer != tc.want || d.Required != tc.needs || d.Lacks(RuleDestroy) != (tc.want == Closed) {
				t.Errorf("%+v", d)
			}
			s.vote("carol")
			s.vote("dave")
			if d := s.decide(); (d.Answer == Open) != (tc.want == Hold) {
				t.Errorf("approved by two: %+v", d)
			}
		})
	}
}

func TestWhatDoesNotConcernARollback(t *testing.T) {
	s := open()
	rollback(&s)
	s.rules.WaitMinutes = 30
	s.rules.Freeze = []pipeline.FreezeWindow{{From: "0 0 1 1 *", To: "0 0 8 1 *"}}
	s.f.State.Hold = &pipeline.Lock{By: "bob", At: noon} // of an earlier one
	if d := s.decide(); d.Answer != Open {
		t.Errorf("%+v", d)
	}
	s.f.State.Lock = &pipeline.Lock{By: "carol", At: noon}
	if d := s.decide(); d.Answer != Hold || !d.Lacks(RuleLock) {
		t.Errorf("a lock is passed over: %+v", d)
	}
}

func TestTheHoldAfterARollbackIsForAutomaticOnes(t *testing.T) {
	s := open()
	s.f.State.Hold = &pipeline.Lock{By: "bob", At: noon}
	if d := s.decide(); d.Answer != Open {
		t.Errorf("a person's deploy is held: %+v", d)
	}
	s.f.Automatic, s.f.Asker = true, nil
	if d := s.decide(); d.Answer != Hold {
		t.Errorf("an automatic deploy goes on: %+v", d)
	}
	s.f.Asker = &Person{Login: "alice", Allowed: true} // who had it tried again
	if d := s.decide(); d.Answer != Hold {
		t.Errorf("an automatic deploy that is tried again goes on: %+v", d)
	}
}

func TestWait(t *testing.T) {
	for minutes, want := range map[int]Answer{29: Hold, 30: Open, 31: Open} {
		s := open()
		s.rules.WaitMinutes, s.f.PreparedAt = 30, noon.Add(-time.Duration(minutes)*time.Minute)
		d := s.decide()
		if d.Answer != want || want == Hold && !d.Until.Equal(noon.Add(time.Minute)) {
			t.Errorf("after %d minutes: %+v", minutes, d)
		}
	}
	s := open()
	s.rules.WaitMinutes, s.f.PreparedAt = 30, time.Time{}
	if d := s.decide(); !d.Until.Equal(noon.Add(30 * time.Minute)) {
		t.Errorf("before it is prepared: %+v", d)
	}
}

func TestTurns(t *testing.T) {
	cases := []struct {
		name   string
		holder int64
		queue  []int64
		answer Answer
		ahead  int
	}{
		{"free", 0, nil, Open, 0},
		{"inside already", 7, []int64{4, 5}, Open, 0},
		{"first in the queue", 0, []int64{7, 4}, Open, 0},
		{"second in the queue", 0, []int64{4, 7}, Hold, 1},
		{"behind the queue", 0, []int64{4, 5}, Hold, 2},
		{"somebody inside", 3, nil, Hold, 1},
		{"somebody inside, first in the queue", 3, []int64{7}, Hold, 1},
		{"somebody inside, third in the queue", 3, []int64{4, 5, 7, 8}, Hold, 3},
		{"somebody inside, behind the queue", 3, []int64{4, 5}, Hold, 3},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := open()
			if tc.holder != 0 {
				holder := place(tc.holder)
				s.f.State.Holder = &holder
			}
			for _, run := range tc.queue {
				s.f.State.Queue = append(s.f.State.Queue, place(run))
			}
			if d := s.decide(); d.Answer != tc.answer || d.Ahead != tc.ahead || d.Lacks(RuleTurn) != (tc.answer == Hold) {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestMergedAndOpenPullRequests(t *testing.T) {
	cases := []struct {
		name       string
		pull       PullState
		fork       bool
		mergedOnly bool
		want       []string
	}{
		{"a push", PullNone, false, true, nil},
		{"an open one", PullOpen, false, false, nil},
		{"an open one where merged ones only enter", PullOpen, false, true, []string{RulePullRequests}},
		{"a merged one", PullMerged, false, true, nil},
		{"a merged one of a fork", PullMerged, true, true, nil},
		{"an open one of a fork", PullOpen, true, false, []string{RuleFork}},
		{"a closed one of a fork", PullClosed, true, false, []string{RuleFork, RulePullRequests}},
		{"a fork's push", PullNone, true, false, []string{RuleFork}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s := open()
			s.f.Pull, s.f.Fork, s.rules.PullRequests = tc.pull, tc.fork, !tc.mergedOnly
			var got []string
			for _, m := range s.decide().Missing {
				got = append(got, m.Rule)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRulesWithoutAMatcherAdmitNothingTheyMightNot(t *testing.T) {
	s := open()
	s.rules.MatchBranch = nil // they came through a store
	if d := s.decide(); d.Answer != Closed || !d.Lacks(RuleBranches) {
		t.Errorf("%+v", d)
	}
	s.rules.Branches = nil
	if d := s.decide(); d.Answer != Open {
		t.Errorf("%+v", d)
	}
}

func TestSigned(t *testing.T) {
	s := open()
	s.rules.RequireSigned, s.f.Verified = true, true
	if d := s.decide(); d.Answer != Open {
		t.Errorf("%+v", d)
	}
}

// Open means that nothing speaks against it, and whatever is said is one line and names who or what helps.
func TestOpenMeansThatNothingSpeaksAgainstIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	answers := make(map[Answer]int)
	for range 30_000 {
		s := anySituation(rng)
		d := s.decide()
		answers[d.Answer]++
		against := s.against()
		if (d.Answer == Open) != (len(against) == 0) {
			t.Fatalf("%s though %v: %+v\n%+v", d.Answer, against, d, s)
		}
		if (d.Answer == Open) != (len(d.Missing) == 0) || d.Answer == Hold && d.Approved >= d.Required && d.Lacks(RuleApprovals) {
			t.Fatalf("%+v", d)
		}
		for _, m := range d.Missing {
			if m.Why == "" || strings.ContainsFunc(m.Why, unicode.IsControl) || m.Who == "" && m.Until.IsZero() && m.Rule != RuleTurn {
				t.Fatalf("%+v", m)
			}
			if !m.Until.IsZero() && (!m.Until.After(s.f.Now) || d.Until.After(m.Until)) {
				t.Fatalf("until %v, and %+v", d.Until, m)
			}
		}
	}
	for _, a := range []Answer{Open, Hold, Closed} {
		if answers[a] < 150 {
			t.Errorf("%s was hardly tried: %v", a, answers)
		}
	}
}

// against lists what speaks against a candidate, written down apart from Decide.
func (s situation) against() (names []string) {
	note := func(is bool, name string) {
		if is {
			names = append(names, name)
		}
	}
	r, c, f := s.rules, s.c, s.f
	note(len(f.Moved) > 0, "moved")
	note(f.Rejection != nil, "rejected")
	note(f.Fork && f.Pull != PullMerged, "fork")
	note(f.Branch != "main", "branch")
	note(f.Pull == PullClosed, "closed")
	note(f.Pull == PullOpen && !r.PullRequests, "open")
	note(f.Automatic && !r.AutoDeploy, "auto")
	note(f.Asker != nil && (!f.Asker.Allowed || f.Asker.Unknown), "asker")
	note(r.RequireSigned && !f.Verified, "signed")
	note(c.Action == pipeline.ActionDestroy && !r.AllowDestroy && (len(r.Branches) > 0 || r.Approvals.Required > 0), "destroy")
	note(f.State.Lock != nil, "lock")
	note(f.State.Hold != nil && f.Automatic, "hold")
	note(len(r.Freeze) > 0 && c.Action != pipeline.ActionRollback, "freeze")
	needed := r.Approvals.Required
	if c.Action == pipeline.ActionRollback && r.RollbackWithoutApproval && len(c.Parts) == 0 {
		needed = 0
	}
	if len(c.Parts) > 0 {
		needed++
	}
	if c.Action == pipeline.ActionDestroy && needed == 0 {
		needed = 1
	}
	people := map[string]bool{}
	for _, v := range f.Votes {
		if _, own := f.Self[strings.ToLower(v.Login)]; v.Allowed && !v.Unknown && v.Fingerprint == c.Fingerprint() && (!own || !r.Approvals.PreventSelfApproval && c.Action != pipeline.ActionDestroy) {
			people[strings.ToLower(v.Login)] = true
		}
	}
	note(len(people) < needed, "approvals")
	note(r.WaitMinutes > 0 && c.Action != pipeline.ActionRollback && f.Now.Sub(f.PreparedAt) < time.Duration(r.WaitMinutes)*time.Minute, "wait")
	mine := f.State.Holder != nil && f.State.Holder.RunID == f.RunID
	note(f.State.Holder != nil && !mine, "holder")
	note(f.State.Holder == nil && len(f.State.Queue) > 0 && f.State.Queue[0].RunID != f.RunID, "queue")
	return names
}

// anySituation is one in which each thing is in the way now and then.
func anySituation(rng *rand.Rand) situation {
	s := open()
	some := func(n int) bool { return rng.IntN(n) == 0 }
	s.rules.MatchBranch = func(b string) bool { return b == "main" }
	if some(2) {
		s.rules.Branches = nil
	}
	s.rules.AutoDeploy, s.rules.PullRequests, s.rules.AllowDestroy = !some(4), !some(4), some(2)
	s.rules.RollbackWithoutApproval, s.rules.RequireSigned, s.f.Verified = some(2), some(5), some(2)
	s.rules.Approvals.Required, s.rules.Approvals.PreventSelfApproval = rng.IntN(3), some(2)
	s.c.Action = []pipeline.Action{pipeline.ActionDeploy, pipeline.ActionDeploy, pipeline.ActionRollback, pipeline.ActionDestroy}[rng.IntN(4)]
	if some(6) {
		destroys(&s)
	}
	s.f.Automatic = some(3)
	s.f.Asker = []*Person{nil, {Login: "alice", Allowed: true}, {Login: "alice", Allowed: true}, {Login: "alice"}, {Login: "alice", Unknown: true}}[rng.IntN(5)]
	s.f.Pull = []PullState{PullNone, PullNone, PullOpen, PullMerged, PullClosed}[rng.IntN(5)]
	s.f.Fork = some(6)
	s.f.Self = map[string]string{"bob": "pushed it last"}
	for _, login := range []string{"bob", "Bob", "carol", "CAROL", "dave"} {
		if some(2) {
			v := s.vote(login)
			v.Allowed, v.Unknown = !some(6), some(8)
			if some(6) {
				v.Fingerprint = "another"
			}
		}
	}
	put := []func(){
		func() { s.f.Moved = []string{"the commit moved"} },
		func() { s.f.Rejection = &pipeline.Rejection{By: "x", Reason: hostile} },
		func() { s.f.Branch = "topic" },
		func() { s.f.State.Lock = &pipeline.Lock{By: "x", Reason: hostile, At: noon} },
		func() { s.f.State.Hold = &pipeline.Lock{By: "x", At: noon} },
		func() {
			s.rules.Freeze = []pipeline.FreezeWindow{{From: "0 0 1 1 *", To: "0 0 8 1 *", Reason: hostile}}
		},
		func() { s.rules.WaitMinutes = 1 + rng.IntN(3) },
		func() { p := place([]int64{3, 7}[rng.IntN(2)]); s.f.State.Holder = &p },
		func() { s.f.State.Queue = []pipeline.Place{place(4), place(7)}[rng.IntN(2):] },
	}
	for _, p := range put {
		if some(9) {
			p()
		}
	}
	return s
}
