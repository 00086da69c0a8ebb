package checks_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func (l *ledger) Release(_ context.Context, repositoryID int64, environment string, number int64) (pipeline.Release, error) {
	return pipeline.Release{RepositoryID: repositoryID, Environment: environment, Number: number, Commit: strings.Repeat("c", 40)}, nil
}

func (l *ledger) Pushes(_ context.Context, _ int64, sha string) ([]pipeline.PushRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.pushes), func(p pipeline.PushRecord) bool { return p.SHA != sha }), nil
}

func (l *ledger) PushesTo(_ context.Context, _ int64, ref string, _ int) ([]pipeline.PushRecord, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.pushes), func(p pipeline.PushRecord) bool { return p.Ref != ref }), nil
}

func (l *ledger) Sticky(_ context.Context, repositoryID int64, pullRequest int) (pipeline.Sticky, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s, ok := l.stickies[pullRequest]; ok {
		return s, nil
	}
	return pipeline.Sticky{RepositoryID: repositoryID, PullRequest: pullRequest}, nil
}

func (l *ledger) SaveSticky(_ context.Context, s pipeline.Sticky) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.saves++; l.saves == l.dies {
		return errKilled
	}
	l.stickies[s.PullRequest] = s
	return nil
}

// board is what people read, without a network, so that tests may run on synthetic time.
type board struct {
	mu       sync.Mutex
	comments map[int64]string
	made     []time.Time
	edits    []time.Time
	reads    int
	pull     githubclient.PullRequest
	// answer may refuse a write instead of carrying it out; after loses its answer.
	answer, after func() error
	// points are what is left; AvailableAt is when they are there again.
	points int
	at     time.Time
}

func newBoard() *board {
	return &board{
		comments: map[int64]string{}, points: math.MaxInt, pull: githubclient.PullRequest{Open: true, HeadSHA: head},
	}
}

const head = "4f2a9c1d7be03356c7a1d90e6b1f4a8d5c3e2b10"

func refusal(status int, message string) error {
	return &github.ErrorResponse{Response: &http.Response{StatusCode: status, Request: &http.Request{}}, Message: message}
}

func (b *board) PullRequest(context.Context, pipeline.Repository, int) (githubclient.PullRequest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
	return b.pull, nil
}

func (b *board) write(do func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answer != nil {
		if err := b.answer(); err != nil {
			return err
		}
	}
	do()
	if b.after != nil {
		return b.after()
	}
	return nil
}

func (b *board) Comment(_ context.Context, _ pipeline.Repository, number int, body string) (id int64, err error) {
	err = b.write(func() {
		b.made = append(b.made, time.Now())
		id = int64(number*100 + len(b.made))
		b.comments[id] = body
	})
	return id, err
}

func (b *board) EditComment(_ context.Context, _ pipeline.Repository, comment int64, body string) error {
	missing := false
	err := b.write(func() {
		if _, ok := b.comments[comment]; !ok {
			missing = true
			return
		}
		b.edits = append(b.edits, time.Now())
		b.comments[comment] = body
	})
	if missing {
		return refusal(http.StatusNotFound, "Not Found")
	}
	return err
}

func (b *board) FindComment(_ context.Context, _ pipeline.Repository, _ int, _ time.Time, mark string) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, body := range b.comments {
		if strings.Contains(body, mark) {
			return id, nil
		}
	}
	return 0, nil
}

func (b *board) Available(int64) int { return b.points }
func (b *board) AvailableAt(int64, int) time.Time {
	if b.at.IsZero() {
		return time.Now()
	}
	return b.at
}

func (b *board) only(t *testing.T) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.comments) != 1 {
		t.Fatalf("%d comments", len(b.comments))
	}
	for _, body := range b.comments {
		return body
	}
	return ""
}

// bulletin is stickies with their surroundings.
type bulletin struct {
	t        *testing.T
	board    *board
	ledger   *ledger
	stickies *checks.Stickies
	log      *strings.Builder
}

func newBulletin(t *testing.T) *bulletin {
	b := &bulletin{t: t, board: newBoard(), ledger: newLedger(), log: &strings.Builder{}}
	b.begin()
	return b
}

func (b *bulletin) begin() {
	b.stickies = checks.NewStickies(checks.StickyOptions{GitHub: b.board, Store: b.ledger, PageURL: "https://ci.example.org", Logger: zerolog.New(b.log)})
	b.stickies.Start()
}

// proposed is the run of a pull request with three stages.
func proposed(id int64, number int) pipeline.Run {
	run := pipeline.Run{ID: id, Number: id, Status: pipeline.StatusQueued, CreatedAt: time.Now(), Trigger: pipeline.Trigger{
		Event: pipeline.EventPullRequest, PullRequest: number, SHA: head, Branch: "topic", Base: "main", Actor: "ann",
		Repository: pipeline.Repository{ID: 7, Owner: "acme", Name: "shop", InstallationID: 1},
	}}
	for i, key := range []string{"test", "build", "deployment-summary"} {
		run.Stages = append(run.Stages, pipeline.StageRun{ID: id*10 + int64(i), RunID: id, Index: i, Spec: pipeline.StageSpec{Key: key, ID: key}, Attempt: 1, Status: pipeline.StatusQueued})
	}
	return run
}

// change alters a run, stores it and tells of it, as the engine does.
func (b *bulletin) change(run *pipeline.Run, change func(*pipeline.Run)) {
	run.Stages, run.Entries = slices.Clone(run.Stages), slices.Clone(run.Entries)
	change(run)
	b.ledger.put(*run)
	b.stickies.RunChanged(*run)
}

// show is change, and waits until the comment tells of it.
func (b *bulletin) show(t *testing.T, run *pipeline.Run, change func(*pipeline.Run)) {
	t.Helper()
	b.change(run, change)
	must(t, b.stickies.Flush(t.Context()))
}

func finishAll(status pipeline.Status) func(*pipeline.Run) {
	return func(run *pipeline.Run) {
		for i := range run.Stages {
			run.Stages[i].Status = status
		}
		run.Status, run.FinishedAt = status, time.Now()
	}
}

func TestOneCommentShowsWhereAPullRequestStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		run := proposed(1, 31)
		b.change(&run, func(*pipeline.Run) {})
		rest(10 * time.Second)
		if body := b.board.only(t); !strings.Contains(body, "### · Queued: 3 queued") {
			t.Error(body)
		}
		// Progress for minutes: nothing is edited, GitHub is not even asked.
		b.change(&run, func(run *pipeline.Run) {
			run.Stages[0].Status, run.Status = pipeline.StatusRunning, pipeline.StatusRunning
		})
		rest(time.Minute)
		edits, reads := len(b.board.edits), b.board.reads
		for i := range 300 {
			b.change(&run, func(run *pipeline.Run) { run.Stages[0].Progress = fmt.Sprint("test ", i); run.Stages[0].Version++ })
			rest(time.Second)
		}
		if len(b.board.edits) != edits || b.board.reads != reads || edits != 1 {
			t.Errorf("%d edits and %d reads, before the progress %d and %d", len(b.board.edits), b.board.reads, edits, reads)
		}
		ended := time.Now()
		b.change(&run, finishAll(pipeline.StatusSuccess))
		rest(30 * time.Second)
		if body := b.board.only(t); !strings.Contains(body, "### ✓ Passed: 3 passed") {
			t.Error(body)
		}
		if last := b.board.edits[len(b.board.edits)-1]; last.Sub(ended) > 3*time.Second {
			t.Errorf("the end was told after %s", last.Sub(ended))
		}
		if len(b.board.made) != 1 || len(b.board.edits) != 2 {
			t.Errorf("%d made, %d edits", len(b.board.made), len(b.board.edits))
		}
	})
}

func TestAStormOfChangesMakesFewEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		run := proposed(1, 31)
		for i := range 60 {
			b.change(&run, func(run *pipeline.Run) {
				run.Stages = append(run.Stages, pipeline.StageRun{ID: int64(100 + i), Spec: pipeline.StageSpec{Key: fmt.Sprint("leg ", i)}, Status: pipeline.StatusQueued})
			})
			rest(time.Second)
		}
		if n := len(b.board.made) + len(b.board.edits); n < 2 || n > 5 {
			t.Errorf("%d writes in a minute of changes", n)
		}
		must(t, b.stickies.Flush(t.Context()))
		if body := b.board.only(t); !strings.Contains(body, "63 queued") {
			t.Error(body)
		}
	})
}

func TestADeletedCommentIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		run := proposed(1, 31)
		b.show(t, &run, func(*pipeline.Run) {})
		clear(b.board.comments)
		b.show(t, &run, finishAll(pipeline.StatusFailure))
		if body := b.board.only(t); !strings.Contains(body, "✗ Failed") || len(b.board.made) != 2 {
			t.Errorf("%d made: %s", len(b.board.made), body)
		}
		// The next edit goes to the new one.
		b.show(t, &run, finishAll(pipeline.StatusSuccess))
		if body := b.board.only(t); !strings.Contains(body, "✓ Passed") || len(b.board.made) != 2 {
			t.Errorf("%d made: %s", len(b.board.made), body)
		}
	})
}

// A comment that says for whom it is waited is made again at once: nothing else may happen before somebody reads it.
func TestADeletedCommentIsMadeAgainWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		run := proposed(1, 31)
		b.show(t, &run, func(*pipeline.Run) {})
		var id int64
		for id = range b.board.comments {
		}
		before := b.board.comments[id]
		must(t, b.stickies.CommentDeleted(t.Context(), run.Trigger.Repository, 31, id+1)) // somebody else's
		must(t, b.stickies.Flush(t.Context()))
		if len(b.board.made) != 1 {
			t.Errorf("%d made", len(b.board.made))
		}
		clear(b.board.comments)
		must(t, b.stickies.CommentDeleted(t.Context(), run.Trigger.Repository, 31, id))
		must(t, b.stickies.Flush(t.Context()))
		if body := b.board.only(t); body != before || len(b.board.made) != 2 {
			t.Errorf("%d made: %s", len(b.board.made), body)
		}
	})
}

// The push of what a pull request was merged as waits: its comment says for whom.
func TestAMergedPullRequestTellsOfItsPush(t *testing.T) {
	for name, first := range map[string]bool{"the push comes first": true, "the merge comes first": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBulletin(t)
				defer b.stickies.Stop()
				run := proposed(1, 31)
				b.change(&run, finishAll(pipeline.StatusSuccess))
				must(t, b.stickies.Flush(t.Context()))
				merge := strings.Repeat("e", 40)
				pushed := proposed(2, 0)
				pushed.Trigger.Event, pushed.Trigger.SHA, pushed.Trigger.Ref = pipeline.EventPush, merge, "refs/heads/main"
				push := func() {
					b.change(&pushed, func(r *pipeline.Run) {
						r.Status = pipeline.StatusWaiting
						r.Entries = []pipeline.Entry{{
							Environment: "production", State: pipeline.EntryWaiting, Automatic: true,
							Hold: &pipeline.Hold{Title: "Waiting for 1 approval of @acme/platform", Person: true},
						}}
					})
				}
				if first {
					push()
				}
				b.ledger.mu.Lock()
				b.ledger.pushes = []pipeline.PushRecord{{SHA: merge, Ref: pipeline.MergeRef(31)}}
				b.ledger.mu.Unlock()
				b.board.mu.Lock()
				b.board.pull = githubclient.PullRequest{Merged: true, HeadSHA: head, MergeCommitSHA: merge}
				b.board.mu.Unlock()
				b.stickies.PullChanged(run.Trigger.Repository, 31)
				if !first {
					must(t, b.stickies.Flush(t.Context()))
					push()
				}
				synctest.Wait()
				must(t, b.stickies.Flush(t.Context()))
				if body := b.board.only(t); !strings.Contains(body, "waiting for 1 approval") {
					t.Error(body)
				}
			})
		})
	}
}

// Whatever is lost between GitHub and the record, there is one comment.
func TestNoSecondComment(t *testing.T) {
	lost := errors.New("the connection was cut")
	for name, trouble := range map[string]func(*bulletin){
		"the answer is lost": func(b *bulletin) {
			b.board.after = func() error { b.board.after = nil; return lost }
		},
		"502 after the effect": func(b *bulletin) {
			b.board.after = func() error { b.board.after = nil; return refusal(http.StatusBadGateway, "Bad Gateway") }
		},
		"killed before the record": func(b *bulletin) { b.ledger.dies = 1 },
		"the request is lost": func(b *bulletin) {
			b.board.answer = func() error { b.board.answer = nil; return lost }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBulletin(t)
				trouble(b)
				run := proposed(1, 31)
				b.change(&run, func(*pipeline.Run) {})
				rest(4500 * time.Millisecond)
				if name == "killed before the record" {
					b.stickies.Stop()
					b.begin()
				}
				defer b.stickies.Stop()
				rest(time.Minute)
				b.board.only(t)
				b.change(&run, finishAll(pipeline.StatusSuccess))
				must(t, b.stickies.Flush(t.Context()))
				if body := b.board.only(t); !strings.Contains(body, "✓ Passed") || len(b.board.made) != 1 {
					t.Errorf("%d made: %s", len(b.board.made), body)
				}
			})
		})
	}
}

func TestWhatWasMissedIsRepairedAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		open, ended, shown, old := proposed(1, 1), proposed(2, 2), proposed(3, 3), proposed(4, 4)
		finishAll(pipeline.StatusSuccess)(&ended)
		finishAll(pipeline.StatusSuccess)(&shown)
		finishAll(pipeline.StatusSuccess)(&old)
		old.FinishedAt, old.CreatedAt = time.Now().Add(-48*time.Hour), time.Now().Add(-49*time.Hour)
		push := proposed(5, 0)
		push.Trigger.Event = pipeline.EventPush
		b.change(&shown, func(*pipeline.Run) {})
		must(t, b.stickies.Flush(t.Context()))
		b.stickies.Stop()
		for _, run := range []pipeline.Run{open, ended, shown, old, push} {
			b.ledger.put(run)
		}
		writes := len(b.board.made)
		b.begin()
		defer b.stickies.Stop()
		must(t, b.stickies.Flush(t.Context()))
		if got := len(b.board.made) - writes; got != 2 || len(b.board.edits) != 0 {
			t.Errorf("%d made and %d edited at the start", got, len(b.board.edits))
		}
		b.stickies.Stop()
		b.begin()
		must(t, b.stickies.Flush(t.Context()))
		if got := len(b.board.made) - writes; got != 2 || len(b.board.edits) != 0 {
			t.Errorf("%d made and %d edited at the next start", got, len(b.board.edits))
		}
	})
}

func TestPatienceOfGitHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		begun := time.Now()
		b.board.answer = func() error {
			if time.Since(begun) < 10*time.Minute {
				return &githubclient.LimitedError{Installation: 1, Until: begun.Add(10 * time.Minute)}
			}
			return nil
		}
		run := proposed(1, 31)
		b.change(&run, func(*pipeline.Run) {})
		rest(9 * time.Minute)
		b.change(&run, finishAll(pipeline.StatusSuccess))
		rest(2 * time.Minute)
		if body := b.board.only(t); !strings.Contains(body, "✓ Passed") {
			t.Error(body)
		}
		// No points: it waits until there are, and does not ask GitHub before.
		b.board.points, b.board.at = 10, time.Now().Add(time.Hour)
		reads := b.board.reads
		b.change(&run, finishAll(pipeline.StatusFailure))
		rest(59 * time.Minute)
		if b.board.reads != reads || strings.Contains(b.board.only(t), "✗ Failed") {
			t.Error("written though the points are kept for checks")
		}
		rest(2 * time.Minute)
		if !strings.Contains(b.board.only(t), "✗ Failed") {
			t.Error("never written")
		}
	})
}

// Comments leave room for what else is content: GitHub allows 500 an hour in all.
func TestCommentsAreFewInAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		b.board.points = 900
		runs := make([]pipeline.Run, 120)
		for i := range runs {
			runs[i] = proposed(int64(i+1), i+1)
			b.change(&runs[i], func(*pipeline.Run) {})
		}
		for range 30 {
			rest(time.Minute)
			for i := range runs {
				b.change(&runs[i], func(run *pipeline.Run) { run.Stages[0].Reason += "x" })
			}
		}
		writes := append(slices.Clone(b.board.made), b.board.edits...)
		slices.SortFunc(writes, time.Time.Compare)
		for i, first := range writes {
			hour, minute := 0, 0
			for _, w := range writes[i:] {
				if w.Sub(first) < time.Hour {
					hour++
				}
				if w.Sub(first) < time.Minute {
					minute++
				}
			}
			if hour > 240 || minute > 24 {
				t.Fatalf("%d in an hour, %d in a minute", hour, minute)
			}
		}
		if len(writes) < 120 {
			t.Errorf("%d writes for 120 pull requests", len(writes))
		}
	})
}

func TestARefusedCommentIsGivenUp(t *testing.T) {
	for name, err := range map[string]error{
		"locked":        refusal(http.StatusForbidden, "Unable to create comment because issue is locked."),
		"gone":          refusal(http.StatusNotFound, "Not Found"),
		"no permission": refusal(http.StatusForbidden, "Resource not accessible by integration"),
		"malformed":     refusal(http.StatusUnprocessableEntity, "Validation Failed"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBulletin(t)
				defer b.stickies.Stop()
				tries := 0
				b.board.answer = func() error { tries++; return err }
				run := proposed(1, 31)
				b.change(&run, func(*pipeline.Run) {})
				rest(time.Hour)
				b.change(&run, finishAll(pipeline.StatusSuccess))
				rest(time.Hour)
				if tries != 1 || strings.Count(b.log.String(), "for good") != 1 {
					t.Errorf("%d tries, logged:\n%s", tries, b.log)
				}
			})
		})
	}
}

func TestAClosedPullRequestGetsItsLastText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		run := proposed(1, 31)
		b.change(&run, finishAll(pipeline.StatusSuccess))
		must(t, b.stickies.Flush(t.Context()))
		b.board.mu.Lock()
		b.board.pull.Open, b.board.pull.Merged = false, true
		b.board.mu.Unlock()
		b.stickies.PullChanged(run.Trigger.Repository, 31)
		rest(5 * time.Second)
		if body := b.board.only(t); !strings.Contains(body, "### Merged") {
			t.Error(body)
		}
		b.stickies.PullChanged(run.Trigger.Repository, 32) // one without runs
		must(t, b.stickies.Flush(t.Context()))
		b.board.only(t)
	})
}

// What an environment runs now stands in the comments of other pull requests, too.
func TestAReleaseIsToldWhereTheEnvironmentIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		defer b.stickies.Stop()
		into := func(id int64, number int, event pipeline.Event) pipeline.Run {
			run := proposed(id, number)
			run.Trigger.Event, run.Trigger.Deploy = event, &pipeline.Deploy{Environment: "production", Action: pipeline.ActionDeploy}
			run.Entries = []pipeline.Entry{{Environment: "production", State: pipeline.EntryPreparing}}
			return run
		}
		release := func(run *pipeline.Run, number int64) {
			b.ledger.setState("production", func(s *pipeline.EnvironmentState) { s.Release = number })
			b.change(run, func(run *pipeline.Run) {
				finishAll(pipeline.StatusSuccess)(run)
				run.Entries[0].State, run.Entries[0].Release = pipeline.EntryDone, number
			})
		}
		first := into(1, 31, pipeline.EventDeploy)
		release(&first, 1)
		must(t, b.stickies.Flush(t.Context()))
		push := into(2, 0, pipeline.EventPush)
		push.Trigger.Deploy = nil
		release(&push, 2)
		b.change(&push, func(run *pipeline.Run) { run.Number++ })
		rest(time.Minute)
		if body := b.board.only(t); !strings.Contains(body, "release 1 | release 2 of") {
			t.Error(body)
		}
		if len(b.board.edits) != 1 {
			t.Errorf("%d edits", len(b.board.edits))
		}
	})
}

func TestStickiesStopInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBulletin(t)
		run := proposed(1, 31)
		b.change(&run, func(*pipeline.Run) {})
		b.stickies.Stop()
		b.change(&run, finishAll(pipeline.StatusSuccess))
		rest(time.Minute)
		if len(b.board.comments) != 0 {
			t.Error("written after the stop")
		}
		b.begin()
		defer b.stickies.Stop()
		must(t, b.stickies.Flush(t.Context()))
		if body := b.board.only(t); !strings.Contains(body, "✓ Passed") {
			t.Error(body)
		}
	})
}

// Against the stand-in with GitHub's own limits and description.
func TestStickiesAgainstTheStandIn(t *testing.T) {
	f := newField(t)
	f.github.SetLimits(githubtest.GitHubLimits())
	app := f.github.App()
	pool, err := githubclient.New(githubclient.Config{V3: f.github.URLs().REST, AppID: app.ID, PrivateKey: app.PrivateKey, PointsPerMinute: 900, Logger: zerolog.Nop()})
	must(t, err)
	begin := func() *checks.Stickies {
		s := checks.NewStickies(checks.StickyOptions{GitHub: pool, Store: f.ledger, PageURL: "https://ci.example.org", Logger: zerolog.Nop()})
		s.Start()
		return s
	}
	stickies := begin()
	run := proposed(1, f.pull)
	run.Trigger.SHA, run.Trigger.Repository = f.head, f.run.Trigger.Repository
	change := func(change func(*pipeline.Run)) {
		run.Stages = slices.Clone(run.Stages)
		change(&run)
		f.ledger.put(run)
		stickies.RunChanged(run)
		must(t, stickies.Flush(t.Context()))
	}
	// Somebody writes the mark before us: it is not ours.
	_, err = f.github.As("ann").Comment(shop, f.pull, fmt.Sprintf("<!-- slipway: status of pull request %d -->\nhello", f.pull))
	must(t, err)
	change(func(*pipeline.Run) {})
	change(finishAll(pipeline.StatusSuccess))
	if got := f.replies(); len(got) != 1 || !strings.Contains(got[0], "✓ Passed: 3 passed") {
		t.Fatalf("%q", got)
	}
	stickies.Stop()
	f.ledger.stickies = map[int]pipeline.Sticky{} // the record is lost
	stickies = begin()
	must(t, stickies.Flush(t.Context()))
	if got := f.replies(); len(got) != 1 {
		t.Fatalf("%q", got)
	}
	_, err = f.github.As("ann").Merge(t.Context(), shop, f.pull, "merge")
	must(t, err)
	stickies.PullChanged(run.Trigger.Repository, f.pull)
	must(t, stickies.Flush(t.Context()))
	stickies.Stop()
	if got := f.replies(); len(got) != 1 || !strings.Contains(got[0], "### Merged") {
		t.Errorf("%q", got)
	}
}

var _ checks.StickyGitHub = (*githubclient.Pool)(nil)

// rest lets time pass until everybody waits, so that what they did can be read.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
