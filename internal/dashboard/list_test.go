package dashboard

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// manyRuns is a store of runs numbered from 1, every tenth failed, in two repositories by turns.
func manyRuns(n int) *memory {
	store := newMemory()
	other := displaytest.Repository()
	other.ID, other.Name = 8, "website"
	store.repositories = []pipeline.Repository{displaytest.Repository(), other}
	for i := 1; i <= n; i++ {
		run := displaytest.Passed()
		run.ID, run.Number = int64(i), int64(i)
		if i%10 == 0 {
			run.Status = pipeline.StatusFailure
		}
		if i%2 == 0 {
			run.Trigger.Repository = other
		}
		store.runs = append(store.runs, run)
	}
	slices.Reverse(store.runs)
	return store
}

// walk follows "Older" to the end and returns the numbers of the runs in the order they came.
func walk(t *testing.T, handler http.Handler, path string) []string {
	t.Helper()
	var numbers []string
	for range 100 {
		page := get(t, handler, path).Body.String()
		for _, m := range regexp.MustCompile(`class="title" href="[^"]*/runs/(\d+)"`).FindAllStringSubmatch(page, -1) {
			numbers = append(numbers, m[1])
		}
		older := regexp.MustCompile(`href="([^"]*)" rel="next"`).FindStringSubmatch(page)
		if older == nil {
			return numbers
		}
		path = strings.ReplaceAll(older[1], "&amp;", "&")
	}
	t.Fatal("the pages never end")
	return nil
}

func TestListPagesHoldEveryRunOnce(t *testing.T) {
	t.Parallel()
	handler := serverOf(t, manyRuns(1000), nil).handler()
	for path, want := range map[string]int{
		"/": 1000, "/?status=failure": 100, "/?repo=acme%2Fwebsite": 500, "/acme/website?status=failure": 100,
		"/acme/inventory-manager?status=failure": 0, "/?status=open": 0, "/?before=31": 30, "/?before=nonsense": 1000,
	} {
		numbers := walk(t, handler, path)
		if !slices.IsSortedFunc(numbers, func(a, b string) int { return len(b) - len(a) }) || len(slices.Compact(slices.Clone(numbers))) != want {
			t.Errorf("%s: %d runs, want %d", path, len(numbers), want)
		}
	}
}

func TestARareResultIsOnTheFirstPage(t *testing.T) {
	t.Parallel()
	store := manyRuns(1000)
	store.runs[len(store.runs)-1].Status = pipeline.StatusCancelled
	handler := serverOf(t, store, nil).handler()
	page := get(t, handler, "/?status=cancelled").Body.String()
	if !strings.Contains(page, `/runs/1"`) || strings.Contains(page, `rel="next"`) {
		t.Error("the only cancelled run is not on the first page")
	}
	if numbers := walk(t, handler, "/?status=frobnicated"); len(numbers) != 0 {
		t.Errorf("runs of no status: %v", numbers)
	}
}

// onlyWebsite may see one of the two repositories.
type onlyWebsite struct{ everyone }

func (onlyWebsite) See(_ *http.Request, r pipeline.Repository) Decision {
	if r.Name == "website" {
		return Visible
	}
	return Hidden
}

func TestListsLeaveOutWhatMayNotBeSeen(t *testing.T) {
	t.Parallel()
	handler := serverOf(t, manyRuns(200), func(d *Deps) { d.Access = onlyWebsite{} }).handler()
	if n := len(walk(t, handler, "/")); n != 100 {
		t.Errorf("%d runs, want the 100 that may be seen", n)
	}
	if page := get(t, handler, "/").Body.String(); strings.Contains(page, "inventory") {
		t.Error("the filter names a repository that may not be seen")
	}
}

func TestBasePath(t *testing.T) {
	t.Parallel()
	run := displaytest.Running()
	store := withLogs(newMemory(run), run)
	handler := serverOf(t, store, func(d *Deps) { d.BasePath = "/tools/slipway/" }).handler()
	for _, path := range []string{"/", "/acme/inventory-manager", "/acme/inventory-manager/runs/12"} {
		for _, prefix := range []string{"", "/tools/slipway"} {
			answer := get(t, handler, prefix+path)
			if answer.Code != http.StatusOK {
				t.Fatalf("%s: %d", prefix+path, answer.Code)
			}
			for _, m := range regexp.MustCompile(`(?:href|src|action|data-events)="(/[^"]*)"`).FindAllStringSubmatch(answer.Body.String(), -1) {
				if !strings.HasPrefix(m[1], "/tools/slipway/") {
					t.Errorf("%s links to %s", path, m[1])
				}
			}
		}
	}
	if answer := get(t, handler, "/tools/slipway"); answer.Code != http.StatusMovedPermanently {
		t.Errorf("the base path itself answers %d", answer.Code)
	}
	if got, want := StageURL("https://ci.example.com/tools/slipway/", run, "test (3.12, slim)"), "https://ci.example.com/tools/slipway/acme/inventory-manager/runs/12?stage=test+%283.12%2C+slim%29"; got != want {
		t.Errorf("stage at %s, want %s", got, want)
	}
}

func TestTroubleIsToldWithoutDetails(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := newMemory(run)
	store.broken = fmt.Errorf("sql: password=hunter2")
	handler := serverOf(t, store, nil).handler()
	for _, path := range []string{"/", "/acme/inventory-manager", "/acme/inventory-manager/runs/12"} {
		if answer := get(t, handler, path); answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "hunter2") {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}

func TestLogWindows(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := newMemory(run)
	store.short = 999
	for i := range 100_000 {
		store.logs[100] = append(store.logs[100], pipeline.StoredLine{Seq: int64(3*i + 1), LogLine: pipeline.LogLine{Text: "x"}})
	}
	handler := serverOf(t, store, nil).handler()
	for query, want := range map[string]struct{ first, last, more string }{
		"":              {"L99001", "L100000", "from=98001"},
		"&from=1":       {"L1", "L1000", "from=1001"},
		"&from=50000":   {"L50000", "L50999", "from=51000"},
		"&line=60000":   {"L59500", "L60499", "line marked\" id=\"L60000\""},
		"&line=100000":  {"L99500", "L100000", "from=98500"},
		"&from=-5":      {"L99001", "L100000", "Load earlier"},
		"&from=9000000": {"", "", "no such line"},
	} {
		page := get(t, handler, "/acme/inventory-manager/runs/12?stage=build-and-test"+query).Body.String()
		ids := regexp.MustCompile(`id="(L\d+)"`).FindAllStringSubmatch(page, -1)
		first, last := "", ""
		if len(ids) > 0 {
			first, last = ids[0][1], ids[len(ids)-1][1]
		}
		if first != want.first || last != want.last || !strings.Contains(page, want.more) {
			t.Errorf("%q shows %s to %s, want %s to %s and %s", query, first, last, want.first, want.last, want.more)
		}
	}
}

func TestAWindowIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	run := displaytest.Failed()
	store := newMemory(run)
	for i := range 3000 {
		store.logs[100] = append(store.logs[100], pipeline.StoredLine{Seq: int64(i + 1), LogLine: pipeline.LogLine{Text: strings.Repeat("x", 16<<10)}})
	}
	s := serverOf(t, store, nil)
	for _, want := range []window{{}, {from: 5}} {
		e, err := s.read(t.Context(), 100, want)
		if err != nil || len(e.lines) > windowBytes/(16<<10)+1 || len(e.lines) < 100 {
			t.Errorf("%+v: %d lines, %v", want, len(e.lines), err)
		}
		if want.from == 0 && e.first+int64(len(e.lines)) != 3001 {
			t.Errorf("the end of the log is not the end: %d + %d", e.first, len(e.lines))
		}
	}
}
