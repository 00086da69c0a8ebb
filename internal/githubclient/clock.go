package githubclient

import "time"

// Clock is injected so that tests decide what time it is and when timers fire.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f in a goroutine of its own once d has passed; stop prevents that if it is not too late.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the current time.
func (SystemClock) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (SystemClock) AfterFunc(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

// sleep waits for d or for the end of done, and reports whether d has passed.
func sleep(clock Clock, done <-chan struct{}, d time.Duration) bool {
	fired := make(chan struct{})
	stop := clock.AfterFunc(d, func() { close(fired) })
	select {
	case <-fired:
		return true
	case <-done:
		stop()
		return false
	}
}
