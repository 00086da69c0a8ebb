package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// A lock file is never removed: a process that opened it before the removal would lock a file nobody else sees.

// lock waits for the lock at path until ctx ends. The kernel frees it when the process dies.
func lock(ctx context.Context, path string) (*os.File, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- flock(f, syscall.LOCK_EX) }()
	select {
	case err := <-done:
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		return f, nil
	case <-ctx.Done():
		// flock cannot be interrupted: whoever waits for it closes the file when it is granted.
		go func() {
			_ = errors.Join(<-done, f.Close()) // nobody is left who could be told
		}()
		return nil, fmt.Errorf("wait for %s: %w", path, context.Cause(ctx))
	}
}

// tryLock returns nil where another process holds the lock.
func tryLock(path string) (*os.File, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, err
	}
	switch err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		return f, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, f.Close()
	default:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
}

func openLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600) //nolint:gosec // the path is ours
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
