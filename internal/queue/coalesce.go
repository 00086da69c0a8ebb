package queue

import (
	"errors"
	"sync"
)

// coalescer lets one worker at a time work a stage attempt. Another job of the same attempt that comes meanwhile ends
// at once, and the one at work starts over when it is done: after every wish for work there is a beginning of work. If
// the process dies in between, the job at work is released and begins again, which is the same.
type coalescer struct {
	mu sync.Mutex
	// again holds the attempts at work; true: once more.
	again map[int64]bool
}

func (c *coalescer) work(id int64, do func() error) error {
	if !c.begin(id) {
		return nil
	}
	for {
		err := do()
		if !c.end(id, err) {
			return err
		}
	}
}

func (c *coalescer) begin(id int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.again == nil {
		c.again = make(map[int64]bool)
	}
	if _, atWork := c.again[id]; atWork {
		c.again[id] = true
		return false
	}
	c.again[id] = false
	return true
}

// end reports whether to start over. After a failure the job itself comes again.
func (c *coalescer) end(id int64, err error) (again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var snooze *snoozeError
	if c.again[id] && (err == nil || errors.As(err, &snooze)) {
		c.again[id] = false
		return true
	}
	delete(c.again, id)
	return false
}
