package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxOpenLogs bounds the files held open for appending; a log not among them is opened again.
const maxOpenLogs = 64

// logFile is a log that is being written.
type logFile struct {
	path string
	// used and users belong to the store's lock.
	used  int64
	users int

	mu   sync.Mutex
	file *os.File // nil until the first append
	last int64    // Seq of the last line kept
	size int64
}

// Append keeps lines whose Seq is above that of the last one kept. They are readable when it returns: what it is given
// is written at once, in one piece.
func (s *Store) Append(ctx context.Context, stageRunID int64, lines []pipeline.StoredLine) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	log := s.useLog(stageRunID)
	if err := errors.Join(log.append(lines), s.leaveLog(log)); err != nil {
		return fmt.Errorf("keep log: %w", explain(s.dir, err))
	}
	return nil
}

func (s *Store) useLog(stageRunID int64) *logFile {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, ok := s.logs[stageRunID]
	if !ok {
		log = &logFile{path: s.logPath(stageRunID)}
		s.logs[stageRunID] = log
	}
	s.clock++
	log.used = s.clock
	log.users++
	return log
}

// leaveLog closes what is too much, here and not when a log is opened: of many that are written at once none is idle then.
func (s *Store) leaveLog(log *logFile) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log.users--
	return s.closeIdle()
}

// closeIdle closes the logs that were not used for longest while there are too many. The store's lock is held.
func (s *Store) closeIdle() error {
	var errs []error
	for len(s.logs) > maxOpenLogs {
		oldest, found := int64(0), false
		for id, log := range s.logs {
			if log.users == 0 && (!found || log.used < s.logs[oldest].used) {
				oldest, found = id, true
			}
		}
		if !found {
			break
		}
		log := s.logs[oldest]
		delete(s.logs, oldest)
		errs = append(errs, log.close())
	}
	return errors.Join(errs...)
}

// forgetLog closes a log that is about to be removed.
func (s *Store) forgetLog(stageRunID int64) error {
	s.mu.Lock()
	log := s.logs[stageRunID]
	delete(s.logs, stageRunID)
	s.mu.Unlock()
	if log == nil {
		return nil
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	return log.close()
}

func (l *logFile) close() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (l *logFile) append(lines []pipeline.StoredLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	last := l.last
	for _, line := range lines {
		if line.Seq <= last {
			continue
		}
		if err := encoder.Encode(line); err != nil {
			return err
		}
		last = line.Seq
	}
	n, err := l.file.Write(buffer.Bytes())
	if err != nil {
		// Half a line would join with the next one: take back what was written.
		return errors.Join(err, l.file.Truncate(l.size))
	}
	l.last, l.size = last, l.size+int64(n)
	return nil
}

// open finds where the log ends. A process that was killed while it wrote may have left half a line: it is cut off, and
// comes again with the replay.
func (l *logFile) open() (err error) {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(l.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	last, end, err := lastLine(file)
	if err != nil {
		return err
	}
	if err := file.Truncate(end); err != nil {
		return err
	}
	l.file, l.last, l.size = file, last, end
	return nil
}

// lastLine returns the Seq of the last whole line and where it ends.
func lastLine(file *os.File) (seq, end int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	end, err = lastNewline(file, info.Size())
	if err != nil || end == 0 {
		return 0, 0, err
	}
	start, err := lastNewline(file, end-1)
	if err != nil {
		return 0, 0, err
	}
	line := make([]byte, end-start)
	if _, err := file.ReadAt(line, start); err != nil {
		return 0, 0, err
	}
	var stored pipeline.StoredLine
	if err := json.Unmarshal(line, &stored); err != nil {
		return 0, 0, fmt.Errorf("the log %s is damaged at byte %d: %w", file.Name(), start, err)
	}
	return stored.Seq, end, nil
}

// lastNewline returns the offset after the last newline in the first size bytes; 0 without one.
func lastNewline(file io.ReaderAt, size int64) (int64, error) {
	const step = 64 << 10
	buffer := make([]byte, step)
	for to := size; to > 0; {
		from := max(0, to-step)
		part := buffer[:to-from]
		if _, err := file.ReadAt(part, from); err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(part, '\n'); at >= 0 {
			return from + int64(at) + 1, nil
		}
		to = from
	}
	return 0, nil
}

// isMissing: an attempt that has said nothing has no file.
func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
