package environment

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// A release knows where the infrastructure is; a rollback that leaves it as it is hands that on, and not what the release that
// it brings back knew.
func TestReleasesKnowTheInfrastructure(t *testing.T) {
	h := newHouse(t, "tf terraform @production", "dep run @production <tf")
	tells := func(address string) {
		h.plays["tf (production)"] = pipeline.Result{
			Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess}, Outputs: map[string]string{"address": address},
		}
	}
	for i, address := range []string{"old.example.com", "new.example.com"} {
		tells(address)
		h.submit(pushed(fmt.Sprint("c", i+1)))
		h.settle()
	}
	for i := range 2 { // a rollback of a rollback, too
		back := pushed("c1")
		back.Event, back.Actor = pipeline.EventDeploy, "carol"
		back.Delivery = fmt.Sprint("rollback", i)
		back.Deploy = &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback, Release: 1}
		h.submit(back)
		h.settle()
	}
	for number, want := range []string{1: "old.example.com", 2: "new.example.com", 3: "new.example.com", 4: "new.example.com"} {
		if number == 0 {
			continue
		}
		release, err := h.db.Release(t.Context(), h.repo.ID, "production", int64(number))
		h.must(err)
		if diff := cmp.Diff(map[string]map[string]string{"tf": {"address": want}}, release.Infrastructure); diff != "" {
			t.Errorf("release %d (%s):\n%s", number, release.Action, diff)
		}
	}
}
