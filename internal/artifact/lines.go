package artifact

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of one answer of Lines; whoever wants more asks again after the last line.
const (
	MaxLines     = 10_000
	maxLineBytes = 8 << 20
)

// Lines returns up to limit lines with a Seq above afterSeq, in order; limit 0 means MaxLines. An attempt without a log
// has none. Fewer lines than limit may come although there are more, when they are long.
func (s *Store) Lines(ctx context.Context, stageRunID, afterSeq int64, limit int) ([]pipeline.StoredLine, error) {
	if limit <= 0 || limit > MaxLines {
		limit = MaxLines
	}
	file, err := os.Open(s.logPath(stageRunID))
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	defer file.Close() //nolint:errcheck // opened for reading
	lines, err := readAfter(ctx, file, afterSeq, limit)
	if err != nil {
		return nil, fmt.Errorf("read log %s: %w", file.Name(), err)
	}
	return lines, nil
}

func readAfter(ctx context.Context, file *os.File, afterSeq int64, limit int) ([]pipeline.StoredLine, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	start, err := seek(file, info.Size(), afterSeq)
	if err != nil {
		return nil, err
	}
	reader := bufio.NewReader(io.NewSectionReader(file, start, info.Size()-start))
	var lines []pipeline.StoredLine
	for size := 0; len(lines) < limit && size < maxLineBytes; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		raw, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) { // without its newline a line is still being written
			break
		}
		if err != nil {
			return nil, err
		}
		var line pipeline.StoredLine
		if err := json.Unmarshal(raw, &line); err != nil {
			return nil, err
		}
		if line.Seq > afterSeq {
			lines = append(lines, line)
			size += len(raw)
		}
	}
	return lines, nil
}

// seek finds by halving an offset at which a line starts, not after the first one wanted and close to it: a page that
// follows a long log asks for its end every second.
func seek(file io.ReaderAt, size, afterSeq int64) (int64, error) {
	const near = 64 << 10
	low, high := int64(0), size
	for high-low > near {
		middle := low + (high-low)/2
		start, seq, err := lineAfter(file, middle, high)
		if err != nil {
			return 0, err
		}
		if start < 0 || seq > afterSeq {
			high = middle
		} else {
			low = start
		}
	}
	return low, nil
}

// lineAfter reads the first line that starts after an offset and ends before end; start is negative where none does.
func lineAfter(file io.ReaderAt, offset, end int64) (start, seq int64, err error) {
	reader := bufio.NewReader(io.NewSectionReader(file, offset, end-offset))
	skipped, err := reader.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return -1, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	raw, err := reader.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		return -1, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	var line struct {
		Seq int64 `json:"seq"`
	}
	if err := json.Unmarshal(bytes.TrimSpace(raw), &line); err != nil {
		return 0, 0, err
	}
	return offset + int64(len(skipped)), line.Seq, nil
}
