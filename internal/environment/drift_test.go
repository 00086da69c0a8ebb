package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// tower is a house whose environments are watched. What is kept for a time is written down.
type tower struct {
	*house
	watch     *Watch
	kept      []string
	installed []pipeline.Repository
	away      error
}

func newTower(t *testing.T, stages ...string) *tower {
	t.Helper()
	h := &tower{house: newHouse(t, stages...)}
	h.installed = []pipeline.Repository{h.repo}
	h.watch = NewWatch(WatchOptions{
		Looks: h, Installed: func(context.Context) ([]pipeline.Repository, error) { return h.installed, h.away }, Rules: h, Forge: h, Service: h.service, Clock: h, Logger: zerolog.Nop(),
	})
	return h
}

func (h *tower) KeepLook(_ context.Context, look Look, at time.Time) error {
	h.kept = append(h.kept, fmt.Sprintf("%s %q %q at %s", look.Environment, look.Schedule, look.TimeZone, at.Format(time.DateTime)))
	return nil
}

func (h *tower) watched(schedule, zone string) Look {
	drift := pipeline.DriftSchedule{Schedule: schedule, TimeZone: zone}
	h.rule(func(r *pipeline.EnvironmentDefinition) { r.Drift = &drift })
	return Look{RepositoryID: h.repo.ID, Environment: "production", DriftSchedule: drift}
}

// later works a look and returns when it comes again; empty: never.
func (h *tower) later(look Look) string {
	h.Helper()
	err := h.watch.Work(context.Background(), look)
	if err == nil {
		return ""
	}
	later, ok := errors.AsType[*LaterError](err)
	if !ok {
		h.Fatal(err)
	}
	said := h.Now().Add(later.After).Format(time.DateTime)
	if later.Err != nil {
		said += ": " + later.Err.Error()
	}
	return said
}

// looked are the runs that the clock asked for, oldest first.
func (h *tower) looked() []string {
	h.Helper()
	runs, err := h.db.Runs(context.Background(), pipeline.RunFilter{RepositoryID: h.repo.ID, Event: pipeline.EventSchedule})
	h.must(err)
	var all []string
	for _, r := range runs {
		var stages []string
		for _, s := range r.Stages {
			stages = append(stages, s.Spec.Key+" "+string(s.Spec.Steps))
		}
		all = append([]string{fmt.Sprintf("%s of %s due %s: %s", r.Trigger.SHA, r.Trigger.Schedule.Environment, r.Trigger.Schedule.Due.UTC().Format(time.DateTime), strings.Join(stages, ", "))}, all...)
	}
	return all
}

func TestDriftIsLookedAtWhenItIsDue(t *testing.T) {
	h := newTower(t, "lint run", "tf terraform <lint", "other terraform @staging", "dep kubernetes <tf", "summary summary")
	look := h.watched("0 6 * * *", "Europe/Berlin")
	h.must(h.watch.Lay(t.Context(), h.repo))
	if diff := gocmp.Diff([]string{`production "0 6 * * *" "Europe/Berlin" at 2026-01-03 05:00:01`}, h.kept); diff != "" {
		t.Error(diff)
	}
	h.now = time.Date(2026, 1, 3, 5, 0, 1, 0, time.UTC)
	if again := h.later(look); again != "2026-01-04 05:00:01" {
		t.Errorf("it comes again at %q", again)
	}
	want := []string{"base1 of production due 2026-01-03 05:00:00: tf (production) drift prepare"}
	if diff := gocmp.Diff(want, h.looked()); diff != "" {
		t.Error(diff)
	}
	h.later(look) // the bot was killed before it was noted
	if diff := gocmp.Diff(want, h.looked()); diff != "" {
		t.Error(diff)
	}
	h.settle()
	h.want(1, "tf=success success")
	h.wantFree(0)

	// The bot was away for three days: what it missed is one look, at what the branch holds now.
	h.heads["main"] = "base2"
	h.now = time.Date(2026, 1, 6, 17, 30, 0, 0, time.UTC)
	if again := h.later(look); again != "2026-01-07 05:00:01" {
		t.Errorf("it comes again at %q", again)
	}
	want = append(want, "base2 of production due 2026-01-06 05:00:00: tf (production) drift prepare")
	if diff := gocmp.Diff(want, h.looked()); diff != "" {
		t.Error(diff)
	}
}

// A look ends with what asked for it.
func TestDriftIsNotLookedAtForEver(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*tower)
		again  string
		kept   []string
	}{
		"another schedule": {func(h *tower) { h.watched("30 7 * * MON", "") }, "", []string{`production "30 7 * * MON" "" at 2026-01-05 07:30:01`}},
		"another zone":     {func(h *tower) { h.watched("0 13 * * *", "Asia/Tokyo") }, "", []string{`production "0 13 * * *" "Asia/Tokyo" at 2026-01-03 04:00:01`}},
		"no schedule":      {func(h *tower) { h.rule(func(r *pipeline.EnvironmentDefinition) { r.Drift = nil }) }, "", nil},
		"no environment":   {func(h *tower) { h.rules = h.rules[:1] }, "", nil},
		"not installed":    {func(h *tower) { h.installed = nil }, "", nil},
		"GitHub is away":   {func(h *tower) { h.away = errors.New("502") }, "2026-01-02 12:05:00: repositories of the App: 502", nil},
		"rules are away":   {func(h *tower) { h.deaf["rules"] = true }, "2026-01-02 12:05:00: rules of production: GitHub does not tell the rules", nil},
		"a broken file":    {func(h *tower) { h.deaf["file"] = true }, "2026-01-02 13:00:01", nil},
		"a branch is gone": {func(h *tower) { h.heads = nil }, "2026-01-02 13:00:01", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTower(t, "tf terraform")
			look := h.watched("0 13 * * *", "")
			tc.change(h)
			if again := h.later(look); again != tc.again {
				t.Errorf("it comes again at %q, want %q", again, tc.again)
			}
			if diff := gocmp.Diff(tc.kept, h.kept); diff != "" {
				t.Error(diff)
			}
			if looked := h.looked(); looked != nil {
				t.Errorf("%q", looked)
			}
		})
	}
}

// Nothing is kept for what has nothing to look at, and it is told.
func TestDriftOfAPipelineWithoutInfrastructure(t *testing.T) {
	h := newTower(t, "dep run @production")
	look := h.watched("0 11 * * *", "")
	if again := h.later(look); again != "2026-01-03 11:00:01" {
		t.Errorf("it comes again at %q", again)
	}
	if looked := h.looked(); looked != nil {
		t.Errorf("%q", looked)
	}
	h.deaf["file"] = true
	if err := h.watch.Lay(t.Context(), h.repo); err != nil || h.kept != nil {
		t.Errorf("%v %q", err, h.kept)
	}
}

// The schedule guards nothing: an approval stays what it is when somebody moves the hour.
func TestAScheduleIsNoPartOfWhatIsApproved(t *testing.T) {
	h := newTower(t, "dep run @production")
	h.approvals(1)
	id := h.submit(pushed("c1"))
	h.settle()
	before := h.entry(id).Candidate.Fingerprint()
	h.watched("0 11 * * *", "")
	ballot, err := h.keeper.Ballot(t.Context(), h.load(id), "production", "carol")
	h.must(err)
	if ballot.Fingerprint != before {
		t.Error("it voids approvals")
	}
}
