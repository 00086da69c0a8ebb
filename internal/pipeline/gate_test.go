package pipeline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whole is the pipeline of the reference: tests, image, infrastructure, deploy, smoke tests, summary.
func whole() Definition {
	return define("test run", "image image <test", "tf terraform @production <image", "k8s kubernetes @production <tf",
		"smoke smoke @production <k8s", "summary summary")
}

var approval = Hold{Title: "Waiting for 1 approval", Person: true}

func plan(name, value string) Part { return Part{Kind: PartPlan, Name: name, Value: value} }

func success() Verdict { return Verdict{Status: StatusSuccess, Title: "done"} }
func infra() Verdict {
	return Verdict{Status: StatusFailure, Title: "the registry is away", Infrastructure: true}
}

func TestTheWalkOfAPush(t *testing.T) {
	b := walk(t, push("main"), whole())
	b.want("test=ready image=ready tf (production)=queued k8s (production)=queued smoke (production)=queued summary=queued [production=preparing] run=queued")
	b.pass("image") // built beside the tests, and not published yet
	b.want("test=ready image=queued* tf (production)=queued k8s (production)=queued smoke (production)=queued summary=queued [production=preparing] run=queued")
	b.pass("test")
	b.want("test=success image=ready* tf (production)=queued k8s (production)=queued smoke (production)=queued summary=queued [production=preparing] run=running")
	b.pass("image", "tf (production)")
	b.want("test=success image=success tf (production)=queued* k8s (production)=ready smoke (production)=queued summary=queued [production=preparing] run=running")
	b.pass("k8s (production)")
	b.want("test=success image=success tf (production)=queued* k8s (production)=queued* smoke (production)=queued summary=queued [production=deciding] run=running")
	b.hold("production", approval)
	b.want("test=success image=success tf (production)=waiting* k8s (production)=queued* smoke (production)=queued summary=queued [production=waiting] run=waiting")
	b.enter("production")
	b.want("test=success image=success tf (production)=ready* k8s (production)=queued* smoke (production)=queued summary=queued [production=entered] run=running")
	b.pass("tf (production)", "k8s (production)", "smoke (production)")
	b.want("test=success image=success tf (production)=success k8s (production)=success smoke (production)=success summary=queued [production=leaving] run=running")
	b.leave("production")
	b.pass("summary")
	b.want("test=success image=success tf (production)=success k8s (production)=success smoke (production)=success summary=success [production=done] run=success")
	if got := b.run.current("smoke (production)").Release; got != 12 || b.run.Entries[0].Release != 12 {
		t.Errorf("the last stage tells release %d, the entry %d", got, b.run.Entries[0].Release)
	}
}

// at brings the pipeline of the reference before production.
func beforeProduction(t *testing.T) *bed {
	t.Helper()
	b := walk(t, push("main"), whole())
	b.pass("test", "image", "image")
	b.end("tf (production)", success(), plan("tf (production)", "one"))
	b.pass("k8s (production)")
	if b.run.Entries[0].State != EntryDeciding {
		t.Fatal(b)
	}
	return b
}

func entries(r *Run) string {
	var parts []string
	for _, e := range r.Entries {
		part := e.Environment + "=" + string(e.State)
		if e.Reason != "" {
			part += " (" + e.Reason + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func TestEntryEnds(t *testing.T) {
	cases := []struct {
		name   string
		stages []string
		do     func(b *bed)
		want   string
		entry  string
	}{
		{
			"tests fail", []string{"test run", "dep run @production <test", "after run <dep"},
			func(b *bed) { b.fail("test") },
			"test=failure dep (production)=skipped after=skipped [production=failed] run=failure", "production=failed (test failed)",
		},
		{
			"a need is left out by a rule", []string{"test run never", "dep run @production <test"},
			func(*bed) {},
			"test=skipped dep (production)=skipped [production=skipped] run=skipped", "production=skipped (it needs test, which was skipped)",
		},
		{
			"a need that may be left out is", []string{"test run never", "dep run @production <test?"},
			func(b *bed) { b.enter("production"); b.pass("dep (production)"); b.leave("production") },
			"test=skipped dep (production)=success [production=done] run=success", "production=done",
		},
		{
			"one cannot be prepared", []string{"tf terraform @production", "k8s kubernetes @production"},
			func(b *bed) { b.pass("k8s (production)"); b.fail("tf (production)") },
			"tf (production)=failure k8s (production)=skipped [production=failed] run=failure", "production=failed (production is not entered: tf (production) failed)",
		},
		{
			"one cannot be prepared while another prepares", []string{"tf terraform @production", "k8s kubernetes @production", "x run <k8s", "y run <tf"},
			func(b *bed) {
				b.begin("k8s (production)")
				b.fail("tf (production)")
				b.want("tf (production)=failure k8s (production)=running x=queued y=skipped [production=preparing] run=running")
				b.pass("k8s (production)")
			},
			"tf (production)=failure k8s (production)=skipped x=skipped y=skipped [production=failed] run=failure",
			"production=failed (production is not entered: tf (production) failed)",
		},
		{
			"what one of its stages needs failed", []string{"lint run", "tf terraform @production <lint", "k8s kubernetes @production"},
			func(b *bed) { b.pass("k8s (production)"); b.fail("lint") },
			"lint=failure tf (production)=skipped k8s (production)=skipped [production=failed] run=failure",
			"production=failed (production is not entered: lint failed)",
		},
		{
			"the change fails", []string{"tf terraform @production", "k8s kubernetes @production <tf", "x run <k8s"},
			func(b *bed) {
				b.pass("tf (production)", "k8s (production)")
				b.enter("production")
				b.fail("tf (production)")
				b.leave("production")
			},
			"tf (production)=failure k8s (production)=skipped x=skipped [production=failed] run=failure", "production=failed (tf (production))",
		},
		{
			"a failure that is to be passed over", []string{"tf terraform @production lax", "k8s kubernetes @production <tf"},
			func(b *bed) {
				b.fail("tf (production)") // neither planned nor applied
				b.pass("k8s (production)")
				b.enter("production")
				b.pass("k8s (production)")
				b.leave("production")
			},
			"tf (production)=neutral k8s (production)=success [production=done] run=success", "production=done",
		},
		{
			"rejected", []string{"tf terraform @production", "k8s kubernetes @production <tf", "x run <k8s"},
			func(b *bed) {
				b.pass("tf (production)", "k8s (production)")
				b.hold("production", approval)
				b.close("production", EntryRejected, "Rejected by bob")
			},
			"tf (production)=failure k8s (production)=skipped x=skipped [production=rejected] run=failure", "production=rejected (Rejected by bob)",
		},
		{
			"void", []string{"tf terraform @production", "k8s kubernetes @production"},
			func(b *bed) {
				b.pass("tf (production)", "k8s (production)")
				b.hold("production", approval)
				b.close("production", EntryVoid, "Void: the base moved")
			},
			"tf (production)=cancelled k8s (production)=cancelled [production=void] run=cancelled", "production=void (Void: the base moved)",
		},
		{
			"cancelled while it prepares, which passes all the same", []string{"tf terraform @production", "k8s kubernetes @production <tf"},
			func(b *bed) {
				b.begin("tf (production)")
				b.cancel()
				b.pass("tf (production)")
			},
			"tf (production)=cancelled k8s (production)=cancelled [production=cancelled] run=cancelled", "production=cancelled (asked by @carol)",
		},
		{
			"cancelled while it is decided on", []string{"tf terraform @production", "x run <tf"},
			func(b *bed) { b.pass("tf (production)"); b.cancel() },
			"tf (production)=cancelled x=cancelled [production=cancelled] run=cancelled", "production=cancelled (asked by @carol)",
		},
		{
			"cancelled while it waits", []string{"tf terraform @production"},
			func(b *bed) { b.pass("tf (production)"); b.hold("production", approval); b.cancel() },
			"tf (production)=cancelled [production=cancelled] run=cancelled", "production=cancelled (asked by @carol)",
		},
		{
			"cancelled before it begins to change anything", []string{"tf terraform @production"},
			func(b *bed) { b.pass("tf (production)"); b.enter("production"); b.cancel(); b.leave("production") },
			"tf (production)=cancelled [production=cancelled] run=cancelled", "production=cancelled (tf (production))",
		},
		{
			"cancelled while it changes, which is interrupted", []string{"tf terraform @production", "k8s kubernetes @production <tf"},
			func(b *bed) {
				b.pass("tf (production)", "k8s (production)")
				b.enter("production")
				b.begin("tf (production)")
				b.cancel()
				b.want("tf (production)=running* k8s (production)=cancelled [production=entered] run=running")
				b.end("tf (production)", Verdict{Status: StatusCancelled, Title: "interrupted"})
				b.leave("production")
			},
			"tf (production)=cancelled k8s (production)=cancelled [production=cancelled] run=cancelled", "production=cancelled (tf (production))",
		},
		{
			"cancelled too late", []string{"tf terraform @production"},
			func(b *bed) {
				b.pass("tf (production)")
				b.enter("production")
				b.begin("tf (production)")
				b.cancel()
				b.pass("tf (production)")
				b.cancel() // nothing is left to cancel
				b.leave("production")
			},
			"tf (production)=success [production=done] run=success", "production=done",
		},
		{
			"legs of a matrix, of which one fails", []string{"dep run @production x2", "after run <dep"},
			func(b *bed) {
				b.enter("production")
				b.pass("dep (1, production)")
				b.fail("dep (2, production)")
				b.leave("production")
			},
			"dep (1, production)=success dep (2, production)=failure after=skipped [production=failed] run=failure", "production=failed (dep (2, production))",
		},
		{
			"staging, then production", []string{"a run @staging", "b run @production <a"},
			func(b *bed) {
				b.want("a (staging)=queued b (production)=queued [staging=deciding] [production=preparing] run=queued")
				b.enter("staging")
				b.pass("a (staging)")
				b.want("a (staging)=success b (production)=queued [staging=leaving] [production=deciding] run=running")
				b.leave("staging")
				b.enter("production")
				b.pass("b (production)")
				b.leave("production")
			},
			"a (staging)=success b (production)=success [staging=done] [production=done] run=success", "staging=done, production=done",
		},
		{
			"staging fails", []string{"a run @staging", "b terraform @production <a"},
			func(b *bed) { b.enter("staging"); b.fail("a (staging)"); b.leave("staging") },
			"a (staging)=failure b (production)=skipped [staging=failed] [production=failed] run=failure",
			"staging=failed (a (staging)), production=failed (a (staging) failed)",
		},
		{
			"tests of what was deployed, and what comes after them", []string{"dep kubernetes @production", "e2e run <dep", "tell run @production <e2e"},
			func(b *bed) {
				b.pass("dep (production)")
				b.enter("production")
				b.pass("dep (production)")
				b.want("dep (production)=success e2e=ready tell (production)=queued [production=entered] run=running")
				b.pass("e2e", "tell (production)")
				b.leave("production")
			},
			"dep (production)=success e2e=success tell (production)=success [production=done] run=success", "production=done",
		},
		{
			"what comes after the summary", []string{"dep run @production", "summary summary", "tell run @production <summary"},
			func(b *bed) {
				b.enter("production")
				b.pass("dep (production)")
				b.want("dep (production)=success summary=ready tell (production)=queued [production=entered] run=running")
				b.pass("summary", "tell (production)")
				b.leave("production")
			},
			"dep (production)=success summary=success tell (production)=success [production=done] run=success", "production=done",
		},
		{
			"nothing but what comes after the summary", []string{"test run", "summary summary", "tell run @production <summary"},
			func(b *bed) {
				b.pass("test", "summary")
				b.enter("production")
				b.pass("tell (production)")
				b.leave("production")
			},
			"test=success summary=success tell (production)=success [production=done] run=success", "production=done",
		},
		{
			"what is prepared after a part of the change is decided on then", []string{"dep kubernetes @production", "e2e run <dep", "more terraform @production <e2e"},
			func(b *bed) {
				b.pass("dep (production)")
				b.enter("production")
				b.pass("dep (production)", "e2e", "more (production)")
				b.want("dep (production)=success e2e=success more (production)=queued* [production=deciding] run=running")
				b.hold("production", approval)
				b.want("dep (production)=success e2e=success more (production)=waiting* [production=waiting] run=waiting")
				b.enter("production")
				b.pass("more (production)")
				b.leave("production")
			},
			"dep (production)=success e2e=success more (production)=success [production=done] run=success", "production=done",
		},
		{
			"closed after a part of the change", []string{"dep kubernetes @production", "e2e run <dep", "more terraform @production <e2e"},
			func(b *bed) {
				b.pass("dep (production)")
				b.enter("production")
				b.pass("dep (production)", "e2e", "more (production)")
				b.close("production", EntryVoid, "Void: the commit moved")
				b.leave("production")
			},
			"dep (production)=success e2e=success more (production)=failure [production=failed] run=failure", "production=failed (Void: the commit moved)",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			b := walk(t, push("main"), define(tc.stages...))
			tc.do(b)
			b.want(tc.want)
			if diff := cmp.Diff(tc.entry, entries(b.run)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestACancelThatCancelsNothingIsNotTheRunsReason(t *testing.T) {
	b := walk(t, push("main"), define("dep run @production"))
	b.enter("production")
	b.pass("dep (production)")
	b.cancel()
	b.leave("production")
	if b.run.Reason != "" || b.run.Status != StatusSuccess {
		t.Errorf("run is %s: %s", b.run.Status, b.run.Reason)
	}
}

// A run of nothing but what waits before an environment waits; the gate's place is given back when that ends.
func TestHoldIsShownWhereSomebodyMustAct(t *testing.T) {
	b := walk(t, push("main"), define("a run @production", "b run @production <a", "c run @production"))
	b.hold("production", Hold{Title: "production is frozen", Until: at(3600)})
	b.want("a (production)=queued b (production)=queued c (production)=queued [production=waiting] run=waiting")
	if a := b.run.current("a (production)"); a.Reason != "production is frozen" || a.EntryNotes != 1 {
		t.Errorf("%+v", a)
	}
	due := b.jobs[len(b.jobs)-1]
	if want := at(3600).Add(late); due.Kind != JobGate || !due.at.Equal(want) {
		t.Errorf("the gate is asked again at %v, not %v", due.at, want)
	}
	b.hold("production", approval)
	b.want("a (production)=waiting b (production)=queued c (production)=waiting [production=waiting] run=waiting")
	b.hold("production", Hold{Title: "Waits for its turn"})
	b.want("a (production)=queued b (production)=queued c (production)=queued [production=waiting] run=waiting")
	if a := b.run.current("a (production)"); a.EntryNotes != 3 {
		t.Errorf("the check is shown %d times", a.EntryNotes)
	}
	b.run.Touch("production")
	if a := b.run.current("a (production)"); a.EntryNotes != 4 {
		t.Error("a word that did not count is not shown")
	}
}

func TestRetryInsideIsDecidedAnew(t *testing.T) {
	d := define("tf terraform @production retry=1", "k8s kubernetes @production <tf")
	b := walk(t, push("main"), d)
	b.end("tf (production)", success(), plan("tf (production)", "one"))
	b.pass("k8s (production)")
	first := b.candidate("production").Fingerprint()
	b.enter("production")
	b.fail("tf (production)")
	b.want("tf (production)=ready k8s (production)=queued* [production=entered] run=queued") // it plans again
	b.end("tf (production)", success(), plan("tf (production)", "two"))
	b.want("tf (production)=queued* k8s (production)=queued* [production=deciding] run=queued")
	if !b.run.Changing() {
		t.Error("a newer push may cut it off though it has changed something")
	}
	if b.candidate("production").Fingerprint() == first {
		t.Error("the plan moved, and the candidate is the same")
	}
	b.enter("production")
	b.fail("tf (production)") // no retry is left
	b.want("tf (production)=failure k8s (production)=skipped [production=leaving] run=running")
}

// A stage that is tried again must not wait for another that has failed for good.
func TestRetryBesideAFailure(t *testing.T) {
	b := walk(t, push("main"), define("a run @production retry=1", "b run @production"))
	b.enter("production")
	b.begin("b (production)")
	b.fail("a (production)")
	b.want("a (production)=queued b (production)=running [production=entered] run=running")
	b.fail("b (production)")
	b.want("a (production)=queued b (production)=failure [production=deciding] run=running")
	b.enter("production")
	b.pass("a (production)")
	b.leave("production")
	b.want("a (production)=success b (production)=failure [production=failed] run=failure")
}

func TestRepairsPause(t *testing.T) {
	b := walk(t, push("main"), define("tf terraform @production", "dep run @production <tf"))
	var pauses []time.Duration
	last := func() time.Duration { return b.jobs[len(b.jobs)-1].After }
	for range MaxRepairs {
		b.end("tf (production)", infra()) // its preparation
		pauses = append(pauses, last())
	}
	b.pass("tf (production)")
	b.enter("production")
	b.pass("tf (production)")
	for range MaxRepairs {
		b.end("dep (production)", infra())
		e := b.run.Entry("production")
		if e.State != EntryDeciding {
			t.Fatal(b)
		}
		pauses = append(pauses, e.NotBefore.Sub(b.now))
		if due := b.jobs[len(b.jobs)-2]; due.Kind != JobGate || !due.at.After(e.NotBefore) {
			t.Errorf("the gate is asked at %v, and not before %v", due.at, e.NotBefore)
		}
		b.now = e.NotBefore.Add(late)
		b.enter("production")
	}
	want := []time.Duration{2e9, 10e9, 50e9, 2e9, 10e9, 50e9}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Error(diff)
	}
	b.end("dep (production)", infra())
	b.leave("production")
	b.want("tf (production)=success dep (production)=failure [production=failed] run=failure")
}

func TestCandidateIsComplete(t *testing.T) {
	b := walk(t, push("main"), define("image image", "other image", "tf terraform @production <image", "k8s kubernetes @production <tf"))
	b.pass("image")
	b.end("image", success(), Part{Kind: PartImage, Name: "image", Value: "r/a@sha256:1"})
	b.end("tf (production)", success(), plan("tf (production)", "p1"))
	b.end("k8s (production)", success(), Part{Kind: PartManifests, Name: "k8s (production)", Value: "m1"})
	if b.run.Entries[0].State != EntryDeciding {
		t.Fatal(b)
	}
	c := b.candidate("production")
	want := []Part{
		{Kind: PartImage, Name: "image", Value: "r/a@sha256:1"}, {Kind: PartManifests, Name: "k8s (production)", Value: "m1"}, plan("tf (production)", "p1"),
	}
	if diff := cmp.Diff(want, c.Parts); diff != "" {
		t.Error(diff)
	}
	// An image that nothing of the environment comes after is no part, however late it is built.
	b.pass("other")
	b.end("other", success(), Part{Kind: PartImage, Name: "other", Value: "r/b@sha256:1"})
	if now := b.candidate("production"); now.Fingerprint() != c.Fingerprint() {
		t.Error(c.Moved(now))
	}
	task := newTask(*b.run, *b.run.current("k8s (production)"), Source{})
	if diff := cmp.Diff(map[string]string{"image": "r/a@sha256:1"}, task.Images); diff != "" {
		t.Error(diff)
	}
	if task.Env["SLIPWAY_IMAGE"] != "r/a@sha256:1" || task.Action != ActionDeploy || len(task.Parts) != 1 || task.Grace != changingGrace {
		t.Errorf("%+v", task)
	}
}

// The example in the demo: nothing can be planned, so that what comes after the plan is left out, and only notes enter.
func TestACandidateWaitsForImagesBehindWhatWasLeftOut(t *testing.T) {
	b := walk(t, push("main"), define("unit run", "image image <unit", "tf terraform @production <image never", "notes run @production <unit <tf?"))
	b.end("image", success())
	b.pass("unit")
	if state := b.run.Entries[0].State; state != EntryPreparing {
		t.Errorf("the entry is %s while the image is published, with the parts %v", state, b.candidate("production").Parts)
	}
	b.end("image", success(), Part{Kind: PartImage, Name: "image", Value: "r/a@sha256:1"})
	if state := b.run.Entries[0].State; state != EntryDeciding {
		t.Errorf("the entry is %s", state)
	}
	if parts := b.candidate("production").Parts; len(parts) != 1 {
		t.Errorf("the parts are %v", parts)
	}
}

func TestAnImageThatComesAfterTheChangeIsNotWaitedFor(t *testing.T) {
	b := walk(t, push("main"), define("k8s kubernetes @production", "image image <k8s", "tf terraform @production <image never", "notes run @production <tf?"))
	b.pass("k8s (production)")
	if state := b.run.Entries[0].State; state != EntryDeciding {
		t.Errorf("the entry is %s: %s", state, b)
	}
}

func TestTheFingerprintAndWhatMovedAgree(t *testing.T) {
	base := Candidate{
		Environment: "production", Action: ActionDeploy, Commit: strings.Repeat("a", 40), Base: strings.Repeat("b", 40), Configuration: "c",
		Parts: []Part{{Kind: PartImage, Name: "image", Value: "r/x@sha256:1"}, {Kind: PartManifests, Name: "k", Value: "m"}, plan("tf", "p")},
	}
	with := func(alter func(*Candidate)) Candidate {
		c := base
		c.Parts = slices.Clone(c.Parts)
		alter(&c)
		return c
	}
	cases := []struct {
		name string
		now  Candidate
		want []string
	}{
		{"nothing", base, nil},
		{"only words", with(func(c *Candidate) { c.Parts[2].Detail, c.Parts[2].ExtraApproval = "3 to add", "it destroys" }), nil},
		{"commit", with(func(c *Candidate) { c.Commit = strings.Repeat("d", 40) }), []string{"the commit moved from aaaaaaaaaaaa to dddddddddddd"}},
		{"base", with(func(c *Candidate) { c.Base = "" }), []string{"the base moved from bbbbbbbbbbbb to nothing"}},
		{"image", with(func(c *Candidate) { c.Parts[0].Value = "r/x@sha256:2" }), []string{"the image of image moved from r/x@sha256:1 to r/x@sha256:2"}},
		{"plan gone", with(func(c *Candidate) { c.Parts = c.Parts[:2] }), []string{"the plan of tf moved from p to nothing"}},
		{
			"a second image of the same name", with(func(c *Candidate) {
				c.Parts = append(c.Parts, Part{Kind: PartImage, Name: "image", Value: "r/y@sha256:3"})
				sortParts(c.Parts)
			}),
			[]string{"the image of image moved from r/x@sha256:1 to r/x@sha256:1, r/y@sha256:3"},
		},
		{"rules", with(func(c *Candidate) { c.Configuration = "other" }), []string{"the configuration of the environment or of its stages changed"}},
		{"action", with(func(c *Candidate) { c.Action = ActionDestroy }), []string{"what is asked for changed"}},
		{
			"all", Candidate{Environment: "staging", Action: ActionDeploy, Commit: "x", Configuration: "y"},
			[]string{
				"the commit moved from aaaaaaaaaaaa to x", "the base moved from bbbbbbbbbbbb to nothing", "the image of image moved from r/x@sha256:1 to nothing",
				"the manifests of k moved from m to nothing", "the plan of tf moved from p to nothing",
				"the configuration of the environment or of its stages changed", "what is asked for changed",
			},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, base.Moved(tc.now)); diff != "" {
				t.Error(diff)
			}
			if (base.Fingerprint() == tc.now.Fingerprint()) != (tc.want == nil) {
				t.Error("the fingerprint says something else")
			}
		})
	}
}

func TestExtends(t *testing.T) {
	one := Candidate{Commit: "c", Parts: []Part{plan("tf", "1")}}
	two := Candidate{Commit: "c", Parts: []Part{plan("more", "2"), plan("tf", "1")}}
	moved := Candidate{Commit: "c", Parts: []Part{plan("more", "2"), plan("tf", "3")}}
	other := Candidate{Commit: "d", Parts: two.Parts}
	if !two.Extends(one) || !one.Extends(one) {
		t.Error("more parts are a move")
	}
	if one.Extends(two) || moved.Extends(one) || other.Extends(one) || moved.Extends(two) {
		t.Error("a move is taken for more parts")
	}
}

// What a plan destroys needs no approval more only where the rules, which are the default branch's, name its stage.
func TestStagesThatMayDestroy(t *testing.T) {
	b := walk(t, push("main"), define("tf terraform @production", "db terraform @production"))
	for _, id := range []string{"tf", "db"} {
		b.end(id+" (production)", success(), Part{Kind: PartPlan, Name: id + " (production)", Value: "1", ExtraApproval: id + " destroys", Lost: "the database of " + id})
	}
	got := make(map[string]string)
	for _, stages := range [][]string{nil, {"tf"}, {"db", "tf"}, {"tf (production)", "other"}} {
		c := b.run.CandidateOf("production", EnvironmentDefinition{Name: "production", DestroyingStages: stages}, "")
		got[strings.Join(stages, ",")] = c.ExtraApproval()
		if c.Lost() != "the database of db, the database of tf" {
			t.Errorf("%v: lost is %q", stages, c.Lost())
		}
	}
	want := map[string]string{"": "db destroys", "tf": "db destroys", "db,tf": "", "tf (production),other": "db destroys"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheFingerprintIsOfTheConfiguration(t *testing.T) {
	fingerprint := func(d Definition, rules EnvironmentDefinition) string {
		return walk(t, push("main"), d).run.CandidateOf("production", rules, "").Fingerprint()
	}
	rules := EnvironmentDefinition{Name: "production", Approvals: ApprovalRule{Required: 1, From: []string{"@acme/platform"}}}
	d := define("test run", "dep run @production <test")
	was := fingerprint(d, rules)
	alter := map[string]func(*Definition, *EnvironmentDefinition){
		"who approves":      func(_ *Definition, e *EnvironmentDefinition) { e.Approvals.From = []string{"eve"} },
		"the cluster":       func(_ *Definition, e *EnvironmentDefinition) { e.Cluster = &ClusterDefinition{Kubeconfig: "OTHER"} },
		"what a stage does": func(d *Definition, _ *EnvironmentDefinition) { d.Stages[1].Run = []string{"rm -rf /"} },
		"a stage's secrets": func(d *Definition, _ *EnvironmentDefinition) { d.Stages[1].Secrets = []string{"TOKEN"} },
		"one stage more": func(d *Definition, _ *EnvironmentDefinition) {
			d.Stages = append(d.Stages, StageDefinition{ID: "x", Uses: "run", Environment: "production"})
		},
		"its variables":      func(d *Definition, _ *EnvironmentDefinition) { d.Stages[1].Env = map[string]string{"A": "b"} },
		"its settings":       func(d *Definition, _ *EnvironmentDefinition) { d.Stages[1].With = []byte(`{"a":1}`) },
		"whom it is told of": nil,
		"what it needs":      nil,
	}
	for name, change := range alter {
		d, rules := define("test run", "dep run @production <test"), rules
		switch {
		case change != nil:
			change(&d, &rules)
		case name == "what it needs":
			d.Stages[1].Needs = nil
		default:
			d.Notify = Notify{Slack: &SlackNotify{Secret: "X"}}
		}
		if moved := fingerprint(d, rules) != was; moved != (change != nil) {
			t.Errorf("%s changed: the fingerprint moved: %v", name, moved)
		}
	}
}

func TestRerunOfAStageInside(t *testing.T) {
	b := beforeProduction(t)
	b.enter("production")
	b.pass("tf (production)")
	b.fail("k8s (production)")
	if _, err := b.run.Rerun("k8s (production)", "bob", "asked by @bob", b.now); !errors.Is(err, ErrUnderWay) {
		t.Errorf("it is run again before its failure is recorded: %v", err)
	}
	b.leave("production")
	b.pass("summary")
	b.want("test=success image=success tf (production)=success k8s (production)=failure smoke (production)=skipped summary=success [production=failed] run=failure")
	b.rerun("k8s (production)")
	b.want("test=success image=success tf (production)=success k8s (production)=ready smoke (production)=queued summary=queued [production=preparing] run=running")
	e := b.run.Entry("production")
	if diff := cmp.Diff([]string{"", "bob"}, e.Askers); diff != "" || e.EnteredAt != (time.Time{}) || len(e.Approvals) > 0 {
		t.Errorf("%s%+v", diff, e)
	}
	b.pass("k8s (production)") // it prepares
	b.want("test=success image=success tf (production)=success k8s (production)=queued* smoke (production)=queued summary=queued [production=deciding] run=running")
	b.enter("production")
	b.pass("k8s (production)", "smoke (production)")
	b.leave("production")
	b.pass("summary")
	b.want("test=success image=success tf (production)=success k8s (production)=success smoke (production)=success summary=success [production=done] run=success")
}

func TestRerunOfAllThatKeptItOut(t *testing.T) {
	b := walk(t, push("main"), define("a terraform @production", "b terraform @production", "c run @production <a <b"))
	b.begin("b (production)")
	b.fail("a (production)")
	b.fail("b (production)")
	b.want("a (production)=failure b (production)=failure c (production)=skipped [production=failed] run=failure")
	b.rerun("a (production)")
	b.want("a (production)=ready b (production)=ready c (production)=queued [production=preparing] run=queued")
	b.pass("a (production)", "b (production)")
	b.enter("production")
	b.pass("a (production)", "b (production)", "c (production)")
	b.leave("production")
	b.want("a (production)=success b (production)=success c (production)=success [production=done] run=success")
}

// What has been prepared from a stage that is run again is prepared again: the candidate must not be made of both.
func TestRerunOfAStageBeforeWhatWaits(t *testing.T) {
	b := beforeProduction(t)
	b.hold("production", approval)
	b.rerun("image")
	b.want("test=success image=ready tf (production)=queued k8s (production)=queued smoke (production)=queued summary=queued [production=preparing] run=running")
	if got := b.run.current("tf (production)").Attempt; got != 2 {
		t.Errorf("attempt %d waits for its preparation", got)
	}
	b.pass("image", "image", "tf (production)", "k8s (production)")
	if b.run.Entries[0].State != EntryDeciding {
		t.Error(b)
	}
}

// A stage that only waits for its turn is not prepared, but what it was made of is not whole either.
func TestRerunBeforeAStageOfOneStepThatWaits(t *testing.T) {
	b := walk(t, push("main"), define("build run", "dep run @production <build"))
	b.pass("build")
	b.hold("production", approval)
	b.rerun("build")
	b.want("build=ready dep (production)=queued [production=preparing] run=queued")
	if !b.asked("production") {
		t.Error("its place before the environment is not given up")
	}
	b.fail("build")
	b.want("build=failure dep (production)=skipped [production=failed] run=failure")
}

func TestRerunOfWhatPassedBeforeItEnters(t *testing.T) {
	b := walk(t, push("main"), define("a run @production", "b run @production <a"))
	b.enter("production")
	b.pass("a (production)")
	b.fail("b (production)")
	b.leave("production")
	b.rerun("b (production)")
	b.hold("production", approval)
	b.rerun("a (production)") // somebody wants more of it: that is decided on anew, and nobody approves their own
	b.want("a (production)=queued b (production)=queued [production=deciding] run=queued")
	if diff := cmp.Diff([]string{"", "bob"}, b.run.Entries[0].Askers); diff != "" {
		t.Error(diff)
	}
}

func TestAskedBy(t *testing.T) {
	cases := []struct {
		automatic bool
		askers    []string
		asker     string
		want      []string
	}{
		{false, []string{"alice"}, "bob", []string{"alice", "bob"}},
		{false, []string{"alice"}, "Alice", []string{"alice"}},
		{false, []string{"alice", "bob"}, "alice", []string{"alice", "bob", "alice"}},
		{false, []string{"alice", "bob", "carol"}, "BOB", []string{"alice", "carol", "BOB"}},
		{true, []string{"alice"}, "alice", []string{"alice", "alice"}}, // who pushed asks now
		{true, []string{"alice", "alice"}, "alice", []string{"alice", "alice"}},
		{true, []string{"alice"}, "", []string{"alice"}},
	}
	for _, tc := range cases {
		before := slices.Clone(tc.askers)
		e := Entry{Automatic: tc.automatic, Askers: tc.askers}
		if diff := cmp.Diff(tc.want, e.askedBy(tc.asker)); diff != "" {
			t.Errorf("%s asks after %v: %s", tc.asker, tc.askers, diff)
		}
		if diff := cmp.Diff(before, tc.askers); diff != "" {
			t.Errorf("the askers were changed for everybody: %s", diff)
		}
	}
}

func TestStaleWordsOfTheGateChangeNothing(t *testing.T) {
	b := walk(t, push("main"), define("build run", "dep run @production <build"))
	before := encoded(t, b.run) // the entry prepares
	b.enter("production")
	b.hold("production", approval)
	b.close("production", EntryVoid, "Void")
	b.leave("production")
	if diff := cmp.Diff(before, encoded(t, b.run)); diff != "" {
		t.Error(diff)
	}
	b.pass("build")
	b.enter("production")
	before = encoded(t, b.run) // it is in
	b.enter("production")
	b.hold("production", approval)
	b.close("production", EntryVoid, "Void")
	b.leave("production")
	if diff := cmp.Diff(before, encoded(t, b.run)); diff != "" {
		t.Error(diff)
	}
	b.pass("dep (production)")
	b.leave("production")
	before = encoded(t, b.run) // it is out
	b.enter("production")
	b.hold("production", approval)
	b.close("production", EntryVoid, "Void")
	b.leave("production")
	b.enter("staging")
	if diff := cmp.Diff(before, encoded(t, b.run)); diff != "" {
		t.Error(diff)
	}
}

func TestCloseTellsWhy(t *testing.T) {
	for state, want := range map[EntryState]Status{EntryRejected: StatusFailure, EntryVoid: StatusCancelled, EntryCancelled: StatusCancelled} {
		b := walk(t, push("main"), define("dep run @production"))
		b.hold("production", approval)
		b.close("production", state, "rejected by bob: why?")
		s := b.run.current("dep (production)")
		verdict := Verdict{Status: want, Title: "rejected by bob: why?", Cause: "Rejected by bob: why?"}
		if diff := cmp.Diff(verdict, s.Result.Verdict); diff != "" || s.Status != want || s.Reason != verdict.Title {
			t.Errorf("%s: %s %s %s", state, s.Status, s.Reason, diff)
		}
	}
}

func TestSupersedeLeavesAChangeAlone(t *testing.T) {
	b := walk(t, push("main"), define("a run @production retry=1"))
	changing := func(want bool, when string) {
		t.Helper()
		if got := b.run.Changing(); got != want {
			t.Errorf("%s: changing is %v", when, got)
		}
	}
	changing(false, "before")
	b.hold("production", approval)
	changing(false, "while it waits")
	b.enter("production")
	changing(true, "inside")
	b.fail("a (production)")
	b.hold("production", approval)
	changing(true, "while it waits inside")
	b.enter("production")
	b.pass("a (production)")
	changing(true, "while it leaves")
	b.leave("production")
	changing(false, "after")
}

func TestEnvironmentsThatWaitForEachOther(t *testing.T) {
	_, err := NewPlan(push("main"), define("a run @staging", "x run @production", "b run @staging <x", "y run <a", "z run @production <y"),
		PlanFacts{Built: everyKind})
	const want = "its environments would wait for each other for ever: b (staging) comes after x (production), and z (production) comes after a (staging)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	for _, fine := range [][]string{
		{"a run @staging", "x run @production <a", "b run @staging <x"}, // down again after the deploy
		{"a run @staging", "x run @production", "b run @staging <x", "y run @production <a never"},
	} {
		if _, err := NewPlan(push("main"), define(fine...), PlanFacts{Built: everyKind}); err != nil {
			t.Errorf("%v: %v", fine, err)
		}
	}
}

// Hundreds of stages must not make every step of a run slow: with a matrix, hundreds need hundreds.
func TestAdvanceOfManyStages(t *testing.T) {
	lines := []string{"build run x128", "tf terraform @production x128 <build", "k8s kubernetes @production x128 <tf", "smoke smoke @production x128 <k8s", "summary summary"}
	for i := range 100 {
		need := ""
		if i > 0 {
			need = fmt.Sprintf(" <chain%d", i-1)
		}
		lines = append(lines, fmt.Sprintf("chain%d kubernetes @production%s", i, need))
	}
	plan, err := NewPlan(push("main"), define(lines...), PlanFacts{Built: everyKind})
	if err != nil {
		t.Fatal(err)
	}
	run := NewRun(push("main"), plan, at(0))
	for i := range run.Stages {
		run.Stages[i].ID = int64(i + 1)
	}
	steps := 0
	begun := cpuTime(t)
	for again := true; again; {
		again = false
		run.Advance(at(0))
		for i := range run.Stages {
			if s := &run.Stages[i]; s.Status == StatusReady {
				again = true
				if s.toPrepare() {
					s.Phase = PhasePrepare
				}
				s.Status = StatusRunning
				if steps++; steps%50 != 0 { // all of a wave, with the whole of what comes after a step only now and then
					s.Status = StatusSuccess
					if s.endsPrepared(Result{Verdict: success()}) {
						s.Status, s.Phase = StatusQueued, PhaseApply
					}
					continue
				}
				if _, err := run.Conclude(s.ID, Result{Verdict: success()}, at(0)); err != nil {
					t.Fatal(err)
				}
			}
		}
		switch e := run.Entry("production"); e.State {
		case EntryDeciding:
			run.EnterEntry("production", run.CandidateOf("production", EnvironmentDefinition{}, ""), at(0))
			again = true
		case EntryLeaving:
			run.LeaveEntry("production", EntryDone, 1, "", at(0))
			again = true
		default:
		}
	}
	if run.Status != StatusSuccess {
		t.Fatalf("run is %s, its entry %s", run.Status, run.Entries[0].State)
	}
	took := cpuTime(t) - begun
	if took > 60*time.Second {
		t.Errorf("%d steps of a run with %d stages took %v", steps, len(run.Stages), took)
	}
	t.Logf("%d steps of %d stages in %v", steps, len(run.Stages), took)
}

// cpuTime is what this process has worked: others on the machine do not count.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
