package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// planned tells each stage in one line: its steps, whether it begins early and changes its environment, the needs that may
// be missing, and why it is left out.
func planned(t *testing.T, trigger Trigger, d Definition, facts PlanFacts) (lines []string, plan Plan) {
	t.Helper()
	facts.Built = everyKind
	plan, err := NewPlan(trigger, d, facts)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range plan.Stages {
		line := s.Key + ":"
		if s.Steps != OneStep {
			line += " " + string(s.Steps)
		}
		if s.Early {
			line += " early"
		}
		if s.Enters {
			line += " enters"
		}
		for _, n := range s.Needs {
			if n.Optional {
				line += " without " + n.Stage
			}
		}
		if s.Skip != "" {
			line += " – " + s.Skip
		}
		lines = append(lines, line)
	}
	for _, e := range plan.Entries {
		lines = append(lines, fmt.Sprintf("-> %s %s automatic=%v %s", e.Action, e.Environment, e.Automatic, e.State))
	}
	return lines, plan
}

func TestWhatEachTriggerPlans(t *testing.T) {
	whole := define("test run", "image image <test", "tf terraform <image", "k8s kubernetes <tf", "dep run @production <k8s",
		"stage run @staging", "smoke smoke <dep", "summary summary")
	withoutInfra, withInfra := deploy("production", ActionRollback), deploy("production", ActionRollback)
	withInfra.Deploy.Infra = true
	manual := whole
	manual.Environments = []EnvironmentDefinition{{Name: "production", Branches: []string{"main"}, MatchBranch: only("main")}}
	fork := pull("main")
	fork.Fork = true
	forkDeploy := deploy("production", ActionDeploy)
	forkDeploy.Fork = true
	group := pull("main")
	group.Event = EventMergeGroup
	skipped := push("main")
	skipped.Skip = "[skip ci]"
	cases := []struct {
		name    string
		trigger Trigger
		d       Definition
		facts   PlanFacts
		want    string
	}{
		{
			"a push", push("main"), define("test run", "image image <test", "tf terraform @production <image", "dep run @staging", "summary summary"), PlanFacts{},
			`test:
			image: prepare-apply early
			tf (production): prepare-apply enters
			dep (staging): enters
			summary:
			-> deploy staging automatic=true preparing
			-> deploy production automatic=true preparing`,
		},
		{
			"a push to an environment that does not deploy by itself", push("main"), manual, PlanFacts{},
			`test:
			image: prepare-apply early
			tf (production): prepare-apply enters – production does not deploy by itself: comment /deploy production
			k8s (production): prepare-apply enters – production does not deploy by itself: comment /deploy production
			dep (production): enters – production does not deploy by itself: comment /deploy production
			stage (staging): enters – the pipeline file declares no environment staging
			smoke (production): enters – production does not deploy by itself: comment /deploy production
			summary:`,
		},
		{
			"a push that is not to run", skipped, define("dep run @production", "summary summary"), PlanFacts{},
			`dep (production): enters – [skip ci]
			summary: – [skip ci]`,
		},
		{
			"a pull request", pull("main"), whole, PlanFacts{},
			`test:
			image: prepare early
			tf (staging): prepare
			k8s (staging): prepare
			dep (production): – nothing is changed in production here: it runs when the commit enters
			stage (staging): – nothing is changed in staging here: it runs when the commit enters
			smoke (staging): – nothing is changed in staging here: it runs when the commit enters
			summary:`,
		},
		{
			"a merge group", group, define("image image", "k8s kubernetes <image"), PlanFacts{},
			`image: prepare early
			k8s (staging): prepare`,
		},
		{
			"a fork's pull request", fork, define("image image", "k8s kubernetes <image"), PlanFacts{},
			`image: prepare early
			k8s (staging): prepare – a fork's commit does not reach the environment staging`,
		},
		{
			"a deploy of a fork's commit", forkDeploy, define("image image", "k8s kubernetes <image"), PlanFacts{},
			`image: prepare-apply early
			k8s (production): prepare-apply enters – a fork's commit does not reach the environment production`,
		},
		{
			"a deploy", deploy("production", ActionDeploy), whole, PlanFacts{},
			`test:
			image: prepare-apply early
			tf (production): prepare-apply enters
			k8s (production): prepare-apply enters
			dep (production): enters
			smoke (production): enters
			summary:
			-> deploy production automatic=false preparing`,
		},
		{
			"a deploy of a pipeline whose tests need a condition", deploy("production", ActionDeploy),
			define("test run never", "lint run <test", "dep run @production <lint", "more run @production", "lax run @production <test?", "report run <lint", "summary summary <report"), PlanFacts{},
			`dep (production): enters – lint, which it needs, is left out: test, which it needs, is left out: its condition is false: branch == 'x'
			more (production): enters
			lax (production): enters
			summary:
			-> deploy production automatic=false preparing`,
		},
		{
			"a plan", deploy("production", ActionPlan), whole, PlanFacts{},
			`test:
			image: prepare early
			tf (production): prepare
			k8s (production): prepare
			summary:`,
		},
		{
			"a rollback", withoutInfra, whole, PlanFacts{},
			`k8s (production): prepare-apply enters
			dep (production): enters
			smoke (production): enters
			summary:
			-> rollback production automatic=false preparing`,
		},
		{
			"a rollback of the infrastructure, too", withInfra, whole, PlanFacts{},
			`tf (production): prepare-apply enters
			k8s (production): prepare-apply enters
			dep (production): enters
			smoke (production): enters
			summary:
			-> rollback production automatic=false preparing`,
		},
		{
			"a destroy", deploy("production", ActionDestroy), whole, PlanFacts{},
			`tf (production): prepare-apply enters
			summary:
			-> destroy production automatic=false preparing`,
		},
		{
			"a run without GitHub", push("main"), define("image image", "k8s kubernetes <image", "dep run @production", "summary summary"), PlanFacts{Closed: "nothing is deployed from here"},
			`image: prepare early
			k8s (staging): prepare
			dep (production): – nothing is deployed from here
			summary:`,
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			lines, _ := planned(t, tc.trigger, tc.d, tc.facts)
			if diff := cmp.Diff(strings.Split(strings.ReplaceAll(tc.want, "\t", ""), "\n"), lines); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADeployIsOfTheWhole(t *testing.T) {
	d := define("k8s kubernetes", "dep run @production")
	for i := range d.Stages {
		d.Stages[i].Paths, d.Stages[i].MatchPaths = []string{"k8s/"}, func([]string) bool { return false }
	}
	for _, action := range []Action{ActionDeploy, ActionRollback} {
		_, plan := planned(t, deploy("production", action), d, PlanFacts{})
		if len(plan.Entries) != 1 || plan.Stages[0].Skip != "" {
			t.Errorf("a %s leaves out what the last commit did not change: %q", action, plan.Stages[0].Skip)
		}
	}
	_, plan := planned(t, push("main"), d, PlanFacts{})
	if len(plan.Entries) != 0 || plan.Stages[0].Skip == "" {
		t.Error("a push deploys what it did not change")
	}
}

func TestARollbackBringsBackImagesOnly(t *testing.T) {
	b := walk(t, deploy("production", ActionRollback), define("image image", "tf terraform <image", "k8s kubernetes <tf <image"))
	b.want("k8s (production)=ready [production=preparing] run=queued")
	b.end("k8s (production)", success(), Part{Kind: PartManifests, Name: "k8s (production)", Value: "again"})
	c := b.candidate("production")
	want := []Part{{Kind: PartImage, Name: "image", Value: "r/x@sha256:old"}, {Kind: PartManifests, Name: "k8s (production)", Value: "again"}}
	if diff := cmp.Diff(want, c.Parts); diff != "" {
		t.Error(diff) // a plan that is not applied is no part of it, and wants no approval of its own
	}
	if c.Action != ActionRollback || c.ExtraApproval() != "" {
		t.Errorf("%s %q", c.Action, c.ExtraApproval())
	}
	b.enter("production")
	task := newTask(*b.run, *b.run.current("k8s (production)"), Source{})
	if task.Restores == nil || task.Action != ActionRollback || task.Images["image"] != "r/x@sha256:old" {
		t.Errorf("%+v", task)
	}
	b.pass("k8s (production)")
	b.leave("production")
	b.want("k8s (production)=success [production=done] run=success")
}

func TestTheKeyOfImagesIsGivenToWhatEnters(t *testing.T) {
	d := define("image image", "deploy run @production <image", "k8s kubernetes <image", "unit run")
	for i := range d.Environments {
		d.Environments[i].ImageKey = "RELEASE_KEY"
	}
	given := func(trigger Trigger) string {
		_, plan := planned(t, trigger, d, PlanFacts{})
		var stages []string
		for _, s := range plan.Stages {
			if slices.Contains(s.OptionalSecrets, "RELEASE_KEY") && slices.Contains(s.OptionalSecrets, "DOCKER_PASSWORD") && !slices.Contains(s.Secrets, "RELEASE_KEY") {
				stages = append(stages, s.ID)
			}
		}
		return strings.Join(stages, " ")
	}
	if got := given(push("main")); got != "deploy k8s" {
		t.Errorf("a push gives it to %q", got)
	}
	if got := given(pull("main")); got != "" {
		t.Errorf("a pull request gives it to %q", got)
	}
}
