package pipelinefile

import (
	"container/list"
	"crypto/sha256"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxCached bounds both halves of the cache; a content is at most 256 KiB and mostly a few.
const maxCached = 256

// contentKey is a file of one commit.
type contentKey struct{ repository, sha, path string }

// parsedKey is a content under the name problems call it by, which tells repository and organisation files apart.
type parsedKey struct {
	name string
	sum  [sha256.Size]byte
}

type parsed struct {
	definition pipeline.Definition
	err        error
}

// definitionCache remembers what never changes: the files of commits, and what contents parse to.
type definitionCache struct {
	mu       sync.Mutex
	contents *lru[contentKey, []byte]
	parsed   *lru[parsedKey, parsed]
}

func newDefinitionCache() *definitionCache {
	return &definitionCache{contents: newLRU[contentKey, []byte](maxCached), parsed: newLRU[parsedKey, parsed](maxCached)}
}

func (c *definitionCache) content(key contentKey) (data []byte, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.contents.get(key)
}

// keepContent ignores what is not named by a commit: a branch moves.
func (c *definitionCache) keepContent(key contentKey, data []byte) {
	if !isSHA(key.sha) || len(data) > maxBytes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.contents.put(key, data)
}

func isSHA(ref string) bool {
	if len(ref) != 40 && len(ref) != 64 {
		return false
	}
	for _, r := range ref {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// parse parses a content once.
func (c *definitionCache) parse(name string, data []byte, parse func(string, []byte) (pipeline.Definition, error)) (pipeline.Definition, error) {
	key := parsedKey{name, sha256.Sum256(data)}
	c.mu.Lock()
	known, ok := c.parsed.get(key)
	c.mu.Unlock()
	if ok {
		return known.definition, known.err
	}
	definition, err := parse(name, data)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parsed.put(key, parsed{definition, err})
	return definition, err
}

// lru keeps the entries used last.
type lru[K comparable, V any] struct {
	size    int
	entries map[K]*list.Element
	order   *list.List // of lruEntry, the last used first
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int) *lru[K, V] {
	return &lru[K, V]{size: size, entries: make(map[K]*list.Element), order: list.New()}
}

func (l *lru[K, V]) get(key K) (value V, ok bool) {
	element, ok := l.entries[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(element)
	entry, ok := element.Value.(lruEntry[K, V])
	return entry.value, ok
}

func (l *lru[K, V]) put(key K, value V) {
	if element, ok := l.entries[key]; ok {
		element.Value = lruEntry[K, V]{key, value}
		l.order.MoveToFront(element)
		return
	}
	l.entries[key] = l.order.PushFront(lruEntry[K, V]{key, value})
	for l.order.Len() > l.size {
		last := l.order.Back()
		if entry, ok := last.Value.(lruEntry[K, V]); ok {
			delete(l.entries, entry.key)
		}
		l.order.Remove(last)
	}
}
