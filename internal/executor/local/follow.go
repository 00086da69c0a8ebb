package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Events implements pipeline.Executor.
func (e *Executor) Events(ctx context.Context, id string, yield func(pipeline.StageEvent) error) error {
	t, err := e.find(id)
	if err != nil {
		return err
	}
	t.starting.Lock() // until the runner that is just starting has begun
	p, err := t.process()
	t.starting.Unlock() // an empty section: it only waits
	if err != nil {
		return err
	}
	file, err := t.record(ctx, p)
	if err != nil {
		return fmt.Errorf("follow %s: %w", id, err)
	}
	defer file.Close() //nolint:errcheck // opened for reading
	changed, stop, err := e.hub.subscribe(file.Name())
	if err != nil {
		return fmt.Errorf("follow %s: %w", id, err)
	}
	defer stop()
	lines := &follower{reader: bufio.NewReaderSize(file, 64<<10)}
	for {
		ended := p.ended() // looked at before reading: what is there then is all there will be
		done, err := lines.drain(ctx, yield)
		if done || err != nil && !errors.Is(err, errCorrupt) {
			return err
		}
		if ended || err != nil {
			return e.lost(ctx, t, p, err)
		}
		select {
		case <-changed:
		case <-p.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// beginning is how often a runner that is about to begin is looked at. It is one that a bot launched and did not live to
// hear from, so that it has its secrets now or never.
const beginning = 10 * time.Millisecond

// record opens the events; pipeline.ErrNotFound when the runner ended before it had any: the task can be started again.
func (t *task) record(ctx context.Context, p *process) (*os.File, error) {
	look := time.NewTicker(beginning)
	defer look.Stop()
	for {
		ended := p.ended() // looked at before the file
		file, err := os.Open(t.path(runner.EventsFile))
		switch {
		case !errors.Is(err, os.ErrNotExist):
			return file, err
		case ended:
			return nil, fmt.Errorf("its runner never began: %w", pipeline.ErrNotFound)
		}
		select {
		case <-look.C:
		case <-p.gone:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

var errCorrupt = errors.New("its record is damaged")

// follower reads whole lines of a file that grows.
type follower struct {
	reader  *bufio.Reader
	partial []byte
	last    int64
}

// drain yields what is there. done: the verdict was among it.
func (f *follower) drain(ctx context.Context, yield func(pipeline.StageEvent) error) (done bool, err error) {
	for {
		piece, err := f.reader.ReadSlice('\n')
		f.partial = append(f.partial, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return false, nil // perhaps half a line: the rest may follow
		case err != nil:
			return false, fmt.Errorf("read events: %w", err)
		}
		event, err := f.parse()
		if err != nil {
			return false, err
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err := yield(event); err != nil {
			return false, err
		}
		if event.Type == pipeline.StageEventVerdict {
			return true, nil
		}
	}
}

func (f *follower) parse() (pipeline.StageEvent, error) {
	var event pipeline.StageEvent
	err := json.Unmarshal(f.partial, &event)
	f.partial = f.partial[:0]
	if err != nil {
		return event, fmt.Errorf("%w after event %d: %w", errCorrupt, f.last, err)
	}
	if f.last++; event.Seq != f.last {
		return event, fmt.Errorf("%w: event %d follows event %d", errCorrupt, event.Seq, f.last-1)
	}
	return event, nil
}

// hasVerdict reports whether the record is complete.
func (t *task) hasVerdict() bool {
	file, err := os.Open(t.path(runner.EventsFile))
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // opened for reading
	const enough = 1 << 20
	if info, err := file.Stat(); err == nil && info.Size() > enough {
		if _, err := file.Seek(-enough, io.SeekEnd); err != nil {
			return false
		}
	}
	end, err := io.ReadAll(file)
	if err != nil {
		return false
	}
	end = bytes.TrimSuffix(end, []byte("\n"))
	var event pipeline.StageEvent
	return json.Unmarshal(end[bytes.LastIndexByte(end, '\n')+1:], &event) == nil && event.Type == pipeline.StageEventVerdict
}
