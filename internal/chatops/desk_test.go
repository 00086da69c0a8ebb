package chatops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

type fixedClock struct{}

func (fixedClock) Now() time.Time { return noon }

// world is GitHub, the core and the memory of a desk. Every call can be the last one before the power goes: it is made, or
// not, and its answer is lost.
type world struct {
	mu      sync.Mutex
	pull    Pull
	runs    []pipeline.Run
	may     string
	kept    map[string]string
	signs   map[string]int
	replies []string
	asked   []string // of the core
	holds   bool
	inside  bool // its runs change an environment
	gate    *gate
	calls   int
	cut     int // the call that is cut off
	after   bool
}

var errCut = errors.New("the power is gone")

func (w *world) call(do func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.calls != w.cut {
		do()
		return nil
	}
	if w.after {
		do()
	}
	return errCut
}

func (w *world) Pull(context.Context, pipeline.Repository, int) (p Pull, err error) {
	return w.pull, w.call(func() {})
}

func (w *world) Permission(context.Context, pipeline.Repository, string) (string, error) {
	return w.may, nil // a failed look-up is a refusal, which is tested apart
}

func (w *world) BranchHead(context.Context, pipeline.Repository, string) (string, error) {
	return head, nil
}

func (w *world) Contains(context.Context, pipeline.Repository, string, string) (bool, error) {
	return w.holds, nil
}

func (w *world) RunOfStage(_ context.Context, id int64) (pipeline.Run, error) {
	for _, run := range w.runs {
		if run.Stage(id) != nil {
			return run, nil
		}
	}
	return pipeline.Run{}, pipeline.ErrNotFound
}

func (w *world) Submit(_ context.Context, t pipeline.Trigger) (run pipeline.Run, err error) {
	return pipeline.Run{ID: 70, Number: 70, Trigger: t, Entries: []pipeline.Entry{{Environment: t.Deploy.Environment}}}, w.call(func() {
		w.asked = append(w.asked, fmt.Sprintf("%s %s at %s by %s", t.Deploy.Action, t.Deploy.Environment, t.SHA[:7], t.Actor))
	})
}

func (w *world) React(_ context.Context, _ pipeline.Repository, _ int64, sign string) error {
	return w.call(func() { w.signs[sign] = 1 })
}

func (w *world) Reply(_ context.Context, _ pipeline.Repository, _ int, body string) error {
	return w.call(func() { w.replies = append(w.replies, body) })
}

func (w *world) Replied(_ context.Context, _ pipeline.Repository, _ int, _ time.Time, mark string) (found bool, err error) {
	err = w.call(func() { found = strings.Contains(strings.Join(w.replies, "\n"), mark) })
	return found, err
}

func (w *world) Runs(_ context.Context, f pipeline.RunFilter) (runs []pipeline.Run, err error) {
	err = w.call(func() {
		for _, run := range w.runs {
			if f.SHA != "" && f.SHA != run.Trigger.SHA || f.OpenOnly && run.Status.Final() {
				continue
			}
			runs = append(runs, run)
		}
	})
	return runs, err
}

func (w *world) Setting(_ context.Context, key string) (value string, err error) {
	found := false
	if err := w.call(func() { value, found = w.kept[key] }); err != nil {
		return "", err
	}
	if !found {
		return "", pipeline.ErrNotFound
	}
	return value, nil
}

func (w *world) SetSetting(_ context.Context, key, value string) error {
	return w.call(func() { w.kept[key] = value })
}

func (w *world) note(format string, args ...any) (pipeline.Run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprintf(format, args...))
	return pipeline.Run{}, nil
}

func (w *world) Release(_ context.Context, run int64, sha, by string) (pipeline.Run, error) {
	return w.note("release %d at %s by %s", run, sha, by)
}

func (w *world) Rerun(_ context.Context, repository, attempt int64, why string) (pipeline.Run, error) {
	if attempt == 404 {
		return pipeline.Run{}, pipeline.ErrNotFound
	}
	if w.inside {
		return pipeline.Run{}, fmt.Errorf("run #3: %w", pipeline.ErrUnderWay)
	}
	run, err := w.note("rerun %d of %d: %s", attempt, repository, why)
	w.runs[0].Stages[0].ID++ // the next look finds another attempt
	return run, err
}

func (w *world) Cancel(_ context.Context, run int64, why string) (pipeline.Run, error) {
	return w.note("cancel %d: %s", run, why)
}

func newWorld(may string) *world {
	return &world{
		gate: &gate{},
		pull: Pull{Open: true, Head: head}, may: may, kept: map[string]string{}, signs: map[string]int{},
		runs: []pipeline.Run{runOf(3, pipeline.StatusFailure, "a=failure")},
	}
}

func (w *world) desk() *Desk {
	return NewDesk(Options{GitHub: w, Runs: w, Service: w, Gate: w.gate, Environments: w.gate, Ledger: w.gate, Memory: w, PageURL: "https://ci.example.org/", Clock: fixedClock{}})
}

func comment(body string) Comment {
	return Comment{Repository: shop, PullRequest: 7, ID: 11, Author: "alice", Body: body, CreatedAt: noon}
}

func TestACommentIsCarriedOutOnce(t *testing.T) {
	w := newWorld("write")
	d := w.desk()
	for range 3 {
		if err := d.Take(t.Context(), comment("/retry\n/status\n/retry\n/ok-to-test\n/lgtm\nthanks")); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"rerun 300 of 5: alice"}, w.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"eyes": 1, "rocket": 1, "-1": 1}, w.signs); diff != "" {
		t.Error(diff)
	}
	if len(w.replies) != 1 || !strings.Contains(w.replies[0], "Run #3") || !strings.Contains(w.replies[0], "`/ok-to-test` is refused") {
		t.Errorf("replies %q", w.replies)
	}
}

func TestCommentsWithoutCommandsCostNothing(t *testing.T) {
	w := newWorld("write")
	for _, body := range []string{"", "thanks", "/lgtm\n/hold", "> /retry", "```\n/retry\n```"} {
		if err := w.desk().Take(t.Context(), comment(body)); err != nil {
			t.Fatal(err)
		}
	}
	if w.calls != 0 {
		t.Errorf("%d calls", w.calls)
	}
}

// Whatever call is the last one before the power goes, the next process ends with the same.
func TestACommentSurvivesAnyCrash(t *testing.T) {
	whole := newWorld("write")
	body := "/retry\n/status\n/cancel"
	if err := whole.desk().Take(t.Context(), comment(body)); err != nil {
		t.Fatal(err)
	}
	total := whole.calls
	for _, after := range []bool{false, true} {
		for cut := 1; cut <= total; cut++ {
			w := newWorld("write")
			w.cut, w.after = cut, after
			if err := w.desk().Take(t.Context(), comment(body)); !errors.Is(err, errCut) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if err := w.desk().Take(t.Context(), comment(body)); err != nil {
				t.Fatal(err)
			}
			if len(w.replies) != 1 || !maps.Equal(w.signs, whole.signs) {
				t.Errorf("cut at %d, after %v: replies %q, signs %v", cut, after, w.replies, w.signs)
			}
			for _, asked := range w.asked { // twice the same is one wish for the core, another attempt is not
				if asked != whole.asked[0] {
					t.Errorf("cut at %d, after %v: %q", cut, after, w.asked)
				}
			}
		}
	}
}

func TestTheHeadIsPinnedWhenTheCommentComes(t *testing.T) {
	w := newWorld("write")
	w.cut = 5 // after the record of the head
	if err := w.desk().Take(t.Context(), comment("/retry")); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	pushed := runOf(8, pipeline.StatusFailure, "a=failure")
	pushed.Trigger.SHA = strings.Repeat("b", 40)
	w.pull.Head, w.runs = pushed.Trigger.SHA, append(w.runs, pushed)
	if err := w.desk().Take(t.Context(), comment("/retry")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"rerun 300 of 5: alice"}, w.asked); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeDoneIsTold(t *testing.T) {
	w := newWorld("write")
	w.runs[0].Stages[0].ID = 404
	if err := w.desk().Take(t.Context(), comment("/retry")); err != nil {
		t.Fatal(err)
	}
	if w.signs["confused"] != 1 || len(w.replies) != 1 || !strings.Contains(w.replies[0], "no longer kept") {
		t.Errorf("%v %q", w.signs, w.replies)
	}
}

func TestNothingIsRunAgainInTheMidstOfAChange(t *testing.T) {
	w := newWorld("write")
	w.inside = true
	if err := w.desk().Take(t.Context(), comment("/retry a")); err != nil {
		t.Fatal(err)
	}
	if len(w.replies) != 1 || !strings.Contains(w.replies[0], underWay) || w.signs["confused"] == 0 {
		t.Errorf("%v %v", w.signs, w.replies)
	}
}

func TestOneCommentHoldsSoManyCommands(t *testing.T) {
	w := newWorld("read")
	var body strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&body, "/retry %d @all\n", i)
	}
	if err := w.desk().Take(t.Context(), comment(body.String())); err != nil {
		t.Fatal(err)
	}
	if len(w.replies) != 1 || len(w.replies[0]) > maxReply || strings.Contains(w.replies[0], "@all") ||
		strings.Count(w.replies[0], "is refused") != maxCommands+1 || len(w.asked) != 0 {
		t.Errorf("%d replies, %v asked: %s", len(w.replies), w.asked, w.replies[0])
	}
}

func TestRunsOfOtherEventsAreLeftAlone(t *testing.T) {
	w := newWorld("write")
	w.runs[0].Trigger.Event, w.runs[0].Status = pipeline.EventPush, pipeline.StatusRunning
	if err := w.desk().Take(t.Context(), comment("/cancel\n/retry a")); err != nil {
		t.Fatal(err)
	}
	if len(w.asked) != 0 || w.signs["-1"] != 1 {
		t.Errorf("%v %v", w.asked, w.signs)
	}
}

func TestTwoDeliveriesAtOnceAreOne(t *testing.T) {
	w := newWorld("write")
	d := w.desk()
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() {
			if err := d.Take(t.Context(), comment("/retry\n/help")); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if len(w.asked) != 1 || len(w.replies) != 1 {
		t.Errorf("%v, %d replies", w.asked, len(w.replies))
	}
}
