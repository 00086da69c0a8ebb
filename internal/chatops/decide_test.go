package chatops

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const head = "0123456789abcdef0123456789abcdef01234567"

var (
	shop = pipeline.Repository{ID: 5, Owner: "acme", Name: "shop", InstallationID: 9}
	noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
)

// stageOf makes an attempt from "key=status" or "key/id=status".
func stageOf(id int64, text string) pipeline.StageRun {
	name, status, _ := strings.Cut(text, "=")
	key, stage, found := strings.Cut(name, "/")
	if !found {
		stage = key
	}
	s := pipeline.StageRun{ID: id, Attempt: 1, Spec: pipeline.StageSpec{Key: key, ID: stage, Uses: "run"}, Status: pipeline.Status(status)}
	if key == "summary" {
		s.Spec.Uses = pipeline.UsesSummary
	}
	if s.Status == pipeline.StatusWaiting {
		s.Spec.Hold = "Waiting for /ok-to-test " + head
	}
	return s
}

func runOf(id int64, status pipeline.Status, stages ...string) pipeline.Run {
	run := pipeline.Run{ID: id, Number: id, Status: status, Trigger: pipeline.Trigger{
		Event: pipeline.EventPullRequest, Repository: shop, SHA: head, PullRequest: 7,
	}}
	for i, text := range stages {
		run.Stages = append(run.Stages, stageOf(id*100+int64(i), text))
	}
	return run
}

func TestDecision(t *testing.T) {
	const failure, success, waiting, running = pipeline.StatusFailure, pipeline.StatusSuccess, pipeline.StatusWaiting, pipeline.StatusRunning
	failed := runOf(3, failure, "a=success", "b=failure", "c=timed_out", "d=cancelled", "e=skipped", "summary=failure")
	legs := runOf(3, failure, "test (1)/test=success", "test (2)/test=failure")
	held := runOf(4, waiting, "a=waiting", "summary=waiting")
	released := runOf(4, running, "a=running")
	released.Released = &pipeline.Word{By: "carol", At: noon}
	mine, fork := Pull{Open: true, Head: head}, Pull{Open: true, Head: head, Fork: true}
	word := "/ok-to-test " + head
	type runs = []pipeline.Run
	cases := []struct {
		name       string
		pull       Pull
		permission string
		runs       runs
		line       string
		want       []int64
		no         string
	}{
		{"help for a reader", mine, "read", nil, "/help", nil, ""},
		{"help for nobody", mine, "none", nil, "/help", nil, "It takes read permission in `acme/shop`, and `bob` has none. Somebody with read permission"},
		{"help when closed", Pull{Head: head}, "read", nil, "/help", nil, ""},
		{"help with more", mine, "read", nil, "/help me", nil, "Write `/help` alone"},
		{"status", mine, "read", nil, "/status", nil, ""},
		{"unknown look-up", mine, "", runs{failed}, "/retry", nil, "GitHub did not tell what `bob` may do"},
		{"a permission of another name", mine, "maintain", runs{failed}, "/retry", nil, "write permission"},

		{"retry", mine, "write", runs{failed, runOf(2, failure, "a=failure")}, "/retry", []int64{301, 302, 303}, ""},
		{"retry by an administrator", mine, "admin", runs{failed}, "/retry", []int64{301, 302, 303}, ""},
		{"retry by a reader", mine, "read", runs{failed}, "/retry", nil, "It takes write permission in `acme/shop`, and `bob` has read permission. Somebody with write"},
		{"retry when closed", Pull{Head: head}, "write", runs{failed}, "/retry", nil, "The pull request is closed"},
		{"retry a passed stage", mine, "write", runs{failed}, "/retry a", []int64{300}, ""},
		{"retry what runs", mine, "write", runs{runOf(3, running, "a=running")}, "/retry a", nil, "has not ended: it is running"},
		{"retry a leg", mine, "write", runs{legs}, "/retry test (1)", []int64{300}, ""},
		{"retry the legs that failed", mine, "write", runs{legs}, "/retry test", []int64{301}, ""},
		{"retry a stage that is not", mine, "write", runs{failed}, "/retry `@all` | x", nil, "Run #3 has no stage `` `@\u200ball` ¦ x ``. Its stages are `a`, `b`"},
		{"retry when all passed", mine, "write", runs{runOf(3, success, "a=success")}, "/retry", nil, "Nothing of run #3 failed"},
		{"retry while it works", mine, "write", runs{runOf(3, running, "a=running")}, "/retry", nil, "failed so far"},
		{"retry without a run", mine, "write", nil, "/retry", nil, "no run for `" + head},
		{"retry what waits", fork, "write", runs{held}, "/retry", nil, word},
		{"retry a stage that waits", fork, "write", runs{held}, "/retry a", nil, word},

		{"cancel", mine, "write", runs{runOf(5, running, "a=running"), runOf(6, waiting, "a=waiting")}, "/cancel", []int64{5, 6}, ""},
		{"cancel nothing", mine, "write", runs{failed}, "/cancel", nil, "Nothing runs"},
		{"cancel by a reader", mine, "read", runs{held}, "/cancel", nil, "write permission"},

		{"the word", fork, "write", runs{held}, word, []int64{4}, ""},
		{"the word in capitals", fork, "write", runs{held}, "/ok-to-test " + strings.ToUpper(head), []int64{4}, ""},
		{"the word by a reader", fork, "read", runs{held}, word, nil, "write permission"},
		{"the word when closed", Pull{Head: head, Fork: true}, "write", runs{held}, word, nil, "closed"},
		{"without the commit", fork, "write", runs{held}, "/ok-to-test", nil, "It needs the commit that it is for. Look"},
		{"abbreviated", fork, "write", runs{held}, word[:30], nil, word},
		{"another commit", fork, "write", runs{held}, "/ok-to-test " + strings.Repeat("b", 40), nil, word},
		{"more than the commit", fork, "write", runs{held}, word + " please", nil, "is not `"},
		{"not of a fork", mine, "write", runs{failed}, word, nil, "It is for pull requests of forks"},
		{"given already", fork, "write", runs{released}, word, nil, "has the word of `carol` already"},
		{"it has ended", fork, "write", runs{runOf(4, pipeline.StatusCancelled, "a=cancelled")}, word, nil, "waits for nothing"},
		{"before there is a run", fork, "write", nil, word, nil, "say it again in a moment"},

		{"a slip", mine, "read", nil, "/retyr", nil, "Did you mean `/retry [stage]`?"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			f := facts{repository: shop, number: 7, pull: tc.pull, runs: tc.runs, asker: asker{name: "bob", permission: tc.permission, unknown: tc.permission == ""}}
			for _, run := range tc.runs {
				if !run.Status.Final() {
					f.open = append(f.open, run)
				}
			}
			asked := Parse(tc.line)[0]
			command, known := find(asked.Name)
			var got order
			no := admit(command, known, f, asked, 0)
			if no == nil {
				got, no = command.decide(f, asked.Args)
			}
			if diff := cmp.Diff(tc.want, got.Targets); no == nil && diff != "" {
				t.Error(diff)
			}
			said := ""
			if no != nil {
				said = no.text(asked)
			}
			if (tc.no == "") != (no == nil) || !strings.Contains(said, tc.no) {
				t.Errorf("%q does not say %q", said, tc.no)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"statsu": "status", "retyr": "retry", "retries": "", "cancle": "cancel", "cancell": "cancel", "oktotest": "ok-to-test",
		"ok-to-tests": "ok-to-test", "ok-test": "ok-to-test", "hlep": "help", "helpp": "help",
		// Prow's, Atlantis' and others'
		"lgtm": "", "approve": "approve", "hold": "", "assign": "", "cc": "", "test": "", "retest": "", "test-all": "", "close": "", "reopen": "", "plan": "plan",
		"apply": "", "label": "", "kind": "", "meow": "", "rebase": "", "retitle": "", "override": "", "milestone": "", "skip": "", "shrug": "",
		"deploy": "deploy", "rollback": "rollback", "unlock": "unlock", "merge": "", "tide": "", "priority": "", "area": "",
	} {
		c, found := nearest(name)
		if c.Name != want || found != (want != "") {
			t.Errorf("%s: %q", name, c.Name)
		}
	}
	if _, found := nearest(strings.Repeat("status", 10_000)); found {
		t.Error("a long word is near")
	}
}

func TestForeignTextIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "`plain`", "a`b": "``a`b``", "`": "`` ` ``", "@all": "`@\u200ball`", "a|b": "`a¦b`", "a\nb": "`a b`", "": "", " ": "",
		"\x1b[31mred\u202e": "`red`", "```": "```` ``` ````",
	} {
		if got := code(in); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
	if got := code(strings.Repeat("é", 1000)); len(got) > maxShown+10 || !strings.HasSuffix(got, "…`") {
		t.Errorf("%d bytes", len(got))
	}
}
