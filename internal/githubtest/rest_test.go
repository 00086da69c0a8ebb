package githubtest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// TestEveryOperationConforms calls what a CI/CD App calls, with the client it uses, under GitHub's own description.
func TestEveryOperationConforms(t *testing.T) {
	w := newWorld(t)
	head := w.push("topic", githubtest.Files{"src/app.py": "print('topic')\n", "docs/a b.md": "x\n"})
	pull, err := w.gh.As("alice").OpenPullRequest(w.ctx(), shop, githubtest.NewPullRequest{Title: "Topic", Head: "topic"})
	w.must(err)
	_, err = w.gh.As("bob").Comment(shop, pull.Number, "/status")
	w.must(err)
	w.exerciseApps()
	w.exerciseGit(head)
	w.exerciseChecks(head)
	w.exercisePulls(head, pull.Number)
	w.exerciseComments(pull.Number)
	w.exercisePeople()
	w.exerciseDeployments(head)
}

func (w *world) exerciseApps() {
	w.t.Helper()
	app, _, err := w.app.Apps.Get(w.ctx(), "")
	w.must(err)
	if app.GetSlug() != "slipway" {
		w.t.Errorf("app: %v", app)
	}
	list, _, err := w.app.Apps.ListInstallations(w.ctx(), nil)
	w.must(err)
	inst, _, err := w.app.Apps.FindRepositoryInstallation(w.ctx(), "acme", "shop")
	w.must(err)
	if len(list) != 1 || inst.GetID() != w.inst || inst.GetPermissions().GetChecks() != "write" {
		w.t.Errorf("installations: %v, %v", list, inst)
	}
	_, _, err = w.app.Apps.GetInstallation(w.ctx(), w.inst)
	w.must(err)
	_, _, err = w.app.Apps.FindOrganizationInstallation(w.ctx(), "acme")
	w.must(err)
	repos, _, err := w.bot.Apps.ListRepos(w.ctx(), nil)
	w.must(err)
	if repos.GetTotalCount() != 1 || repos.Repositories[0].GetFullName() != shop {
		w.t.Errorf("repositories: %v", repos)
	}
	_, _, err = w.bot.RateLimit.Get(w.ctx())
	w.must(err)
	_, _, err = w.app.Apps.GetHookConfig(w.ctx())
	w.must(err)
	repo, _, err := w.bot.Repositories.Get(w.ctx(), "acme", "shop")
	w.must(err)
	if repo.GetDefaultBranch() != "main" || !repo.GetPrivate() {
		w.t.Errorf("repository: %v", repo)
	}
}

func (w *world) exerciseGit(head string) {
	w.t.Helper()
	ref, _, err := w.bot.Git.GetRef(w.ctx(), "acme", "shop", "heads/topic")
	w.must(err)
	commit, _, err := w.bot.Git.GetCommit(w.ctx(), "acme", "shop", head)
	w.must(err)
	if ref.GetObject().GetSHA() != head || commit.GetTree().GetSHA() == "" {
		w.t.Errorf("ref %v, commit %v", ref, commit)
	}
	_, _, err = w.bot.Git.ListMatchingRefs(w.ctx(), "acme", "shop", &github.ReferenceListOptions{Ref: "heads/t"})
	w.must(err)
	branches, _, err := w.bot.Repositories.ListBranches(w.ctx(), "acme", "shop", nil)
	w.must(err)
	if len(branches) != 2 {
		w.t.Errorf("branches: %v", branches)
	}
	file, _, _, err := w.bot.Repositories.GetContents(w.ctx(), "acme", "shop", "docs/a b.md", &github.RepositoryContentGetOptions{Ref: "topic"})
	w.must(err)
	blob, _, err := w.bot.Git.GetBlobRaw(w.ctx(), "acme", "shop", file.GetSHA())
	w.must(err)
	if string(blob) != "x\n" {
		w.t.Errorf("blob: %q", blob)
	}
	_, folder, _, err := w.bot.Repositories.GetContents(w.ctx(), "acme", "shop", "src", nil)
	w.must(err)
	if len(folder) != 2 {
		w.t.Errorf("folder: %v", folder)
	}
	cmp, _, err := w.bot.Repositories.CompareCommits(w.ctx(), "acme", "shop", "main", head, nil)
	w.must(err)
	if cmp.GetStatus() != "ahead" || cmp.GetAheadBy() != 1 || len(cmp.Files) != 2 || !strings.Contains(cmp.Files[1].GetPatch(), "+print('topic')") {
		w.t.Errorf("comparison: %v", cmp)
	}
	full, _, err := w.bot.Repositories.GetCommit(w.ctx(), "acme", "shop", "topic", nil)
	w.must(err)
	if full.GetAuthor().GetLogin() != "alice" || full.GetStats().GetTotal() != 3 {
		w.t.Errorf("commit: %v", full)
	}
	_, _, err = w.bot.Repositories.ListCommits(w.ctx(), "acme", "shop", &github.CommitsListOptions{SHA: "topic"})
	w.must(err)
}

func (w *world) exerciseChecks(head string) {
	w.t.Helper()
	columns := 3
	run, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{
		Name: "lint", HeadSHA: head, Status: new("in_progress"), DetailsURL: new("https://ci.example.com/1"),
		Output: &github.CheckRunOutput{Title: new("t"), Summary: new("s"), Annotations: []*github.CheckRunAnnotation{{
			Path: new("src/app.py"), StartLine: new(1), EndLine: new(1), StartColumn: &columns, EndColumn: &columns,
			AnnotationLevel: new("warning"), Message: new("m"),
		}}},
	})
	w.must(err)
	_, _, err = w.bot.Checks.UpdateCheckRun(w.ctx(), "acme", "shop", run.GetID(), github.UpdateCheckRunOptions{
		Name: "lint", Conclusion: new("failure"),
		Actions: []*github.CheckRunAction{{Label: "Retry", Description: "Run it again", Identifier: "retry"}},
	})
	w.must(err)
	_, _, err = w.bot.Checks.GetCheckRun(w.ctx(), "acme", "shop", run.GetID())
	w.must(err)
	notes, _, err := w.bot.Checks.ListCheckRunAnnotations(w.ctx(), "acme", "shop", run.GetID(), nil)
	w.must(err)
	appID := w.gh.App().ID
	runs, _, err := w.bot.Checks.ListCheckRunsForRef(w.ctx(), "acme", "shop", head, &github.ListCheckRunsOptions{
		CheckName: new("lint"), AppID: &appID, Filter: new("latest"),
	})
	w.must(err)
	suites, _, err := w.bot.Checks.ListCheckSuitesForRef(w.ctx(), "acme", "shop", head, nil)
	w.must(err)
	if len(notes) != 1 || runs.GetTotal() != 1 || suites.GetTotal() != 1 || suites.CheckSuites[0].GetConclusion() != "failure" {
		w.t.Errorf("annotations %v, runs %v, suites %v", notes, runs, suites)
	}
	suite := suites.CheckSuites[0].GetID()
	_, _, err = w.bot.Checks.GetCheckSuite(w.ctx(), "acme", "shop", suite)
	w.must(err)
	_, _, err = w.bot.Checks.ListCheckRunsCheckSuite(w.ctx(), "acme", "shop", suite, nil)
	w.must(err)
	_, err = w.bot.Checks.ReRequestCheckSuite(w.ctx(), "acme", "shop", suite)
	w.must(err)
	_, err = w.bot.Checks.ReRequestCheckRun(w.ctx(), "acme", "shop", run.GetID())
	w.must(err)
	_, _, err = w.bot.Checks.SetCheckSuitePreferences(w.ctx(), "acme", "shop", github.CheckSuitePreferenceOptions{
		AutoTriggerChecks: []*github.AutoTriggerCheck{{AppID: &appID, Setting: new(false)}},
	})
	w.must(err)
	first, _, err := w.bot.Git.GetRef(w.ctx(), "acme", "shop", "heads/main")
	w.must(err)
	_, _, err = w.bot.Checks.CreateCheckSuite(w.ctx(), "acme", "shop", github.CreateCheckSuiteOptions{HeadSHA: first.GetObject().GetSHA()})
	w.must(err)
	_, _, err = w.bot.Repositories.CreateStatus(w.ctx(), "acme", "shop", head, &github.RepoStatus{
		State: new("success"), Context: new("ci"), Description: new("fine"),
	})
	w.must(err)
	combined, _, err := w.bot.Repositories.GetCombinedStatus(w.ctx(), "acme", "shop", head, nil)
	w.must(err)
	if combined.GetState() != "success" {
		w.t.Errorf("combined status: %v", combined)
	}
	_, _, err = w.bot.Repositories.ListStatuses(w.ctx(), "acme", "shop", head, nil)
	w.must(err)
}

func (w *world) exercisePulls(head string, number int) {
	w.t.Helper()
	pulls, _, err := w.bot.PullRequests.List(w.ctx(), "acme", "shop", nil)
	w.must(err)
	pull, _, err := w.bot.PullRequests.Get(w.ctx(), "acme", "shop", number)
	w.must(err)
	files, _, err := w.bot.PullRequests.ListFiles(w.ctx(), "acme", "shop", number, nil)
	w.must(err)
	if len(pulls) != 1 || pull.GetHead().GetSHA() != head || !pull.GetMergeable() || pull.GetChangedFiles() != 2 || len(files) != 2 {
		w.t.Errorf("pull requests %v, %v, files %v", pulls, pull, files)
	}
	_, _, err = w.bot.PullRequests.ListCommits(w.ctx(), "acme", "shop", number, nil)
	w.must(err)
	with, _, err := w.bot.PullRequests.ListPullRequestsWithCommit(w.ctx(), "acme", "shop", head, nil)
	w.must(err)
	if len(with) != 1 || with[0].GetNumber() != number {
		w.t.Errorf("pull requests of the commit: %v", with)
	}
}

func (w *world) exerciseComments(number int) {
	w.t.Helper()
	comment, _, err := w.bot.Issues.CreateComment(w.ctx(), "acme", "shop", number, &github.IssueComment{Body: new("<!-- x --> hi")})
	w.must(err)
	_, _, err = w.bot.Issues.EditComment(w.ctx(), "acme", "shop", comment.GetID(), &github.IssueComment{Body: new("edited")})
	w.must(err)
	got, _, err := w.bot.Issues.GetComment(w.ctx(), "acme", "shop", comment.GetID())
	w.must(err)
	if got.GetBody() != "edited" || got.GetUser().GetLogin() != "slipway[bot]" || got.GetUser().GetType() != "Bot" {
		w.t.Errorf("comment: %v", got)
	}
	reaction, resp, err := w.bot.Reactions.CreateIssueCommentReaction(w.ctx(), "acme", "shop", comment.GetID(), "eyes")
	w.must(err)
	_, again, err := w.bot.Reactions.CreateIssueCommentReaction(w.ctx(), "acme", "shop", comment.GetID(), "eyes")
	w.must(err)
	if resp.StatusCode != http.StatusCreated || again.StatusCode != http.StatusOK {
		w.t.Errorf("reaction: %d, then %d", resp.StatusCode, again.StatusCode)
	}
	_, _, err = w.bot.Reactions.ListIssueCommentReactions(w.ctx(), "acme", "shop", comment.GetID(), nil)
	w.must(err)
	_, err = w.bot.Reactions.DeleteIssueCommentReaction(w.ctx(), "acme", "shop", comment.GetID(), reaction.GetID())
	w.must(err)
	list, _, err := w.bot.Issues.ListComments(w.ctx(), "acme", "shop", number, nil)
	w.must(err)
	if len(list) != 2 {
		w.t.Errorf("comments: %v", list)
	}
	_, err = w.bot.Issues.DeleteComment(w.ctx(), "acme", "shop", comment.GetID())
	w.must(err)
}

func (w *world) exercisePeople() {
	w.t.Helper()
	w.must(w.gh.AddTeam("acme", "Platform", ""))
	w.must(w.gh.AddTeam("acme", "Night shift", "platform"))
	w.must(w.gh.AddTeamMember("acme", "night-shift", "bob", false))
	w.must(w.gh.AddTeamMember("acme", "platform", "mallory", true))
	for login, want := range map[string]string{"bob": "active", "mallory": "pending", "alice": ""} {
		m, _, err := w.bot.Teams.GetTeamMembershipBySlug(w.ctx(), "acme", "platform", login)
		if m.GetState() != want || (want == "" && status(err) != http.StatusNotFound) {
			w.t.Errorf("membership of %s: %v, %v", login, m, err)
		}
	}
	for login, want := range map[string]string{"alice": "admin", "bob": "write", "mallory": "none"} {
		level, _, err := w.bot.Repositories.GetPermissionLevel(w.ctx(), "acme", "shop", login)
		w.must(err)
		if level.GetPermission() != want {
			w.t.Errorf("permission of %s: %v", login, level)
		}
	}
	w.must(w.gh.AddCollaborator(shop, "mallory", "triage"))
	level, _, err := w.bot.Repositories.GetPermissionLevel(w.ctx(), "acme", "shop", "mallory")
	w.must(err)
	if level.GetPermission() != "read" || level.GetUser().GetRoleName() != "triage" {
		w.t.Errorf("triage: %v", level)
	}
	members, _, err := w.bot.Teams.ListTeamMembersBySlug(w.ctx(), "acme", "platform", nil)
	w.must(err)
	if !slices.ContainsFunc(members, func(u *github.User) bool { return u.GetLogin() == "bob" }) {
		w.t.Errorf("team members: %v", members)
	}
	_, _, err = w.bot.Users.Get(w.ctx(), "alice")
	w.must(err)
	_, _, err = w.bot.Organizations.GetOrgMembership(w.ctx(), "bob", "acme")
	w.must(err)
	member, _, err := w.bot.Organizations.IsMember(w.ctx(), "acme", "alice")
	if err != nil || !member {
		w.t.Errorf("alice is a member: %v, %v", member, err)
	}
}

func (w *world) exerciseDeployments(head string) {
	w.t.Helper()
	request := func(environment string) *github.DeploymentRequest {
		return &github.DeploymentRequest{
			Ref: &head, AutoMerge: new(false), RequiredContexts: &[]string{}, Environment: &environment,
			Payload: map[string]any{"release": 7},
		}
	}
	first, _, err := w.bot.Repositories.CreateDeployment(w.ctx(), "acme", "shop", request("staging"))
	w.must(err)
	second, _, err := w.bot.Repositories.CreateDeployment(w.ctx(), "acme", "shop", request("staging"))
	w.must(err)
	for _, d := range []*github.Deployment{first, second} {
		_, _, err = w.bot.Repositories.CreateDeploymentStatus(w.ctx(), "acme", "shop", d.GetID(), &github.DeploymentStatusRequest{
			State: new("success"), LogURL: new("https://ci.example.com/1"), Description: new("up"),
		})
		w.must(err)
	}
	deployments := w.gh.Deployments(shop)
	if deployments[0].State != "inactive" || deployments[1].State != "success" {
		w.t.Errorf("auto_inactive: %+v", deployments)
	}
	_, _, err = w.bot.Repositories.ListDeployments(w.ctx(), "acme", "shop", &github.DeploymentsListOptions{Environment: "staging"})
	w.must(err)
	_, _, err = w.bot.Repositories.GetDeployment(w.ctx(), "acme", "shop", first.GetID())
	w.must(err)
	_, _, err = w.bot.Repositories.ListDeploymentStatuses(w.ctx(), "acme", "shop", first.GetID(), nil)
	w.must(err)
	w.must(w.gh.AddEnvironment(shop, "production", 5))
	list, _, err := w.bot.Repositories.ListEnvironments(w.ctx(), "acme", "shop", nil)
	w.must(err)
	if list.GetTotalCount() != 2 {
		w.t.Errorf("environments: %v", list)
	}
	_, _, err = w.bot.Repositories.GetEnvironment(w.ctx(), "acme", "shop", "production")
	w.must(err)
}
