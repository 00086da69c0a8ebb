package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestAPushThatNothingHolds(t *testing.T) {
	h := newHouse(t, "test run", "dep run @production <test")
	id := h.submit(pushed("c1"))
	h.settle()
	h.want(id, "test=success dep=success [production done release 1] success")
	h.wantFree(1)
	h.wantAudit("#1 slipway enter production true: nothing is missing", "#1 slipway deploy production true: release 1")
	release, err := h.db.Release(t.Context(), h.repo.ID, "production", 1)
	h.must(err)
	if release.Commit != "c1" || release.Actor != "alice" || release.Branch != "main" || release.Fingerprint == "" || !release.EnteredAt.Equal(noon) || len(release.Approvals) > 0 {
		t.Errorf("%+v", release)
	}
}

func TestApprovalsOfAPush(t *testing.T) {
	h := newHouse(t, "tf terraform @production", "dep run @production <tf")
	h.approvals(2)
	id := h.submit(pushed("c1"))
	h.settle()
	h.want(id, "tf=waiting dep=queued [production waiting: Waiting for 2 approvals of somebody with write permission] waiting")
	for by, want := range map[string]string{
		"alice": "alice asked for it, and production does not let people approve their own.",
		"Bob":   "Bob wrote the commit, and production does not let people approve their own.",
		"eve":   "eve may not approve what enters production.",
	} {
		if got := h.approve(id, by); got != want {
			t.Errorf("%s approves: %q", by, got)
		}
	}
	if got := h.approve(id, "carol"); got != "" {
		t.Error(got)
	}
	h.settle()
	h.want(id, "tf=waiting dep=queued [production waiting: Waiting for 1 approval of somebody with write permission] waiting")
	if got := h.approve(id, "Carol"); got != "Carol has approved exactly this already." {
		t.Error(got)
	}
	if got := h.approve(id, "dave"); got != "" {
		t.Error(got)
	}
	h.settle()
	h.want(id, "tf=success dep=success [production done release 1] success")
	h.wantFree(1)
	h.wantAudit(
		"#1 carol approve production true: may approve what enters production", "#1 dave approve production true: may approve what enters production",
		"#1 slipway enter production true: approved by carol, dave", "#1 slipway deploy production true: release 1",
	)
	release, err := h.db.Release(t.Context(), h.repo.ID, "production", 1)
	h.must(err)
	if len(release.Approvals) != 2 || release.Approvals[0].By != "carol" || release.Approvals[0].Fingerprint != release.Fingerprint {
		t.Errorf("%+v", release.Approvals)
	}
}

func TestWhoeverPushedItLastDoesNotApproveIt(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	h.must(h.db.SavePush(t.Context(), pipeline.PushRecord{RepositoryID: h.repo.ID, SHA: "c1", Ref: "refs/heads/main", By: "dave", At: noon}))
	// Another branch of the same commit is not the way by which it enters.
	h.must(h.db.SavePush(t.Context(), pipeline.PushRecord{RepositoryID: h.repo.ID, SHA: "c1", Ref: "refs/heads/release", By: "carol", At: noon.Add(time.Hour)}))
	id := h.submit(pushed("c1"))
	h.settle()
	if got := h.approve(id, "dave"); !strings.HasPrefix(got, "dave pushed it last") {
		t.Error(got)
	}
	ballot, err := h.keeper.Ballot(t.Context(), h.load(id), "production", "carol")
	h.must(err)
	if ballot.No != nil {
		t.Errorf("%+v", ballot.No)
	}
	h.rule(func(r *pipeline.EnvironmentDefinition) { r.Approvals.PreventSelfApproval = false })
	h.must(h.keeper.RecheckRepository(t.Context(), h.repo.ID))
	h.settle()
	if got := h.approve(id, "dave"); got != "" {
		t.Error(got)
	}
	h.settle()
	h.want(id, "dep=success [production done release 1] success")
}

// Somebody who lost their permission since they approved is looked up again.
func TestAnApprovalIsLookedUpAgain(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(2)
	id := h.submit(pushed("c1"))
	h.settle()
	h.approve(id, "carol")
	h.settle()
	h.mu.Lock()
	h.may["carol"] = "none"
	h.mu.Unlock()
	h.approve(id, "dave")
	h.settle()
	if e := h.entry(id); e.State != pipeline.EntryWaiting || e.Hold.Approved != 1 || e.Hold.Required != 2 {
		t.Errorf("%+v", e.Hold)
	}
}

func TestTeamsApproveAndDeploy(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.rule(func(r *pipeline.EnvironmentDefinition) {
		r.Approvals = pipeline.ApprovalRule{Required: 1, From: []string{"@acme/platform", "carol"}}
		r.Deployers = []string{"@acme/ops"}
	})
	h.teams["acme/ops"], h.teams["acme/platform"] = []string{"alice"}, []string{"eve"}
	id := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	if got := h.approve(id, "dave"); got != "dave may not approve what enters production." {
		t.Error(got)
	}
	if got := h.approve(id, "eve"); got != "" {
		t.Error(got)
	}
	h.settle()
	h.want(id, "dep=success [production done release 1] success")
	h.teams["acme/ops"] = nil
	again := wished(pipeline.ActionDeploy, "production")
	again.Delivery = "again"
	refused := h.submit(again)
	h.settle()
	h.want(refused, "dep=cancelled [production cancelled: Refused: alice may not deploy to production] cancelled")
	h.wantFree(1)
}

func TestWhatGitHubDoesNotTellOpensNothing(t *testing.T) {
	for _, what := range []string{"rules", "permission", "team", "pull", "branch", "commit"} {
		t.Run(what, func(t *testing.T) {
			h := newHouse(t, "dep run @production")
			h.rule(func(r *pipeline.EnvironmentDefinition) {
				r.Approvals = pipeline.ApprovalRule{Required: 1, PreventSelfApproval: true, From: []string{"@acme/platform", "carol"}}
			})
			id := h.submit(wished(pipeline.ActionDeploy, "production"))
			h.settle()
			if what == "team" {
				h.teams["acme/platform"] = []string{"dave"}
			}
			if got := h.approve(id, map[bool]string{true: "dave", false: "carol"}[what == "team"]); got != "" {
				t.Fatal(got)
			}
			h.deaf[what] = true
			h.settle()
			h.wait(3 * time.Second)
			if e := h.entry(id); e.State != pipeline.EntryWaiting || len(h.started) > 0 {
				t.Fatalf("%s, started %v", e.State, h.started)
			}
			delete(h.deaf, what)
			h.wait(2 * time.Minute)
			h.want(id, "dep=success [production done release 1] success")
		})
	}
}

// A long silence of GitHub does not make looks multiply.
func TestLooksDoNotMultiply(t *testing.T) {
	h := newHouse(t, "dep run @production")
	id := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.deaf["permission"] = true
	h.settle()
	for range 20 {
		h.must(h.keeper.RecheckPull(t.Context(), h.repo.ID, 7))
		h.wait(7 * time.Second)
	}
	before := h.entry(id)
	h.wait(time.Hour)
	waiting := slices.DeleteFunc(slices.Clone(h.jobs), func(j dueJob) bool { return j.Kind != pipeline.JobGate })
	if len(waiting) > 3 {
		t.Errorf("%d looks are due", len(waiting))
	}
	if after := h.entry(id); after.State != pipeline.EntryWaiting || !after.Hold.Until.After(before.Hold.Until) {
		t.Errorf("%+v", after.Hold)
	}
	delete(h.deaf, "permission")
	h.wait(time.Minute + time.Second)
	h.want(id, "dep=success [production done release 1] success")
}

func TestOneRunAtATimeInOrder(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.script("dep (production)", pipeline.StatusRunning)
	var ids []int64
	for i := range 4 {
		w := wished(pipeline.ActionDeploy, "production")
		w.Delivery = fmt.Sprint("comment-", i)
		ids = append(ids, h.submit(w))
		h.settle()
	}
	h.want(ids[0], "dep=running [production entered] running")
	h.want(ids[1], "dep=queued [production waiting: Waits for its turn: run #1 is in production] waiting")
	h.want(ids[2], "dep=queued [production waiting: Waits for its turn: run #1 is in production, and 1 more run comes before this one] waiting")
	h.want(ids[3], "dep=queued [production waiting: Waits for its turn: run #1 is in production, and 2 more runs come before this one] waiting")
	_, err := h.service.Cancel(t.Context(), ids[1], "not needed")
	h.must(err)
	h.settle()
	h.want(ids[2], "dep=queued [production waiting: Waits for its turn: run #1 is in production] waiting")
	h.over(ids[0], "dep (production)", pipeline.StatusFailure)
	h.want(ids[0], "dep=failure [production failed: dep (production): failure] failure")
	h.want(ids[2], "dep=running [production entered] running")
	h.want(ids[3], "dep=queued [production waiting: Waits for its turn: run #3 is in production] waiting")
	h.over(ids[2], "dep (production)", pipeline.StatusSuccess)
	h.over(ids[3], "dep (production)", pipeline.StatusSuccess)
	h.want(ids[2], "dep=success [production done release 1] success")
	h.want(ids[3], "dep=success [production done release 2] success")
	h.wantFree(2)
}

// Whoever is first and cannot go lets the others go first, and is none of them any more.
func TestTheFirstInTheQueueThatCannotEnter(t *testing.T) {
	for _, why := range []string{"rejects", "frozen", "void"} {
		t.Run(why, func(t *testing.T) {
			h := newHouse(t, "build image", "dep run @production <build")
			h.script("dep (production)", pipeline.StatusRunning)
			first := h.submit(pushed("c0"))
			h.settle()
			w := wished(pipeline.ActionDeploy, "production")
			second := h.submit(w)
			h.settle()
			w.Delivery, w.Deploy = "rollback", &pipeline.Deploy{Environment: "production", Action: pipeline.ActionDeploy}
			third := h.submit(w)
			h.settle()
			switch why {
			case "rejects":
				_, err := h.service.Cancel(t.Context(), second, "no")
				h.must(err)
			case "frozen": // for the first only: the third's asker may, the second's not any more
				h.rule(func(r *pipeline.EnvironmentDefinition) { r.PullRequests = false })
			case "void":
				h.pull.Head = "moved"
			}
			h.over(first, "dep (production)", pipeline.StatusSuccess)
			if e := h.entry(second); e.State == pipeline.EntryWaiting || e.State == pipeline.EntryEntered {
				t.Errorf("%+v", e)
			}
			h.want(third, "build=success dep=running [production entered] running")
		})
	}
}

func TestAFreezeBeginsBeforeTheFirstOneEnters(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.script("dep (production)", pipeline.StatusRunning)
	first := h.submit(pushed("c0"))
	h.settle()
	h.rule(func(r *pipeline.EnvironmentDefinition) {
		r.Freeze = []pipeline.FreezeWindow{{From: "0 13 * * *", To: "0 14 * * *"}}
	})
	second := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	if s := h.state(); len(s.Queue) != 1 {
		t.Fatalf("%+v", s)
	}
	h.wait(70 * time.Minute)
	h.over(first, "dep (production)", pipeline.StatusSuccess)
	h.want(second, "dep=queued [production waiting: production is frozen until 2026-01-02 14:00 UTC] waiting")
	if s := h.state(); s.Holder != nil || len(s.Queue) > 0 {
		t.Errorf("who cannot enter is in the way of others: %+v", s)
	}
	h.wait(51 * time.Minute)
	h.want(second, "dep=running [production entered] running")
}

// Places of runs that are gone are nobody's.
func TestAHolderThatIsGone(t *testing.T) {
	gone := pipeline.Place{RunID: 999, RunNumber: 999}
	for name, put := range map[string]func(h *house, s *pipeline.EnvironmentState){
		"swept": func(_ *house, s *pipeline.EnvironmentState) { s.Holder, s.Queue = &gone, []pipeline.Place{gone} },
		"ended": func(h *house, s *pipeline.EnvironmentState) {
			ended := pipeline.Place{RunID: h.load(1).ID, RunNumber: 1} // its last job was lost
			s.Holder, s.Queue = &ended, []pipeline.Place{gone, ended}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "dep run @production")
			h.submit(pushed("c0"))
			h.settle()
			_, err := h.db.ChangeEnvironment(t.Context(), h.repo.ID, "production", func(s *pipeline.EnvironmentState) error { put(h, s); return nil })
			h.must(err)
			id := h.submit(pushed("c1"))
			h.settle()
			h.want(id, "dep=success [production done release 2] success")
			h.wantFree(2)
		})
	}
}

// Somebody who finds the environment free asks whoever is first: nobody else may come by.
func TestWhoeverWaitedBehindOneThatIsGoneIsAsked(t *testing.T) {
	h := newHouse(t, "dep run @production")
	gone := pipeline.Place{RunID: 999, RunNumber: 999}
	_, err := h.db.ChangeEnvironment(t.Context(), h.repo.ID, "production", func(s *pipeline.EnvironmentState) error { s.Holder = &gone; return nil })
	h.must(err)
	first, second := wished(pipeline.ActionDeploy, "production"), wished(pipeline.ActionDeploy, "production")
	second.Delivery = "another"
	a := h.submit(first)
	// The run that is gone is there as long as the first one looks.
	b := h.submit(second)
	_, err = h.db.ChangeEnvironment(t.Context(), h.repo.ID, "production", func(s *pipeline.EnvironmentState) error {
		s.Holder, s.Queue = &gone, []pipeline.Place{{RunID: a, RunNumber: 1}}
		return nil
	})
	h.must(err)
	_, err = h.db.Change(t.Context(), a, func(r *pipeline.Run) ([]pipeline.Job, error) {
		r.HoldEntry("production", pipeline.Candidate{}, pipeline.Hold{Title: "Waits for its turn"}, noon)
		return nil, nil
	})
	h.must(err)
	h.jobs = slices.DeleteFunc(h.jobs, func(j dueJob) bool { return j.RunID == a }) // nobody asks for the first
	h.settle()
	h.want(a, "dep=success [production done release 1] success")
	h.want(b, "dep=success [production done release 2] success")
}

func TestRejected(t *testing.T) {
	h := newHouse(t, "dep run @production", "after run <dep")
	h.approvals(1)
	id := h.submit(pushed("c1"))
	h.settle()
	ballot, err := h.keeper.Ballot(t.Context(), h.load(id), "production", "alice")
	h.must(err)
	if ballot.No == nil || !ballot.MayReject {
		t.Errorf("alice may not say no to her own: %+v", ballot)
	}
	for range 2 { // told twice
		h.must(h.keeper.Reject(t.Context(), id, "production", "not\ntoday", word("carol", "c1")))
	}
	h.settle()
	h.want(id, "dep=failure after=skipped [production rejected: Rejected by carol: not today] failure")
	h.wantFree(0)
	h.wantAudit("#1 carol reject production true: not today")
	if err := h.keeper.Reject(t.Context(), id, "production", "neither", word("dave", "c2")); !errors.Is(err, ErrMoved) {
		t.Errorf("what has ended is rejected: %v", err)
	}
	if got := h.approve(id, "dave"); got != "Run #1 does not wait before production." {
		t.Error(got)
	}
	if err := h.keeper.Approve(t.Context(), id, "production", h.entry(id).Candidate.Fingerprint(), word("dave", "c3")); !errors.Is(err, ErrMoved) {
		t.Errorf("what has ended is approved: %v", err)
	}
}

func TestWhatMoves(t *testing.T) {
	cases := []struct {
		name string
		move func(h *house)
		want string
	}{
		{"the base", func(h *house) { h.heads["main"] = "base2" }, "Void: the base moved from base1 to base2"},
		{"the head", func(h *house) { h.pull.Head = "head2" }, "Void: the commit moved from head1 to head2"},
		{"the pull request's base", func(h *house) { h.pull.Base = "develop" }, "Void: the base moved from the branch main to develop"},
		{"the base branch is removed", func(h *house) { delete(h.heads, "main") }, "Void: the base branch main is gone; the base moved from base1 to nothing"},
		{"the pull request is merged", func(h *house) { h.pull.State, h.pull.Merge = PullMerged, "merge1" }, "Void: the pull request was merged as merge1"},
		{"the pull request is closed", func(h *house) { h.pull.State = PullClosed }, "Refused: The pull request was closed without being merged"},
		{"the pull request is gone", func(h *house) { h.gone = true }, "Void: what was asked for is gone from GitHub"},
		{"the rules", func(h *house) { h.rules[1].Approvals.From = []string{"carol", "dave"} }, "Void: the configuration of the environment or of its stages changed"},
		{"the environment is gone", func(h *house) { h.rules = h.rules[:1] }, "Void: production: the pipeline file of the default branch declares no such environment"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t, "dep run @production")
			h.approvals(2)
			id := h.submit(wished(pipeline.ActionDeploy, "production"))
			h.settle()
			if got := h.approve(id, "carol"); got != "" {
				t.Fatal(got)
			}
			h.settle()
			h.mu.Lock()
			tc.move(h)
			h.mu.Unlock()
			if got := h.approve(id, "dave"); got == "" {
				t.Error("what moved is approved")
			}
			h.must(h.keeper.RecheckPull(t.Context(), h.repo.ID, 7))
			h.settle()
			if e := h.entry(id); e.Reason != tc.want {
				t.Errorf("%s: %s", e.State, e.Reason)
			}
			h.wantFree(0)
			if run := h.load(id); run.Status != pipeline.StatusCancelled || run.Stages[0].Result.Verdict.Title != tc.want {
				t.Errorf("%s %+v", run.Status, run.Stages[0].Result.Verdict)
			}
			if records := h.audited(); len(records) != 2 || records[1] != "#1 slipway enter production false: "+tc.want {
				t.Errorf("%q", records)
			}
		})
	}
}

// Before anybody has approved there is nothing to void: what waits is what there is now.
func TestABaseThatMovesBeforeAnybodyApproves(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	id := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	seen := h.entry(id).Candidate.Fingerprint()
	h.heads["main"] = "base2"
	// carol looks at the first candidate and approves that: it is not what would enter.
	if err := h.keeper.Approve(t.Context(), id, "production", "another", word("carol", "c0")); !errors.Is(err, ErrMoved) {
		t.Error(err)
	}
	h.settle() // whoever is told so finds what waits now
	e := h.entry(id)
	if e.State != pipeline.EntryWaiting || e.Candidate.Base != "base2" || e.Candidate.Fingerprint() == seen {
		t.Fatalf("%+v", e)
	}
	if got := h.approve(id, "carol"); got != "" {
		t.Error(got)
	}
	h.settle()
	h.want(id, "dep=success [production done release 1] success")
}

// A candidate that moved since it was shown is not approved, even if nobody noticed the move yet.
func TestApprovalOfWhatIsNotShown(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	id := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	h.heads["main"] = "base2"
	if got := h.approve(id, "carol"); !strings.Contains(got, ErrMoved.Error()) {
		t.Errorf("carol approves what nobody has shown: %q", got)
	}
	h.settle()
	if got := h.approve(id, "carol"); got != "" { // now it is shown
		t.Error(got)
	}
	h.settle()
	h.want(id, "dep=success [production done release 1] success")
}

func TestLockAndUnlock(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.must(h.keeper.Lock(t.Context(), h.repo, "Production", "the database is moved", word("carol", "c1")))
	h.must(h.keeper.Lock(t.Context(), h.repo, "production", "another", word("dave", "c2")))
	var ids []int64
	for _, sha := range []string{"c1", "c2", "c3"} {
		p := pushed(sha)
		ids = append(ids, h.submit(p))
		h.settle()
	}
	const superseded = "dep=cancelled [production cancelled: superseded by run #%d] cancelled"
	h.want(ids[0], fmt.Sprintf(superseded, 2))
	h.want(ids[1], fmt.Sprintf(superseded, 3))
	h.want(ids[2], "dep=queued [production waiting: production is locked by carol since 2026-01-02 12:00 UTC: the database is moved] waiting")
	h.must(h.keeper.Unlock(t.Context(), h.repo, "PRODUCTION", word("carol", "c3")))
	h.settle()
	h.want(ids[2], "dep=success [production done release 1] success") // only the newest goes
	h.wantFree(1)
	if s := h.state(); s.Lock != nil {
		t.Errorf("%+v", s)
	}
}

func TestRollback(t *testing.T) {
	h := newHouse(t, "build image", "k8s kubernetes @production <build")
	h.script("build", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartImage, Name: "build", Value: "r/x@sha256:1"})
	h.submit(pushed("c1"))
	h.settle()
	h.script("build", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartImage, Name: "build", Value: "r/x@sha256:2"})
	h.submit(pushed("c2"))
	h.settle()
	h.wantFree(2)

	back := pushed("c1")
	back.Event, back.Delivery, back.Actor = pipeline.EventDeploy, "rollback", "carol"
	back.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback, Release: 1}
	id := h.submit(back)
	h.settle()
	h.want(id, "k8s=success [production done release 3] success")
	h.wantFree(3)
	release, err := h.db.Release(t.Context(), h.repo.ID, "production", 3)
	h.must(err)
	if release.Of != 1 || release.Action != pipeline.ActionRollback || release.Images()["build"] != "r/x@sha256:1" {
		t.Errorf("%+v", release)
	}
	if hold := h.state().Hold; hold == nil || hold.By != "carol" || hold.Reason != "rolled back to release 1 by run #3" {
		t.Fatalf("automatic deploys are not held: %+v", hold)
	}

	held := h.submit(pushed("c3"))
	h.settle()
	const why = "production was rolled back by carol at 2026-01-02 12:00 UTC: nothing is deployed there by itself until somebody says `/deploy production` or `/unlock production`"
	h.want(held, "build=success k8s=queued [production waiting: "+why+"] waiting")

	h.pull.State = PullOpen
	wish := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	h.want(wish, "build=success k8s=success [production done release 4] success")
	h.want(held, "build=success k8s=success [production done release 5] success") // /deploy lets automatic ones in again
	if hold := h.state().Hold; hold != nil {
		t.Errorf("%+v", hold)
	}
}

// A rollback that never entered has rolled nothing back.
func TestARollbackThatDoesNotEnterHoldsNothing(t *testing.T) {
	h := newHouse(t, "k8s kubernetes @production")
	h.submit(pushed("c1"))
	h.settle()
	back := pushed("c1")
	back.Event, back.Delivery, back.Actor = pipeline.EventDeploy, "rollback", "carol"
	back.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback, Release: 1}
	id := h.submit(back)
	for { // the power goes when it has its place, and before it enters
		j, found := h.take()
		if !found {
			t.Fatal("it was never let in")
		}
		if j.Kind == pipeline.JobGate && h.entry(id).State == pipeline.EntryDeciding {
			h.calls = 0
			h.cut, h.after = 4, true // run, run, state, place
			h.work(j)
			break
		}
		h.work(j)
	}
	if s := h.state(); s.Holder == nil || s.Hold == nil {
		t.Fatalf("the power went at another moment: %+v", s)
	}
	_, err := h.service.Cancel(t.Context(), id, "not needed")
	h.must(err)
	h.settle()
	h.wantFree(1)
	if s := h.state(); s.Hold != nil {
		t.Errorf("%+v", s.Hold)
	}
}

// The power goes when a run has its place; when it is back, the environment is locked: it must not keep others out.
func TestAPlaceWithoutAnEntryIsGivenBack(t *testing.T) {
	h := newHouse(t, "dep run @production")
	id := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.cut, h.after = 4, true
	j, _ := h.take()
	for j.Kind != pipeline.JobGate {
		j, _ = h.take()
	}
	h.calls = 0
	h.work(j)
	if s := h.state(); s.Holder == nil {
		t.Fatalf("the power went at another moment: %+v", s)
	}
	h.must(h.keeper.Lock(t.Context(), h.repo, "production", "", word("carol", "c1")))
	h.settle()
	if s := h.state(); s.Holder != nil || len(s.Queue) > 0 {
		t.Errorf("%+v", s)
	}
	h.must(h.keeper.Unlock(t.Context(), h.repo, "production", word("carol", "c2")))
	h.settle()
	h.want(id, "dep=success [production done release 1] success")
}

func TestDestroyed(t *testing.T) {
	h := newHouse(t, "tf terraform @production")
	h.submit(pushed("c1"))
	h.settle()
	h.rule(func(r *pipeline.EnvironmentDefinition) { r.AllowDestroy = true })
	id := h.submit(wished(pipeline.ActionDestroy, "production"))
	h.settle()
	// Whoever asked is refused though production lets people approve their own.
	if got, asker := h.approve(id, h.load(id).Trigger.Actor), h.load(id).Trigger.Actor; got != asker+" asked for it, and nothing is taken down without the approval of somebody else." {
		t.Fatalf("%q", got)
	}
	if got := h.approve(id, "carol"); got != "" {
		t.Fatal(got)
	}
	h.settle()
	h.want(id, "tf=success [production done: destroyed] success")
	h.wantFree(0)
	if got := h.audited()[3:]; len(got) != 2 || got[1] != "#2 slipway destroy production true: the infrastructure was taken down" {
		t.Errorf("%q", got)
	}
}

// A stage that fails inside is prepared again and decided on again; what people approved still counts while it is the same.
func TestRetryInsideCountsTheSameApprovals(t *testing.T) {
	h := newHouse(t, "tf terraform @production retry=1")
	h.approvals(1)
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "one"})
	h.script("tf (production)", pipeline.StatusRunning)
	id := h.submit(pushed("c1"))
	h.settle()
	h.approve(id, "carol")
	h.settle()
	h.script("tf (production)", pipeline.StatusSuccess)
	h.over(id, "tf (production)", pipeline.StatusFailure)
	h.want(id, "tf=success [production done release 1] success")
	h.wantFree(1)
	release, err := h.db.Release(t.Context(), h.repo.ID, "production", 1)
	h.must(err)
	if len(release.Approvals) != 1 {
		t.Errorf("%+v", release.Approvals)
	}
	h.wantAudit(
		"#1 carol approve production true: may approve what enters production", "#1 slipway enter production true: approved by carol",
		"#1 slipway enter production true: approved by carol", "#1 slipway deploy production true: release 1",
	)
}

func TestAPlanThatMovesInsideEndsIt(t *testing.T) {
	h := newHouse(t, "tf terraform @production retry=1", "dep run @production <tf")
	h.approvals(1)
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "one"})
	h.script("tf (production)", pipeline.StatusRunning)
	id := h.submit(pushed("c1"))
	h.settle()
	h.approve(id, "carol")
	h.settle()
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "two"})
	h.over(id, "tf (production)", pipeline.StatusFailure)
	h.want(id, "tf=failure dep=skipped [production failed: Void: the plan of tf (production) moved from one to two] failure")
	h.wantFree(0)
	if got := h.audited(); got[len(got)-1] != "#1 slipway deploy production false: Void: the plan of tf (production) moved from one to two" {
		t.Errorf("%q", got)
	}
}

// Whoever finds a run in a list has it without what its stages fixed: a word is for what is stored.
func TestAnApprovalOfARunOutOfAList(t *testing.T) {
	h := newHouse(t, "tf terraform @production")
	h.approvals(1)
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{
		Kind: pipeline.PartPlan, Name: "tf (production)", Value: "one", ExtraApproval: "the plan destroys 1 resource",
	})
	id := h.submit(pushed("c1"))
	h.settle()
	listed, err := h.db.Runs(t.Context(), pipeline.RunFilter{RepositoryID: h.repo.ID})
	h.must(err)
	ballot, err := h.keeper.Ballot(t.Context(), listed[0], "production", "carol")
	h.must(err)
	if want := h.entry(id).Candidate.Fingerprint(); ballot.Fingerprint != want || ballot.No != nil {
		t.Errorf("%+v, want %s", ballot, want)
	}
	why, err := h.keeper.Why(t.Context(), listed[0], "production")
	h.must(err)
	if why.Required != 2 {
		t.Errorf("%+v", why)
	}
}

// void is what a stage says that finds another world than it was to change.
func (h *house) void(name, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plays[name] = pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusFailure, Title: "The plan moved: " + why, Void: why}}
}

// A plan that does not hold until it is applied: the approval is void, a new plan waits, and others may enter meanwhile.
func TestAPlanThatDoesNotHold(t *testing.T) {
	h := newHouse(t, "tf terraform @production", "dep kubernetes @production <tf")
	h.approvals(1)
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "one"})
	h.void("tf (production)", "the state changed: it was at serial 1, and is at serial 2")
	id := h.submit(pushed("c1"))
	h.settle()
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "two"})
	if no := h.approve(id, "carol"); no != "" {
		t.Fatal(no)
	}
	h.settle()
	h.want(id, "tf=waiting dep=queued [production waiting: Waiting for 1 approval of somebody with write permission] waiting")
	h.wantFree(0)
	entry := h.entry(id)
	if said := "The approval of carol is void: the state changed: it was at serial 1, and is at serial 2."; entry.Turn != 1 || !strings.Contains(entry.Hold.Missing[0].Why, said) {
		t.Errorf("turn %d: %+v", entry.Turn, entry.Hold)
	}
	run := h.load(id)
	if first := run.Stages[0]; first.Status != pipeline.StatusCancelled || first.Result.Verdict.Title != "Void: the state changed: it was at serial 1, and is at serial 2" {
		t.Errorf("%s %q", first.Status, first.Result.Verdict.Title)
	}
	if prepared := strings.Count(strings.Join(h.started, " "), "dep (production) prepares"); prepared != 2 {
		t.Errorf("what comes after the plan was prepared %d times: %q", prepared, h.started)
	}

	h.script("tf (production)", pipeline.StatusSuccess)
	if no := h.approve(id, "carol"); no != "" {
		t.Fatal(no)
	}
	h.settle()
	h.want(id, "tf=success dep=success [production done release 1] success")
	h.wantAudit(
		"#1 carol approve production true: may approve what enters production", "#1 slipway enter production true: approved by carol",
		"#1 slipway void production false: The approval of carol is void: the state changed: it was at serial 1, and is at serial 2.",
		"#1 carol approve production true: may approve what enters production", "#1 slipway enter production true: approved by carol", "#1 slipway deploy production true: release 1",
	)
}

// What has changed a part of the environment keeps it while the new plan waits.
func TestAPlanThatDoesNotHoldInTheMidstOfAChange(t *testing.T) {
	h := newHouse(t, "first run @production", "tf terraform @production <first")
	h.approvals(1)
	h.void("tf (production)", "the state changed")
	id := h.submit(pushed("c1"))
	h.settle()
	h.approve(id, "carol")
	h.settle()
	h.want(id, "first=success tf=waiting [production waiting: Waiting for 1 approval of somebody with write permission] waiting")
	if s := h.state(); s.Holder == nil || s.Holder.RunID != id {
		t.Fatalf("%+v", s)
	}
	h.script("tf (production)", pipeline.StatusSuccess)
	h.approve(id, "carol")
	h.settle()
	h.want(id, "first=success tf=success [production done release 1] success")
}

// Where nobody has to approve, the new plan goes ahead, but not for ever.
func TestAPlanThatNeverHolds(t *testing.T) {
	h := newHouse(t, "tf terraform @production")
	h.void("tf (production)", "the state changed")
	id := h.submit(pushed("c1"))
	h.settle()
	h.want(id, "tf=failure [production failed: tf (production): The plan moved: the state changed] failure")
	if n := len(h.load(id).Stages); n != pipeline.MaxVoids+1 {
		t.Errorf("%d attempts", n)
	}
	h.wantFree(0)
}

// While it waits inside it keeps the environment: it has changed half of it.
func TestAHoldInsideKeepsTheEnvironment(t *testing.T) {
	h := newHouse(t, "dep run @production retry=1")
	h.script("dep (production)", pipeline.StatusRunning)
	first := h.submit(pushed("c1"))
	h.settle()
	h.must(h.keeper.Lock(t.Context(), h.repo, "production", "what is this?", word("carol", "c1")))
	second := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	h.over(first, "dep (production)", pipeline.StatusFailure)
	h.want(first, "dep=queued [production waiting: production is locked by carol since 2026-01-02 12:00 UTC: what is this?] waiting")
	if s := h.state(); s.Holder == nil || s.Holder.RunID != first {
		t.Fatalf("%+v", s)
	}
	h.must(h.keeper.Unlock(t.Context(), h.repo, "production", word("carol", "c2")))
	h.settle()
	h.want(first, "dep=running [production entered] running")
	h.want(second, "dep=queued [production waiting: Waits for its turn: run #1 is in production] waiting")
	h.script("dep (production)", pipeline.StatusSuccess)
	h.over(first, "dep (production)", pipeline.StatusSuccess)
	h.want(first, "dep=success [production done release 1] success")
	h.want(second, "dep=success [production done release 2] success")
}

func TestRepairsInsideWait(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.plays["dep (production)"] = pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusFailure, Title: "the network is away", Infrastructure: true}}
	id := h.submit(pushed("c1"))
	h.settle()
	if e := h.entry(id); e.State != pipeline.EntryDeciding || !e.NotBefore.Equal(noon.Add(2*time.Second)) {
		t.Fatalf("%+v", e)
	}
	// Somebody looks in the pause, and the job of its end comes a moment early by the keeper's clock.
	h.must(h.keeper.Work(t.Context(), id, "production"))
	h.wait(time.Second)
	for i, j := range h.jobs {
		if j.Kind == pipeline.JobGate {
			h.jobs[i].at = h.now
		}
	}
	h.settle()
	h.script("dep (production)", pipeline.StatusSuccess)
	h.wait(5 * time.Second)
	h.want(id, "dep=success [production done release 1] success")
}

// Somebody who may not deploy has a test run again: the push deploys by itself then, as it would have.
func TestRerunOfAStageBeforeADeploy(t *testing.T) {
	h := newHouse(t, "test run", "dep run @production <test")
	h.rule(func(r *pipeline.EnvironmentDefinition) { r.Deployers = []string{"carol"} })
	h.script("test", pipeline.StatusFailure)
	id := h.submit(pushed("c1"))
	h.settle()
	h.want(id, "test=failure dep=skipped [production failed: test failed] failure")
	h.script("test", pipeline.StatusSuccess)
	_, err := h.service.Rerun(t.Context(), h.repo.ID, h.load(id).Current()[0].ID, "dave")
	h.must(err)
	h.settle()
	h.want(id, "test=success dep=success [production done release 1] success")
}

// A person has a stage inside run again: it is decided on anew, with them as the one who asks.
func TestRerunAfterAFailureInside(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.rule(func(r *pipeline.EnvironmentDefinition) { r.Deployers = []string{"alice", "carol"} })
	h.script("dep (production)", pipeline.StatusFailure)
	id := h.submit(pushed("c1"))
	h.settle()
	h.want(id, "dep=failure [production failed: dep (production): failure] failure")
	h.script("dep (production)", pipeline.StatusSuccess)
	for _, who := range []struct{ login, want string }{
		{"dave", "dep=cancelled [production cancelled: Refused: dave may not deploy to production] cancelled"},
		{"carol", "dep=success [production done release 1] success"},
	} {
		run := h.load(id)
		_, err := h.service.Rerun(t.Context(), h.repo.ID, run.Current()[0].ID, who.login)
		h.must(err)
		h.settle()
		h.want(id, who.want)
	}
	// Once more: another turn is another release.
	h.wait(time.Second)
	_, err := h.service.Rerun(t.Context(), h.repo.ID, h.load(id).Current()[0].ID, "carol")
	h.must(err)
	h.settle()
	h.want(id, "dep=success [production done release 2] success")
	h.wantFree(2)
}

// A run of two environments that a newer push spared while it changed the first goes no further.
func TestASparedRunGoesNoFurther(t *testing.T) {
	h := newHouse(t, "a run @staging", "b run @production <a")
	h.script("a (staging)", pipeline.StatusRunning)
	first := h.submit(pushed("c1"))
	h.settle()
	second := h.submit(pushed("c2"))
	h.settle()
	h.over(first, "a (staging)", pipeline.StatusSuccess)
	h.want(first, "a=success b=cancelled [staging done release 1] [production cancelled: superseded by run #2] cancelled")
	h.over(second, "a (staging)", pipeline.StatusSuccess)
	h.want(second, "a=success b=success [staging done release 2] [production done release 1] success")
	if got := h.started; slices.Contains(got, "#1 b (production)") {
		t.Error(got)
	}
}

// What is only prepared after a part of the change is approved as it is then; what was approved before stays so.
func TestApprovalOfWhatIsPreparedLate(t *testing.T) {
	h := newHouse(t, "dep kubernetes @production", "e2e run <dep", "more terraform @production <e2e")
	h.approvals(1)
	h.script("more (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "more (production)", Value: "one"})
	id := h.submit(pushed("c1"))
	h.settle()
	h.approve(id, "carol")
	h.settle()
	h.want(id, "dep=success e2e=success more=waiting [production waiting: Waiting for 1 approval of somebody with write permission] waiting")
	if got := h.approve(id, "carol"); got != "" { // for more than before
		t.Error(got)
	}
	h.settle()
	h.want(id, "dep=success e2e=success more=success [production done release 1] success")
}

func TestReleaseFiles(t *testing.T) {
	const name = "release/k8s (production).manifests.yaml"
	cases := []struct {
		name string
		put  func(h *house)
		want string
		kept []string
	}{
		{"one", func(h *house) { h.files[name] = "kind: Deployment" }, "k8s=success dep=success [production done release 1] success", []string{name}},
		{"too large", func(h *house) { h.files[name] = strings.Repeat("x", maxReleaseFile+1) },
			"k8s=success dep=success [production failed: Changed, but not released: " + name + " is larger than 8 MiB] success", nil},
		{"gone", func(*house) {}, "k8s=success dep=success [production failed: Changed, but not released: " + name + " is no longer kept] success", nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t, "k8s kubernetes @production", "dep run @production")
			done := pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess}}
			done.Private = []pipeline.Artifact{{Name: name}, {Name: "other.txt"}}
			h.plays["k8s (production)"] = done
			done.Private, done.Artifacts = nil, []pipeline.Artifact{{Name: "release/app.zip"}} // a command's own
			h.plays["dep (production)"] = done
			tc.put(h)
			id := h.submit(pushed("c1"))
			h.settle()
			h.want(id, tc.want)
			if tc.kept == nil {
				h.wantFree(0)
				return
			}
			h.wantFree(1)
			release, err := h.db.Release(t.Context(), h.repo.ID, "production", 1)
			h.must(err)
			if diff := cmp.Diff(tc.kept, release.Files); diff != "" {
				t.Error(diff)
			}
			content, err := h.db.ReleaseFile(t.Context(), h.repo.ID, "production", 1, name)
			if err != nil || string(content) != h.files[name] {
				t.Errorf("%q %v", content, err)
			}
		})
	}
}

// TestAReleaseHoldsWhatWasLeftOut: a stage whose paths have not changed deploys nothing, and what it deployed before still
// runs: the release is one that can be gone back to.
func TestAReleaseHoldsWhatWasLeftOut(t *testing.T) {
	const name = "release/k8s (production).manifests.yaml"
	h := newHouse(t, "k8s kubernetes @production", "dep run @production")
	manifests := pipeline.Part{Kind: pipeline.PartManifests, Name: "k8s (production)", Value: "abc"}
	h.plays["k8s (production)"] = pipeline.Result{
		Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess}, Parts: []pipeline.Part{manifests}, Private: []pipeline.Artifact{{Name: name}},
	}
	h.files[name] = "kind: Deployment"
	h.submit(pushed("c1"))
	h.settle()
	h.defined.Stages[0].Paths, h.defined.Stages[0].MatchPaths = []string{"k8s/**"}, func([]string) bool { return false }
	for _, n := range []int64{2, 3} { // from release to release
		id := h.submit(pushed(fmt.Sprint("c", n)))
		h.settle()
		h.want(id, fmt.Sprintf("k8s=skipped dep=success [production done release %d] success", n))
		release, err := h.db.Release(t.Context(), h.repo.ID, "production", n)
		h.must(err)
		if release.Part(pipeline.PartManifests, manifests.Name) != "abc" {
			t.Errorf("%+v", release.Parts)
		}
		content, err := h.db.ReleaseFile(t.Context(), h.repo.ID, "production", n, name)
		if err != nil || string(content) != "kind: Deployment" {
			t.Errorf("%q %v", content, err)
		}
	}
}

func TestABrokenPipelineFileHoldsWhatWaits(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.deaf["file"] = true
	id := h.submit(pushed("c1"))
	h.settle()
	h.want(id, "dep=queued [production waiting: The pipeline file of the default branch has problems] waiting")
	version := h.load(id).Stages[0].Version
	h.must(h.keeper.RecheckRepository(t.Context(), h.repo.ID))
	h.settle()
	if got := h.load(id).Stages[0].Version; got != version {
		t.Error("what has not changed is written again")
	}
	h.wait(30 * time.Minute)
	delete(h.deaf, "file")
	h.wait(11 * time.Minute)
	h.want(id, "dep=success [production done release 1] success")
}

func TestGivenUp(t *testing.T) {
	t.Run("before it enters", func(t *testing.T) {
		h := newHouse(t, "dep run @production")
		h.submit(pushed("c1"))
		h.settle()
		wish := wished(pipeline.ActionDeploy, "production")
		h.deaf["pull"] = true
		id := h.submit(wish)
		h.jobs = nil // the queue has given up its job
		h.must(h.keeper.GiveUp(t.Context(), id, "production", errors.New("pull request #7: no answer\nat stack")))
		h.want(id, "dep=queued [production waiting: Slipway could not decide: it tries again by itself] waiting")
		if got := h.entry(id).Hold.Missing[0].Why; got != "Slipway tried many times to decide and gave up for now: pull request #7: no answer." {
			t.Error(got)
		}
		delete(h.deaf, "pull")
		h.wait(31 * time.Minute)
		h.want(id, "dep=success [production done release 2] success")
	})
	t.Run("when it leaves", func(t *testing.T) {
		h := newHouse(t, "k8s kubernetes @production")
		h.plays["k8s (production)"] = pipeline.Result{
			Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess}, Private: []pipeline.Artifact{{Name: "release/m.yaml"}},
		}
		h.deaf["artifacts"] = true
		id := h.submit(pushed("c1"))
		h.settle()
		if e := h.entry(id); e.State != pipeline.EntryLeaving {
			t.Fatal(e.State)
		}
		h.must(h.keeper.GiveUp(t.Context(), id, "production", errors.New("the disk is broken")))
		h.wait(time.Minute)
		h.want(id, "k8s=success [production failed: Its outcome could not be recorded: the disk is broken] success")
		h.wantFree(0)
	})
	t.Run("when its place is to be given back", func(t *testing.T) {
		h := newHouse(t, "dep run @production")
		id := h.submit(pushed("c1"))
		for h.entry(id).State != pipeline.EntryDone {
			j, _ := h.take()
			h.work(j)
		}
		h.jobs = nil
		h.must(h.keeper.GiveUp(t.Context(), id, "production", errors.New("the disk is full")))
		h.wait(16 * time.Minute)
		h.wantFree(1)
	})
	t.Run("of a run that is swept", func(t *testing.T) {
		h := newHouse(t, "dep run @production")
		h.must(h.keeper.GiveUp(t.Context(), 77, "production", errors.New("x")))
		h.must(h.keeper.Work(t.Context(), 77, "production"))
	})
}

// After a start, whatever a killed bot left undone is done, though every job is lost.
func TestResume(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.script("dep (production)", pipeline.StatusRunning)
	first := h.submit(pushed("c1"))
	h.settle()
	second := h.submit(wished(pipeline.ActionDeploy, "production"))
	h.settle()
	h.script("dep (production)", pipeline.StatusSuccess)
	h.must(h.conclude(first, "dep (production)", pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess}}))
	h.jobs = nil
	for range 3 {
		h.must(h.keeper.Resume(t.Context()))
		h.settle()
	}
	h.want(first, "dep=success [production done release 1] success")
	h.want(second, "dep=success [production done release 2] success")
}

func TestAnotherSpellingOfTheEnvironment(t *testing.T) {
	h := newHouse(t, "tf terraform @production")
	h.approvals(1)
	h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "one"})
	h.rule(func(r *pipeline.EnvironmentDefinition) { r.Name = "Production" }) // the default branch writes it so by now
	id := h.submit(pushed("c1"))
	h.settle()
	if e := h.entry(id); e.State != pipeline.EntryWaiting || len(e.Candidate.Parts) != 1 {
		t.Fatalf("what would be approved is nothing: %+v", e)
	}
	h.approve(id, "carol")
	h.settle()
	h.want(id, "tf=success [production done release 1] success")
	h.wantFree(1)
}

func TestAnEnvironmentIsNotWaitedForForever(t *testing.T) {
	h := newHouse(t, "dep run @production")
	id := h.submit(pushed("c1"))
	h.keeper.turns.patience = 0
	done, err := h.keeper.turns.take(t.Context(), h.repo.ID, "PRODUCTION")
	h.must(err)
	if _, ok := errors.AsType[*BusyError](h.keeper.Work(t.Context(), id, "production")); !ok {
		t.Error("two decide at once")
	}
	done()
	h.must(h.keeper.Work(t.Context(), id, "production"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.keeper.Work(ctx, id, "production"); err == nil {
		t.Error("a bot that stops goes on")
	}
}

// Nothing is written for a look that finds what is known.
func TestALookThatFindsNothingNewWritesNothing(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	id := h.submit(pushed("c1"))
	h.settle()
	before := h.load(id).Stages[0].Version
	for range 5 {
		h.must(h.keeper.Recheck(t.Context(), h.repo.ID, "production"))
		h.settle()
	}
	if after := h.load(id).Stages[0].Version; after != before || len(h.jobs) > 0 {
		t.Errorf("version %d after %d, jobs %v", after, before, h.jobs)
	}
}

func TestARefusedWordIsShownOnce(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	id := h.submit(pushed("c1"))
	h.settle()
	for range 2 {
		h.must(h.keeper.Refused(t.Context(), h.load(id), "production", "approve", "eve may not approve", word("eve", "click-1")))
	}
	if e := h.entry(id); len(e.Refused) != 1 || e.Refused[0].By != "eve" {
		t.Errorf("%+v", e.Refused)
	}
	for i := range 20 {
		h.must(h.keeper.Refused(t.Context(), h.load(id), "production", "approve", fmt.Sprint("no ", i), word("eve", fmt.Sprint("click-", i))))
	}
	if e := h.entry(id); len(e.Refused) != 5 || e.Refused[4].Why != "no 19" {
		t.Errorf("%+v", e.Refused)
	}
}

func TestProspect(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	h.must(h.keeper.Lock(t.Context(), h.repo, "production", "x", word("carol", "c1")))
	d, err := h.keeper.Prospect(t.Context(), wished(pipeline.ActionDeploy, "production"), h.rules[1])
	h.must(err)
	if !d.Lacks(RuleLock) || !d.Lacks(RuleApprovals) || d.Answer != Hold {
		t.Errorf("%+v", d)
	}
	d, err = h.keeper.Prospect(t.Context(), wished(pipeline.ActionDestroy, "production"), h.rules[1])
	h.must(err)
	if !d.Lacks(RuleDestroy) || d.Answer != Closed {
		t.Errorf("%+v", d)
	}
	if _, err := h.keeper.Prospect(t.Context(), pushed("c1"), h.rules[1]); err == nil {
		t.Error("a push is asked for")
	}
	if s := h.state(); s.Holder != nil || len(s.Queue) > 0 {
		t.Errorf("a look took a place: %+v", s)
	}
}

func TestWhy(t *testing.T) {
	h := newHouse(t, "dep run @production")
	h.approvals(1)
	id := h.submit(pushed("c1"))
	h.settle()
	d, err := h.keeper.Why(t.Context(), h.load(id), "production")
	h.must(err)
	if !d.Lacks(RuleApprovals) {
		t.Errorf("%+v", d)
	}
	if _, err := h.keeper.Why(t.Context(), h.load(id), "staging"); err == nil {
		t.Error("it says why of an environment that it does not want to enter")
	}
}
