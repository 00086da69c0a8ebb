package pipeline_test

import (
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const forkSHA = "aaaa111111111111111111111111111111111111"

func (b *bench) fork(sha string) pipeline.Trigger {
	t := b.trigger(sha)
	t.Event, t.Ref, t.Base, t.PullRequest, t.Fork = pipeline.EventPullRequest, "refs/pull/7/head", "main", 7, true
	t.Delivery = "d-fork-" + sha
	return t
}

func forkBench(t *testing.T) *bench {
	t.Helper()
	test := stage("test")
	test.Secrets = []string{"TOKEN"}
	b := newBench(t, test, stage("build", "test"), pipeline.StageDefinition{ID: "all", Uses: "summary"})
	b.world.secrets["TOKEN"] = "very-secret"
	return b
}

func (b *bench) release(run pipeline.Run, by string) func() {
	return func() {
		if _, err := b.service.Release(b.Context(), run.ID, run.Trigger.SHA, by); err != nil {
			b.Error(err)
		}
	}
}

func TestHeldStagesRunAfterTheWordAndNotBefore(t *testing.T) {
	b := forkBench(t)
	run := b.mustSubmit(b.fork(forkSHA))
	if got := summary(run); got != "test=waiting build=waiting all=waiting" {
		t.Fatal(got)
	}
	if got := run.Stages[0].Reason; got != "Waiting for /ok-to-test "+forkSHA {
		t.Error(got)
	}
	if len(b.script.started) != 0 {
		t.Fatalf("something of the fork ran: %v", b.script.started)
	}
	run = b.until(b.release(run, "alice"), ended)
	if got := summary(run); got != "test=success build=success all=success" {
		t.Error(got)
	}
	if got := strings.Join(b.script.started, " "); got != "test#1 build#1" {
		t.Errorf("started %s", got)
	}
	if len(b.script.secrets["test"].Env) != 0 {
		t.Error("the word gave a stranger's commit a secret")
	}
	if run.Released == nil || run.Released.By != "alice" || run.Released.At.IsZero() {
		t.Errorf("released by %+v", run.Released)
	}
	b.release(run, "bob")()
	if loaded := b.load(run.ID); loaded.Released.By != "alice" || len(loaded.Stages) != 3 {
		t.Errorf("the word given again changed something: %+v", loaded.Released)
	}
}

func TestTheWordIsForOneCommit(t *testing.T) {
	b := forkBench(t)
	run := b.mustSubmit(b.fork(forkSHA))
	if _, err := b.service.Release(t.Context(), run.ID, "bbbb", "alice"); err == nil {
		t.Error("a word for another commit was taken")
	}
	if loaded := b.load(run.ID); loaded.Released != nil || loaded.Status != pipeline.StatusWaiting {
		t.Errorf("run is %s", loaded.Status)
	}
	b.until(b.release(run, "alice"), ended)
	pushed := b.mustSubmit(b.fork("bbbb111111111111111111111111111111111111"))
	if pushed.Status != pipeline.StatusWaiting || pushed.Released != nil {
		t.Errorf("a new push runs by the old word: %s", summary(pushed))
	}
	other := b.fork(forkSHA)
	other.PullRequest, other.Ref = 8, "refs/pull/8/head"
	if run := b.mustSubmit(other); run.Status != pipeline.StatusWaiting {
		t.Errorf("the word for one pull request opened another: %s", summary(run))
	}
}

func TestTheWordIsNotAskedForTwice(t *testing.T) {
	b := forkBench(t)
	run := b.mustSubmit(b.fork(forkSHA))
	b.until(b.release(run, "alice"), ended)
	again := b.fork(forkSHA)
	again.Fresh, again.Delivery = true, "all again"
	fresh := b.until(b.submit(again), func(r pipeline.Run) bool { return r.ID != run.ID && ended(r) })
	if fresh.Status != pipeline.StatusSuccess || fresh.Released == nil || fresh.Released.By != "alice" {
		t.Errorf("%s, released by %+v", summary(fresh), fresh.Released)
	}
}

func TestWhatAStrangersCommitPassedIsNeverReusedByATrustedOne(t *testing.T) {
	b := newBench(t, stage("a"))
	run := b.mustSubmit(b.fork(forkSHA))
	b.until(b.release(run, "alice"), ended)
	trusted := b.until(b.submit(b.trigger("cccc")), func(r pipeline.Run) bool { return r.ID != run.ID && ended(r) })
	if trusted.Stages[0].Reused != nil {
		t.Error("a trusted run took over what a stranger's left")
	}
	same := b.fork("dddd111111111111111111111111111111111111") // another commit with the same tree
	other := b.mustSubmit(same)
	other = b.until(b.release(other, "alice"), func(r pipeline.Run) bool { return r.ID == other.ID && ended(r) })
	if other.Stages[0].Reused == nil {
		t.Error("a stranger's commit of the same inputs is not reused among its kind")
	}
}

func TestHeldStagesStayHeldUntilTheirWord(t *testing.T) {
	b := forkBench(t)
	run := b.mustSubmit(b.fork(forkSHA))
	if _, err := b.service.Cancel(t.Context(), run.ID, "asked by @bob"); err != nil {
		t.Fatal(err)
	}
	run = b.load(run.ID)
	if got := summary(run); got != "test=cancelled build=cancelled all=cancelled" {
		t.Fatal(got)
	}
	again, err := b.service.Rerun(t.Context(), 1, run.Stages[0].ID, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if got := summary(again); got != "test=waiting build=waiting all=waiting" {
		t.Errorf("a re-run went around the word: %s", got)
	}
	run = b.until(b.release(again, "alice"), ended)
	if got := summary(run); got != "test=success build=success all=success" {
		t.Error(got)
	}
}

func TestAReleasedRunThatIsCancelledStillTellsItsEnd(t *testing.T) {
	b := forkBench(t)
	began := b.hold("test")
	run := b.mustSubmit(b.fork(forkSHA))
	b.release(run, "alice")()
	<-began
	run = b.until(func() {
		if _, err := b.service.Cancel(t.Context(), run.ID, "asked by @alice"); err != nil {
			t.Error(err)
		}
	}, ended)
	if got := summary(run); got != "test=cancelled build=cancelled all=success" {
		t.Error(got)
	}
}
