package checks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const ours = "https://ci.example.org"

// ofPull is a run of the scenarios' pull request.
func ofPull(run pipeline.Run, id int64) pipeline.Run {
	run.ID, run.Number = id, id
	return run
}

func stickyCases() map[string]StickyFacts {
	checked := displaytest.Passed()
	checked.Trigger = displaytest.New().Trigger
	facts := func(runs ...pipeline.Run) StickyFacts {
		return StickyFacts{
			Number: 31, State: PullOpen, Head: displaytest.New().Trigger.SHA, Runs: runs,
			States:   map[string]pipeline.EnvironmentState{"production": {Name: "production", Release: 4}},
			Releases: map[string]pipeline.Release{"production": {Number: 4, Commit: "9d2f6c6ad1c8a45e4a9f0f43a0d8a4b8f2f1f0aa", PullRequest: 28, At: displaytest.Now().Add(-48 * time.Hour)}},
		}
	}
	deploy := func(run pipeline.Run, change func(*pipeline.Run, *pipeline.Entry)) pipeline.Run {
		run = ofPull(run, 13)
		run.Trigger.Actor = "bob"
		change(&run, &run.Entries[0])
		return run
	}
	waiting := deploy(displaytest.Waiting(), func(*pipeline.Run, *pipeline.Entry) {})
	locked := facts(deploy(displaytest.Locked(), func(*pipeline.Run, *pipeline.Entry) {}), checked)
	state := locked.States["production"]
	state.Lock = &pipeline.Lock{By: "grace-hopper", At: displaytest.Now().Add(-90 * time.Minute), Reason: "the shop is being moved"}
	state.Hold = &pipeline.Lock{By: "alan", At: displaytest.Now().Add(-3 * time.Hour), Reason: "rolled back to release 2 by run #9"}
	locked.States["production"] = state
	released := facts(deploy(displaytest.Waiting(), func(run *pipeline.Run, e *pipeline.Entry) {
		e.State, e.Hold, e.Release, run.Status = pipeline.EntryDone, nil, 5, pipeline.StatusSuccess
	}), checked)
	released.States["production"] = pipeline.EnvironmentState{Name: "production", Release: 5}
	released.Releases["production"] = pipeline.Release{Number: 5, Commit: waiting.Trigger.SHA, PullRequest: 31, At: displaytest.Now()}
	rejected := facts(deploy(displaytest.Waiting(), func(run *pipeline.Run, e *pipeline.Entry) {
		e.State, e.Hold, e.Reason, run.Status = pipeline.EntryRejected, nil, "Rejected by carol: not before the sale", pipeline.StatusFailure
	}), checked)
	merged := released
	merged.State = PullMerged
	closed := facts(displaytest.Failed())
	closed.State = PullClosed
	mergedWaiting := facts(waiting, checked)
	mergedWaiting.State = PullMerged
	held := displaytest.New()
	held.Trigger.Fork, held.Status = true, pipeline.StatusWaiting
	for i := range held.Stages {
		s := &held.Stages[i]
		s.Spec.Hold = "Waiting for " + pipeline.WordFor(held.Trigger.SHA)
		s.Status, s.Reason = pipeline.StatusWaiting, s.Spec.Hold
	}
	evil := facts(deploy(displaytest.Waiting(), func(run *pipeline.Run, e *pipeline.Entry) {
		e.Hold.Title = bad
		e.Hold.Missing = []pipeline.Missing{{Rule: bad, Why: bad, Who: bad, Command: "/x " + bad}}
		run.Trigger.Actor, run.Trigger.Deploy.Environment, run.Trigger.SHA = bad, bad, bad
		e.Askers = []string{bad}
	}), displaytest.Hostile())
	evil.States["production"] = pipeline.EnvironmentState{Lock: &pipeline.Lock{By: bad, Reason: bad}, Hold: &pipeline.Lock{By: bad, Reason: bad}}
	return map[string]StickyFacts{
		"sticky-running":        facts(displaytest.Running()),
		"sticky-failed":         facts(displaytest.Failed()),
		"sticky-passed":         facts(checked),
		"sticky-waiting":        facts(waiting, checked),
		"sticky-locked":         locked,
		"sticky-released":       released,
		"sticky-rejected":       rejected,
		"sticky-merged":         merged,
		"sticky-merged-waiting": mergedWaiting,
		"sticky-closed":         closed,
		"sticky-held":           facts(held),
		"sticky-hostile":        evil,
	}
}

func TestStickyGolden(t *testing.T) {
	for name, facts := range stickyCases() {
		t.Run(name, func(t *testing.T) {
			got := RenderSticky(facts, ours+"/")
			assertSticky(t, got, facts.Number)
			golden.Equal(t, "testdata/"+name+".md", got+"\n")
		})
	}
}

func assertSticky(t *testing.T, body string, number int) {
	t.Helper()
	mark := stickyMark(number) + "\n"
	if len(body) > 65_000 || !strings.HasPrefix(body, mark) {
		t.Errorf("%d bytes, begins with %.60q", len(body), body)
	}
	assertSound(t, strings.TrimPrefix(body, mark))
}

// Neither time nor a line of progress changes the comment, since each edit costs.
func TestAStickyCommentTellsStatesOnly(t *testing.T) {
	facts := stickyCases()["sticky-running"]
	before := RenderSticky(facts, ours)
	run := displaytest.Running()
	for i := range run.Stages {
		s := &run.Stages[i]
		s.Version++
		if s.Status == pipeline.StatusRunning {
			s.Progress, s.StartedAt = "another line", s.StartedAt.Add(time.Minute)
			s.Result.Steps = append(s.Result.Steps, pipeline.Step{Name: "x"})
		}
	}
	facts.Runs = []pipeline.Run{run}
	if after := RenderSticky(facts, ours); after != before {
		t.Errorf("changed to\n%s", after)
	}
	displaytest.Stage(&run, "docker-build-push").Status = pipeline.StatusSuccess
	if after := RenderSticky(facts, ours); after == before {
		t.Error("a stage that passed is not told")
	}
}

// The newest run of the head is shown; one of an older commit only where the head has none.
func TestTheStickyCommentShowsTheHead(t *testing.T) {
	old, now := ofPull(displaytest.Failed(), 11), ofPull(displaytest.Running(), 12)
	old.Trigger.SHA = strings.Repeat("0", 40)
	facts := StickyFacts{Number: 31, State: PullOpen, Head: now.Trigger.SHA, Runs: []pipeline.Run{old, now}}
	if body := RenderSticky(facts, ours); !strings.Contains(body, "Stages of `4f2a9c1`") {
		t.Error(body)
	}
	facts.Head = strings.Repeat("1", 40)
	if body := RenderSticky(facts, ours); !strings.Contains(body, "Stages of `0000000`") {
		t.Error(body)
	}
}

func TestAStickyCommentOfManyStages(t *testing.T) {
	run := displaytest.New()
	var legs pipeline.Run
	for i := range 450 {
		s := run.Stages[0]
		s.ID, s.Spec.Key, s.Spec.ID = int64(i), fmt.Sprintf("test (%03d, %s)", i, strings.Repeat("x", 100)), "test"
		s.Spec.Matrix = pipeline.MatrixLeg{{Name: "n", Value: fmt.Sprint(i)}}
		s.Result.Verdict.Title = strings.Repeat("wide ", 100)
		s.Status = pipeline.StatusSuccess
		legs.Stages = append(legs.Stages, s)
	}
	legs.Stages[77].Status = pipeline.StatusFailure
	last := run.Stages[len(run.Stages)-1]
	last.Spec.Needs = []pipeline.Need{{Stage: legs.Stages[0].Spec.Key}, {Stage: legs.Stages[1].Spec.Key}}
	run.Stages = slices.Concat(legs.Stages, []pipeline.StageRun{last})
	body := RenderSticky(StickyFacts{Number: 1, State: PullOpen, Runs: []pipeline.Run{run}}, ours)
	assertSticky(t, body, 1)
	if !strings.Contains(body, "more rows") || !strings.Contains(body, `s0["✗ test"]:::bad`) || strings.Contains(body, "s2[") {
		t.Errorf("%s", shortened(body))
	}
	for i := range run.Stages {
		run.Stages[i].Spec.ID = fmt.Sprint("stage-", i)
	}
	if body := RenderSticky(StickyFacts{Number: 1, State: PullOpen, Runs: []pipeline.Run{run}}, ours); strings.Contains(body, "mermaid") {
		t.Error("451 nodes are drawn")
	}
}

func TestWhateverRunsHoldTheStickyCommentIsSound(t *testing.T) {
	for seed := range 60 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			text := func() string { return hostile(r, 400) }
			facts := StickyFacts{Number: 7, State: []PullState{PullOpen, PullMerged, PullClosed}[r.IntN(3)], States: map[string]pipeline.EnvironmentState{}}
			for range 1 + r.IntN(5) {
				run := hostileRun(r)
				run.Stages[0].Spec.Key, run.Stages[0].Spec.ID = text(), text()
				if r.IntN(2) == 0 {
					run.Trigger.Event = pipeline.EventDeploy
					run.Trigger.Deploy = &pipeline.Deploy{Environment: text(), Action: pipeline.Action(text())}
					run.Trigger.Actor, run.Trigger.SHA = text(), text()
					c := pipeline.Candidate{Environment: text(), Commit: text(), Parts: []pipeline.Part{{Kind: pipeline.PartKind(text()), Name: text(), Value: text(), Detail: text()}}}
					run.Entries = []pipeline.Entry{{
						Environment: text(), State: pipeline.EntryWaiting, Askers: []string{text()}, Candidate: &c,
						Hold: &pipeline.Hold{Title: text(), Missing: []pipeline.Missing{{Rule: text(), Why: text(), Who: text(), Command: text()}}},
					}, {Environment: text(), State: pipeline.EntryFailed, Reason: text()}}
					facts.States[run.Entries[0].Environment] = pipeline.EnvironmentState{Lock: &pipeline.Lock{By: text(), Reason: text()}}
				}
				run.Stages = append(run.Stages, run.Stages[0])
				facts.Runs = append(facts.Runs, run)
			}
			assertSticky(t, RenderSticky(facts, ours), 7)
		})
	}
}

func FuzzMermaidText(f *testing.F) {
	for _, piece := range pieces {
		f.Add(piece + "\"]\n" + piece)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := mermaidText(s); strings.ContainsAny(got, "\"'`\n\r[]{}<>&|@%") {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
