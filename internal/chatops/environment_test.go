package chatops

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func admitsAll(string) bool { return true }

// ops is a world with staging and production, a pull request whose head was pushed before the comment, and two releases.
func ops() *world {
	w := newWorld("write")
	w.pull = Pull{Open: true, Head: head, Branch: "topic", Base: "main", BaseSHA: strings.Repeat("b", 40), Author: "bob", Title: "Add | @all"}
	w.gate.rules = []pipeline.EnvironmentDefinition{
		{Name: "staging", MatchBranch: admitsAll},
		{Name: "production", MatchBranch: func(b string) bool { return b == "main" }, Branches: []string{"main"}, Deployers: []string{"alice", "@acme/ops"}},
	}
	w.gate.pushes = []pipeline.PushRecord{{SHA: head, Ref: "refs/heads/topic", By: "bob", At: noon.Add(-time.Minute)}}
	w.gate.prospect = environment.Decision{Answer: environment.Open}
	w.gate.state = pipeline.EnvironmentState{Name: "production", Release: 2}
	for n := int64(2); n > 0; n-- {
		w.gate.releases = append(w.gate.releases, pipeline.Release{
			Number: n, Environment: "production", Commit: strings.Repeat(string(rune('a'+n)), 40), Ref: "refs/heads/main", Branch: "main", Actor: "carol",
			Title: "Release @" + string(rune('a'+n)), At: noon.Add(time.Duration(n) * time.Hour),
			Parts: []pipeline.Part{{Kind: pipeline.PartImage, Name: "image", Value: "registry/shop@sha256:" + strings.Repeat(string(rune('0'+n)), 64)}},
		})
	}
	return w
}

// waitingRun is a run that waits before production since a minute before the comment.
func waitingRun() pipeline.Run {
	run := runOf(9, pipeline.StatusWaiting, "deploy (production)/deploy=waiting")
	run.Trigger.Event, run.Stages[0].Spec.Hold = pipeline.EventDeploy, ""
	run.Stages[0].Spec.Enters, run.Stages[0].Spec.Environment = true, "production"
	run.Environments = []pipeline.EnvironmentDefinition{{Name: "production", MatchBranch: admitsAll}}
	run.Entries = []pipeline.Entry{{
		Environment: "production", State: pipeline.EntryWaiting, CandidateAt: noon.Add(-time.Minute), Candidate: &pipeline.Candidate{Commit: head},
	}}
	return run
}

func TestCommandsOfEnvironments(t *testing.T) {
	locked := func(w *world) {
		w.gate.prospect = environment.Decision{Answer: environment.Hold, Missing: []pipeline.Missing{{
			Rule: environment.RuleLock, Why: "production is locked by carol since then: *moving* @all.", Who: "alice, @acme/ops", Command: "/unlock production",
		}}}
	}
	needsApproval := func(w *world) {
		w.gate.prospect = environment.Decision{Answer: environment.Hold, Required: 1, Missing: []pipeline.Missing{{Rule: environment.RuleApprovals, Why: "It needs 1 approval."}}}
	}
	waits := func(w *world) {
		w.runs = []pipeline.Run{waitingRun()}
		w.gate.ballot = environment.Ballot{Fingerprint: "f00", MayReject: true}
	}
	merged := func(w *world) { w.pull.Open, w.pull.Merged, w.pull.Merge = false, true, strings.Repeat("d", 40) }
	cases := []struct {
		name  string
		with  func(*world)
		line  string
		asked []string // of the core and of the gate
		sign  string
		says  []string
	}{
		{"deploy", nil, "/deploy production", []string{"deploy production at 0123456 by alice"}, "", nil},
		{"deploy in capitals", nil, "/Deploy Production", []string{"deploy production at 0123456 by alice"}, "", nil},
		{"deploy what waits for an approval", needsApproval, "/deploy production", []string{"deploy production at 0123456 by alice"}, "", nil},
		{"deploy without a name", nil, "/deploy", nil, "-1", []string{"several environments", "`staging`, `production`"}},
		{"deploy to the only one", func(w *world) { w.gate.rules = w.gate.rules[1:] }, "/deploy", []string{"deploy production at 0123456 by alice"}, "", nil},
		{"deploy to none", func(w *world) { w.gate.rules = nil }, "/deploy", nil, "-1", []string{"declares no environment"}},
		{"deploy to an unknown one", nil, "/deploy moon@all", nil, "-1", []string{"no environment `moon@\u200ball`", "`staging`, `production`"}},
		{"deploy with more", nil, "/deploy production now please", nil, "-1", []string{"does not know what `now please` is", "/deploy [environment] [--ref REF]"}},
		{"deploy with an unknown flag", nil, "/deploy production --force", nil, "-1", []string{"no `--force`"}},
		{"deploy by somebody else", func(w *world) { w.gate.deploys = "carol" }, "/deploy production", nil, "-1", []string{"`alice` may not deploy to `production`", "`@\u200bacme/ops`"}},
		{"deploy when GitHub does not tell", func(w *world) { w.gate.unknown = true }, "/deploy production", nil, "-1", []string{"GitHub did not tell"}},
		{"deploy to a locked one", locked, "/deploy production", nil, "-1", []string{"locked by carol", `\*moving\* @` + "\u200ball", "`/unlock production`"}},
		{"deploy of a closed pull request", func(w *world) { w.pull.Open = false }, "/deploy production", nil, "-1", []string{"closed without being merged"}},
		{"deploy of a merged one", merged, "/deploy production", []string{"deploy production at ddddddd by alice"}, "", nil},
		{"deploy of a fork", func(w *world) { w.pull.Fork = true }, "/deploy production", nil, "-1", []string{"fork"}},
		{"deploy with a broken file", func(w *world) {
			w.gate.problem = &pipeline.InvalidDefinitionError{Problems: []pipeline.Problem{{File: "f", Message: "bad @all"}}}
		}, "/deploy production", nil, "-1", []string{"has 1 problems", "bad @\u200ball"}},
		{"deploy of a branch", nil, "/deploy production --ref main", []string{"deploy production at 0123456 by alice"}, "", nil},
		{"deploy of a commit that is not there", nil, "/deploy production --ref " + strings.Repeat("e", 40), nil, "-1", []string{"No branch that may enter"}},
		{"deploy of a commit", func(w *world) { w.holds = true }, "/deploy production --ref=" + strings.Repeat("e", 40), []string{"deploy production at eeeeeee by alice"}, "", nil},
		{"deploy of nothing", nil, "/deploy production --ref", nil, "-1", []string{"`--ref` names nothing"}},
		{"deploy of what was pushed since", func(w *world) {
			w.gate.pushes = []pipeline.PushRecord{
				{SHA: strings.Repeat("c", 40), Ref: "refs/heads/topic", At: noon.Add(-time.Hour)},
				{SHA: head, Ref: "refs/heads/topic", Before: strings.Repeat("c", 40), At: noon.Add(time.Second)},
			}
			w.runs = nil
		}, "/deploy production", nil, "-1", []string{"`" + strings.Repeat("c", 40) + "` when the comment was written, and is `" + head + "` now"}},
		{"deploy of what another branch held before", func(w *world) {
			w.gate.pushes = []pipeline.PushRecord{
				{SHA: strings.Repeat("c", 40), Ref: "refs/heads/topic", At: noon.Add(-time.Hour)},
				{SHA: head, Ref: "refs/heads/side", At: noon.Add(-time.Minute)},
				{SHA: head, Ref: "refs/heads/topic", At: noon.Add(time.Second)},
			}
			w.runs = nil
		}, "/deploy production", nil, "-1", []string{"`" + strings.Repeat("c", 40) + "` when the comment was written"}},
		{"deploy of what the branch was set back to", func(w *world) {
			w.gate.pushes = []pipeline.PushRecord{
				{SHA: head, Ref: "refs/heads/topic", At: noon.Add(-time.Hour), Again: noon.Add(time.Second)},
				{SHA: strings.Repeat("c", 40), Ref: "refs/heads/topic", At: noon.Add(-time.Minute)},
			}
		}, "/deploy production", nil, "-1", []string{"`" + strings.Repeat("c", 40) + "` when the comment was written"}},
		{"deploy of what was there, was not, and is again", func(w *world) {
			w.gate.pushes = []pipeline.PushRecord{
				{SHA: head, Ref: "refs/heads/topic", At: noon.Add(-time.Hour), Again: noon.Add(2 * time.Second)},
				{SHA: strings.Repeat("c", 40), Ref: "refs/heads/topic", At: noon.Add(time.Second)},
			}
		}, "/deploy production", nil, "-1", []string{"Something else was pushed since"}},
		{"deploy of a branch that moved since", func(w *world) {
			w.gate.pushes = []pipeline.PushRecord{
				{SHA: strings.Repeat("c", 40), Ref: "refs/heads/main", At: noon.Add(-time.Hour)},
				{SHA: head, Ref: "refs/heads/main", At: noon.Add(time.Second)},
			}
		}, "/deploy production --ref main", nil, "-1", []string{"`" + strings.Repeat("c", 40) + "` when the comment was written, and is `" + head + "` now"}},
		{"deploy of a branch that was pushed before", func(w *world) {
			w.gate.pushes = []pipeline.PushRecord{{SHA: head, Ref: "refs/heads/main", At: noon.Add(-time.Hour)}}
		}, "/deploy production --ref main", []string{"deploy production at 0123456 by alice"}, "", nil},
		{"deploy of a branch by a closed pull request", func(w *world) { w.pull.Open = false }, "/deploy production --ref main", nil, "-1", []string{"closed without being merged"}},

		{"plan", nil, "/plan production", []string{"plan production at 0123456 by alice"}, "rocket", []string{"Run #70", "prepares"}},

		{"approve", waits, "/approve", []string{"approve 9 in production: f00 by alice via comment"}, "rocket", nil},
		{"approve by name", waits, "/approve Production", []string{"approve 9 in production: f00 by alice via comment"}, "rocket", nil},
		{"approve nothing", nil, "/approve", nil, "-1", []string{"Nothing of this pull request waits", "/status"}},
		{"approve another one", waits, "/approve staging", nil, "-1", []string{"Nothing of this pull request waits before `staging`"}},
		{"approve an unknown one", waits, "/approve moon", nil, "-1", []string{"no environment `moon`"}},
		{"approve one's own", func(w *world) {
			waits(w)
			w.gate.ballot.No = &pipeline.Missing{Rule: "approvals", Why: "alice asked for it, and production does not let people approve their own.", Who: "@acme/platform"}
		}, "/approve", nil, "-1", []string{"alice asked for it", "@\u200bacme/platform can approve it"}},
		{"approve what was prepared since", func(w *world) {
			waits(w)
			w.runs[0].Entries[0].CandidateAt = noon.Add(time.Minute)
		}, "/approve", nil, "-1", []string{"prepared after your comment"}},
		{"reject", waits, "/reject production the migration is missing", []string{"reject 9 in production: the migration is missing by alice"}, "rocket", nil},
		{"reject without a name", waits, "/reject too early", []string{"reject 9 in production: too early by alice"}, "rocket", nil},
		{"reject with a misspelt name", waits, "/reject producti0n too early", nil, "-1", []string{"no environment `producti0n`", "/reject production"}},
		{"reject with a name of another", waits, "/reject staging\ttoo early", nil, "-1", []string{"Nothing of this pull request waits before `staging`"}},
		{"reject by somebody else", func(w *world) { waits(w); w.gate.ballot.MayReject = false }, "/reject", nil, "-1", []string{"`alice` may not reject"}},

		{"roll back", nil, "/rollback production", []string{"rollback production at bbbbbbb by alice"}, "", []string{"from release 2", "**release 1**", "sha256:1111", "/unlock production"}},
		{"roll back to a number", nil, "/rollback production --to 1", []string{"rollback production at bbbbbbb by alice"}, "", []string{"**release 1**"}},
		{"roll back to a commit", nil, "/rollback production --to BBBBBBB", []string{"rollback production at bbbbbbb by alice"}, "", []string{"**release 1**"}},
		{"roll back to the current one", nil, "/rollback production --to 2", nil, "-1", []string{"runs release 2 now"}},
		{"roll back to an unknown release", nil, "/rollback production --to 99", nil, "-1", []string{"no release 99", "/releases production"}},
		{"roll back to an unknown commit", nil, "/rollback production --to 1234567", nil, "-1", []string{"No release of `production` is of the commit `1234567`"}},
		{"roll back to nothing", nil, "/rollback production --to", nil, "-1", []string{"`--to` names nothing"}},
		{"roll back the first", func(w *world) { w.gate.state.Release = 1 }, "/rollback production", nil, "-1", []string{"no release of `production` before the current one"}},
		{"roll back without releases", func(w *world) { w.gate.releases = nil }, "/rollback production", nil, "-1", []string{"has no release yet"}},
		{"roll back by somebody else", func(w *world) { w.gate.deploys = "carol" }, "/rollback production", nil, "-1", []string{"may not deploy"}},

		{"destroy without a name", nil, "/destroy", nil, "-1", []string{"needs the environment by name"}},
		{"destroy", nil, "/destroy staging", []string{"destroy staging at 0123456 by alice"}, "", []string{"Nothing is destroyed before"}},

		{"lock", nil, "/lock production the database moves", []string{"lock production: the database moves by alice"}, "rocket", nil},
		{"lock twice", func(w *world) { w.gate.state.Lock = &pipeline.Lock{By: "carol", Reason: "`x` @all"} }, "/lock production", nil, "-1", []string{"locked already, by `carol`", "@\u200ball"}},
		{"lock without a name", nil, "/lock", nil, "-1", []string{"needs the environment by name"}},
		{"lock by somebody else", func(w *world) { w.gate.deploys = "carol" }, "/lock production", nil, "-1", []string{"may not deploy"}},
		{"unlock", func(w *world) { w.gate.state.Lock = &pipeline.Lock{By: "carol"} }, "/unlock production", []string{"unlock production by alice"}, "rocket", nil},
		{"unlock after a rollback", func(w *world) { w.gate.state.Hold = &pipeline.Lock{By: "carol"} }, "/unlock production", []string{"unlock production by alice"}, "rocket", nil},
		{"unlock what is open", nil, "/unlock production", nil, "-1", []string{"`production` is not locked"}},

		{"releases", nil, "/releases production", nil, "rocket", []string{"**2** (now)", "`Release @\u200bb`", "/rollback production --to RELEASE"}},
		{"why", needsApproval, "/why production", nil, "rocket", []string{"enters `production` once this is there", "It needs 1 approval."}},
		{"why nothing", nil, "/why production", nil, "rocket", []string{"Nothing keeps"}},
		{"cancel what was merged", func(w *world) {
			waits(w)
			merged(w)
			w.runs[0].Trigger.Event, w.runs[0].Trigger.SHA, w.runs[0].Trigger.Deploy = pipeline.EventPush, w.pull.Merge, nil
		}, "/cancel", []string{"cancel 9: asked by @alice"}, "rocket", nil},
		{"cancel what was merged, by somebody else", func(w *world) {
			waits(w)
			merged(w)
			w.runs[0].Trigger.Event, w.runs[0].Trigger.SHA, w.gate.deploys = pipeline.EventPush, w.pull.Merge, "carol"
		}, "/cancel", nil, "-1", []string{"may not deploy there"}},
		{"cancel another's deploy", func(w *world) { waits(w); w.gate.deploys = "carol" }, "/cancel", nil, "-1", []string{"a deploy to `production`", "may not deploy there"}},
		{"retry a rollback", func(w *world) {
			waits(w)
			w.runs[0].Status, w.runs[0].Stages[0].Status, w.runs[0].Trigger.SHA = pipeline.StatusFailure, pipeline.StatusFailure, strings.Repeat("b", 40)
			w.runs[0].Trigger.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback}
		}, "/retry", []string{"rerun 900 of 5: alice"}, "rocket", nil},
		{"retry a deploy of a head that has moved", func(w *world) {
			waits(w)
			w.runs[0].Status, w.runs[0].Stages[0].Status, w.runs[0].Trigger.SHA = pipeline.StatusFailure, pipeline.StatusFailure, strings.Repeat("b", 40)
			w.runs[0].Trigger.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionDeploy, Pinned: true}
		}, "/retry", nil, "-1", []string{"There is no run for `" + head}},
		{"retry what was merged", func(w *world) {
			waits(w)
			merged(w)
			w.runs[0].Trigger.Event, w.runs[0].Trigger.SHA, w.runs[0].Trigger.PullRequest = pipeline.EventPush, w.pull.Merge, 0
			w.runs[0].Status, w.runs[0].Stages[0].Status = pipeline.StatusFailure, pipeline.StatusFailure
		}, "/retry", []string{"rerun 900 of 5: alice"}, "rocket", nil},
		{"status of what was merged", func(w *world) {
			waits(w)
			merged(w)
			w.runs[0].Trigger.Event, w.runs[0].Trigger.SHA, w.runs[0].Trigger.PullRequest = pipeline.EventPush, w.pull.Merge, 0
		}, "/status", nil, "rocket", []string{"Run #", "`dddddddddddddddddddddddddddddddddddddddd`", "deploy (production)"}},
		{"retry another's deploy", func(w *world) {
			waits(w)
			w.runs[0].Status, w.runs[0].Stages[0].Status, w.gate.deploys = pipeline.StatusFailure, pipeline.StatusFailure, "carol"
		}, "/retry", nil, "-1", []string{"changes `production`", "may not deploy there"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := ops()
			if tc.with != nil {
				tc.with(w)
			}
			c := comment(tc.line)
			c.ReceivedAt = noon.Add(-time.Hour)
			if err := w.desk().Take(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := slices.Concat(w.asked, w.gate.told)
			if diff := cmp.Diff(tc.asked, got); diff != "" {
				t.Errorf("%s\n%q", diff, w.replies)
			}
			for _, sign := range []string{"rocket", "confused", "-1"} {
				if (w.signs[sign] == 1) != (sign == tc.sign) {
					t.Errorf("signs %v, not %q", w.signs, tc.sign)
				}
			}
			said := strings.Join(w.replies, "\n")
			if tc.says == nil && said != "" || len(w.replies) > 1 {
				t.Errorf("replies %q", w.replies)
			}
			for _, part := range tc.says {
				if !strings.Contains(said, part) {
					t.Errorf("%q is not in %s", part, said)
				}
			}
			if len(w.gate.records) != 1 || w.gate.records[0].Allowed == (tc.sign == "-1") || w.gate.records[0].Actor != "alice" {
				t.Errorf("records %+v", w.gate.records)
			}
		})
	}
}

// A head that nobody has told of yet is waited for; later it is noted, and the comment is refused.
func TestAHeadOfUnknownAge(t *testing.T) {
	w := ops()
	w.gate.pushes, w.runs = nil, nil
	c := comment("/deploy production")
	c.ReceivedAt = noon
	var notYet *NotYetError
	if err := w.desk().Take(t.Context(), c); !errors.As(err, &notYet) {
		t.Fatalf("%v", err)
	}
	c.ReceivedAt = noon.Add(-time.Minute)
	if err := w.desk().Take(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if w.signs["-1"] != 1 || !strings.Contains(w.replies[0], "for the first time") || len(w.asked) != 0 {
		t.Errorf("%v %q %v", w.signs, w.replies, w.asked)
	}
	again := comment("/deploy production")
	again.ID, again.CreatedAt = 12, noon.Add(time.Minute)
	if err := w.desk().Take(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if len(w.asked) != 1 {
		t.Errorf("%v %q", w.asked, w.replies)
	}
}

func TestPresses(t *testing.T) {
	waiting := func(w *world) { w.gate.ballot = environment.Ballot{Fingerprint: "f00", MayReject: true} }
	released := func(w *world) {
		w.runs[0].Stages[0].Status, w.runs[0].Stages[0].Release = pipeline.StatusSuccess, 2
		w.runs[0].Entries[0].State = pipeline.EntryDone
	}
	failed := func(w *world) {
		w.runs[0].Status, w.runs[0].Stages[0].Status = pipeline.StatusFailure, pipeline.StatusFailure
	}
	cases := []struct {
		name   string
		with   func(*world)
		button Button
		want   []string
		no     string
	}{
		{"approve", waiting, ButtonApprove, []string{"approve 9 in production: f00 by alice via button"}, ""},
		{"approve on a page that is old", func(w *world) { w.gate.ballot = environment.Ballot{Fingerprint: "ba5"} }, ButtonApprove, nil, "not what was shown"},
		{"approve at an attempt that another took the place of", func(w *world) { waiting(w); w.runs[0].Stages[0].Superseded = true }, ButtonApprove, nil, "does not wait"},
		{"reject", waiting, ButtonReject, []string{"reject 9 in production: no by alice"}, ""},
		{"approve one's own", func(w *world) { w.gate.ballot.No = &pipeline.Missing{Why: "alice asked for it."} }, ButtonApprove, []string{"refused approve of 9 in production by alice: alice asked for it."}, "asked for it"},
		{"approve what is over", released, ButtonApprove, []string{"refused approve of 9 in production by alice: Run #9 does not wait for anybody any more."}, "does not wait"},
		{"roll back", released, ButtonRollback, []string{"rollback production at bbbbbbb by alice"}, ""},
		{"roll back an older one", func(w *world) { released(w); w.gate.state.Release = 3 }, ButtonRollback, nil, "runs release 3 now"},
		{"roll back by somebody else", func(w *world) { released(w); w.gate.deploys = "carol" }, ButtonRollback, nil, "may not deploy"},
		{"retry", failed, ButtonRetry, []string{"rerun 900 of 5: alice"}, ""},
		{"retry by a reader", func(w *world) { failed(w); w.may = "read" }, ButtonRetry, nil, "write permission"},
		{"retry of a deploy by somebody else", func(w *world) { failed(w); w.gate.deploys = "carol" }, ButtonRetry, nil, "may not deploy there"},
		{"retry in the midst of a change", func(w *world) { failed(w); w.inside = true }, ButtonRetry, nil, "is changing the environment"},
		{"another button", nil, "x", nil, "no button"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := ops()
			w.runs = []pipeline.Run{waitingRun()}
			if tc.with != nil {
				tc.with(w)
			}
			no, err := w.desk().Press(t.Context(), Press{
				Repository: shop, StageRunID: w.runs[0].Stages[0].ID, Button: tc.button, By: "alice", Via: "button", Cause: "delivery-1", Reason: "no", Candidate: "f0",
			})
			if err != nil {
				t.Fatal(err)
			}
			if (no != nil) != (tc.no != "") || no != nil && !strings.Contains(no.Why, tc.no) {
				t.Errorf("%+v", no)
			}
			if got := slices.Concat(w.asked, w.gate.told); tc.want != nil && !cmp.Equal(tc.want, got) || tc.no == "" && len(got) != 1 {
				t.Error(got)
			}
			if len(w.gate.records) != 1 || w.gate.records[0].Allowed != (tc.no == "") || w.gate.records[0].Via != "button" {
				t.Errorf("%+v", w.gate.records)
			}
		})
	}
}

func TestAPressOnAnotherRepositorysStage(t *testing.T) {
	w := ops()
	w.runs = []pipeline.Run{waitingRun()}
	no, err := w.desk().Press(t.Context(), Press{Repository: pipeline.Repository{ID: 6}, StageRunID: w.runs[0].Stages[0].ID, Button: ButtonApprove, By: "alice"})
	if err != nil || no == nil || len(w.gate.told) != 0 {
		t.Errorf("%v %v %v", no, err, w.gate.told)
	}
}
