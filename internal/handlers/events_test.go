package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/palantir/go-githubapp/githubapp"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// recorder is the core as handlers see it: it notes what it is asked, one line each.
type recorder struct {
	asked      []string
	runs       []pipeline.Run
	permission string
	message    string
}

func (r *recorder) notef(format string, args ...any) {
	r.asked = append(r.asked, fmt.Sprintf(format, args...))
}

func (r *recorder) Submit(_ context.Context, t pipeline.Trigger) (pipeline.Run, error) {
	if t.Branch == "unwanted" {
		return pipeline.Run{}, pipeline.ErrNotWanted
	}
	r.notef("submit %s %s %s@%.4s base=%s pr=%d fork=%v fresh=%v skip=%q by %s in %s#%d",
		t.Event, t.Ref, t.Branch, t.SHA, t.Base, t.PullRequest, t.Fork, t.Fresh, t.Skip, t.Actor, t.Repository.FullName(),
		t.Repository.InstallationID)
	return pipeline.Run{}, nil
}

func (r *recorder) Cancel(_ context.Context, run int64, reason string) (pipeline.Run, error) {
	r.notef("cancel %d: %s", run, reason)
	return pipeline.Run{}, nil
}

func (r *recorder) CancelGroup(_ context.Context, t pipeline.Trigger, reason string) error {
	r.notef("cancel %s: %s", t.Group(), reason)
	return nil
}

func (r *recorder) CancelWaiting(_ context.Context, t pipeline.Trigger, reason string) error {
	r.notef("cancel what waits of %s: %s", t.Group(), reason)
	return nil
}

func (r *recorder) Press(_ context.Context, p chatops.Press) (*chatops.Refusal, error) {
	what := string(p.Button)
	if p.Candidate != "" {
		what += " of " + p.Candidate
	}
	r.notef("%s at %d of %d by %s via %s, %s", what, p.StageRunID, p.Repository.ID, p.By, p.Via, p.Cause)
	return nil, nil //nolint:nilnil // nothing is refused
}

func (r *recorder) SavePush(_ context.Context, p pipeline.PushRecord) error {
	r.notef("%s pushed %.4s to %s", p.By, p.SHA, p.Ref)
	return nil
}

func (r *recorder) changed(repository pipeline.Repository, number int) {
	r.notef("changed %d#%d", repository.ID, number)
}

func (r *recorder) RecheckPull(_ context.Context, repository int64, number int) error {
	r.notef("recheck %d#%d", repository, number)
	return nil
}

func (r *recorder) Lay(_ context.Context, repository pipeline.Repository) error {
	r.notef("lay the schedules of %s", repository.FullName())
	return nil
}

func (r *recorder) RecheckRepository(_ context.Context, repository int64) error {
	r.notef("recheck %d", repository)
	return nil
}

func (r *recorder) Runs(_ context.Context, f pipeline.RunFilter) ([]pipeline.Run, error) {
	older := slices.DeleteFunc(slices.Clone(r.runs), func(run pipeline.Run) bool { return f.Before != 0 && run.ID >= f.Before })
	return older[:min(len(older), 2)], nil // a page has two
}

func (r *recorder) SaveRepository(_ context.Context, repo pipeline.Repository) error {
	r.notef("save %s#%d", repo.FullName(), repo.InstallationID)
	return nil
}

func (r *recorder) RemoveRepository(_ context.Context, id int64) error {
	r.notef("remove %d", id)
	return nil
}

func (r *recorder) Permission(context.Context, pipeline.Repository, string) (string, error) {
	if r.permission == "" {
		return "", fmt.Errorf("GitHub does not answer")
	}
	return r.permission, nil
}

func (r *recorder) CommitMessage(context.Context, pipeline.Repository, string) (string, error) {
	return r.message, nil
}

const (
	headSHA = "aaaa111111111111111111111111111111111111"
	repoDoc = `"repository":{"id":5,"name":"shop","full_name":"acme/shop","owner":{"login":"acme"},"default_branch":"main","clone_url":"https://github.test/acme/shop.git"},"installation":{"id":9},"sender":{"login":"alice"}`
)

func pullRequestDoc(action, headRepo string, merged bool) string {
	return fmt.Sprintf(`{"action":%q,"number":7,"pull_request":{"number":7,"title":"Add","merged":%v,"labels":[{"name":"x"}],"merge_commit_sha":"dddd",
		"head":{"sha":%q,"ref":"topic","repo":%s},"base":{"ref":"main","sha":"bbbb","repo":{"id":5}}},%s}`, action, merged, headSHA, headRepo, repoDoc)
}

func checkRunDoc(action, app, external, more string) string {
	return fmt.Sprintf(`{"action":%q,"check_run":{"id":1,"external_id":%q,"app":{"id":%s}}%s,%s}`, action, external, app, more, repoDoc)
}

func TestEvents(t *testing.T) {
	now := func() time.Time { return time.Unix(0, 0) }
	push := func(ref, after, message string, deleted bool) string {
		return fmt.Sprintf(`{"ref":%q,"before":"cccc","after":%q,"deleted":%v,"head_commit":{"message":%q},%s}`, ref, after, deleted, message, repoDoc)
	}
	group := func(action, reason string) string {
		return fmt.Sprintf(`{"action":%q,"reason":%q,"merge_group":{"head_sha":%q,"head_ref":"refs/heads/gh-readonly-queue/main/pr-7-x","base_sha":"bbbb","base_ref":"refs/heads/main","head_commit":{"message":"Merge"}},%s}`, action, reason, headSHA, repoDoc)
	}
	old := pipeline.Run{ID: 4, Trigger: pipeline.Trigger{Event: pipeline.EventPush, Ref: "refs/heads/main", Branch: "main", SHA: headSHA}}
	older := old
	older.ID = 3
	unwanted := pipeline.Run{ID: 6, Trigger: pipeline.Trigger{Event: pipeline.EventPush, Ref: "refs/heads/unwanted", Branch: "unwanted"}}
	cases := []struct {
		name, event, payload string
		core                 recorder
		fails                bool
		want                 []string
	}{
		{"push", "push", push("refs/heads/main", headSHA, "feat", false), recorder{}, false, []string{
			"alice pushed aaaa to refs/heads/main",
			"recheck 5",
			"lay the schedules of acme/shop",
			`submit push refs/heads/main main@aaaa base= pr=0 fork=false fresh=false skip="" by alice in acme/shop#9`,
		}},
		{"push to skip", "push", push("refs/heads/a/b", headSHA, "x [skip ci]", false), recorder{}, false, []string{
			"alice pushed aaaa to refs/heads/a/b",
			`submit push refs/heads/a/b a/b@aaaa base= pr=0 fork=false fresh=false skip="the commit message says [skip ci]" by alice in acme/shop#9`,
		}},
		{"tag", "push", push("refs/tags/v1", headSHA, "x", false), recorder{}, false, nil},
		{"deleted branch", "push", push("refs/heads/main", noCommit, "", true), recorder{}, false, nil},
		{"merge queue's branch", "push", push("refs/heads/gh-readonly-queue/main/pr-7-x", headSHA, "", false), recorder{}, false, nil},
		{"pull request", "pull_request", pullRequestDoc("opened", `{"id":5}`, false), recorder{}, false, []string{
			" pushed aaaa to refs/pull/7/head",
			`submit pull_request refs/pull/7/head topic@aaaa base=main pr=7 fork=false fresh=false skip="" by alice in acme/shop#9`,
		}},
		{"pull request of a fork", "pull_request", pullRequestDoc("synchronize", `{"id":6}`, false), recorder{}, false, []string{
			"alice pushed aaaa to refs/pull/7/head",
			"changed 5#7",
			"recheck 5#7",
			`submit pull_request refs/pull/7/head topic@aaaa base=main pr=7 fork=true fresh=false skip="" by alice in acme/shop#9`,
		}},
		{"pull request of a deleted fork", "pull_request", pullRequestDoc("reopened", `null`, false), recorder{message: "[no ci]"}, false, []string{
			"changed 5#7",
			"recheck 5#7",
			`submit pull_request refs/pull/7/head topic@aaaa base=main pr=7 fork=true fresh=false skip="the commit message says [no ci]" by alice in acme/shop#9`,
		}},
		{"closed unmerged", "pull_request", pullRequestDoc("closed", `{"id":5}`, false), recorder{}, false, []string{
			"changed 5#7",
			"recheck 5#7",
			"cancel 5/pull_request/refs/pull/7/head: the pull request was closed",
		}},
		{"merged", "pull_request", pullRequestDoc("closed", `{"id":5}`, true), recorder{}, false, []string{
			"alice pushed dddd to refs/pull/7/merge",
			"changed 5#7",
			"recheck 5#7",
			"cancel what waits of 5/pull_request/refs/pull/7/head: the pull request was merged",
		}},
		{"labeled", "pull_request", pullRequestDoc("labeled", `{"id":5}`, false), recorder{}, false, nil},
		{"merge group", "merge_group", group("checks_requested", ""), recorder{}, false, []string{
			`submit merge_group refs/heads/gh-readonly-queue/main/pr-7-x gh-readonly-queue/main/pr-7-x@aaaa base=main pr=0 fork=false fresh=false skip="" by alice in acme/shop#9`,
		}},
		{"merge group ended", "merge_group", group("destroyed", "invalidated"), recorder{}, false, []string{
			"cancel 5/merge_group/refs/heads/gh-readonly-queue/main/pr-7-x: the merge group ended: invalidated",
		}},
		{"merge group merged", "merge_group", group("destroyed", "merged"), recorder{}, false, nil},
		{"re-run", "check_run", checkRunDoc("rerequested", "3", "slipway/12", ""), recorder{}, false, []string{
			"retry at 12 of 5 by alice via button, delivery-guid",
		}},
		{"retry button", "check_run", checkRunDoc("requested_action", "3", "slipway/12", `,"requested_action":{"identifier":"retry"}`), recorder{}, false, []string{
			"retry at 12 of 5 by alice via button, delivery-guid",
		}},
		{"approve button", "check_run", checkRunDoc("requested_action", "3", "slipway/12", `,"requested_action":{"identifier":"approve-0123456789ab"}`), recorder{}, false, []string{
			"approve of 0123456789ab at 12 of 5 by alice via button, delivery-guid",
		}},
		{"another App's check", "check_run", checkRunDoc("rerequested", "4", "slipway/12", ""), recorder{permission: "admin"}, false, nil},
		{"not our external id", "check_run", checkRunDoc("rerequested", "3", "other", ""), recorder{permission: "admin"}, false, nil},
		{"completed", "check_run", checkRunDoc("completed", "3", "slipway/12", ""), recorder{permission: "admin"}, false, nil},
		{"re-run all", "check_suite", fmt.Sprintf(`{"action":"rerequested","check_suite":{"head_sha":%q,"app":{"id":3}},%s}`, headSHA, repoDoc),
			recorder{permission: "write", runs: []pipeline.Run{old, older}}, false, []string{
				`submit push refs/heads/main main@aaaa base= pr=0 fork=false fresh=true skip="" by alice in acme/shop#9`,
			}},
		{"re-run all, of which one is no longer asked for", "check_suite", fmt.Sprintf(`{"action":"rerequested","check_suite":{"head_sha":%q,"app":{"id":3}},%s}`, headSHA, repoDoc),
			recorder{permission: "write", runs: []pipeline.Run{unwanted, old}}, false, []string{
				`submit push refs/heads/main main@aaaa base= pr=0 fork=false fresh=true skip="" by alice in acme/shop#9`,
			}},
		{"suite requested", "check_suite", fmt.Sprintf(`{"action":"requested","check_suite":{"head_sha":%q,"app":{"id":3}},%s}`, headSHA, repoDoc), recorder{permission: "write"}, false, nil},
		{"installed", "installation", `{"action":"created","installation":{"id":9,"account":{"login":"acme"}},"repositories":[{"id":5,"full_name":"acme/shop"}]}`, recorder{}, false, []string{"save acme/shop#9"}},
		{"uninstalled", "installation", `{"action":"deleted","installation":{"id":9},"repositories":[{"id":5,"full_name":"acme/shop"}]}`,
			recorder{runs: []pipeline.Run{old}}, false, []string{"cancel 4: the App was uninstalled", "remove 5"}},
		{"uninstalled with more open runs than a page holds", "installation", `{"action":"deleted","installation":{"id":9},"repositories":[{"id":5,"full_name":"acme/shop"}]}`,
			recorder{runs: []pipeline.Run{{ID: 5}, old, older}}, false, []string{
				"cancel 5: the App was uninstalled", "cancel 4: the App was uninstalled", "cancel 3: the App was uninstalled", "remove 5",
			}},
		{"repositories changed", "installation_repositories", `{"action":"added","installation":{"id":9},"repositories_added":[{"id":6,"full_name":"acme/till"}],"repositories_removed":[{"id":5,"full_name":"acme/shop"}]}`,
			recorder{}, false, []string{"save acme/till#9", "remove 5"}},
		{"ping", "ping", `{"zen":"x"}`, recorder{}, false, nil},
		{"not what it says", "push", `[1]`, recorder{}, true, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			core := tc.core
			stage := func(id string) (int64, bool) { return 12, strings.HasPrefix(id, "slipway/") }
			var handler githubapp.EventHandler
			for _, h := range []githubapp.EventHandler{
				&Push{&core, &core, &core, &core, now}, &PullRequest{&core, &core, &core, &core, core.changed, now}, &MergeGroup{&core, now}, Ping{},
				&CheckRun{&core, 3, stage}, &CheckSuite{&core, &core, &core, 3, now},
				&Installation{&core, &core, &core}, &InstallationRepositories{&core, &core, &core},
			} {
				if h.Handles()[0] == tc.event {
					handler = h
				}
			}
			if !json.Valid([]byte(tc.payload)) {
				t.Fatal("the case's payload is no JSON")
			}
			err := handler.Handle(t.Context(), tc.event, "guid", []byte(tc.payload))
			if (err != nil) != tc.fails {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.want, core.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}
