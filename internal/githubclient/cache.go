package githubclient

import (
	"bytes"
	"container/list"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// Bounds of the cache of answers, over all installations.
const (
	cacheBytes      = 8 << 20
	cacheEntryBytes = 1 << 20
)

// caching says how an answer may be remembered; zero: GitHub is asked each time whether it still holds.
type caching int

const (
	// cacheImmutable never asks again: the answer is about an object named by its hash.
	cacheImmutable caching = iota + 1
	// cacheNever neither reads nor writes the cache: permissions.
	cacheNever
)

func withCaching(ctx context.Context, c caching) context.Context {
	return context.WithValue(ctx, cachingKey, c)
}

func cachingOf(ctx context.Context) caching {
	c, _ := ctx.Value(cachingKey).(caching)
	return c
}

// answers remembers successful answers to reads, the least recently used leaving first.
type answers struct {
	mu    sync.Mutex
	size  int
	order *list.List // of *answer, newest first
	byKey map[string]*list.Element
}

type answer struct {
	key    string
	header http.Header
	body   []byte
}

func (a *answer) bytes() int { return len(a.key) + len(a.body) + 1024 }

func newAnswers() *answers { return &answers{order: list.New(), byKey: map[string]*list.Element{}} }

func answerKey(installation int64, req *http.Request) string {
	return strconv.FormatInt(installation, 10) + " " + req.Header.Get("Accept") + " " + req.URL.String()
}

func (c *answers) get(key string) (*answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	found, ok := e.Value.(*answer)
	return found, ok
}

func (c *answers) put(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[a.key]; ok {
		c.drop(e)
	}
	c.byKey[a.key] = c.order.PushFront(a)
	c.size += a.bytes()
	for c.size > cacheBytes {
		c.drop(c.order.Back())
	}
}

func (c *answers) drop(e *list.Element) {
	if a, ok := c.order.Remove(e).(*answer); ok {
		delete(c.byKey, a.key)
		c.size -= a.bytes()
	}
}

// response makes a new response of a remembered answer; news are the headers of the answer that confirmed it.
func (a *answer) response(req *http.Request, news http.Header) *http.Response {
	header := a.header.Clone()
	for name, values := range news {
		if name != "Content-Type" && name != "Content-Length" && name != "Link" {
			header[name] = values
		}
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}
}

// cachingTransport makes reads conditional: an answer that has not changed costs none of the primary limit.
type cachingTransport struct {
	installation int64
	answers      *answers
	next         http.RoundTripper
}

func (t *cachingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	mode := cachingOf(req.Context())
	if req.Method != http.MethodGet || mode == cacheNever {
		return t.next.RoundTrip(req)
	}
	key := answerKey(t.installation, req)
	known, ok := t.answers.get(key)
	if ok && known.header.Get("Etag") != "" {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", known.header.Get("Etag"))
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if ok && resp.StatusCode == http.StatusNotModified {
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		return known.response(req, resp.Header), nil
	}
	if resp.StatusCode == http.StatusOK && (resp.Header.Get("Etag") != "" || mode == cacheImmutable) {
		return t.remember(key, resp)
	}
	return resp, nil
}

func (t *cachingTransport) remember(key string, resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, cacheEntryBytes+1))
	if err != nil || len(body) > cacheEntryBytes {
		rest := io.Reader(resp.Body)
		if err != nil {
			rest = &failingReader{err}
		}
		resp.Body = &joinedBody{Reader: io.MultiReader(bytes.NewReader(body), rest), Closer: resp.Body}
		return resp, nil
	}
	if err := resp.Body.Close(); err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, name := range []string{"Content-Type", "Etag", "Link"} {
		if v := resp.Header.Values(name); len(v) > 0 {
			header[name] = v
		}
	}
	t.answers.put(&answer{key: key, header: header, body: body})
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
