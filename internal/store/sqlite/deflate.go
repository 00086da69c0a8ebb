package sqlite

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// worthDeflating is the size from which a payload is compressed: a payload of GitHub shrinks to a sixth, which is that
// much less to sync to the disk.
const worthDeflating = 2 << 10

// deflaters bounds how many payloads are compressed at a time: a compressor takes more memory than a payload.
type deflaters chan *flate.Writer

func newDeflaters(n int) deflaters {
	d := make(deflaters, n)
	for range n {
		d <- nil
	}
	return d
}

func (d deflaters) deflate(payload []byte) (stored []byte, deflated bool, err error) {
	if len(payload) < worthDeflating {
		return payload, false, nil
	}
	var out bytes.Buffer
	out.Grow(len(payload) / 4)
	w := <-d
	defer func() { d <- w }()
	if w == nil {
		if w, err = flate.NewWriter(&out, flate.BestSpeed); err != nil {
			return nil, false, fmt.Errorf("compress: %w", err)
		}
	} else {
		w.Reset(&out)
	}
	if _, err := w.Write(payload); err != nil {
		return nil, false, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, false, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), true, nil
}

func inflate(stored []byte, deflated bool, size int) ([]byte, error) {
	if !deflated || stored == nil {
		return stored, nil
	}
	payload := bytes.NewBuffer(make([]byte, 0, size))
	if _, err := payload.ReadFrom(io.LimitReader(flate.NewReader(bytes.NewReader(stored)), int64(size)+1)); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if payload.Len() != size {
		return nil, fmt.Errorf("decompress: %d bytes instead of %d", payload.Len(), size)
	}
	return payload.Bytes(), nil
}
