package local

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// hub tells followers that their file has grown: one inotify instance for all, since a user has few of them.
type hub struct {
	watcher *fsnotify.Watcher
	logger  zerolog.Logger
	done    chan struct{}

	mu        sync.Mutex
	followers map[string]map[chan struct{}]struct{}
}

func newHub(logger zerolog.Logger) (*hub, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w (raise the sysctl fs.inotify.max_user_instances)", err)
	}
	h := &hub{watcher: watcher, logger: logger, done: make(chan struct{}), followers: map[string]map[chan struct{}]struct{}{}}
	go h.run()
	return h, nil
}

func (h *hub) run() {
	defer close(h.done)
	for {
		select {
		case event, open := <-h.watcher.Events:
			if !open {
				return
			}
			h.wake(event.Name)
		case err, open := <-h.watcher.Errors:
			if !open {
				return
			}
			// Mostly an overflow of the queue: whoever missed something is among all.
			h.logger.Debug().Err(err).Msg("watching files")
			h.wakeAll()
		}
	}
}

func (h *hub) wake(file string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for follower := range h.followers[file] {
		nudge(follower)
	}
}

func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, followers := range h.followers {
		for follower := range followers {
			nudge(follower)
		}
	}
}

// nudge never blocks: a follower that has not looked since the last one will see everything when it does.
func nudge(follower chan struct{}) {
	select {
	case follower <- struct{}{}:
	default:
	}
}

// subscribe returns a channel that is sent to after every change of the file from now on.
func (h *hub) subscribe(file string) (changed <-chan struct{}, stop func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.followers[file]) == 0 {
		if err := h.watcher.Add(file); err != nil {
			return nil, nil, fmt.Errorf("watch %s: %w (raise the sysctl fs.inotify.max_user_watches)", file, err)
		}
		h.followers[file] = map[chan struct{}]struct{}{}
	}
	follower := make(chan struct{}, 1)
	h.followers[file][follower] = struct{}{}
	return follower, func() { h.unsubscribe(file, follower) }, nil
}

func (h *hub) unsubscribe(file string, follower chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers[file], follower)
	if len(h.followers[file]) > 0 {
		return
	}
	delete(h.followers, file)
	err := h.watcher.Remove(file)
	if err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) && !errors.Is(err, fsnotify.ErrClosed) {
		h.logger.Debug().Err(err).Msg("unwatch a file")
	}
}

func (h *hub) close() error {
	err := h.watcher.Close()
	<-h.done
	return err
}
