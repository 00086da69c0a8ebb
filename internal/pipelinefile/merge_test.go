package pipelinefile

import (
	"slices"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func mustParse(t *testing.T, parse func(string, []byte) (pipeline.Definition, error), text string) pipeline.Definition {
	t.Helper()
	d, err := parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const oneStage = "stages: {a: {run: [make]}}\n"

func TestMergeKeepsTheStricterRule(t *testing.T) {
	for _, test := range []struct {
		name, org, repo string
		holds           func(pipeline.EnvironmentDefinition) bool
	}{
		{"more approvals: the organisation's", "approvals: {required: 2}", "approvals: {required: 1}", func(e pipeline.EnvironmentDefinition) bool { return e.Approvals.Required == 2 }},
		{"more approvals: the repository's", "approvals: {required: 1}", "approvals: {required: 3}", func(e pipeline.EnvironmentDefinition) bool { return e.Approvals.Required == 3 }},
		{"approvals without a number are one", "approvals: {prevent-self-approval: true}", "branches: main", func(e pipeline.EnvironmentDefinition) bool {
			return e.Approvals.Required == 1 && e.Approvals.PreventSelfApproval
		}},
		{"approvers cannot be exchanged", `approvals: {from: ["@o/sec"]}`, `approvals: {from: ["@o/devs"]}`, func(e pipeline.EnvironmentDefinition) bool {
			return slices.Equal(e.Approvals.From, []string{"@o/sec"})
		}},
		{"approvers can be narrowed", `approvals: {from: ["@o/sec", ann]}`, `approvals: {from: [ann, bob]}`, func(e pipeline.EnvironmentDefinition) bool {
			return slices.Equal(e.Approvals.From, []string{"ann"})
		}},
		{"deployers can be named where anyone could", "wait-minutes: 1", "deployers: [ann]", func(e pipeline.EnvironmentDefinition) bool { return slices.Equal(e.Deployers, []string{"ann"}) }},
		{"the longer wait", "wait-minutes: 5", "wait-minutes: 10", func(e pipeline.EnvironmentDefinition) bool { return e.WaitMinutes == 10 }},
		{"more freezes", "freeze: {from: 0 0 * * SAT, to: 0 0 * * MON, reason: weekend}", "freeze: {from: 0 0 24 12 *, to: 0 0 2 1 *, reason: holidays}", func(e pipeline.EnvironmentDefinition) bool { return len(e.Freeze) == 2 }},
		{"signatures", "require-signed: true", "require-signed: false", func(e pipeline.EnvironmentDefinition) bool { return e.RequireSigned }},
		{"signatures of images", "require-signed: {commits: false}", "require-signed: false", func(e pipeline.EnvironmentDefinition) bool {
			return !e.RequireSigned && e.ImageKey == "COSIGN_PUBLIC_KEY"
		}},
		{"signatures of images, with the organisation's key", "require-signed: {key: RELEASE_KEY}", "require-signed: {key: MY_OWN_KEY}", func(e pipeline.EnvironmentDefinition) bool {
			return e.RequireSigned && e.ImageKey == "RELEASE_KEY"
		}},
		{"signatures of the repository alone", "require-signed: false", "require-signed: {key: MY_OWN_KEY}", func(e pipeline.EnvironmentDefinition) bool {
			return e.RequireSigned && e.ImageKey == "MY_OWN_KEY"
		}},
		{"no destroy", "allow-destroy: false", "allow-destroy: true", func(e pipeline.EnvironmentDefinition) bool { return !e.AllowDestroy }},
		{"destroy where the organisation is silent", "wait-minutes: 1", "allow-destroy: true", func(e pipeline.EnvironmentDefinition) bool { return e.AllowDestroy }},
		{"destroy needs the repository's word", "allow-destroy: true", "wait-minutes: 1", func(e pipeline.EnvironmentDefinition) bool { return !e.AllowDestroy }},
		{"no rollback without approval", "rollback-without-approval: false", "rollback-without-approval: true", func(e pipeline.EnvironmentDefinition) bool { return !e.RollbackWithoutApproval }},
		{"merged commits only", "pull-requests: false", "pull-requests: true", func(e pipeline.EnvironmentDefinition) bool { return !e.PullRequests }},
		{"no automatic deploy", "auto-deploy: false", "{branches: main, auto-deploy: true}", func(e pipeline.EnvironmentDefinition) bool { return !e.AutoDeploy }},
		{"automatic deploy where the organisation is silent", "wait-minutes: 1", "branches: main", func(e pipeline.EnvironmentDefinition) bool { return e.AutoDeploy }},
		{"fewer branches", "branches: [main, 'release/**']", "branches: ['**']", func(e pipeline.EnvironmentDefinition) bool {
			return e.MatchBranch("release/1") && !e.MatchBranch("feature")
		}},
		{"branches of neither", "branches: main", "branches: develop", func(e pipeline.EnvironmentDefinition) bool {
			return !e.MatchBranch("main") && !e.MatchBranch("develop") && len(e.Branches) > 0
		}},
		{"branches of the organisation", "branches: main", "wait-minutes: 1", func(e pipeline.EnvironmentDefinition) bool {
			return e.MatchBranch("main") && !e.MatchBranch("x") && slices.Equal(e.Branches, []string{"main"})
		}},
		{"cluster and roles are defaults", "{cluster: {kubeconfig: ORG}, aws: {region: us-east-1, role: 'arn:aws:iam::123456789012:role/a'}, url: https://org.example.com, secrets: [A]}", "{cluster: {kubeconfig: REPO}, aws: {region: eu-west-1}}", func(e pipeline.EnvironmentDefinition) bool {
			return e.Cluster.Kubeconfig == "REPO" && e.AWS.Region == "eu-west-1" && e.AWS.Role != "" && e.URL != "" && slices.Equal(e.Secrets, []string{"A"})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			block := func(rules string) string {
				if rules[0] == '{' {
					return "environments: {production: " + rules + "}\n"
				}
				return "environments: {production: {" + rules + "}}\n"
			}
			org := mustParse(t, ParseOrganisation, block(test.org))
			repo := mustParse(t, Parse, oneStage+block(test.repo))
			merged := Merge(org, repo)
			if len(merged.Environments) != 1 || !test.holds(merged.Environments[0]) {
				t.Errorf("merged: %+v", merged.Environments)
			}
		})
	}
}

func TestMergeServesRepositoriesWithoutFile(t *testing.T) {
	org := mustParse(t, ParseOrganisation, "stages: {scan: {run: [scan]}}\nenvironments: {production: {branches: main}, lab: {allow-destroy: true}}\n")
	merged := Merge(org, pipeline.Definition{})
	if len(merged.Stages) != 1 || merged.Stages[0].ID != "scan" || len(merged.Environments) != 2 {
		t.Fatalf("merged: %+v", merged)
	}
	production, lab := merged.Environments[0], merged.Environments[1]
	if production.AllowDestroy || production.RollbackWithoutApproval || !production.AutoDeploy || !production.MatchBranch("main") || production.MatchBranch("x") {
		t.Errorf("production: %+v", production)
	}
	if lab.AutoDeploy {
		t.Error("an environment without branches deploys by itself")
	}
}

func TestMergeLeavesOtherEnvironmentsAlone(t *testing.T) {
	org := mustParse(t, ParseOrganisation, "environments: {production: {approvals: {required: 2}}}\nnotify: {slack: {secret: ORG}}\n")
	repo := mustParse(t, Parse, oneStage+"environments: {staging: {branches: develop}}\nnotify: {email: {to: a@example.com}}\n")
	merged := Merge(org, repo)
	if len(merged.Environments) != 1 || merged.Environments[0].Approvals.Required != 0 {
		t.Errorf("environments: %+v", merged.Environments)
	}
	if merged.Notify.Slack == nil || merged.Notify.Email == nil {
		t.Errorf("notify: %+v", merged.Notify)
	}
	if repo.Notify.Slack != nil {
		t.Error("Merge changed its argument")
	}
}
