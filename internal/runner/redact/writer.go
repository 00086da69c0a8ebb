package redact

import (
	"bytes"
	"io"
)

// Writer masks a stream of lines on its way to another writer. It holds back no more than could still be the beginning
// of a secret, and nothing after a line break, so that a line appears the moment it is complete. It is not safe for
// concurrent use.
type Writer struct {
	redactor *Redactor
	to       io.Writer
	held     []byte
	// covered is how many of the first held bytes belong to a secret whose mask is already written.
	covered int
	masked  []byte
}

// NewWriter masks what is written to it. Close writes what is held back.
func (r *Redactor) NewWriter(to io.Writer) *Writer { return &Writer{redactor: r, to: to} }

// Write implements io.Writer; p is not kept.
func (w *Writer) Write(p []byte) (int, error) {
	if w.redactor.Empty() {
		return w.to.Write(p)
	}
	w.held = append(w.held, p...)
	return len(p), w.flush(w.redactor.line.longest - 1)
}

// Close writes the rest.
func (w *Writer) Close() error {
	if w.redactor.Empty() {
		return nil
	}
	return w.flush(0)
}

// flush writes everything but the last keep bytes; what follows the last line break counts alone. Every secret that
// begins before the point up to which it writes is complete in what is held, for none is longer than keep+1.
func (w *Writer) flush(keep int) error {
	safe := max(bytes.LastIndexByte(w.held, '\n')+1, len(w.held)-max(keep, 0))
	if safe == 0 {
		return nil
	}
	spans := w.redactor.line.find(w.held, nil)
	w.masked = w.masked[:0]
	at, covered := min(w.covered, safe), max(w.covered-safe, 0)
	for _, s := range spans {
		if s.start >= safe {
			break
		}
		if s.start >= at {
			w.masked = append(w.masked, w.held[at:s.start]...)
			w.masked = append(w.masked, Mask...)
		}
		at, covered = max(at, min(s.end, safe)), max(covered, s.end-safe)
	}
	w.masked = append(w.masked, w.held[at:safe]...)
	w.covered = covered
	w.held = append(w.held[:0], w.held[safe:]...)
	_, err := w.to.Write(w.masked)
	return err
}
