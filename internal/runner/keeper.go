package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const (
	// nonBlocking keeps an open from waiting for the writer of a named pipe.
	nonBlocking = syscall.O_NONBLOCK

	defaultArtifactBytes = 2 << 30
	maxArtifacts         = 5000
	// maxVisited bounds the walk through a checkout for patterns.
	maxVisited = 1_000_000
	// sniffed is how much of a file is looked at to tell text from binary data, as git does.
	sniffed = 8000
)

var errArtifactsFull = errors.New("the artifacts of the stage have reached their limit")

// keeper copies artifacts out of the reach of commands and tells of them.
type keeper struct {
	recorder *recorder
	checkout *os.Root
	dir      string // of the checkout
	scratch  string
	to       string

	mu    sync.Mutex
	left  int64
	names map[string]bool
}

// keep copies one file. Text is masked on the way.
func (k *keeper) keep(name, file string) error {
	if !fs.ValidPath(name) || name == "." || len(name) > 500 || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("keep the artifact %q: that is no name of an artifact", name)
	}
	root, inside, err := k.locate(file)
	if err != nil {
		return fmt.Errorf("keep the artifact %s: %w", name, err)
	}
	if root != k.checkout {
		defer root.Close() //nolint:errcheck // opened for reading
	}
	if err := k.copy(root, name, inside); err != nil {
		return fmt.Errorf("keep the artifact %s: %w", name, err)
	}
	return nil
}

// maxPrivate bounds what one name keeps for the second step of a stage, and so what travels to it.
const maxPrivate = 64 << 20

// keepPrivate keeps content as it is.
func (k *keeper) keepPrivate(name string, content []byte) error {
	if !fs.ValidPath(name) || name == "." || len(name) > 500 || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("keep %q for later: that is no name", name)
	}
	if len(content) > maxPrivate {
		return fmt.Errorf("keep %s for later: it has %d MiB, and at most %d are kept", name, len(content)>>20, maxPrivate>>20)
	}
	target, err := k.reserve("private/"+name, int64(len(content)))
	if err != nil {
		return fmt.Errorf("keep %s for later: %w", name, err)
	}
	if err := os.WriteFile(target, content, 0o600); err != nil {
		return fmt.Errorf("keep %s for later: %w", name, err)
	}
	k.recorder.emit(pipeline.StageEvent{
		Type: pipeline.StageEventPrivate, Private: &pipeline.Artifact{Name: name, Path: target, Bytes: int64(len(content))},
	})
	return nil
}

// locate finds the root a path belongs to.
func (k *keeper) locate(file string) (root *os.Root, inside string, err error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(k.dir, file)
	}
	if rel, err := filepath.Rel(k.dir, file); err == nil && filepath.IsLocal(rel) {
		return k.checkout, rel, nil
	}
	rel, err := filepath.Rel(k.scratch, file)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, "", fmt.Errorf("%s lies outside the checkout", file)
	}
	root, err = os.OpenRoot(k.scratch)
	return root, rel, err
}

func (k *keeper) copy(root *os.Root, name, inside string) (err error) {
	from, err := openRegular(root, inside)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // opened for reading
	info, err := from.Stat()
	if err != nil {
		return err
	}
	target, err := k.reserve(name, info.Size())
	if err != nil {
		return err
	}
	to, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a new file with a number for a name
	if err != nil {
		return err
	}
	written, err := k.transfer(to, io.LimitReader(from, info.Size()))
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	k.recorder.emit(pipeline.StageEvent{
		Type: pipeline.StageEventArtifact, Artifact: &pipeline.Artifact{Name: name, Path: target, Bytes: written},
	})
	return nil
}

// reserve takes a name and room for it, and says where the copy goes: a number, for the name is the repository's.
func (k *keeper) reserve(name string, size int64) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.names[name] {
		return "", os.ErrExist
	}
	if k.left < size || len(k.names) >= maxArtifacts {
		return "", errArtifactsFull
	}
	if len(k.names) == 0 {
		if err := os.MkdirAll(k.to, 0o700); err != nil {
			return "", err
		}
	}
	k.left -= size
	k.names[name] = true
	return filepath.Join(k.to, strconv.Itoa(len(k.names))), nil
}

func (k *keeper) transfer(to *os.File, from io.Reader) (int64, error) {
	redactor := k.recorder.concealed.now()
	if redactor.Empty() {
		return io.Copy(to, from)
	}
	head := make([]byte, sniffed)
	n, err := io.ReadFull(from, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return 0, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), from)
	if bytes.IndexByte(head[:n], 0) >= 0 {
		return io.Copy(to, whole)
	}
	masked := redactor.NewWriter(to)
	if _, err := io.Copy(masked, whole); err != nil {
		return 0, err
	}
	if err := masked.Close(); err != nil {
		return 0, err
	}
	info, err := to.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// keepMatches keeps the files that the patterns of the stage match, and the files below folders they match. What cannot
// be kept is told in the log: it does not change how the stage went.
func (k *keeper) keepMatches(ctx context.Context, patterns []string, log func(string)) {
	for _, pattern := range patterns {
		pattern = strings.TrimSuffix(path.Clean(filepath.ToSlash(pattern)), "/")
		if !fs.ValidPath(pattern) || !doublestar.ValidatePattern(pattern) {
			log(fmt.Sprintf("No artifacts for %q: it is no pattern within the checkout.", pattern))
			continue
		}
		switch kept, err := k.keepPattern(ctx, pattern, log); {
		case err != nil:
			log(fmt.Sprintf("Artifacts for %q are incomplete: %v.", pattern, err))
		case kept == 0:
			log(fmt.Sprintf("No file matches the artifacts pattern %q.", pattern))
		}
	}
}

func (k *keeper) keepPattern(ctx context.Context, pattern string, log func(string)) (kept int, err error) {
	base, _ := doublestar.SplitPattern(pattern)
	if info, err := k.checkout.Stat(base); err != nil || !info.IsDir() {
		base = pattern // a plain file
	}
	visited := 0
	// WalkDir enters no link. One in base itself is refused when its file is opened.
	err = fs.WalkDir(k.checkout.FS(), base, func(name string, entry fs.DirEntry, err error) error {
		if visited++; visited > maxVisited {
			return fmt.Errorf("there are more than %d files to look at", maxVisited)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, fs.ErrNotExist) && name == base:
			return fs.SkipAll
		case err != nil:
			log(fmt.Sprintf("%s is not looked at for artifacts: %v.", name, err))
			return fs.SkipDir
		case !matches(pattern, name) || entry.IsDir():
			return nil
		}
		return k.keepOne(name, log, &kept)
	})
	return kept, err
}

// keepOne keeps a matching file; only a full store ends the walk.
func (k *keeper) keepOne(name string, log func(string), kept *int) error {
	switch err := k.keep(name, filepath.Join(k.dir, filepath.FromSlash(name))); {
	case err == nil, errors.Is(err, os.ErrExist):
		*kept++
	case errors.Is(err, errArtifactsFull):
		return errArtifactsFull
	default:
		log(err.Error() + ".")
	}
	return nil
}

// matches reports whether a pattern names a file or a folder above it.
func matches(pattern, name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if ok, err := doublestar.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return pattern == "."
}
