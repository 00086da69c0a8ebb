package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/display/displaytest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// message is one event as a browser receives it.
type message struct{ event, id, data string }

// listen opens an event stream; the channel ends with it.
func listen(t *testing.T, url, lastID string) (messages <-chan message, leave context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", answer.StatusCode)
	}
	out := make(chan message, 100)
	go func() {
		defer close(out)
		scanner := bufio.NewScanner(answer.Body)
		scanner.Buffer(nil, 16<<20)
		var m message
		for scanner.Scan() {
			name, value, _ := strings.Cut(scanner.Text(), ": ")
			switch name {
			case "event":
				m.event = value
			case "id":
				m.id = value
			case "data":
				m.data = value
			case "":
				if m.event != "" {
					out <- m
				}
				m = message{}
			}
		}
	}()
	return out, cancel
}

// next waits for a message of a kind, passing over the others.
func next(t *testing.T, messages <-chan message, event string) message {
	t.Helper()
	for m := range messages {
		if m.event == event {
			return m
		}
	}
	t.Fatalf("the stream ended without a message %q", event)
	return message{}
}

func liveServer(t *testing.T, s *server) string {
	t.Helper()
	web := httptest.NewServer(s.handler())
	t.Cleanup(web.Close)
	t.Cleanup(s.stream.Close)
	return web.URL + "/acme/inventory-manager/runs/12/events"
}

func stored(seq int64) pipeline.StoredLine {
	return pipeline.StoredLine{Seq: seq, LogLine: pipeline.LogLine{Step: "pytest", Text: fmt.Sprintf("line %d", seq)}}
}

func TestEventsBringStateAndLog(t *testing.T) {
	t.Parallel()
	run := displaytest.Running()
	store := newMemory(run)
	s := serverOf(t, store, nil)
	s.calm = time.Hour
	url := liveServer(t, s)
	stage := displaytest.Stage(&run, "docker-build-push")
	store.appendLog(stage.ID, stored(3), stored(5), stored(9))

	messages, _ := listen(t, fmt.Sprintf("%s?stage=%d&after=3:1", url, stage.ID), "")
	if m := next(t, messages, "log"); m.id != "9:3" || strings.Contains(m.data, "line 3<") || !strings.Contains(m.data, "L2") || !strings.Contains(m.data, "L3") {
		t.Errorf("first log message %+v", m)
	}
	var first state
	if err := json.Unmarshal([]byte(next(t, messages, "state").data), &first); err != nil || len(first.Parts) != 5 {
		t.Errorf("first state: %v, %d parts, want all five", err, len(first.Parts))
	}

	store.appendLog(stage.ID, stored(12))
	s.stream.LogAppended(stage.ID, nil)
	if m := next(t, messages, "log"); m.id != "12:4" {
		t.Errorf("after an appended line: %+v", m)
	}

	changed := displaytest.Running()
	displaytest.Stage(&changed, "docker-build-push").Progress = "pushing 3 tags"
	store.put(changed)
	s.stream.RunChanged(changed)
	var second state
	if err := json.Unmarshal([]byte(next(t, messages, "state").data), &second); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(second.Parts["panel"], "pushing 3 tags") || second.Parts["header"] != "" || second.Parts["timeline"] != "" {
		t.Errorf("a changed progress line sent %d parts", len(second.Parts))
	}

	ended := displaytest.Failed()
	stageRuns := ended.Stages
	stageRuns[0].ID = stage.ID // the page's stage is still there
	store.put(ended)
	s.stream.RunChanged(ended)
	next(t, messages, "end")
	if _, open := <-messages; open {
		t.Error("the stream goes on after the end")
	}
}

func TestEventsResumeWhereTheyStopped(t *testing.T) {
	t.Parallel()
	run := displaytest.Running()
	store := newMemory(run)
	s := serverOf(t, store, nil)
	url := liveServer(t, s)
	stage := displaytest.Stage(&run, "docker-build-push").ID
	for seq := range int64(3 * eventLines) {
		store.appendLog(stage, stored(2*seq+1))
	}
	messages, leave := listen(t, fmt.Sprintf("%s?stage=%d&after=0:0", url, stage), "")
	first := next(t, messages, "log")
	if first.id != fmt.Sprintf("%d:%d", 2*eventLines-1, eventLines) {
		t.Fatalf("first batch ends at %s", first.id)
	}
	leave()
	messages, _ = listen(t, fmt.Sprintf("%s?stage=%d&after=0:0", url, stage), first.id)
	if m := next(t, messages, "log"); !strings.Contains(m.data, fmt.Sprintf("line %d<", 2*eventLines+1)) || strings.Contains(m.data, "line 1<") {
		t.Errorf("resumed with %s", m.data[:100])
	}
}

func TestNothingIsKeptForThoseWhoLeft(t *testing.T) {
	t.Parallel()
	run := displaytest.Running()
	s := serverOf(t, newMemory(run), nil)
	url := liveServer(t, s)
	left := make(chan struct{})
	finished := http.NewServeMux()
	finished.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/x")
		s.handler().ServeHTTP(w, r)
	})
	web := httptest.NewServer(finished)
	t.Cleanup(web.Close)
	_, path, _ := strings.Cut(strings.SplitAfter(url, "//")[1], "/")
	messages, leave := listen(t, web.URL+"/x/"+path+"?stage=100&after=0:0", "")
	next(t, messages, "state")
	leave()
	<-left
	s.stream.mu.Lock()
	defer s.stream.mu.Unlock()
	if s.stream.watching != 0 || len(s.stream.byRun) != 0 || len(s.stream.byStage) != 0 {
		t.Errorf("%d watchers, %d runs, %d stages are kept", s.stream.watching, len(s.stream.byRun), len(s.stream.byStage))
	}
}

func TestANewAttemptReloadsThePage(t *testing.T) {
	t.Parallel()
	run := displaytest.Running()
	store := newMemory(run)
	s := serverOf(t, store, nil)
	url := liveServer(t, s)
	messages, _ := listen(t, url+"?stage=105&after=0:0", "")
	next(t, messages, "state")
	retried := displaytest.Running()
	old := displaytest.Stage(&retried, "docker-build-push")
	old.Superseded, old.Status = true, pipeline.StatusFailure
	again := *old
	again.ID, again.Superseded, again.Status, again.Attempt = 200, false, pipeline.StatusQueued, 2
	retried.Stages = append(retried.Stages, again)
	store.put(retried)
	s.stream.RunChanged(retried)
	var got state
	if err := json.Unmarshal([]byte(next(t, messages, "state").data), &got); err != nil || !got.Reload {
		t.Errorf("%v, %+v", err, got.Reload)
	}
}

func TestStreamNeverWaits(t *testing.T) {
	t.Parallel()
	stream := NewStream()
	for range maxWatchers {
		if _, ok := stream.watch(1, 2); !ok {
			t.Fatal("refused too early")
		}
	}
	if _, ok := stream.watch(1, 2); ok {
		t.Error("more pages than allowed")
	}
	for range 1000 { // nobody reads: a stream that waited would hang here
		stream.RunChanged(pipeline.Run{ID: 1})
		stream.LogAppended(2, nil)
	}
	stream.Close()
	stream.Close()
	if _, ok := stream.watch(1, 2); ok {
		t.Error("a closed stream takes pages")
	}
}

func TestCursorOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]cursor{
		"": {}, "5:3": {5, 3}, "5": {}, "-5:3": {}, "5:-3": {}, "x:y": {}, "99999999999999999999:1": {},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Last-Event-ID", text)
		if got := cursorOf(r); got != want {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}
