package pipeline

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sha = "1111111111111111111111111111111111111111"

func built(uses string) bool { return uses != "terraform" }

func only(name string) func(string) bool { return func(b string) bool { return b == name } }

type fixed struct {
	holds bool
	err   error
}

func (f fixed) Holds(ConditionFacts) (bool, error) { return f.holds, f.err }
func (fixed) String() string                       { return "branch == 'x'" }

func push(branch string) Trigger {
	return Trigger{Event: EventPush, Repository: Repository{ID: 1, Owner: "acme", Name: "shop"}, SHA: sha, Ref: "refs/heads/" + branch, Branch: branch}
}

func pull(base string) Trigger {
	return Trigger{
		Event: EventPullRequest, Repository: Repository{ID: 1, Owner: "acme", Name: "shop"}, SHA: sha,
		Ref: "refs/pull/7/head", Branch: "topic", Base: base, PullRequest: 7,
	}
}

// A look that the clock asks for is of the infrastructure of one environment, under names of its own, and needs nothing.
func TestPlanOfASchedule(t *testing.T) {
	d := define("lint run", "net terraform x2 <lint", "db terraform @production <net", "other terraform @staging", "off terraform never", "dep kubernetes <db", "summary summary")
	d.Stages[2].Paths, d.Stages[2].MatchPaths = []string{"db/**"}, func([]string) bool { return false }
	look := push("main")
	look.Event, look.Schedule = EventSchedule, &Schedule{Environment: "production", Due: at(0)}
	plan, err := NewPlan(look, d, PlanFacts{Built: everyKind})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range plan.Stages {
		got = append(got, fmt.Sprintf("%s %s %v enters=%v", s.Key, s.Steps, s.Needs, s.Enters))
	}
	want := []string{
		"net (1, production) drift prepare [] enters=false", "net (2, production) drift prepare [] enters=false",
		"db (production) drift prepare [] enters=false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(plan.Entries) != 0 || len(plan.Environments) != 1 {
		t.Errorf("entries %v, environments %v", plan.Entries, plan.Environments)
	}

	moved, later, again := look, look, look
	moved.SHA = "another"
	later.Schedule = &Schedule{Environment: "production", Due: at(60)}
	again.Fresh, again.Delivery = true, "guid"
	if look.Key() != moved.Key() || look.Key() == later.Key() || look.Key() == again.Key() {
		t.Errorf("keys %q %q %q %q", look.Key(), moved.Key(), later.Key(), again.Key())
	}
	if look.Group() != later.Group() || look.Group() == push("main").Group() {
		t.Errorf("groups %q %q", look.Group(), later.Group())
	}
}

func TestNewPlan(t *testing.T) {
	production := EnvironmentDefinition{Name: "production", Branches: []string{"main"}, MatchBranch: only("main"), AutoDeploy: true}
	staging := EnvironmentDefinition{Name: "staging", Branches: []string{"develop"}, MatchBranch: only("develop")}
	cases := []struct {
		name    string
		trigger Trigger
		stages  []StageDefinition
		envs    []EnvironmentDefinition
		paths   []string
		want    map[string]string // key -> skip reason
	}{
		{"plain", push("main"), []StageDefinition{{ID: "a", Uses: "run"}}, nil, nil, map[string]string{"a": ""}},
		{
			"matrix", push("main"),
			[]StageDefinition{{ID: "t", Uses: "run", Matrix: []MatrixLeg{{{"py", "3.12"}, {"os", "slim"}}, {{"py", "3.13"}, {"os", "slim"}}}}},
			nil, nil, map[string]string{"t (3.12, slim)": "", "t (3.13, slim)": ""},
		},
		{
			"skip ci reaches every stage", func() Trigger { p := push("main"); p.Skip = "the commit message says [skip ci]"; return p }(),
			[]StageDefinition{{ID: "a", Uses: "run"}, {ID: "s", Uses: "summary"}}, nil, nil,
			map[string]string{"a": "the commit message says [skip ci]", "s": "the commit message says [skip ci]"},
		},
		{
			"condition", push("main"), []StageDefinition{{ID: "a", Uses: "run", If: fixed{}}, {ID: "b", Uses: "run", If: fixed{holds: true}}},
			nil, nil, map[string]string{"a": "its condition is false: branch == 'x'", "b": ""},
		},
		{
			"paths", push("main"),
			[]StageDefinition{{ID: "a", Uses: "run", Paths: []string{"docs/**"}, MatchPaths: func(p []string) bool { return len(p) > 1 }}},
			nil, []string{"x"}, map[string]string{"a": "nothing under its paths has changed: docs/**"},
		},
		{
			"a kind that is not built", push("main"), []StageDefinition{{ID: "tf", Uses: "terraform"}}, []EnvironmentDefinition{production},
			nil, map[string]string{"tf (production)": `this version of Slipway has no stage kind "terraform"`},
		},
		{
			"environment of the pushed branch", push("develop"), []StageDefinition{{ID: "d", Uses: "run", Environment: "*"}},
			[]EnvironmentDefinition{production, staging}, nil,
			map[string]string{"d (staging)": "staging does not deploy by itself: comment /deploy staging"},
		},
		{
			"environment of the base branch", pull("main"), []StageDefinition{{ID: "d", Uses: "run", Environment: "*"}},
			[]EnvironmentDefinition{production, staging}, nil,
			map[string]string{"d (production)": "nothing is changed in production here: it runs when the commit enters"},
		},
		{
			"branch of no environment", push("topic"), []StageDefinition{{ID: "d", Uses: "run", Environment: "*"}, {ID: "p", Uses: "run", Environment: "production"}},
			[]EnvironmentDefinition{production}, nil,
			map[string]string{"d": "no environment holds the branch topic", "p (production)": "branch topic does not belong to the environment production"},
		},
		{
			"an environment that names the branch before one that admits all", push("main"), []StageDefinition{{ID: "d", Uses: "run", Environment: "*"}},
			[]EnvironmentDefinition{{Name: "sandbox", MatchBranch: func(string) bool { return true }}, production}, nil,
			map[string]string{"d (production)": ""},
		},
		{
			"an environment that admits all", push("topic"), []StageDefinition{{ID: "d", Uses: "run", Environment: "*"}},
			[]EnvironmentDefinition{production, {Name: "sandbox", MatchBranch: func(string) bool { return true }}}, nil,
			map[string]string{"d (sandbox)": "sandbox does not deploy by itself: comment /deploy sandbox"},
		},
		{
			"a name that is not declared keeps its check's name", push("main"), []StageDefinition{{ID: "d", Uses: "run", Environment: "old"}},
			[]EnvironmentDefinition{production}, nil,
			map[string]string{"d (old)": "the pipeline file declares no environment old"},
		},
		{
			"no environment declared", push("main"), []StageDefinition{{ID: "k", Uses: "kubernetes"}}, nil, nil,
			map[string]string{"k": "the pipeline file declares no environment"},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			plan, err := NewPlan(tc.trigger, Definition{Stages: tc.stages, Environments: tc.envs}, PlanFacts{ChangedPaths: tc.paths, Built: built})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, s := range plan.Stages {
				got[s.Key] = s.Skip
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewPlanNeedsAllLegs(t *testing.T) {
	plan, err := NewPlan(push("main"), Definition{Stages: []StageDefinition{
		{ID: "t", Uses: "run", Matrix: []MatrixLeg{{{"v", "1"}}, {{"v", "2"}}}},
		{ID: "after", Uses: "run", Needs: []Need{{Stage: "t", Optional: true}}},
	}}, PlanFacts{Built: built})
	if err != nil {
		t.Fatal(err)
	}
	want := []Need{{"t (1)", true}, {"t (2)", true}}
	if diff := cmp.Diff(want, plan.Stages[2].Needs); diff != "" {
		t.Error(diff)
	}
}

func TestNewPlanTellsABrokenCondition(t *testing.T) {
	_, err := NewPlan(push("main"), Definition{Stages: []StageDefinition{{ID: "a", Uses: "run", If: fixed{err: errors.New("index out of range")}}}},
		PlanFacts{Built: built})
	if err == nil || err.Error() != "stage a: if: index out of range" {
		t.Errorf("got %v", err)
	}
}

func TestForkIsHeld(t *testing.T) {
	trigger := pull("main")
	trigger.Fork = true
	plan, err := NewPlan(trigger, Definition{Stages: []StageDefinition{{ID: "a", Uses: "run"}, {ID: "s", Uses: "summary"}}}, PlanFacts{Built: built})
	if err != nil {
		t.Fatal(err)
	}
	run := NewRun(trigger, plan, at(0))
	if jobs := run.Advance(at(0)); len(jobs) != 0 {
		t.Errorf("a fork's commit started %v", jobs)
	}
	for _, s := range run.Stages {
		if s.Status != StatusWaiting {
			t.Errorf("%s is %s", s.Spec.Key, s.Status)
		}
	}
	if run.Status != StatusWaiting {
		t.Errorf("run is %s", run.Status)
	}
}

func TestWanted(t *testing.T) {
	d := Definition{On: On{Push: &BranchFilter{Match: only("main")}, PullRequest: &BranchFilter{Match: only("main")}}}
	group := pull("main")
	group.Event = EventMergeGroup
	cases := []struct {
		trigger Trigger
		d       Definition
		want    bool
	}{
		{push("main"), d, true},
		{push("topic"), d, false},
		{pull("main"), d, true},
		{pull("develop"), d, false},
		{group, d, true},
		{push("main"), Definition{}, false},
		{Trigger{Event: EventDeploy}, Definition{}, true},
	}
	for _, tc := range cases {
		if got := Wanted(tc.trigger, tc.d); got != tc.want {
			t.Errorf("%s on %s>%s: %v", tc.trigger.Event, tc.trigger.Branch, tc.trigger.Base, got)
		}
	}
}
