package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
	"github.com/slipwayhq/slipway/test/leftover"
)

const infraPipeline = `on:
  push: {branches: [main]}
  pull_request: {branches: [main]}
stages:
  terraform-provision:
    uses: terraform
    with: {dir: infra}
  app:
    environment: "*"
    needs: [terraform-provision]
    run: ["echo the address is $SLIPWAY_OUTPUT_TERRAFORM_PROVISION_ADDRESS, the password ${SLIPWAY_OUTPUT_TERRAFORM_PROVISION_PASSWORD-is not here}"]
  deployment-summary:
    uses: summary
environments:
  production:
    branches: [main]
    aws: {region: us-east-1}
    approvals: {required: 1, from: [bob, carol], prevent-self-approval: true}
    secrets: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]
`

const (
	awsKey    = "AKIAIOSFODNN7EXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	password  = "correct-horse-battery"
)

// infra is a root module with its state in S3.
func infra(more string) githubtest.Files {
	return githubtest.Files{
		"infra/backend.tf": "terraform {\n  backend \"s3\" {\n    bucket         = \"acme-state\"\n    key            = \"shop/terraform.tfstate\"\n" +
			"    region         = \"us-east-1\"\n    use_lockfile   = true\n    use_path_style = true\n  }\n}\n",
		"infra/main.tf": more,
	}
}

// thing is a resource that is changed by its size and replaced for another zone.
func thing(name, zone, size string) string {
	return fmt.Sprintf("resource \"terraform_data\" %q {\n  input            = %q\n  triggers_replace = %q\n}\n\n", name, size, zone)
}

func output(name, value, more string) string {
	return fmt.Sprintf("output %q {\n  value = %s\n%s}\n\n", name, value, more)
}

// infraSite has a pipeline of infrastructure, an AWS that behaves as such, and secrets of its production.
func infraSite(t *testing.T, pipeline string) *infraHouse {
	t.Helper()
	binary(t)
	terraform := filepath.Join(stagetest.Terraform(t), "terraform")
	if _, err := os.Stat(terraform); err != nil {
		terraform = filepath.Join(filepath.Dir(terraform), "tofu")
	}
	server := stagetest.AWS(t)
	s := newSite(t, githubtest.Files{".github/slipway.yml": pipeline, "README.md": "shop\n"})
	h := &infraHouse{site: s, terraform: terraform, server: server}
	for _, name := range []string{"carol", "dave"} {
		must(t, s.github.AddUser(name, name))
		must(t, s.github.AddCollaborator(repo, name, "write"))
	}
	must(t, s.github.AddCollaborator(repo, "bob", "write"))
	for _, environment := range []string{"production", "review"} {
		dir := filepath.Join(s.data, "secrets", "acme", "shop", environment)
		must(t, os.MkdirAll(dir, 0o700))
		must(t, os.WriteFile(filepath.Join(dir, "AWS_ACCESS_KEY_ID"), []byte(awsKey+"\n"), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "AWS_SECRET_ACCESS_KEY"), []byte(awsSecret+"\n"), 0o600))
	}
	s.env = []string{"AWS_ENDPOINT_URL=" + server, "PATH=" + os.Getenv("PATH") + string(filepath.ListSeparator) + filepath.Dir(terraform)}
	t.Setenv("AWS_ENDPOINT_URL", server)
	admin, err := awscloud.Open(t.Context(), awscloud.Request{AccessKeyID: awsKey, SecretAccessKey: awsSecret, Region: "us-east-1"})
	must(t, err)
	h.bucket = admin.S3(awscloud.Bucket{Name: "acme-state"})
	_, err = h.bucket.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("acme-state")})
	must(t, err)
	return h
}

type infraHouse struct {
	*site
	terraform, server string
	bucket            *s3.Client
}

// held are the keys of the bucket.
func (h *infraHouse) held() string {
	h.Helper()
	out, err := h.bucket.ListObjectsV2(h.Context(), &s3.ListObjectsV2Input{Bucket: new("acme-state")})
	must(h.T, err)
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return strings.Join(keys, " ")
}

// outside is somebody who works on the same state with the real Terraform, beside the bot.
func (h *infraHouse) outside(files githubtest.Files, args ...string) string {
	h.Helper()
	dir := h.TempDir()
	for name, text := range files {
		must(h.T, os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(text), 0o600))
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(h.Context(), h.terraform, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+h.server, "AWS_ACCESS_KEY_ID="+awsKey, "AWS_SECRET_ACCESS_KEY="+awsSecret, "TF_CLI_CONFIG_FILE="+os.DevNull)
		var problems strings.Builder
		cmd.Stderr = &problems
		out, err := cmd.Output()
		if err != nil {
			h.Fatalf("terraform %q: %v\n%s%s", args, err, out, problems.String())
		}
		return string(out)
	}
	run("init", "-input=false", "-no-color")
	return run(args...)
}

// proposed opens a pull request of alice's with that infrastructure and waits for its checks.
func (h *infraHouse) proposed(branch string, files githubtest.Files) (head string, number int) {
	h.Helper()
	head = h.push(branch, files, "infra: "+branch)
	pull, err := h.github.As("alice").OpenPullRequest(h.Context(), repo, githubtest.NewPullRequest{Title: "Infra " + branch, Head: branch, Base: "main"})
	must(h.T, err)
	h.check(head, "deployment-summary", concluded)
	return head, pull.Number
}

func (h *infraHouse) merged(number int) string {
	h.Helper()
	sha, err := h.github.As("alice").Merge(h.Context(), repo, number, "merge")
	must(h.T, err)
	return sha
}

// everything is all that the checks of a commit show.
func (h *infraHouse) everything(shas ...string) string {
	var all strings.Builder
	for _, sha := range shas {
		for _, run := range h.github.CheckRuns(repo, sha) {
			fmt.Fprintf(&all, "%s\n%s\n%s\n%v\n", run.Title, run.Summary, run.Text, run.Annotations)
		}
	}
	return all.String()
}

// contains wants words in this order.
func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	rest := text
	for _, w := range words {
		_, after, found := strings.Cut(rest, w)
		if !found {
			t.Errorf("%q is not there, or too early, in\n%s", w, text)
			return
		}
		rest = after
	}
}

const planned = "terraform-provision (production)"

// The walk of a change of infrastructure: shown in its pull request, approved as a plan, applied as exactly that plan, and
// its outputs handed on.
func TestInfrastructureFromPullRequestToRelease(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	first := thing("network", "a", "small") + thing("database", "a", "small") + thing("cache", "a", "small") +
		output("address", "terraform_data.network.id", "") + output("password", fmt.Sprintf("%q", password), "  sensitive = true\n")
	head, number := h.proposed("one", infra(first))
	shown := h.check(head, planned, concluded)
	if shown.Conclusion != "success" || shown.Title != "3 to add, 0 to change, 0 to destroy" {
		t.Errorf("%s %q\n%s", shown.Conclusion, shown.Title, shown.Summary)
	}
	contains(t, shown.Summary, "terraform_data.cache", "terraform_data.database", "terraform_data.network")
	if h.held() != "" {
		t.Errorf("a pull request wrote %q", h.held())
	}
	if run := h.check(head, "app (production)", concluded); run.Conclusion != "skipped" {
		t.Errorf("%s %q", run.Conclusion, run.Title)
	}

	merge := h.merged(number)
	waiting := h.check(merge, planned, waits)
	contains(t, waiting.Summary, "/approve production", "3 to add", "terraform_data.cache")
	if h.held() != "" {
		t.Errorf("applied without an approval: %q", h.held())
	}
	h.say("alice", number, "/approve production", "-1")
	h.say("carol", number, "/approve production", "rocket")
	applied := h.check(merge, planned, passed)
	contains(t, applied.Title, "Applied: 3 added")
	app := h.check(merge, "app (production)", passed)
	contains(t, app.Text, "the address is ", "-", "the password is not here")
	contains(t, applied.Summary, "terraform-outputs.json")
	if h.held() != "shop/terraform.tfstate" {
		t.Errorf("the bucket holds %q", h.held())
	}
	h.check(merge, "deployment-summary", passed)

	second := thing("network", "a", "large") + thing("database", "b", "small") + thing("queue", "a", "small") +
		output("address", "terraform_data.network.id", "") + output("password", fmt.Sprintf("%q", password), "  sensitive = true\n")
	head, number = h.proposed("two", infra(second))
	shown = h.check(head, planned, concluded)
	contains(t, shown.Title, "to add", "to change", "to destroy")
	contains(t, shown.Summary, "terraform_data.cache", "terraform_data.database", "terraform_data.queue", "terraform_data.network")
	again := h.merged(number)
	waiting = h.check(again, planned, waits)
	contains(t, waiting.Title, "2 approvals of bob, carol")
	h.say("carol", number, "/approve production", "rocket")
	waiting = h.check(again, planned, func(run githubtest.CheckRun) bool { return waits(run) && strings.Contains(run.Title, "1 approval of") })
	contains(t, waiting.Summary, "destroy")
	h.say("bob", number, "/approve production", "rocket")
	h.check(again, planned, passed)
	h.check(again, "deployment-summary", passed)

	all := h.everything(head, merge, again)
	for _, secret := range []string{password, awsSecret} {
		if strings.Contains(all, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
}

// Somebody changes the state between the plan and its approval: the approval is void and says why, and a new plan waits.
func TestStalePlanIsVoid(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	_, number := h.proposed("one", infra(thing("network", "a", "small")+output("address", "terraform_data.network.id", "")))
	merge := h.merged(number)
	old := h.check(merge, planned, waits)
	h.outside(infra(thing("foreign", "a", "1")), "apply", "-auto-approve", "-input=false", "-no-color")
	h.say("carol", number, "/approve production", "rocket")
	void := h.check(merge, planned, func(run githubtest.CheckRun) bool { return run.ID != old.ID && waits(run) })
	contains(t, void.Summary, "The approval of carol is void: the state changed since it was made")
	contains(t, void.Summary, "1 to add", "1 to destroy")
	for _, run := range h.github.CheckRuns(repo, merge) {
		if run.ID == old.ID && (run.Conclusion != "cancelled" || !strings.HasPrefix(run.Title, "Void: the state changed since it was made: it was empty, and is at serial 1")) {
			t.Errorf("the old check is %s %q", run.Conclusion, run.Title)
		}
	}
	if list := h.outside(infra(""), "state", "list"); strings.Contains(list, "network") {
		t.Fatalf("the void plan was applied:\n%s", list)
	}
	h.say("carol", number, "/approve production", "rocket")
	h.say("bob", number, "/approve production", "rocket")
	h.check(merge, planned, passed)
	h.check(merge, "deployment-summary", passed)
	if list := h.outside(infra(""), "state", "list"); strings.TrimSpace(list) != "terraform_data.network" {
		t.Errorf("the state holds\n%s", list)
	}
	h.waitFor("one deployment that succeeded", func() bool {
		d := h.deployments("production")
		return len(d) == 2 && d[0].State == "inactive" && d[1].State == "success"
	})
}

// Commands of infrastructure: a plan that nobody applies, a rollback of infrastructure, and a destruction.
func TestPlanRollbackAndDestroy(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	_, number := h.proposed("one", infra(thing("network", "a", "small")+output("address", "terraform_data.network.id", "")))
	first := h.merged(number)
	h.check(first, planned, waits)
	h.say("carol", number, "/approve production", "rocket")
	h.check(first, "deployment-summary", passed)

	_, number = h.proposed("two", infra(thing("network", "a", "large")+thing("queue", "a", "1")+output("address", "terraform_data.network.id", "")))
	second := h.merged(number)
	h.check(second, planned, waits)
	h.say("carol", number, "/approve production", "rocket")
	h.check(second, "deployment-summary", passed)

	head, another := h.proposed("three", infra(thing("network", "a", "huge")+output("address", "terraform_data.network.id", "")))
	before := h.check(head, planned, passed)
	h.say("dave", another, "/plan production", "rocket")
	replanned := h.check(head, planned, func(run githubtest.CheckRun) bool { return run.ID != before.ID && concluded(run) })
	contains(t, replanned.Title, "1 to change", "1 to destroy")
	if got := h.deployments("production"); len(got) != 2 {
		t.Errorf("a plan is a deployment: %v", got)
	}

	applied := h.check(first, planned, passed)
	h.say("alice", number, "/rollback production --to 1 --infra", "eyes")
	back := h.check(first, planned, func(run githubtest.CheckRun) bool { return run.ID != applied.ID && waits(run) })
	contains(t, back.Title, "2 approvals of bob, carol")
	contains(t, back.Summary, "terraform_data.queue", "terraform_data.network")
	h.say("carol", number, "/approve production", "rocket")
	h.check(first, planned, func(run githubtest.CheckRun) bool {
		return run.ID == back.ID && strings.Contains(run.Title, "1 approval of")
	})
	h.say("alice", number, "/approve production", "-1")
	h.refusedWith(number, "alice may not approve")
	if list := h.outside(infra(""), "state", "list"); !strings.Contains(list, "queue") {
		t.Fatalf("rolled back without the second approval:\n%s", list)
	}
	h.say("bob", number, "/approve production", "rocket")
	h.check(first, planned, func(run githubtest.CheckRun) bool { return run.ID == back.ID && passed(run) })
	if list := h.outside(infra(""), "state", "list"); strings.TrimSpace(list) != "terraform_data.network" {
		t.Errorf("the state holds\n%s", list)
	}
	h.say("bob", number, "/destroy production", "-1")
	h.refusedWith(number, "protected and must not be destroyed")
}

// A rollback without --infra runs on the infrastructure that is there, and its stages are told where that is.
func TestRollbackOnTheInfrastructureThatIsThere(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	var first string
	var number int
	for _, address := range []string{"one.example.com", "two.example.com"} {
		_, number = h.proposed(strings.TrimSuffix(address, ".example.com"), infra(output("address", fmt.Sprintf("%q", address), "")))
		merge := h.merged(number)
		h.check(merge, planned, waits)
		h.say("carol", number, "/approve production", "rocket")
		contains(t, h.check(merge, "app (production)", passed).Text, "the address is "+address)
		h.check(merge, "deployment-summary", passed)
		if first == "" {
			first = merge
		}
	}
	deployed := h.check(first, "app (production)", passed)
	h.say("alice", number, "/rollback production --to 1", "eyes")
	h.check(first, "app (production)", func(run githubtest.CheckRun) bool { return run.ID != deployed.ID && waits(run) })
	h.say("carol", number, "/approve production", "rocket")
	back := h.check(first, "app (production)", func(run githubtest.CheckRun) bool { return run.ID != deployed.ID && passed(run) })
	contains(t, back.Text, "the address is two.example.com")
}

// A commit cannot say of itself that it may destroy: what counts is said on the default branch, of plans and of /destroy alike.
func TestWhatMayBeDestroyedIsSaidOnTheDefaultBranch(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	address := output("address", "\"one\"", "")
	_, number := h.proposed("one", infra(thing("network", "a", "small")+address))
	merge := h.merged(number)
	h.check(merge, planned, waits)
	h.say("carol", number, "/approve production", "rocket")
	h.check(merge, "deployment-summary", passed)

	files := infra(address)
	files[".github/slipway.yml"] = strings.Replace(infraPipeline, "with: {dir: infra}", "with: {dir: infra, allow-destroy: true}", 1)
	head, number := h.proposed("two", files)
	before := h.check(head, planned, passed)
	h.say("bob", number, "/deploy production", "eyes")
	proposed := h.check(head, planned, func(run githubtest.CheckRun) bool { return run.ID != before.ID && waits(run) })
	contains(t, proposed.Title, "2 approvals of bob, carol")
	contains(t, proposed.Summary, "the plan destroys 1 resource")

	merge = h.merged(number)
	contains(t, h.check(merge, planned, waits).Title, "1 approval of bob, carol")
	h.say("carol", number, "/approve production", "rocket")
	h.check(merge, "deployment-summary", passed)
	h.say("bob", number, "/destroy production", "eyes")
}

const reviewPipeline = `on:
  push: {branches: [main]}
  pull_request: {branches: [main]}
stages:
  terraform-provision:
    uses: terraform
    with: {dir: infra}
  app:
    environment: "*"
    needs: [terraform-provision]
    run: ["echo it is at $SLIPWAY_OUTPUT_TERRAFORM_PROVISION_ADDRESS"]
  deployment-summary:
    uses: summary
environments:
  review:
    aws: {region: us-east-1}
    secrets: [AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY]
`

// An environment that nobody guards is made without an approval, and never taken down without one.
func TestDestroyAnEnvironment(t *testing.T) {
	h := infraSite(t, reviewPipeline)
	h.start()
	head, number := h.proposed("one", infra(thing("network", "a", "small")+output("address", "terraform_data.network.id", "")))
	const stage = "terraform-provision (review)"
	before := h.check(head, stage, passed)
	h.say("bob", number, "/deploy review", "rocket")
	made := h.check(head, stage, func(run githubtest.CheckRun) bool { return run.ID != before.ID && passed(run) })
	contains(t, made.Title, "Applied: 1 added")

	h.say("bob", number, "/destroy", "-1")
	wish := h.say("bob", number, "/destroy review", "eyes")
	waiting := h.check(head, stage, func(run githubtest.CheckRun) bool { return run.ID != made.ID && waits(run) })
	contains(t, waiting.Summary, "the plan destroys 1 resource", "/approve review", "terraform_data.network")
	if list := h.outside(infra(""), "state", "list"); !strings.Contains(list, "network") {
		t.Fatalf("destroyed without an approval:\n%s", list)
	}
	h.say("bob", number, "/approve review", "-1")
	h.refusedWith(number, "bob asked for it, and nothing is taken down without the approval of somebody else")
	h.say("carol", number, "/approve review", "rocket")
	gone := h.check(head, stage, func(run githubtest.CheckRun) bool { return run.ID == waiting.ID && passed(run) })
	contains(t, gone.Title, "1 destroyed")
	h.waitFor("the rocket", func() bool { return h.signs(wish) == "eyes rocket" })
	if list := h.outside(infra(""), "state", "list"); strings.TrimSpace(list) != "" {
		t.Errorf("the state holds\n%s", list)
	}
	// What has nothing to do with it keeps its verdict: a check that is skipped would let a pull request be merged.
	if app := h.check(head, "app (review)", concluded); app.Conclusion != "success" {
		t.Errorf("%s %q", app.Conclusion, app.Title)
	}
}

// slow is a resource whose creation takes a while, and says how often it was begun.
const slow = "resource \"terraform_data\" \"slow\" {\n  provisioner \"local-exec\" {\n    command = \"sleep 8\"\n  }\n}\n"

// applying waits until an apply holds the lock of the state.
func (h *infraHouse) applying(merge string) {
	h.Helper()
	h.check(merge, planned, func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	h.waitFor("the apply to lock the state", func() bool { return strings.Contains(h.held(), ".tflock") })
}

// A bot that is killed in the midst of an apply finds it again: it is applied once.
func TestKilledInTheMidstOfAnApply(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	_, number := h.proposed("one", infra(slow+output("address", "terraform_data.slow.id", "")))
	merge := h.merged(number)
	waiting := h.check(merge, planned, waits)
	h.say("carol", number, "/approve production", "rocket")
	h.applying(merge)
	h.kill()
	h.start()
	done := h.check(merge, planned, passed)
	if done.ID != waiting.ID || !strings.HasPrefix(done.Title, "Applied: 1 added") {
		t.Errorf("check %d, then %d %q", waiting.ID, done.ID, done.Title)
	}
	h.check(merge, "deployment-summary", passed)
	if list := h.outside(infra(""), "state", "list"); strings.TrimSpace(list) != "terraform_data.slow" {
		t.Errorf("the state holds\n%s", list)
	}
	if strings.Contains(h.held(), ".tflock") {
		t.Errorf("the state is locked still: %s", h.held())
	}
}

// When the whole machine dies in the midst of an apply, the next attempt looks at state and lock before anything else, changes
// nothing as long as somebody holds the lock, and says who and how it is taken away.
func TestMachineDiesInTheMidstOfAnApply(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	_, number := h.proposed("one", infra(strings.Replace(slow, "sleep 8", "sleep 600", 1)))
	merge := h.merged(number)
	waiting := h.check(merge, planned, waits)
	h.say("carol", number, "/approve production", "rocket")
	h.applying(merge)
	h.kill()
	h.killRunners()
	h.start()
	again := h.check(merge, planned, func(run githubtest.CheckRun) bool { return run.ID != waiting.ID && run.Conclusion == "failure" })
	contains(t, again.Title, "The state is locked by")
	contains(t, again.Summary, "force-unlock")
	contains(t, again.Summary, "This is not the first attempt")
	lock := regexp.MustCompile(`terraform -chdir=infra force-unlock ([0-9a-f-]{36})`).FindStringSubmatch(again.Summary)
	if lock == nil {
		t.Fatalf("no lock is named:\n%s", again.Summary)
	}
	h.outside(infra(""), "force-unlock", "-force", lock[1])
	h.button(t, "bob", again, "Retry")
	h.check(merge, planned, func(run githubtest.CheckRun) bool { return run.ID != again.ID && waits(run) })
}

// killRunners ends what stages run as a power cut does: the runners, and everything they started.
func (h *infraHouse) killRunners() {
	h.Helper()
	out, err := exec.CommandContext(h.Context(), "pgrep", "-f", "runner "+h.data).Output()
	must(h.T, err)
	for field := range strings.FieldsSeq(string(out)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL) // gone already: what was wanted
		}
	}
	must(h.T, leftover.End(h.data))
}

// A cancel interrupts Terraform once, waits for it, and tells how far it came; the lock is free afterwards.
func TestCancelInTheMidstOfAnApply(t *testing.T) {
	h := infraSite(t, infraPipeline)
	h.start()
	head, number := h.proposed("one", infra(strings.Replace(slow, "sleep 8", "sleep 600", 1)))
	before := h.check(head, planned, passed)
	h.say("bob", number, "/deploy production", "eyes")
	h.check(head, planned, func(run githubtest.CheckRun) bool { return run.ID != before.ID && waits(run) })
	h.say("carol", number, "/approve production", "rocket")
	h.applying(head)
	h.say("bob", number, "/cancel", "rocket")
	cancelled := h.check(head, planned, func(run githubtest.CheckRun) bool { return run.Conclusion == "cancelled" })
	contains(t, cancelled.Summary, "was interrupted once and ended by itself", "Its lock is free")
	if strings.Contains(h.held(), ".tflock") {
		t.Errorf("the state is locked still: %s", h.held())
	}
	h.waitFor("a deployment that failed", func() bool {
		d := h.deployments("production")
		return len(d) == 1 && (d[0].State == "failure" || d[0].State == "error" || d[0].State == "inactive")
	})
}

// The clock has the infrastructure looked at: a check of its own on the head of the default branch, that applies nothing and
// leaves the verdict of the stage's own check alone.
func TestDriftIsLookedAtByTheClock(t *testing.T) {
	h := infraSite(t, strings.Replace(infraPipeline, "    aws: {region", "    drift: {schedule: \"* * * * *\"}\n    aws: {region", 1))
	h.start()
	_, number := h.proposed("one", infra(thing("network", "a", "small")+output("address", "terraform_data.network.id", "")))
	merge := h.merged(number)
	waiting := h.check(merge, planned, waits)
	looked := h.check(merge, planned+" drift", concluded)
	if looked.Conclusion != "success" || looked.Title != "No drift; a plan has 1 to add, 0 to change, 0 to destroy" {
		t.Errorf("%s %q", looked.Conclusion, looked.Title)
	}
	if still, ok := h.github.CheckRun(repo, merge, planned); !ok || still.ID != waiting.ID || !waits(still) {
		t.Errorf("the stage's own check is %+v", still)
	}
	for _, name := range []string{"app (production) drift", "deployment-summary drift"} {
		if run, ok := h.github.CheckRun(repo, merge, name); ok {
			t.Errorf("%s is %s", name, run.Conclusion)
		}
	}
	if h.held() != "" {
		t.Errorf("a look wrote %q", h.held())
	}
	h.kill() // it comes again, once, after whatever time
	h.start()
	h.check(merge, planned+" drift", func(run githubtest.CheckRun) bool { return run.ID != looked.ID && concluded(run) })
}

// What was changed outside is told at the drift's own check, which is neutral. Providers come from the operator's mirror.
func TestDriftIsTold(t *testing.T) {
	h := infraSite(t, strings.Replace(infraPipeline, "    aws: {region", "    drift: {schedule: \"* * * * *\"}\n    aws: {region", 1))
	h.env = append(h.env, "TF_CLI_CONFIG_FILE="+stagetest.LocalProvider(t))
	h.start()
	// The file is made in a checkout, and gone with it.
	_, number := h.proposed("one", infra("terraform {\n  required_providers {\n    local = {\n      source = \"example.com/slipway/local\"\n    }\n  }\n}\n"+
		"resource \"local_file\" \"page\" {\n  content  = \"hello\"\n  filename = \"page.txt\"\n}\n"+output("address", "local_file.page.id", "")))
	merge := h.merged(number)
	h.check(merge, planned, waits)
	h.say("carol", number, "/approve production", "rocket")
	applied := h.check(merge, planned, passed)
	contains(t, applied.Title, "Applied: 1 added")
	drifted := h.check(merge, planned+" drift", func(run githubtest.CheckRun) bool { return run.Conclusion == "neutral" })
	contains(t, drifted.Title, "rift")
	contains(t, drifted.Summary, "local_file.page")
	if still, ok := h.github.CheckRun(repo, merge, planned); !ok || still.ID != applied.ID || !passed(still) {
		t.Errorf("the stage's own check is %+v", still)
	}
	if deployments := h.deployments("production"); len(deployments) != 1 {
		t.Errorf("%d deployments: a look deploys nothing", len(deployments))
	}
}
