package dashboard

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

var pictures = flag.String("pictures", "", "folder to keep pictures of the pages in") // a switch of the tests

// browser starts Chromium; without one the test is skipped on a developer's machine and fails in CI. What it writes to its
// console fails the test, but for what is expected.
func browser(t *testing.T, expected ...string) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Chromium: apt-get install chromium")
		}
		t.Skip("no Chromium: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-quic", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	do(t, ctx, chromedp.Navigate("about:blank")) // the browser lives as long as the context of its first call
	complain(t, ctx, expected)
	ctx, over := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(over)
	return ctx
}

// complain fails the test for whatever the browser writes to its console: errors of the script, violations of the CSP.
func complain(t *testing.T, ctx context.Context, expected []string) { //nolint:revive // the test comes first, as everywhere in tests
	t.Helper()
	var mu sync.Mutex
	var said []string
	err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			said = append(said, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			said = append(said, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			said = append(said, string(e.Type))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, text := range said {
			if slices.ContainsFunc(expected, func(part string) bool { return strings.Contains(text, part) }) {
				continue
			}
			t.Errorf("the browser complains: %s", text)
		}
	})
}

func served(t *testing.T, s *server) string {
	t.Helper()
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	t.Cleanup(s.stream.Close)
	return web.URL
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) { //nolint:revive // as above
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func ask[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T { //nolint:revive // as above
	t.Helper()
	answer, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// picture looks at a page as a visitor would and checks that nothing sticks out to the right.
func picture(t *testing.T, ctx context.Context, name, url string, width int64, dark bool) { //nolint:revive // as above
	t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS("main")))
	keep(t, ctx, name)
}

// keep is the picture of the page that is open.
func keep(t *testing.T, ctx context.Context, name string) { //nolint:revive // as above
	t.Helper()
	overflow := ask(t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	image := ask(t, ctx, chromedp.FullScreenshot(100))
	if overflow > 0 {
		t.Errorf("%s is %d px wider than the window", name, overflow)
	}
	if *pictures == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), image, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPagesInABrowser(t *testing.T) {
	ctx := browser(t)
	running, failed, passed := displaytest.Running(), displaytest.Failed(), displaytest.Passed()
	running.Number, running.ID = 14, 44
	long := displaytest.Hostile()
	long.ID, long.Number = 45, 15
	store := newMemory(running, failed, passed, long)
	withLogs(withLogs(withLogs(store, running), failed), passed)
	url := served(t, serverOf(t, store, nil))
	run := url + "/acme/inventory-manager/runs/"
	for _, look := range []struct {
		suffix string
		width  int64
		dark   bool
	}{{"light", 1280, false}, {"dark", 1280, true}, {"phone", 390, false}, {"phone-dark", 390, true}} {
		picture(t, ctx, "list-"+look.suffix, url+"/", look.width, look.dark)
		picture(t, ctx, "failed-"+look.suffix, run+"12", look.width, look.dark)
		picture(t, ctx, "passed-"+look.suffix, run+"13", look.width, look.dark)
		picture(t, ctx, "running-"+look.suffix, run+"14", look.width, look.dark)
		picture(t, ctx, "hostile-"+look.suffix, run+"15", look.width, look.dark)
		picture(t, ctx, "empty-"+look.suffix, url+"/?branch=none", look.width, look.dark)
	}
}

func TestAPageFollowsItsRun(t *testing.T) {
	ctx := browser(t)
	run := displaytest.Running()
	store := newMemory(run)
	s := serverOf(t, store, nil)
	stage := displaytest.Stage(&run, "docker-build-push")
	store.appendLog(stage.ID, displaytest.Log(stage.ID)[:3]...)
	url := served(t, s) + "/acme/inventory-manager/runs/12"

	do(t, ctx, chromedp.Navigate(url+"#stage-docker-build-push"), chromedp.WaitVisible(chromedp.CSS(`#L3`)))

	more := displaytest.Log(stage.ID)[3:12]
	store.appendLog(stage.ID, more...)
	s.stream.LogAppended(stage.ID, more)
	do(t, ctx, chromedp.WaitVisible(chromedp.CSS(`#L12`)))
	lines := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".line").length`))
	heads := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll(".log .step").length`))
	if lines != 12 || heads != 4 {
		t.Errorf("%d lines and %d steps, want 12 and 4", lines, heads)
	}

	end := displaytest.Passed()
	end.ID, end.Number = run.ID, run.Number
	store.put(end)
	s.stream.RunChanged(end)
	do(t, ctx, chromedp.WaitVisible(chromedp.CSS(`.head.good`)), chromedp.WaitVisible(chromedp.CSS(`tr#stage-docker-build-push .face.good`)))
}

func TestEarlierLinesAreLoaded(t *testing.T) {
	ctx := browser(t)
	run := displaytest.Failed()
	stage := displaytest.Stage(&run, "build-and-test")
	store := newMemory(run)
	for i := range 2500 {
		store.appendLog(stage.ID, pipeline.StoredLine{Seq: int64(2*i + 1), LogLine: pipeline.LogLine{Step: "pytest", Text: fmt.Sprintf("line %d", i+1)}})
	}
	url := served(t, serverOf(t, store, nil)) + "/acme/inventory-manager/runs/12"
	do(t, ctx, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`#L2500`)),
		chromedp.Click(chromedp.CSS(`[data-earlier]`)), chromedp.WaitReady(chromedp.CSS(`#L501`)),
		chromedp.Click(chromedp.CSS(`[data-earlier]`)), chromedp.WaitReady(chromedp.CSS(`#L1`)))
	text := ask(t, ctx, chromedp.Text(chromedp.CSS(`[data-lines]`)))
	if n := strings.Count(text, "line "); n != 2500 {
		t.Errorf("%d lines on the page, want 2500", n)
	}
}
