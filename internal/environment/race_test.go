package environment

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Everybody at once: whoever comes first, nothing enters that was not let in, nothing happens twice, and in the end
// everything has ended and the environment is free.
func TestEverybodyAtOnce(t *testing.T) {
	street := newHouse(t)
	ends := make(map[pipeline.EntryState]int)
	trials := 60
	if testing.Short() {
		trials = 10
	}
	for trial := range trials {
		h := street.beside(int64(2000+trial), "tf terraform @production", "dep run @production <tf")
		h.TB = t
		h.approvals(1)
		id := h.submit(wished(pipeline.ActionDeploy, "production"))
		other := wished(pipeline.ActionDeploy, "production")
		other.Delivery = "another"
		second := h.submit(other)
		h.settle()
		rejected, entered := h.everybody(trial, id)
		h.must(h.keeper.Unlock(context.Background(), h.repo, "production", word("carol", "in the end")))
		h.settle()
		h.approve(second, "dave")
		h.settle()
		ends[h.entry(id).State]++
		h.checkEnd(trial, id, rejected, entered)
		if e := h.entry(second); !e.State.Final() && e.State != pipeline.EntryWaiting {
			t.Errorf("trial %d: the run behind it is %s", trial, h.told(second))
		}
	}
	t.Logf("ends: %v", ends)
}

// everybody has people and workers do things at the same time. Which of them do what differs from trial to trial.
func (h *house) everybody(trial int, id int64) (rejected, entered bool) {
	h.Helper()
	ctx := context.Background()
	candidate := h.entry(id).Candidate.Fingerprint()
	taken := func(err error) bool {
		if err != nil && !errors.Is(err, ErrMoved) {
			h.Errorf("trial %d: %v", trial, err)
		}
		return err == nil
	}
	people := []func(){
		func() { taken(h.keeper.Approve(ctx, id, "production", candidate, word("carol", "a1"))) },
		func() { taken(h.keeper.Approve(ctx, id, "production", candidate, word("dave", "a2"))) },
		func() { rejected = taken(h.keeper.Reject(ctx, id, "production", "no", word("dave", "r1"))) },
		func() {
			h.mu.Lock()
			h.pull.Head = "head2"
			h.mu.Unlock()
			taken(h.keeper.RecheckPull(ctx, h.repo.ID, 7))
		},
		func() { _, err := h.service.Cancel(ctx, id, "no"); taken(err) },
		func() { taken(h.keeper.Lock(ctx, h.repo, "production", "stop", word("carol", "l1"))) },
		func() { taken(h.keeper.Recheck(ctx, h.repo.ID, "production")) },
		func() { taken(h.keeper.Refused(ctx, h.load(id), "production", "approve", "no", word("eve", "x1"))) },
		func() { taken(h.keeper.Resume(ctx)) },
	}
	var at sync.WaitGroup
	begin := make(chan struct{})
	for i, person := range people {
		if i > 0 && (trial>>(i%6))&1 == 0 && i < 6 {
			continue
		}
		at.Go(func() { <-begin; person() })
	}
	done := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			<-begin
			for {
				if j, found := h.take(); found {
					h.work(j)
					continue
				}
				select {
				case <-done:
					return
				default:
					runtime.Gosched()
				}
			}
		})
	}
	close(begin)
	at.Wait()
	close(done)
	workers.Wait()
	return rejected, slices.Contains(h.started, "#1 tf (production)")
}

func (h *house) checkEnd(trial int, id int64, rejected, entered bool) {
	h.Helper()
	run, e := h.load(id), h.entry(id)
	entered = entered || slices.Contains(h.started, "#1 tf (production)")
	var problems []string
	note := func(wrong bool, format string, args ...any) {
		if wrong {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	waits := e.State == pipeline.EntryWaiting && e.Hold.Person
	note(!waits && (!e.State.Final() || !run.Status.Final()), "it has not ended")
	for _, stage := range []string{"#1 tf (production)", "#1 dep (production)"} {
		times := 0
		for _, s := range h.started {
			if s == stage {
				times++
			}
		}
		note(times > 1, "%s was carried out %d times", stage, times)
	}
	records := strings.Join(h.audited(), "\n")
	let := strings.Contains(records, "#1 slipway enter production true: approved by")
	note(entered && !let, "it entered and was not let in")
	note(entered && e.State == pipeline.EntryRejected, "it entered and was rejected")
	note(rejected && e.State != pipeline.EntryRejected, "its rejection was taken and is not its end")
	note(e.State == pipeline.EntryDone && (e.Release == 0 || !entered), "it is done without a release, or without having entered")
	releases, err := h.db.Releases(context.Background(), pipeline.ReleaseFilter{RepositoryID: h.repo.ID})
	h.must(err)
	own := slices.DeleteFunc(releases, func(r pipeline.Release) bool { return r.RunID != id })
	note((e.State == pipeline.EntryDone) != (len(own) == 1), "it is %s with %d releases", e.State, len(own))
	s := h.state()
	note(s.Holder != nil || slices.ContainsFunc(s.Queue, func(p pipeline.Place) bool { return p.RunID == id }), "it still has a place: %+v", s)
	if len(problems) > 0 {
		h.Errorf("trial %d: %s\n%s\n%s", trial, strings.Join(problems, "; "), h.told(id), records)
	}
}
