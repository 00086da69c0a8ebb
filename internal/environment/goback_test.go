package environment

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// What was deployed and does not work is taken back before anybody else enters, and the deploy has failed.
func TestWhatFailsAfterADeployIsTakenBack(t *testing.T) {
	h := newHouse(t, "dep kubernetes @production goes-back", "smoke smoke @production <dep", "sum summary")
	h.approvals(1)
	first := h.submit(pushed("c1"))
	h.settle()
	h.approve(first, "carol")
	h.settle()
	h.script("smoke (production)", pipeline.StatusFailure)
	h.script("dep (production) restores", pipeline.StatusFailure)
	second := h.submit(pushed("c2"))
	h.settle()
	h.approve(second, "carol")
	h.settle()
	h.want(second, "dep=failure smoke=failure sum=success [production failed: dep (production): failure] failure")
	h.wantFree(1)
	want := []string{"#2 dep (production)", "#2 smoke (production)", "#2 dep (production) restores", "#2 sum"}
	if got := h.started[len(h.started)-4:]; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	run := h.load(second)
	var attempts []string
	for _, s := range run.Stages {
		if s.Spec.ID == "dep" {
			attempts = append(attempts, string(s.Status)+": "+s.AttemptReason)
		}
	}
	if got := strings.Join(attempts, "; "); got != "success: ; failure: rollback, because smoke (production) failed" {
		t.Error(got)
	}
	// It is run again as a whole.
	h.script("smoke (production)", pipeline.StatusSuccess)
	at := slices.IndexFunc(run.Current(), func(s pipeline.StageRun) bool { return s.Spec.ID == "smoke" })
	_, err := h.service.Rerun(t.Context(), h.repo.ID, run.Current()[at].ID, "carol")
	h.must(err)
	h.settle()
	h.approve(second, "dave")
	h.settle()
	h.want(second, "dep=success smoke=success sum=success [production done release 2] success")
}

// Nothing is taken back that nobody asked to be, that did not change anything, or by somebody's cancelling.
func TestWhatIsNotTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		stages []string
		play   func(*house, int64)
		want   string
	}{
		"without the word": {
			[]string{"dep kubernetes @production", "smoke smoke @production <dep"},
			func(h *house, _ int64) { h.script("smoke (production)", pipeline.StatusFailure) },
			"dep=success smoke=failure [production failed: smoke (production): failure] failure",
		},
		"the rollout failed itself": {
			[]string{"dep kubernetes @production goes-back", "smoke smoke @production <dep"},
			func(h *house, _ int64) { h.script("dep (production)", pipeline.StatusFailure) },
			"dep=failure smoke=skipped [production failed: dep (production): failure] failure",
		},
		"what failed does not come after it": {
			[]string{"dep kubernetes @production goes-back", "job run @production"},
			func(h *house, _ int64) { h.script("job (production)", pipeline.StatusFailure) },
			"dep=success job=failure [production failed: job (production): failure] failure",
		},
		"a rollback": {
			[]string{"dep kubernetes @production goes-back", "smoke smoke @production <dep"},
			nil, "dep=success smoke=success [production done release 1] success",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, c.stages...)
			if name == "a rollback" {
				first := h.submit(pushed("c1"))
				h.settle()
				h.want(first, c.want)
				h.script("smoke (production)", pipeline.StatusFailure)
				back := pushed("c1")
				back.Event, back.Delivery, back.Actor = pipeline.EventDeploy, "rollback", "carol"
				back.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback, Release: 1}
				id := h.submit(back)
				h.settle()
				h.want(id, "dep=success smoke=failure [production failed: smoke (production): failure] failure")
			} else {
				id := h.submit(pushed("c1"))
				c.play(h, id)
				h.settle()
				h.want(id, c.want)
			}
			for _, s := range h.started {
				if strings.HasSuffix(s, "restores") {
					t.Error(s)
				}
			}
		})
	}
}

// A cluster that is away for a moment does not leave what does not work where it is.
func TestTakingBackIsTriedAgain(t *testing.T) {
	h := newHouse(t, "dep kubernetes @production goes-back retry=2", "smoke smoke @production <dep")
	h.script("smoke (production)", pipeline.StatusFailure)
	h.plays["dep (production) restores"] = pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusFailure, Title: "away", Infrastructure: true}}
	id := h.submit(pushed("c1"))
	h.settle()
	h.script("dep (production) restores", pipeline.StatusFailure)
	h.wait(pipeline.MaxRepairs * 60e9)
	h.want(id, "dep=failure smoke=failure [production failed: dep (production): failure] failure")
	times := 0
	for _, s := range h.started {
		if s == "#1 dep (production) restores" {
			times++
		}
	}
	if times != 2 {
		t.Errorf("%d times: %q", times, h.started)
	}
}
