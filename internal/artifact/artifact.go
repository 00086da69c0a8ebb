package artifact

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const indexName = "index.jsonl"

// maxName bounds the name of an artifact, in bytes.
const maxName = 1024

// Keep moves the file at artifact.Path here. A replay after a crash, when the file is already here, changes nothing.
func (s *Store) Keep(ctx context.Context, stageRunID int64, artifact pipeline.Artifact) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !validName(artifact.Name) {
		return fmt.Errorf("keep artifact: %q is no name for one: a relative path of printable characters, at most %d bytes", artifact.Name, maxName)
	}
	if err := s.keep(stageRunID, artifact); err != nil {
		return fmt.Errorf("keep artifact %s: %w", artifact.Name, explain(s.dir, err))
	}
	return nil
}

func (s *Store) keep(stageRunID int64, artifact pipeline.Artifact) error {
	dir := s.artifactDir(stageRunID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	target := filepath.Join(dir, fileName(artifact.Name))
	if err := move(artifact.Path, target); err != nil {
		return err
	}
	info, err := os.Lstat(target)
	if err != nil {
		return err
	}
	s.mu.Lock() // one writer of an index at a time
	defer s.mu.Unlock()
	known, err := readIndex(dir)
	if err != nil {
		return err
	}
	entry := pipeline.Artifact{Name: artifact.Name, Bytes: info.Size()}
	if slices.Contains(known, entry) {
		return nil
	}
	return appendIndex(dir, entry)
}

// validName keeps out what a page, a download or a terminal could be fooled with. No file is ever named by it.
func validName(name string) bool {
	return len(name) <= maxName && name != "." && fs.ValidPath(name) && utf8.ValidString(name) &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

func fileName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:20])
}

// move takes over an ordinary file. Where the source is gone and the target is there, an earlier attempt did it.
func move(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		if _, here := os.Lstat(to); here == nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no ordinary file")
	}
	err = os.Rename(from, to)
	if errors.Is(err, syscall.EXDEV) {
		err = copyThenRemove(from, to)
	}
	return err
}

// copyThenRemove moves to another disk: under a name of its own until it is whole.
func copyThenRemove(from, to string) (err error) {
	in, err := os.OpenFile(from, os.O_RDONLY|syscall.O_NOFOLLOW, 0) //nolint:gosec // where our runner left it
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // opened for reading
	out, err := os.CreateTemp(filepath.Dir(to), "incoming-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), to); err != nil {
		return err
	}
	return os.Remove(from)
}

func appendIndex(dir string, entry pipeline.Artifact) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, indexName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600) //nolint:gosec // the path is ours
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	// A line cut short by a crash is closed first; readers pass over it.
	if info.Size() > 0 {
		end, err := lastNewline(file, info.Size())
		if err != nil {
			return errors.Join(err, file.Close())
		}
		if end != info.Size() {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := file.Write(append(line, '\n')); err != nil {
		return errors.Join(err, file.Truncate(info.Size()), file.Close())
	}
	return file.Close()
}

// readIndex returns the entries in the order they came, of a name the last.
func readIndex(dir string) ([]pipeline.Artifact, error) {
	content, err := os.ReadFile(filepath.Join(dir, indexName)) //nolint:gosec // the index is our own, in the folder of the run
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []pipeline.Artifact
	at := map[string]int{}
	for line := range bytes.Lines(content) {
		var entry pipeline.Artifact
		if json.Unmarshal(line, &entry) != nil || !validName(entry.Name) {
			continue // cut short by a crash; Keep comes again with the replay
		}
		if i, ok := at[entry.Name]; ok {
			entries[i] = entry
			continue
		}
		at[entry.Name] = len(entries)
		entries = append(entries, entry)
	}
	return entries, nil
}

// List returns what is kept of an attempt, with names and sizes.
func (s *Store) List(_ context.Context, stageRunID int64) ([]pipeline.Artifact, error) {
	entries, err := readIndex(s.artifactDir(stageRunID))
	if err != nil {
		return nil, fmt.Errorf("list artifacts: %w", err)
	}
	return entries, nil
}

// Open returns the file of that name, which the caller closes, and its size; pipeline.ErrNotFound where there is none.
func (s *Store) Open(_ context.Context, stageRunID int64, name string) (*os.File, int64, error) {
	if !validName(name) {
		return nil, 0, fmt.Errorf("artifact %q: %w", name, pipeline.ErrNotFound)
	}
	path := filepath.Join(s.artifactDir(stageRunID), fileName(name))
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0) //nolint:gosec // a digest below our folder
	if isMissing(err) {
		return nil, 0, fmt.Errorf("artifact %s: %w", name, pipeline.ErrNotFound)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("open artifact %s: %w", name, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open artifact %s: %w", name, err), file.Close())
	}
	return file, info.Size(), nil
}
