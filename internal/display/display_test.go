package display_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", time.Millisecond: "<1s", 999 * time.Millisecond: "<1s", time.Second: "1s", 59900 * time.Millisecond: "59s",
		time.Minute: "1m 0s", 83 * time.Second: "1m 23s", time.Hour: "1h 0m", 125 * time.Minute: "2h 5m", 76 * time.Hour: "3d 4h",
	} {
		if got := display.Duration(d); got != want {
			t.Errorf("%s is written %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := displaytest.Now()
	for d, want := range map[time.Duration]string{
		-time.Hour: "just now", 0: "just now", 15 * time.Second: "15 seconds ago", time.Minute: "1 minute ago", 3 * time.Hour: "3 hours ago",
		24 * time.Hour: "1 day ago", 29 * 24 * time.Hour: "29 days ago", 60 * 24 * time.Hour: "on 13 Jan 2026",
	} {
		if got := display.Ago(now.Add(-d), now); got != want {
			t.Errorf("%s ago is written %q, want %q", d, got, want)
		}
	}
	if got := display.Ago(time.Time{}, now); got != "never" {
		t.Errorf("no time is written %q", got)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		-5: "0 B", 0: "0 B", 999: "999 B", 1000: "1.0 kB", 1249: "1.2 kB", 9949: "9.9 kB", 9951: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		34_000_000: "34 MB", 5_000_000_000: "5.0 GB", 1 << 60: "1152922 TB",
	} {
		if got := display.Bytes(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain": "plain", "a\nb\r\nc": "a b  c", "a\tb": "a    b", "\x1b[31mred\x1b[0m": "red", "\x1b]0;title\x07x": "x",
		"\x1b]8;;https://evil\x1b\\link": "link", "\x1bPq#0\x1b\\x": "x", "\x1b(Bx": "x", "\x1b7x\x1b8": "x", "\u009b2Jx": "x",
		"a\x00\x07\x7fb": "ab", "a\u202eb\u2066c": "abc", "a\u200bb": "ab", "a\xffb": "a\uFFFDb", "\x1b": "", "\x1b[": "", "x\x1b]unfinished\nrest": "x rest",
		"👩\u200d🚀": "👩\u200d🚀", "é": "é", "trailing  ": "trailing",
	} {
		if got := display.Line(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	if got, want := display.Text("\na\r\n\r\n\x1b[1mb\x1b[0m\tc\n\n"), "a\n\nb    c"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("\x1b[31;1m\x1b]0;x\x07\u202e")
	f.Fuzz(func(t *testing.T, text string) {
		got := display.Line(text)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\n\r\t\x00\u009b\u202e") {
			t.Errorf("%q becomes %q", text, got)
		}
		for columns := range 12 {
			if cut := display.Truncate(got, columns); display.Width(cut) > columns {
				t.Errorf("%q cut to %d columns takes %d", got, columns, display.Width(cut))
			}
		}
	})
}

func TestWidth(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "abc": 3, "日本": 4, "e\u0301": 1, "ｆ": 2, "…✓⠋": 3, "🚀": 2, "한국": 4} {
		if got := display.Width(text); got != want {
			t.Errorf("%q takes %d columns, want %d", text, got, want)
		}
	}
}

func TestTruncateAndPad(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text    string
		columns int
		want    string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"日本語", 4, "日…"}, {"日本語", 5, "日本…"}, {"a bcd", 3, "a…"}, {"abc", 1, "…"}, {"abc", 0, ""}, {"", 0, ""}} {
		if got := display.Truncate(test.text, test.columns); got != test.want {
			t.Errorf("%q in %d columns is %q, want %q", test.text, test.columns, got, test.want)
		}
	}
	if left, right := display.Pad("日", 4, false), display.Pad("日", 4, true); left != "日  " || right != "  日" {
		t.Errorf("%q and %q", left, right)
	}
}

func TestWhy(t *testing.T) {
	t.Parallel()
	for want, trigger := range map[string]pipeline.Trigger{
		"push to main":                              {Event: pipeline.EventPush, Branch: "main"},
		"pull request #7 into main":                 {Event: pipeline.EventPullRequest, PullRequest: 7, Branch: "x", Base: "main"},
		"pull request into main":                    {Event: pipeline.EventPullRequest, Branch: "x", Base: "main"},
		"pull request #7 from a fork into main":     {Event: pipeline.EventPullRequest, PullRequest: 7, Base: "main", Fork: true},
		"merge queue of main":                       {Event: pipeline.EventMergeGroup, Base: "main"},
		"deploy":                                    {Event: pipeline.EventDeploy},
		"deploy to production":                      {Event: pipeline.EventDeploy, Deploy: &pipeline.Deploy{Environment: "production", Action: pipeline.ActionDeploy}},
		"plan for production":                       {Event: pipeline.EventDeploy, Deploy: &pipeline.Deploy{Environment: "production", Action: pipeline.ActionPlan}},
		"rollback of production to release 3":       {Event: pipeline.EventDeploy, Deploy: &pipeline.Deploy{Environment: "production", Action: pipeline.ActionRollback, Release: 3}},
		"destroy staging":                           {Event: pipeline.EventDeploy, Deploy: &pipeline.Deploy{Environment: "staging", Action: pipeline.ActionDestroy}},
		"schedule on main":                          {Event: pipeline.EventSchedule, Branch: "main"},
		"something new":                             {Event: "something\x1b[2J new"},
		"push to release with a very strange  name": {Event: pipeline.EventPush, Branch: "release with a very strange\r\nname"},
	} {
		if got := display.Why(trigger); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSays(t *testing.T) {
	t.Parallel()
	running, failed, passed := displaytest.Running(), displaytest.Failed(), displaytest.Passed()
	stopping := *displaytest.Stage(&running, "docker-build-push")
	stopping.Cancel = "superseded by run #15"
	ready := *displaytest.Stage(&running, "smoke-tests (production)")
	ready.Status = pipeline.StatusReady
	waiting, locked := displaytest.Waiting(), displaytest.Locked()
	released := *displaytest.Stage(&waiting, "kubernetes-deploy (production)")
	released.Status, released.Release, released.Admitted = pipeline.StatusSuccess, 5, true
	rejected := *displaytest.Stage(&waiting, "terraform-provision (production)")
	rejected.Status, rejected.Reason = pipeline.StatusCancelled, "superseded by run #15"
	deciding, preparing := displaytest.Waiting(), displaytest.Waiting()
	deciding.Entries[0].State, preparing.Entries[0].State = pipeline.EntryDeciding, pipeline.EntryPreparing
	first := *displaytest.Stage(&waiting, "terraform-provision (production)")
	first.Status, first.Reason = pipeline.StatusQueued, ""
	for want, got := range map[string]string{
		"Waiting for 1 approval of @acme/platform":                                                 display.Says(waiting, *displaytest.Stage(&waiting, "terraform-provision (production)")),
		"production is locked by grace-hopper since 2026-03-14 08:00 UTC: the shop is being moved": display.Says(locked, *displaytest.Stage(&locked, "terraform-provision (production)")),
		"prepared, waits for terraform-provision (production)":                                     display.Says(waiting, *displaytest.Stage(&waiting, "kubernetes-deploy (production)")),
		"prepared, it is decided whether it may enter production":                                  display.Says(deciding, first),
		"prepared, waits until all that is to enter production is prepared":                        display.Says(preparing, first),
		"1 of 12 objects changes (release 5 of production)":                                        display.Says(waiting, released),
		"superseded by run #15":                                 display.Says(waiting, rejected),
		"bandit: 41 of 63 files":                                display.Says(running, *displaytest.Stage(&running, "security-and-linting")),
		"waits for security-and-linting and docker-build-push":  display.Says(running, *displaytest.Stage(&running, "terraform-provision (production)")),
		"waits for terraform-provision (production) and 2 more": display.Says(running, *displaytest.Stage(&running, "kubernetes-deploy (production)")),
		"waits for all other stages":                            display.Says(running, *displaytest.Stage(&running, "deployment-summary")),
		"waits for a free worker":                               display.Says(running, ready),
		"stopping: superseded by run #15":                       display.Says(running, stopping),
		"build-and-test failed":                                 display.Says(failed, *displaytest.Stage(&failed, "docker-build-push")),
		"412 tests, coverage 86.4 % (reused from run #11)":      display.Says(passed, *displaytest.Stage(&passed, "build-and-test")),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	if got, want := display.Tally(run.Current()), "1 failed, 1 passed, 8 skipped"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestEveryStatusHasAFace(t *testing.T) {
	t.Parallel()
	for _, s := range []pipeline.Status{
		pipeline.StatusQueued, pipeline.StatusReady, pipeline.StatusWaiting, pipeline.StatusRunning, pipeline.StatusSuccess,
		pipeline.StatusFailure, pipeline.StatusNeutral, pipeline.StatusSkipped, pipeline.StatusCancelled, pipeline.StatusTimedOut,
	} {
		if face := display.Status(s); face.Word == "" || display.Width(face.Sign) != 1 || face.Tone == "" {
			t.Errorf("%s looks like %+v", s, face)
		}
	}
}
