package checks_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// ledger is the truth about entries, in memory.
type ledger struct {
	mu          sync.Mutex
	runs        map[int64]pipeline.Run
	states      map[string]pipeline.EnvironmentState
	deployments map[string]pipeline.DeploymentMirror
	succeeded   map[string]int
	stickies    map[int]pipeline.Sticky
	pushes      []pipeline.PushRecord
	saves       int
	// dies is the save, counted from 1, that is never made: the process is killed before it.
	dies int
}

func newLedger() *ledger {
	return &ledger{
		runs: map[int64]pipeline.Run{}, states: map[string]pipeline.EnvironmentState{}, deployments: map[string]pipeline.DeploymentMirror{},
		succeeded: map[string]int{}, stickies: map[int]pipeline.Sticky{},
	}
}

var errKilled = errors.New("the process was killed")

func (l *ledger) put(run pipeline.Run) {
	l.mu.Lock()
	defer l.mu.Unlock()
	run.Entries = slices.Clone(run.Entries)
	l.runs[run.ID] = run
}

func (l *ledger) Run(_ context.Context, id int64) (pipeline.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	run, ok := l.runs[id]
	if !ok {
		return run, pipeline.ErrNotFound
	}
	return run, nil
}

func (l *ledger) Runs(_ context.Context, f pipeline.RunFilter) ([]pipeline.Run, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []pipeline.Run
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(l.runs))) {
		run := l.runs[id]
		fits := f.PullRequest == 0 || run.Trigger.PullRequest == f.PullRequest
		fits = fits && (f.Environment == "" || run.Entry(f.Environment) != nil)
		fits = fits && (!f.OpenOnly || !run.Status.Final()) && (f.Before == 0 || id < f.Before)
		fits = fits && (f.Event == "" || run.Trigger.Event == f.Event) && (f.SHA == "" || run.Trigger.SHA == f.SHA)
		if fits && (f.Limit == 0 || len(found) < f.Limit) {
			found = append(found, run)
		}
	}
	return found, nil
}

func (l *ledger) EnvironmentState(_ context.Context, _ int64, name string) (pipeline.EnvironmentState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.states[name], nil
}

func (l *ledger) setState(name string, change func(*pipeline.EnvironmentState)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.states[name]
	state.Name = name
	change(&state)
	l.states[name] = state
}

func deploymentName(runID int64, environment string, turn int) string {
	return fmt.Sprintf("%d/%s/%d", runID, environment, turn)
}

func (l *ledger) DeploymentMirror(_ context.Context, runID int64, environment string, turn int) (pipeline.DeploymentMirror, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m, ok := l.deployments[deploymentName(runID, environment, turn)]; ok {
		return m, nil
	}
	return pipeline.DeploymentMirror{RunID: runID, Environment: environment, Turn: turn}, nil
}

func (l *ledger) SaveDeploymentMirror(_ context.Context, m pipeline.DeploymentMirror) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saves++; l.saves == l.dies {
		return errKilled
	}
	name := deploymentName(m.RunID, m.Environment, m.Turn)
	if m.State == "success" && l.succeeded[name] == 0 {
		l.succeeded[name] = len(l.succeeded) + 1
	}
	l.deployments[name] = m
	return nil
}

func (l *ledger) LastDeployment(_ context.Context, _ int64, environment string) (last pipeline.DeploymentMirror, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	newest := 0
	for name, m := range l.deployments {
		if m.Environment == environment && m.State == "success" && l.succeeded[name] > newest {
			last, newest = m, l.succeeded[name]
		}
	}
	return last, nil
}

// field is a stand-in of GitHub with a pull request, and deployments of it.
type field struct {
	*world

	ledger      *ledger
	deployments *checks.Deployments
	pull        int
	head        string
	comment     int64
	log         *strings.Builder
}

func newField(t *testing.T) *field {
	t.Helper()
	f := &field{world: newWorld(t, true), ledger: newLedger(), log: &strings.Builder{}}
	t.Cleanup(f.reporter.Stop)
	ann := f.github.As("ann")
	must(t, f.github.AddCollaborator(shop, "ann", "write"))
	_, err := ann.Push(t.Context(), shop, "topic", githubtest.Files{"a": "c"}, "a change")
	must(t, err)
	p, err := ann.OpenPullRequest(t.Context(), shop, githubtest.NewPullRequest{Title: "Topic", Head: "topic", Base: "main"})
	must(t, err)
	f.pull, f.head = p.Number, p.HeadSHA
	f.comment, err = ann.Comment(shop, p.Number, "/deploy production")
	must(t, err)
	f.begin()
	return f
}

// begin is a new process on the same database.
func (f *field) begin() {
	f.deployments = checks.NewDeployments(checks.DeploymentOptions{
		GitHub: f.pool, Store: f.ledger, PageURL: "https://ci.example.org/", Logger: zerolog.New(f.log),
	})
}

// deploy is a run by comment, prepared and about to enter.
func (f *field) deploy(id int64, action pipeline.Action) pipeline.Run {
	run := f.run
	run.ID, run.Number, run.CreatedAt = id, id, time.Date(2026, 3, 4, 12, 0, 0, int(id), time.UTC)
	run.Trigger.Event, run.Trigger.PullRequest, run.Trigger.SHA, run.Trigger.Actor = pipeline.EventDeploy, f.pull, f.head, "ann"
	run.Trigger.Deploy = &pipeline.Deploy{Environment: "production", Action: action, Comment: f.comment}
	run.Environments = []pipeline.EnvironmentDefinition{{Name: "production", URL: "https://shop.example.org"}}
	run.Stages = []pipeline.StageRun{{
		ID: id * 10, RunID: id, Attempt: 1, Status: pipeline.StatusQueued,
		Spec: pipeline.StageSpec{Key: "deploy (production)", ID: "deploy", Environment: "production", Enters: true},
	}}
	run.Entries = []pipeline.Entry{{
		Environment: "production", Action: action, State: pipeline.EntryPreparing, Askers: []string{"ann"},
	}}
	f.ledger.put(run)
	return run
}

// move changes a run's entry and announces it.
func (f *field) move(run *pipeline.Run, change func(*pipeline.Entry)) error {
	run.Entries = slices.Clone(run.Entries)
	change(&run.Entries[0])
	f.ledger.put(*run)
	return f.deployments.Announce(f.t.Context(), run.ID, "production")
}

func held(e *pipeline.Entry) {
	e.State, e.Candidate = pipeline.EntryWaiting, &pipeline.Candidate{Environment: "production", Commit: "c"}
	e.Hold = &pipeline.Hold{Title: "Waiting for 1 approval of @acme/platform", Missing: []pipeline.Missing{{Rule: "approvals"}}}
}

func entered(e *pipeline.Entry) {
	e.State, e.Hold, e.EnteredAt = pipeline.EntryEntered, nil, time.Date(2026, 3, 4, 12, 30, 0, 0, time.UTC)
	e.Candidate = &pipeline.Candidate{Environment: "production", Commit: "c"}
}

// release ends a run as the newest release.
func (f *field) release(run *pipeline.Run, number int64) error {
	f.ledger.setState("production", func(s *pipeline.EnvironmentState) { s.Release = max(s.Release, number) })
	return f.move(run, func(e *pipeline.Entry) { entered(e); e.State, e.Release = pipeline.EntryDone, number })
}

func ended(state pipeline.EntryState, reason string) func(*pipeline.Entry) {
	return func(e *pipeline.Entry) { e.State, e.Hold, e.Reason = state, nil, reason }
}

// states are all deployments: "pending in_progress success, pending".
func (f *field) states() string {
	var all []string
	for _, d := range f.github.Deployments(shop) {
		all = append(all, strings.Join(d.States, " "))
	}
	return strings.Join(all, ", ")
}

func (f *field) wantStates(want string) {
	f.t.Helper()
	if got := f.states(); got != want {
		f.t.Errorf("GitHub shows %q, want %q", got, want)
	}
}

func (f *field) signs() string {
	var all []string
	for _, r := range f.github.Reactions(shop, f.comment) {
		all = append(all, r.Content)
	}
	return strings.Join(all, " ")
}

// replies are the bot's comments.
func (f *field) replies() []string {
	var all []string
	for _, c := range f.github.Comments(shop, f.pull) {
		if strings.HasSuffix(c.Author, "[bot]") {
			all = append(all, c.Body)
		}
	}
	return all
}

// writes counts the requests that changed something, or tried.
func (f *field) writes() int {
	return f.github.CountRequests(func(r githubtest.Request) bool {
		return r.Method != http.MethodGet && !strings.Contains(r.Path, "access_tokens")
	})
}

func TestADeployIsMirroredFromHeldToReplaced(t *testing.T) {
	f := newField(t)
	first := f.deploy(1, pipeline.ActionDeploy)
	must(t, f.deployments.Announce(t.Context(), 1, "production"))
	f.wantStates("")
	must(t, f.move(&first, held))
	must(t, f.move(&first, held))
	f.wantStates("pending")
	must(t, f.move(&first, entered))
	must(t, f.release(&first, 1))
	must(t, f.deployments.Announce(t.Context(), 1, "production"))
	f.wantStates("pending in_progress success")
	d := f.github.Deployments(shop)[0]
	if d.SHA != f.head || d.Task != "deploy" || d.Environment != "production" || !d.Production || d.Transient || d.Creator == "" ||
		d.LogURL != "https://ci.example.org/acme/shop/runs/1?stage=deploy+%28production%29" || d.EnvironmentURL != "https://shop.example.org" ||
		!strings.HasPrefix(d.Description, "Deploy of "+f.head[:7]+" (run #1), asked for by ann") ||
		!strings.Contains(d.Payload, `"run":1`) || !strings.Contains(d.Payload, `"environment":"production"`) {
		t.Errorf("%+v", d)
	}
	if f.signs() != "rocket" || len(f.replies()) != 0 {
		t.Errorf("signs %q, replies %q", f.signs(), f.replies())
	}
	if n := f.writes(); n != 5 {
		t.Errorf("a deploy by comment cost %d writes, want a creation, three statuses and a sign", n)
	}

	second := f.deploy(2, pipeline.ActionDeploy)
	must(t, f.move(&second, func(e *pipeline.Entry) {
		held(e)
		e.Hold.Missing[0].Rule = "turn"
	}))
	must(t, f.move(&second, held)) // a lock came: it does not go back
	must(t, f.move(&second, entered))
	must(t, f.release(&second, 2))
	f.wantStates("pending in_progress success inactive, queued in_progress success")

	back := f.deploy(3, pipeline.ActionRollback)
	back.Restores = &pipeline.Release{Number: 1}
	must(t, f.move(&back, entered))
	must(t, f.release(&back, 3))
	f.wantStates("pending in_progress success inactive, queued in_progress success inactive, in_progress success")
	if d := f.github.Deployments(shop)[2]; d.Task != "rollback" || !strings.HasPrefix(d.Description, "Rollback to release 1 (run #3)") {
		t.Errorf("%+v", d)
	}
	down := f.deploy(4, pipeline.ActionDestroy)
	must(t, f.move(&down, entered))
	f.ledger.setState("production", func(s *pipeline.EnvironmentState) { s.Release = 0 })
	must(t, f.move(&down, func(e *pipeline.Entry) { e.State = pipeline.EntryDone }))
	f.wantStates("pending in_progress success inactive, queued in_progress success inactive, in_progress success inactive, in_progress inactive")
}

func TestHowADeploymentEnds(t *testing.T) {
	for name, test := range map[string]struct {
		entered bool
		state   pipeline.EntryState
		reason  string
		run     string // why the run was cancelled
		want    string
		sign    string
		reply   []string // parts of it
	}{
		"rejected":           {false, pipeline.EntryRejected, "Rejected by bob: not today", "", "pending inactive", "confused", nil},
		"void":               {false, pipeline.EntryVoid, "Void: the base moved from a to b", "", "pending inactive", "confused", []string{"`/deploy production` was not carried out: the base moved from a to b", "Nothing was changed"}},
		"cancelled":          {false, pipeline.EntryCancelled, "cancelled by ann", "cancelled by ann", "pending inactive", "confused", nil},
		"refused":            {false, pipeline.EntryCancelled, "Refused: Branch x does not belong to `production`", "", "pending inactive", "confused", []string{"Branch x does not belong to `production`"}},
		"failed before":      {false, pipeline.EntryFailed, "test failed", "", "pending failure", "confused", []string{"failed before anything was changed: test failed"}},
		"failed":             {true, pipeline.EntryFailed, "deploy (production): 1 of 3 rolled out", "", "pending in_progress failure", "confused", []string{"failed while production was being changed: deploy (production): 1 of 3 rolled out"}},
		"cancelled in it":    {true, pipeline.EntryCancelled, "cancelled by ann", "cancelled by ann", "pending in_progress error", "confused", []string{"failed while production was being changed"}},
		"hostile":            {true, pipeline.EntryFailed, "@ann <!-- `x` [l](javascript:x) **b**\n# h", "", "pending in_progress failure", "confused", []string{"@\u200bann &lt;!-- `x` \\[l\\](javascript:x) \\*\\*b\\*\\*"}},
		"nothing to be done": {false, pipeline.EntrySkipped, "no file of web/ changed", "", "pending inactive", "confused", []string{"was not carried out: no file of web/ changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newField(t)
			run := f.deploy(1, pipeline.ActionDeploy)
			run.Reason = test.run
			must(t, f.move(&run, held))
			if test.entered {
				must(t, f.move(&run, entered))
			}
			for range 2 {
				must(t, f.move(&run, ended(test.state, test.reason)))
			}
			f.begin()
			must(t, f.deployments.Announce(t.Context(), 1, "production"))
			f.wantStates(test.want)
			if got := f.signs(); got != test.sign {
				t.Errorf("signs %q, want %q", got, test.sign)
			}
			replies := f.replies()
			if len(replies) != min(len(test.reply), 1) {
				t.Fatalf("replies: %q", replies)
			}
			for _, part := range test.reply {
				if !strings.Contains(replies[0], part) {
					t.Errorf("%q is not in\n%s", part, replies[0])
				}
			}
			if len(replies) > 0 && strings.Count(replies[0], "<!--") != 1 {
				t.Errorf("something hides in\n%s", replies[0])
			}
		})
	}
}

// What was over before GitHub heard of it is not told as a deployment; what changed the environment is, however late.
func TestLateNews(t *testing.T) {
	f := newField(t)
	unseen := f.deploy(1, pipeline.ActionDeploy)
	must(t, f.move(&unseen, func(e *pipeline.Entry) { held(e); ended(pipeline.EntryRejected, "Rejected by bob")(e) }))
	f.wantStates("")
	if f.signs() != "confused" {
		t.Errorf("signs %q", f.signs())
	}
	failed := f.deploy(2, pipeline.ActionDeploy)
	must(t, f.move(&failed, func(e *pipeline.Entry) { entered(e); ended(pipeline.EntryFailed, "it broke")(e) }))
	f.wantStates("failure")

	// Two releases, of which the older is told last.
	older, newer := f.deploy(3, pipeline.ActionDeploy), f.deploy(4, pipeline.ActionDeploy)
	must(t, f.move(&older, entered))
	must(t, f.release(&newer, 2))
	must(t, f.release(&older, 1))
	f.wantStates("failure, in_progress inactive, success")
}

// A stage of an entry that had ended is run again: that is another deployment, and the first one's end is not left open.
func TestAnotherTurnIsAnotherDeployment(t *testing.T) {
	f := newField(t)
	run := f.deploy(1, pipeline.ActionDeploy)
	must(t, f.move(&run, entered))
	again := func(e *pipeline.Entry) {
		*e = pipeline.Entry{Environment: e.Environment, Action: e.Action, State: pipeline.EntryPreparing, Turn: e.Turn + 1}
	}
	must(t, f.move(&run, again)) // it failed, and that was never told
	f.wantStates("in_progress inactive")
	must(t, f.move(&run, held))
	must(t, f.move(&run, entered))
	must(t, f.move(&run, ended(pipeline.EntryFailed, "again")))
	must(t, f.move(&run, again))
	must(t, f.move(&run, held))
	must(t, f.move(&run, entered))
	must(t, f.release(&run, 1))
	must(t, f.move(&run, again))
	must(t, f.move(&run, entered))
	must(t, f.release(&run, 2))
	f.wantStates("in_progress inactive, pending in_progress failure, pending in_progress success inactive, in_progress success")
	if f.signs() != "confused rocket" || len(f.replies()) != 1 {
		t.Errorf("signs %q, replies %q", f.signs(), f.replies())
	}
}

func TestManyAnnouncementsAtOnceMakeOneDeployment(t *testing.T) {
	f := newField(t)
	run := f.deploy(1, pipeline.ActionDeploy)
	run.Entries[0].State, run.Entries[0].EnteredAt = pipeline.EntryEntered, run.CreatedAt
	f.ledger.put(run)
	var group sync.WaitGroup
	problems := make([]error, 16)
	for i := range problems {
		group.Go(func() { problems[i] = f.deployments.Announce(t.Context(), 1, "production") })
	}
	group.Wait()
	must(t, errors.Join(problems...))
	f.wantStates("in_progress")
}

// walk carries a deploy, and the one that replaces it, to their ends: every step is announced until GitHub took it.
func (f *field) walk() {
	f.t.Helper()
	announce := func(run *pipeline.Run, change func(*pipeline.Entry)) {
		f.t.Helper()
		for range 20 {
			if err := f.move(run, change); err == nil {
				return
			}
			f.begin() // whatever it was, another process goes on
		}
		f.t.Fatal("it never got through")
	}
	first, second := f.deploy(1, pipeline.ActionDeploy), f.deploy(2, pipeline.ActionDeploy)
	announce(&first, held)
	announce(&first, entered)
	f.ledger.setState("production", func(s *pipeline.EnvironmentState) { s.Release = 1 })
	announce(&first, func(e *pipeline.Entry) { e.State, e.Release = pipeline.EntryDone, 1 })
	announce(&second, entered)
	f.ledger.setState("production", func(s *pipeline.EnvironmentState) { s.Release = 2 })
	announce(&second, func(e *pipeline.Entry) { e.State, e.Release = pipeline.EntryDone, 2 })
	failed := f.deploy(3, pipeline.ActionDeploy)
	announce(&failed, entered)
	announce(&failed, ended(pipeline.EntryFailed, "it broke"))
}

func (f *field) assertWalked() {
	f.t.Helper()
	f.wantStates("pending in_progress success inactive, in_progress success, in_progress failure")
	signs := strings.Fields(f.signs())
	slices.SortFunc(signs, cmp.Compare)
	if strings.Join(signs, " ") != "confused rocket" || len(f.replies()) != 1 {
		f.t.Errorf("signs %q, replies %q", f.signs(), f.replies())
	}
}

// Whatever answer is lost, and wherever the process is killed, each thing is done once.
func TestNothingIsDoneTwice(t *testing.T) {
	f := newField(t)
	f.walk()
	f.assertWalked()
	requests := f.github.CountRequests(func(r githubtest.Request) bool { return strings.Contains(r.Path, "/repos/acme/shop/") })
	saves := f.ledger.saves
	t.Logf("%d requests, %d records", requests, saves)
	kinds := map[string]githubtest.Fault{
		"the answer is lost":    {Drop: true, AfterEffect: true},
		"the request is lost":   {Drop: true},
		"502 after the effect":  {Status: http.StatusBadGateway, AfterEffect: true},
		"503 before the effect": {Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"0"}}},
	}
	for kind, fault := range kinds {
		for at := range f.writes() {
			if fault.Status != 0 && at%4 != 0 {
				continue // these take a second each, since GitHub is then given one
			}
			t.Run(fmt.Sprintf("%s, write %d", kind, at+1), func(t *testing.T) {
				t.Parallel()
				f, fault, seen := newField(t), fault, 0
				fault.Match = func(r *http.Request) bool {
					if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "access_tokens") {
						return false
					}
					seen++
					return seen == at+1
				}
				f.github.Inject(fault)
				f.walk()
				f.assertWalked()
				if seen <= at {
					t.Error("there was no such write")
				}
			})
		}
	}
	for at := range saves {
		t.Run(fmt.Sprintf("killed before record %d", at+1), func(t *testing.T) {
			t.Parallel()
			f := newField(t)
			f.ledger.dies = at + 1
			f.walk()
			f.assertWalked()
		})
	}
}

func TestARateLimitDelaysAndDropsNothing(t *testing.T) {
	f := newField(t)
	run := f.deploy(1, pipeline.ActionDeploy)
	for _, status := range []int{http.StatusTooManyRequests, http.StatusForbidden} {
		f.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/deployments", Status: status, Header: http.Header{"Retry-After": {"1"}},
			Body: `{"message":"You have exceeded a secondary rate limit."}`})
	}
	must(t, f.move(&run, held))
	f.wantStates("pending")
	f.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/deployments", Status: http.StatusInternalServerError})
	err := f.move(&run, entered)
	again, ok := errors.AsType[*checks.AgainError](err)
	if !ok || again.After <= 0 || again.After > time.Minute {
		t.Fatalf("%v", err)
	}
	must(t, f.move(&run, entered))
	f.wantStates("pending in_progress")
}

func TestWhatGitHubRefusesForGoodNeverBlocks(t *testing.T) {
	notAllowed := githubtest.Fault{
		Method: http.MethodPost, Path: "/deployments", Status: http.StatusForbidden, Times: -1,
		Header: http.Header{"X-Accepted-Github-Permissions": {"deployments=write"}}, Body: `{"message":"Resource not accessible by integration"}`,
	}
	for name, fault := range map[string]githubtest.Fault{
		"no permission": notAllowed,
		"gone":          {Method: http.MethodPost, Path: "/deployments", Status: http.StatusNotFound, Times: -1},
		"commit gone":   {Method: http.MethodPost, Path: "/deployments", Status: http.StatusConflict, Times: -1, Body: `{"message":"No ref found"}`},
		"merged":        {Method: http.MethodPost, Path: "/deployments", Status: http.StatusAccepted, Times: -1, Body: `{"message":"Auto-merged"}`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newField(t)
			f.github.Inject(fault)
			run := f.deploy(1, pipeline.ActionDeploy)
			must(t, f.move(&run, held))
			must(t, f.move(&run, entered))
			must(t, f.release(&run, 1))
			f.begin()
			must(t, f.deployments.Announce(t.Context(), 1, "production"))
			tried := f.github.CountRequests(func(r githubtest.Request) bool {
				return strings.HasSuffix(r.Path, "/deployments") && r.Method == http.MethodPost
			})
			if tried != 1 || f.signs() != "rocket" {
				t.Errorf("tried %d times, signs %q", tried, f.signs())
			}
			if n := strings.Count(f.log.String(), "for good"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, f.log)
			}
			if name == "no permission" && !strings.Contains(f.log.String(), "deployments=write") {
				t.Errorf("the remedy is not named:\n%s", f.log)
			}
			// What comes later is tried anew.
			f.github.ClearFaults()
			next := f.deploy(2, pipeline.ActionDeploy)
			must(t, f.release(&next, 2))
			f.wantStates("success")
		})
	}
}

// Somebody deleted the comment, or the conversation is locked: the deploy goes on all the same.
func TestAnAnswerThatCannotBeGivenIsLetGo(t *testing.T) {
	f := newField(t)
	must(t, f.github.As("ann").DeleteComment(shop, f.comment))
	run := f.deploy(1, pipeline.ActionDeploy)
	must(t, f.release(&run, 1))
	f.wantStates("success")
	if f.log.Len() != 0 {
		t.Errorf("a deleted comment is worth a line: %s", f.log)
	}
	failed := f.deploy(2, pipeline.ActionDeploy)
	f.github.Inject(githubtest.Fault{Method: http.MethodPost, Path: "/comments", Status: http.StatusForbidden, Body: `{"message":"Unable to create comment because issue is locked."}`})
	must(t, f.move(&failed, func(e *pipeline.Entry) { entered(e); ended(pipeline.EntryFailed, "it broke")(e) }))
	f.wantStates("success, failure")
	if !strings.Contains(f.log.String(), "issue is locked") {
		t.Errorf("%s", f.log)
	}
}

// Nobody asked by comment, the run is swept, it enters nothing: nothing is told.
func TestNothingToAnnounce(t *testing.T) {
	f := newField(t)
	run := f.deploy(1, pipeline.ActionDeploy)
	run.Trigger.Deploy.Comment = 0
	must(t, f.release(&run, 1))
	must(t, f.deployments.Announce(t.Context(), 99, "production"))
	must(t, f.deployments.Announce(t.Context(), 1, "moon"))
	f.wantStates("success")
	if f.signs() != "" || len(f.replies()) != 0 {
		t.Errorf("signs %q, replies %q", f.signs(), f.replies())
	}
}

var _ checks.DeploymentGitHub = (*githubclient.Pool)(nil)
