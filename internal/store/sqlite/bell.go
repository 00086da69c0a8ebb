package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/riverqueue/river/riverdriver"
)

// bell wakes River's workers the moment their jobs are committed. River's own driver polls a table for this; here the
// one that commits and those that wait live in the same process.
type bell struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
}

func newBell() *bell { return &bell{listeners: make(map[*listener]struct{})} }

func (b *bell) ring(queues map[string]struct{}) {
	if len(queues) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		l.ring(queues)
	}
}

// topicInsert is what River's producers listen to.
const topicInsert = "river_insert"

// listener implements riverdriver.Listener. A queue that is rung several times before it is heard is heard once.
type listener struct {
	bell *bell
	// rung holds a token while queues is not empty.
	rung chan struct{}

	mu        sync.Mutex
	connected bool
	queues    map[string]struct{}
}

var errNotConnected = errors.New("listener is not connected")

func (b *bell) listener() *listener {
	return &listener{bell: b, rung: make(chan struct{}, 1), queues: make(map[string]struct{})}
}

func (l *listener) ring(queues map[string]struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for q := range queues {
		l.queues[q] = struct{}{}
	}
	l.signal()
}

func (l *listener) signal() {
	select {
	case l.rung <- struct{}{}:
	default:
	}
}

func (l *listener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.rung:
		}
		queue, ok := l.next()
		if !ok {
			continue
		}
		payload, err := json.Marshal(struct {
			Queue string `json:"queue"`
		}{queue})
		if err != nil {
			return nil, err
		}
		return &riverdriver.Notification{Topic: topicInsert, Payload: string(payload)}, nil
	}
}

func (l *listener) next() (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for q := range l.queues {
		delete(l.queues, q)
		if len(l.queues) > 0 {
			l.signal()
		}
		return q, true
	}
	return "", false
}

func (l *listener) Connect(context.Context) error {
	l.setConnected(true)
	l.bell.mu.Lock()
	defer l.bell.mu.Unlock()
	l.bell.listeners[l] = struct{}{}
	return nil
}

func (l *listener) Close(context.Context) error {
	l.bell.mu.Lock()
	delete(l.bell.listeners, l)
	l.bell.mu.Unlock()
	l.setConnected(false)
	return nil
}

func (l *listener) setConnected(connected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connected = connected
}

func (l *listener) Ping(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.connected {
		return errNotConnected
	}
	return nil
}

// The topics need no register: of the others nothing is ever told.

func (l *listener) Listen(context.Context, string) error   { return nil }
func (l *listener) Unlisten(context.Context, string) error { return nil }
func (l *listener) Schema() string                         { return "" }
func (l *listener) SetAfterConnectExec(string)             {}
