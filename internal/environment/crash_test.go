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

// again says something until it is taken: the desk does so after a crash.
func (h *house) again(say func() error) {
	h.Helper()
	for range 5 {
		err := say()
		if err == nil {
			return
		}
		if !errors.Is(err, errCut) {
			h.Fatal(err)
		}
	}
	h.Fatal("the power goes and goes")
}

func (h *house) says(run int64, by string) {
	h.Helper()
	h.again(func() error {
		ballot, err := h.keeper.Ballot(context.Background(), h.load(run), "production", by)
		if err != nil {
			return err
		}
		candidate := ballot.Fingerprint
		if ballot.No != nil { // it was taken before the power went
			candidate = h.entry(run).Candidate.Fingerprint()
		}
		return h.keeper.Approve(context.Background(), run, "production", candidate, word(by, "c-"+by+"-"+candidate[:6]))
	})
}

func (h *house) asks(t pipeline.Trigger) int64 {
	h.Helper()
	t.Repository = h.repo
	var id int64
	h.again(func() error {
		run, err := h.service.Submit(context.Background(), t)
		id = run.ID
		return err
	})
	return id
}

// ends is all that is left of a scenario.
func (h *house) ends(runs ...int64) string {
	h.Helper()
	lines := make([]string, 0, 20)
	for i, id := range runs {
		lines = append(lines, fmt.Sprintf("run %d: %s", i+1, h.told(id)))
	}
	s := h.state()
	lines = append(lines, fmt.Sprintf("production: holder %v, queue %v, lock %v, held %v, release %d", s.Holder, s.Queue, s.Lock != nil, s.Hold != nil, s.Release))
	releases, err := h.db.Releases(context.Background(), pipeline.ReleaseFilter{RepositoryID: h.repo.ID})
	h.must(err)
	for _, r := range releases {
		lines = append(lines, fmt.Sprintf("release %s %d of %s, run #%d, %d approvals", r.Environment, r.Number, r.Commit, r.RunNumber, len(r.Approvals)))
	}
	audit := h.audited()
	slices.Sort(audit) // a step that is repeated may be told later than another
	started := slices.Clone(h.started)
	slices.Sort(started)
	return strings.Join(slices.Concat(lines, audit, started), "\n")
}

// The power goes at every call of the store, before it is made or after, and in the end everything is as if it had not: one
// release, one record of each decision, the environment free, and no stage carried out twice.
func TestAnyCrash(t *testing.T) {
	scenarios := map[string]struct {
		stages []string
		play   func(h *house) []int64
	}{
		"approved": {[]string{"tf terraform @production", "dep run @production <tf"}, func(h *house) []int64 {
			h.approvals(2)
			id := h.asks(pushed("c1"))
			h.settle()
			h.says(id, "carol")
			h.settle()
			h.says(id, "dave")
			h.settle()
			return []int64{id}
		}},
		"rejected": {[]string{"dep run @production"}, func(h *house) []int64 {
			h.approvals(1)
			id := h.asks(pushed("c1"))
			h.settle()
			h.again(func() error {
				return h.keeper.Reject(context.Background(), id, "production", "no", word("carol", "c1"))
			})
			h.settle()
			return []int64{id}
		}},
		"void": {[]string{"dep run @production"}, func(h *house) []int64 {
			h.approvals(2)
			id := h.asks(wished(pipeline.ActionDeploy, "production"))
			h.settle()
			h.says(id, "carol")
			h.heads["main"] = "base2"
			h.settle()
			return []int64{id}
		}},
		"a plan that does not hold": {[]string{"tf terraform @production", "dep kubernetes @production <tf"}, func(h *house) []int64 {
			h.approvals(1)
			h.void("tf (production)", "the state changed")
			id := h.asks(pushed("c1"))
			h.settle()
			h.script("tf (production) prepares", pipeline.StatusSuccess, pipeline.Part{Kind: pipeline.PartPlan, Name: "tf (production)", Value: "two"})
			h.says(id, "carol")
			h.settle()
			h.script("tf (production)", pipeline.StatusSuccess)
			h.says(id, "carol")
			h.settle()
			return []int64{id}
		}},
		"fails inside": {[]string{"dep run @production retry=1"}, func(h *house) []int64 {
			h.script("dep (production)", pipeline.StatusFailure)
			id := h.asks(pushed("c1"))
			h.settle()
			return []int64{id}
		}},
		"a queue": {[]string{"dep run @production"}, func(h *house) []int64 {
			h.script("dep (production)", pipeline.StatusRunning)
			var ids []int64
			for i := range 3 {
				w := wished(pipeline.ActionDeploy, "production")
				w.Delivery = fmt.Sprint("comment-", i)
				ids = append(ids, h.asks(w))
				h.settle()
			}
			h.script("dep (production)", pipeline.StatusSuccess)
			h.again(func() error {
				return h.conclude(ids[0], "dep (production)", pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess}})
			})
			h.settle()
			return ids
		}},
		"rolled back and unlocked": {[]string{"dep run @production"}, func(h *house) []int64 {
			first := h.asks(pushed("c1"))
			h.settle()
			back := pushed("c1")
			back.Event, back.Delivery, back.Deploy = pipeline.EventDeploy, "rollback", &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback, Release: 1}
			second := h.asks(back)
			h.settle()
			third := h.asks(pushed("c2"))
			h.settle()
			fourth := h.asks(pushed("c3"))
			h.settle()
			h.again(func() error { return h.keeper.Unlock(context.Background(), h.repo, "production", word("carol", "u1")) })
			h.settle()
			return []int64{first, second, third, fourth}
		}},
		"destroyed": {[]string{"tf terraform @production"}, func(h *house) []int64 {
			h.rule(func(r *pipeline.EnvironmentDefinition) { r.AllowDestroy = true })
			first := h.asks(pushed("c1"))
			h.settle()
			second := h.asks(wished(pipeline.ActionDestroy, "production"))
			h.settle()
			h.says(second, "carol")
			h.settle()
			return []int64{first, second}
		}},
		"cancelled while it waits for its turn": {[]string{"dep run @production"}, func(h *house) []int64 {
			h.script("dep (production)", pipeline.StatusRunning)
			first := h.asks(pushed("c1"))
			h.settle()
			second := h.asks(wished(pipeline.ActionDeploy, "production"))
			h.settle()
			h.again(func() error { _, err := h.service.Cancel(context.Background(), second, "no"); return err })
			h.settle()
			h.again(func() error { _, err := h.service.Cancel(context.Background(), first, "no"); return err })
			h.settle()
			return []int64{first, second}
		}},
	}
	street := newHouse(t)
	repo := int64(1000)
	for name, sc := range scenarios {
		t.Run(name, func(t *testing.T) {
			street.TB = t
			calm := street.beside(repo, sc.stages...)
			want := calm.ends(sc.play(calm)...)
			calls := calm.calls
			repo++
			for cut := 1; cut <= calls; cut++ {
				for _, after := range []bool{false, true} {
					if (testing.Short() || raced) && (cut+int(repo))%7 != 0 {
						continue // another part of them each time the calls change
					}
					h := street.beside(repo, sc.stages...)
					repo++
					h.cut, h.after = cut, after
					runs := sc.play(h)
					h.wait(2 * time.Second)
					if diff := cmp.Diff(want, h.ends(runs...)); diff != "" {
						t.Fatalf("cut at call %d of %d (after it: %v):\n%s", cut, calls, after, diff)
					}
				}
			}
			t.Logf("%d calls, each cut before and after", calls)
		})
	}
}
