package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"unicode/utf8"
)

// Bounds of one report file. Real reports of large projects stay well below them.
const (
	MaxBytes    = 64 << 20
	maxDepth    = 64
	maxCases    = 200_000
	maxFiles    = 50_000
	maxLines    = 5_000_000
	maxFailures = 1000
	maxSlowest  = 10
	maxText     = 32 << 10
	maxName     = 1000
)

// ErrTooLarge is returned for a report beyond MaxBytes.
var ErrTooLarge = fmt.Errorf("the report is larger than %d MiB", MaxBytes>>20)

// Open opens a report inside root without following links out of it. Anything but a regular file is refused: a pipe
// would make the reader wait for ever.
func Open(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err == nil && info.Size() > MaxBytes {
		err = fmt.Errorf("%s: %w", name, ErrTooLarge)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// bounded is an io.Reader that fails, instead of ending, once max bytes are exceeded: half a report is none.
type bounded struct {
	r    io.Reader
	left int64
}

func limit(r io.Reader) io.Reader { return &bounded{r: r, left: MaxBytes} }

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// clip shortens text to at most n bytes at a rune boundary and says so.
func clip(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + mark
}
