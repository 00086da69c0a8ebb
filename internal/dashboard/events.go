package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of an event stream.
const (
	// writeLimit is how long a reader may take to accept a message; a slower one is dropped and comes back by itself,
	// telling with Last-Event-ID where it stopped.
	writeLimit = 10 * time.Second
	eventLines = 500
)

// cursor is the last log line a page has: its sequence in the store and its number on the page. It is the ID of events.
type cursor struct{ seq, number int64 }

func (c cursor) String() string { return fmt.Sprintf("%d:%d", c.seq, c.number) }

func cursorOf(r *http.Request) cursor {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	seq, number, _ := strings.Cut(text, ":")
	var c cursor
	var err error
	if c.seq, err = strconv.ParseInt(seq, 10, 64); err != nil || c.seq < 0 {
		return cursor{}
	}
	if c.number, err = strconv.ParseInt(number, 10, 64); err != nil || c.number < 0 {
		return cursor{}
	}
	return c
}

func (s *server) eventsURL(run pipeline.Run, stage pipeline.StageRun, log logView) string {
	values := url.Values{"stage": {strconv.FormatInt(stage.ID, 10)}}
	if stage.Superseded {
		values.Set("pinned", "1")
	}
	if log.Following {
		values.Set("after", cursor{log.Seq, log.Number}.String())
	}
	return s.links.run(run.Trigger.Repository, run.Number) + "/events?" + values.Encode()
}

// follower is one open event stream.
type follower struct {
	*server
	w      http.ResponseWriter
	r      *http.Request
	stage  int64
	log    bool // the page shows the log's end
	at     cursor
	seed   maphash.Seed
	shown  map[string]uint64 // hash of each part as the page has it
	number int64
}

// events streams what changes on a run's page: its parts as HTML, and new log lines.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	run, ok := s.load(w, r)
	if !ok {
		return
	}
	stage, ok := stageOf(run, r.URL.Query().Get("stage"))
	if !ok {
		s.missing(w, r, "No such stage", "The run has no such stage.")
		return
	}
	watcher, ok := s.stream.watch(run.ID, stage.ID)
	if !ok {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "Too many pages are open; this one is brought up to date when it is loaded again.", http.StatusServiceUnavailable)
		return
	}
	defer s.stream.leave(watcher)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the lines back
	f := &follower{
		server: s, w: w, r: r, stage: stage.ID, at: cursorOf(r), number: run.Number,
		log: r.URL.Query().Has("after"), seed: maphash.MakeSeed(), shown: map[string]uint64{},
	}
	if err := f.follow(r.Context(), watcher); err != nil && r.Context().Err() == nil {
		s.log.Debug().Err(err).Str("path", r.URL.Path).Msg("event stream ended")
	}
}

// follow sends what is new, waits for a wake-up, and so on until the run has ended.
func (f *follower) follow(ctx context.Context, watcher *watcher) error {
	calm := time.NewTicker(f.calm)
	defer calm.Stop()
	for {
		ended, err := f.update(ctx)
		if err != nil || ended {
			return err
		}
		if err := f.rest(ctx); err != nil {
			return err
		}
		select {
		case <-watcher.wake:
		case <-calm.C:
		case <-f.stream.done:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// rest keeps a page from being told more often than anybody can read.
func (f *follower) rest(ctx context.Context) error {
	if f.pace <= 0 {
		return nil
	}
	timer := time.NewTimer(f.pace)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// update brings the page up to date. The log comes before the state: a page that sees a stage end has all its lines.
func (f *follower) update(ctx context.Context) (ended bool, err error) {
	run, err := f.runs.RunByNumber(ctx, f.r.PathValue("owner"), f.r.PathValue("repo"), f.number)
	if err != nil {
		return false, fmt.Errorf("load run: %w", err)
	}
	if f.access.See(anew(f.r), run.Trigger.Repository) != Visible {
		return true, nil
	}
	stage, ok := stageOf(run, strconv.FormatInt(f.stage, 10))
	if !ok {
		return true, nil
	}
	if f.log {
		if err := f.sendLog(ctx, stage); err != nil {
			return false, err
		}
	}
	if err := f.sendState(run, stage); err != nil {
		return false, err
	}
	if !run.Status.Final() {
		return false, nil
	}
	return true, f.send("end", "", "{}")
}

func (f *follower) sendLog(ctx context.Context, stage pipeline.StageRun) error {
	for {
		lines, err := f.logs.Lines(ctx, stage.ID, f.at.seq, eventLines)
		if err != nil {
			return fmt.Errorf("read log: %w", err)
		}
		if len(lines) == 0 {
			return nil
		}
		html, err := f.pages.render("run", "lines", logLines(stage, lines, f.at.number+1))
		if err != nil {
			return err
		}
		f.at = cursor{lines[len(lines)-1].Seq, f.at.number + int64(len(lines))}
		data, err := compact(map[string]string{"html": string(html)})
		if err != nil {
			return err
		}
		if err := f.send("log", f.at.String(), data); err != nil {
			return err
		}
	}
}

// state is what a page replaces: parts by their name. Reload is set when the stage it shows has a newer attempt.
type state struct {
	Title  string            `json:"title"`
	Now    int64             `json:"now"`
	Parts  map[string]string `json:"parts,omitempty"`
	Reload bool              `json:"reload,omitempty"`
}

// sendState sends the parts of the page that differ from what it has.
func (f *follower) sendState(run pipeline.Run, stage pipeline.StageRun) error {
	v := f.runView(run, stage, f.clock.Now())
	message := state{Title: v.Title, Now: v.Now, Parts: map[string]string{}, Reload: stage.Superseded && f.followsNewest()}
	for name, data := range map[string]any{
		"header": v.Header, "graph": v.Graph, "timeline": v.Timeline, "stages": v.Stages, "panel": v.Panel,
	} {
		html, err := f.pages.render("run", name, data)
		if err != nil {
			return err
		}
		if hash := maphash.Bytes(f.seed, html); f.shown[name] != hash {
			f.shown[name] = hash
			message.Parts[name] = string(html)
		}
	}
	if len(message.Parts) == 0 && !message.Reload {
		return f.write([]byte(": still here\n\n"))
	}
	data, err := compact(message)
	if err != nil {
		return err
	}
	return f.send("state", "", data)
}

// compact is JSON on one line, without the escapes for use inside of HTML that would double its size.
func compact(value any) (string, error) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("encode event: %w", err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

// followsNewest is false on the page of an earlier attempt that somebody opened on purpose.
func (f *follower) followsNewest() bool { return f.r.URL.Query().Get("pinned") == "" }

func (f *follower) send(event, id, data string) error {
	var message bytes.Buffer
	if id != "" {
		fmt.Fprintf(&message, "id: %s\n", id)
	}
	fmt.Fprintf(&message, "event: %s\ndata: %s\n\n", event, data)
	return f.write(message.Bytes())
}

func (f *follower) write(message []byte) error {
	control := http.NewResponseController(f.w)
	if err := control.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("limit the time to write: %w", err)
	}
	if _, err := f.w.Write(message); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := control.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}
