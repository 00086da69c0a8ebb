package githubclient

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of the waits that GitHub does not give a length for.
const (
	firstLimitWait = time.Minute
	maxLimitWait   = 16 * time.Minute
	firstFaultWait = time.Second
	maxFaultWait   = time.Minute
	// maxToldWait bounds what a header may ask for: the primary limit is reset within the hour.
	maxToldWait = time.Hour + time.Minute
)

// LimitedError says that GitHub refused a request for its rate; it was not carried out. The installation is held back until
// then by itself: whoever asks again waits.
type LimitedError struct {
	Installation int64
	Until        time.Time
}

func (e *LimitedError) Error() string {
	return fmt.Sprintf("GitHub limits the rate of installation %d until %s", e.Installation, e.Until.UTC().Format(time.RFC3339))
}

// limitKind says which of GitHub's limits an answer tells of.
type limitKind string

const (
	limitNone      limitKind = ""
	limitPrimary   limitKind = "primary"
	limitSecondary limitKind = "secondary"
	limitServer    limitKind = "server"
)

// judge recognises answers that ask for patience. The body stays readable.
func judge(resp *http.Response) limitKind {
	switch {
	case resp.StatusCode >= http.StatusInternalServerError:
		return limitServer
	case resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusTooManyRequests:
		return limitNone
	case resp.Header.Get("X-Ratelimit-Remaining") == "0" && resp.Header.Get("Retry-After") == "":
		return limitPrimary
	case resp.StatusCode == http.StatusTooManyRequests, resp.Header.Get("Retry-After") != "":
		return limitSecondary
	}
	message := strings.ToLower(string(peek(resp, 4<<10)))
	if strings.Contains(message, "secondary rate limit") || strings.Contains(message, "abuse detection") {
		return limitSecondary
	}
	return limitNone // a plain refusal: no permission
}

func peek(resp *http.Response, n int64) []byte {
	head, err := io.ReadAll(io.LimitReader(resp.Body, n))
	rest := io.Reader(resp.Body)
	if err != nil {
		rest = io.MultiReader(&failingReader{err})
	}
	resp.Body = &joinedBody{Reader: io.MultiReader(bytes.NewReader(head), rest), Closer: resp.Body}
	return head
}

type failingReader struct{ err error }

func (r *failingReader) Read([]byte) (int, error) { return 0, r.err }

type joinedBody struct {
	io.Reader
	io.Closer
}

// toldWait is how long the headers ask to wait. The time of a reset is compared with GitHub's clock, not ours.
func toldWait(header http.Header, now time.Time, kind limitKind) (time.Duration, bool) {
	if after := header.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil && seconds >= 0 {
			return clamp(time.Duration(seconds) * time.Second), true
		}
		if at, err := http.ParseTime(after); err == nil {
			return clamp(at.Sub(theirNow(header, now))), true
		}
	}
	if kind == limitPrimary {
		if reset, err := strconv.ParseInt(header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			return clamp(time.Unix(reset, 0).Sub(theirNow(header, now)) + time.Second), true
		}
	}
	return 0, false
}

func theirNow(header http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		return date
	}
	return now
}

func clamp(d time.Duration) time.Duration { return min(max(d, time.Second), maxToldWait) }

// observe learns from an answer: how long to hold back, or that all is well. It returns the end of the pause.
func (b *budget) observe(header http.Header, kind limitKind) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock.Now()
	wait, told := toldWait(header, now, kind)
	switch kind {
	case limitNone:
		b.strikes, b.faults = 0, 0
		if header.Get("X-Ratelimit-Remaining") == "0" {
			if wait, told = toldWait(header, now, limitPrimary); told {
				b.pausedUntil = later(b.pausedUntil, now.Add(wait))
			}
		}
		return time.Time{}
	case limitServer:
		if !told {
			wait = backoff(firstFaultWait, maxFaultWait, b.faults)
		}
		b.faults++
		b.writesPausedUntil = later(b.writesPausedUntil, now.Add(wait))
		return b.writesPausedUntil
	default:
		if !told {
			wait = backoff(firstLimitWait, maxLimitWait, b.strikes)
		}
		b.strikes++
		b.pausedUntil = later(b.pausedUntil, now.Add(wait))
		return b.pausedUntil
	}
}

func backoff(first, most time.Duration, times int) time.Duration {
	return min(first<<min(times, 16), most)
}
