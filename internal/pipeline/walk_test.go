package pipeline

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// Random plans and random events, worked job by job as the queue works them: what must always hold is looked at after every
// step (bed.check), nothing happens that no job brought about, and in the end everything has ended.
func TestRandomWalks(t *testing.T) {
	walks := 1200
	if testing.Short() || raced {
		walks = 300
	}
	moved := make(map[[2]EntryState]bool)
	for seed := range uint64(walks) {
		w := newWanderer(t, seed)
		for range 60 {
			w.step()
		}
		w.home()
		for m := range w.moved {
			moved[m] = true
		}
	}
	for from, nexts := range entryTransitions {
		for _, to := range nexts {
			if !moved[[2]EntryState{from, to}] {
				t.Errorf("no walk went from %s to %s: the table, or the walk, has too much or too little", from, to)
			}
		}
	}
}

type wanderer struct {
	*bed
	rng *rand.Rand
	// calm: nothing goes wrong any more, and whoever is asked says yes.
	calm bool
}

func newWanderer(t *testing.T, seed uint64) *wanderer {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 7))
	d := randomDefinition(rng)
	for {
		if _, err := NewPlan(push("main"), d, PlanFacts{Built: everyKind}); err == nil {
			break
		}
		d = randomDefinition(rng) // its environments wait for each other
	}
	triggers := []Trigger{
		push("main"), push("main"), push("main"), pull("main"), deploy("production", ActionDeploy), deploy("staging", ActionDeploy),
		deploy("production", ActionRollback), deploy("production", ActionDestroy), deploy("production", ActionPlan),
	}
	w := &wanderer{rng: rng}
	w.bed = walk(t, triggers[rng.IntN(len(triggers))], d)
	w.told = append([]string{fmt.Sprintf("seed %d, %s: %s", seed, w.run.Trigger.Event, described(d))}, w.told...)
	return w
}

func described(d Definition) string {
	var lines []string
	for _, s := range d.Stages {
		line := s.ID + " " + s.Uses
		if s.Environment != "" {
			line += " @" + s.Environment
		}
		for _, n := range s.Needs {
			line += " <" + n.Stage
			if n.Optional {
				line += "?"
			}
		}
		if s.ContinueOnFailure {
			line += " lax"
		}
		if s.If != nil {
			line += " never"
		}
		if s.Matrix != nil {
			line += fmt.Sprintf(" x%d", len(s.Matrix))
		}
		lines = append(lines, fmt.Sprintf("%q", line+fmt.Sprintf(" retry=%d", s.Retry)))
	}
	return strings.Join(lines, ", ")
}

func randomDefinition(rng *rand.Rand) Definition {
	kinds := []string{"run", "run", "image", "terraform", "kubernetes", "smoke", "run @staging", "run @production", "terraform @staging", "run @*", "image @production"}
	var lines []string
	for i := range 2 + rng.IntN(8) {
		line := fmt.Sprintf("s%d %s", i, kinds[rng.IntN(len(kinds))])
		for j := range i {
			if rng.IntN(3) == 0 {
				line += fmt.Sprintf(" <s%d", j)
				if rng.IntN(4) == 0 {
					line += "?"
				}
			}
		}
		for _, extra := range []struct {
			word string
			odds int
		}{{"lax", 8}, {"never", 12}, {"x2", 8}, {"retry=1", 4}} {
			if rng.IntN(extra.odds) == 0 {
				line += " " + extra.word
			}
		}
		lines = append(lines, line)
	}
	if rng.IntN(2) == 0 {
		lines = append(lines, "summary summary")
		if i := rng.IntN(len(lines)); i < len(lines)-1 && rng.IntN(2) == 0 {
			lines[i] += " <summary" // whatever comes after it does not hold it up
		}
	}
	// The file's order is not the order of the needs.
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return define(lines...)
}

// step works a job, or lets somebody interfere.
func (w *wanderer) step() {
	w.Helper()
	switch n := w.rng.IntN(40); {
	case n == 0 && !w.calm:
		w.cancel()
	case n <= 3 && !w.calm:
		w.rerunAny()
	case n <= 6 && !w.calm:
		w.askAny()
	default:
		w.work()
	}
}

// work takes a due job; running stages end now and then.
func (w *wanderer) work() {
	w.Helper()
	var running []string
	for _, s := range w.run.Current() {
		if s.Status == StatusRunning {
			running = append(running, s.Spec.Key)
		}
	}
	if len(running) > 0 && (len(w.jobs) == 0 || w.rng.IntN(2) == 0) {
		w.endAny(running[w.rng.IntN(len(running))])
		return
	}
	if len(w.jobs) == 0 {
		return
	}
	i := w.rng.IntN(len(w.jobs))
	j := w.jobs[i]
	w.jobs = slices.Delete(w.jobs, i, i+1)
	if j.at.After(w.now) {
		w.now = j.at
	}
	w.told = append(w.told, fmt.Sprintf("job %s %s", j.Kind, j.Key))
	switch j.Kind {
	case JobStage:
		if s := w.run.Stage(j.StageRunID); s.Status == StatusReady {
			w.begin(s.Spec.Key)
		}
	case JobGate:
		w.gate(j.Key)
	case JobInterrupt, JobAnnounce:
	}
}

func (w *wanderer) endAny(key string) {
	w.Helper()
	v := Verdict{Status: StatusSuccess, Title: "done"}
	if s := w.run.current(key); s.Cancel != "" && w.rng.IntN(3) > 0 {
		v = Verdict{Status: StatusCancelled, Title: "stopped"}
	} else if !w.calm && w.rng.IntN(5) == 0 {
		ends := []Status{StatusFailure, StatusFailure, StatusNeutral, StatusTimedOut, StatusSkipped, StatusCancelled}
		v = Verdict{Status: ends[w.rng.IntN(len(ends))], Title: "no", Infrastructure: w.rng.IntN(3) == 0}
	}
	if s := w.run.current(key); s.Phase == PhaseApply && !w.calm && w.rng.IntN(6) == 0 {
		v = Verdict{Status: StatusFailure, Title: "moved", Void: "the state changed"}
	}
	w.end(key, v, Part{Kind: PartImage, Name: key, Value: fmt.Sprint(w.rng.IntN(3))})
}

// gate answers as the keeper would, by the toss of a coin.
func (w *wanderer) gate(environment string) {
	w.Helper()
	e := w.run.Entry(environment)
	switch {
	case e.State == EntryLeaving:
		w.leave(environment)
	case !e.State.asks():
	case e.NotBefore.After(w.now):
		w.do("later "+environment, func(r *Run) ([]Job, error) {
			return []Job{r.gateJob(r.Entry(environment), r.Entry(environment).pause(w.now))}, nil
		})
	case w.calm || w.rng.IntN(2) == 0:
		w.enter(environment)
	case w.rng.IntN(4) == 0:
		w.close(environment, []EntryState{EntryVoid, EntryCancelled}[w.rng.IntN(2)], "the base moved")
	case w.rng.IntN(2) == 0:
		w.hold(environment, Hold{Title: "frozen", Until: w.now.Add(time.Hour)})
	default:
		w.hold(environment, Hold{Title: "approve", Person: w.rng.IntN(2) == 0})
	}
}

// askAny is a person who gives, or refuses, their word, or anything else that has the gate look again.
func (w *wanderer) askAny() {
	w.Helper()
	for i := range w.run.Entries {
		e := &w.run.Entries[i]
		if e.State == EntryWaiting && w.rng.IntN(4) == 0 {
			w.close(e.Environment, EntryRejected, "Rejected by bob")
			return
		}
		w.do("ask "+e.Environment, func(r *Run) ([]Job, error) { return []Job{r.AskGate(e.Environment)}, nil })
	}
}

func (w *wanderer) rerunAny() {
	w.Helper()
	var ended []string
	for _, s := range w.run.Current() {
		if s.Status.Final() {
			ended = append(ended, s.Spec.Key)
		}
	}
	if len(ended) == 0 {
		return
	}
	key := ended[w.rng.IntN(len(ended))]
	w.do("rerun "+key, func(r *Run) ([]Job, error) {
		jobs, err := r.Rerun(key, "bob", "asked by @bob", w.now)
		if errors.Is(err, ErrUnderWay) {
			return nil, nil
		}
		return jobs, err
	})
}

// home lets everything go right from now on: the run must come to its end by its jobs alone, once whoever is waited for
// gives their word.
func (w *wanderer) home() {
	w.Helper()
	w.calm = true
	for range 2000 {
		if w.run.Status.Final() {
			return
		}
		running := slices.ContainsFunc(w.run.Current(), func(s StageRun) bool { return s.Status == StatusRunning })
		if len(w.jobs) > 0 || running {
			w.work()
			continue
		}
		asked := false
		for i := range w.run.Entries {
			if e := &w.run.Entries[i]; e.State == EntryWaiting && e.Hold.Until.IsZero() {
				w.do("word for "+e.Environment, func(r *Run) ([]Job, error) { return []Job{r.AskGate(e.Environment)}, nil })
				asked = true
			}
		}
		if !asked {
			w.faultf("nothing goes on")
		}
	}
	w.faultf("it never ends")
}
