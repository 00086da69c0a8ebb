package environment

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// turns lets one decision at a time be made on an environment.
type turns struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
	// patience is how long a decision waits for another one: whoever works jobs has others, and GitHub may take its time.
	patience time.Duration
}

// BusyError says that another decision on the environment is being made.
type BusyError struct {
	Environment string
	// After is when it is worth to call again.
	After time.Duration
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("another decision on %s is being made", e.Environment)
}

func (t *turns) take(ctx context.Context, repositoryID int64, environment string) (done func(), err error) {
	key := fmt.Sprintf("%d/%s", repositoryID, strings.ToLower(environment))
	late := time.NewTimer(t.patience)
	defer late.Stop()
	for {
		t.mu.Lock()
		wait, taken := t.busy[key]
		if !taken {
			mine := make(chan struct{})
			t.busy[key] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				delete(t.busy, key)
				t.mu.Unlock()
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-wait:
		case <-late.C:
			return nil, &BusyError{Environment: environment, After: time.Second}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
