package secret

import (
	"sync"
	"time"
)

const (
	// keepValue is how long a value is kept: a secret that was changed counts after at most that time.
	keepValue = 30 * time.Second
	// keepMissing is how long it is kept that there is none: whoever sets one and tries again must not wait.
	keepMissing = 5 * time.Second
	// maxKept bounds how many answers are kept. A secret of AWS has at most 64 KiB.
	maxKept = 256
)

// answer is a value, or why there is none.
type answer struct {
	value string
	err   error
}

type keptAnswer struct {
	answer
	until time.Time
}

// cache keeps answers for a short time. It is safe for concurrent use.
type cache struct {
	now func() time.Time

	mu   sync.Mutex
	kept map[string]keptAnswer
}

func newCache(now func() time.Time) *cache {
	return &cache{now: now, kept: make(map[string]keptAnswer)}
}

func (c *cache) get(id string) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[id]
	if !ok || !c.now().Before(k.until) {
		return answer{}, false
	}
	return k.answer, true
}

func (c *cache) put(id string, a answer) {
	keep := keepValue
	if a.err != nil {
		keep = keepMissing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if len(c.kept) >= maxKept {
		c.makeRoom(now)
	}
	c.kept[id] = keptAnswer{answer: a, until: now.Add(keep)}
}

// makeRoom drops what is no longer used, and where that is nothing, what would be dropped next.
func (c *cache) makeRoom(now time.Time) {
	var first string
	for id, k := range c.kept {
		if !now.Before(k.until) {
			delete(c.kept, id)
			continue
		}
		if first == "" || k.until.Before(c.kept[first].until) {
			first = id
		}
	}
	if len(c.kept) >= maxKept {
		delete(c.kept, first)
	}
}
