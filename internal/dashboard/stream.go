package dashboard

import (
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxWatchers bounds the open event streams of one server.
const maxWatchers = 1000

// Stream tells the pages that are open that something changed. It carries no content: a page that is woken reads what
// is new from the store, from where it stopped. So nothing is kept for pages that are slow or gone, nothing is lost
// between two reads, and telling costs the engine no more than a look into a map.
type Stream struct {
	mu       sync.Mutex
	byRun    map[int64]map[*watcher]struct{}
	byStage  map[int64]map[*watcher]struct{}
	watching int
	closed   bool
	done     chan struct{}
}

var _ pipeline.Observer = (*Stream)(nil)

// watcher is one open page. wake holds at most one signal: many changes are one reason to look.
type watcher struct {
	wake chan struct{}
	run  int64
	// stage is the attempt whose log is followed; 0: none.
	stage int64
}

// NewStream makes a stream without watchers.
func NewStream() *Stream {
	return &Stream{
		byRun: map[int64]map[*watcher]struct{}{}, byStage: map[int64]map[*watcher]struct{}{}, done: make(chan struct{}),
	}
}

// RunChanged wakes the pages that show the run.
func (s *Stream) RunChanged(run pipeline.Run) { s.wake(s.byRun, run.ID) }

// LogAppended wakes the pages that show the stage's log.
func (s *Stream) LogAppended(stageRunID int64, _ []pipeline.StoredLine) {
	s.wake(s.byStage, stageRunID)
}

// Close ends every open event stream, so that a server can shut down; browsers come back by themselves.
func (s *Stream) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
}

func (s *Stream) wake(watchers map[int64]map[*watcher]struct{}, id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range watchers[id] {
		select {
		case w.wake <- struct{}{}:
		default: // it has not yet looked at the last change
		}
	}
}

// watch registers a page; ok is false when there are too many or the stream is closed.
func (s *Stream) watch(runID, stageRunID int64) (w *watcher, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.watching >= maxWatchers {
		return nil, false
	}
	w = &watcher{wake: make(chan struct{}, 1), run: runID, stage: stageRunID}
	s.watching++
	add(s.byRun, runID, w)
	if stageRunID != 0 {
		add(s.byStage, stageRunID, w)
	}
	return w, true
}

func (s *Stream) leave(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watching--
	remove(s.byRun, w.run, w)
	remove(s.byStage, w.stage, w)
}

func add(watchers map[int64]map[*watcher]struct{}, id int64, w *watcher) {
	if watchers[id] == nil {
		watchers[id] = map[*watcher]struct{}{}
	}
	watchers[id][w] = struct{}{}
}

func remove(watchers map[int64]map[*watcher]struct{}, id int64, w *watcher) {
	delete(watchers[id], w)
	if len(watchers[id]) == 0 {
		delete(watchers, id)
	}
}
