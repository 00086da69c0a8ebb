package command

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// cacheFolder is the session's cache that holds what stages keep; one file a key.
const cacheFolder = "stage"

// keptEntries is how many keys a repository keeps; the one unused for longest goes first.
const keptEntries = 20

// store is one entry of `cache` with its key worked out.
type store struct {
	key   string
	paths []string
	file  string
	// hit: the key was there, so that nothing need be saved.
	hit bool
}

// restore unpacks what was kept under each key. A cache that cannot be had only costs time: it is told and passed over.
func restore(ctx context.Context, s runner.Session, definitions []pipeline.CacheDefinition) ([]store, error) {
	if len(definitions) == 0 {
		return nil, nil
	}
	dir, err := s.CacheDir(cacheFolder)
	if err != nil {
		return nil, fmt.Errorf("open the cache: %w", err)
	}
	stores := make([]store, 0, len(definitions))
	err = s.Step(ctx, "Restore cache", func(ctx context.Context) (string, error) {
		var details []string
		for _, definition := range definitions {
			key, err := expand(ctx, s.Root(), definition.Key)
			if err != nil {
				return "", &runner.Failure{Title: "The cache key cannot be worked out", Cause: fmt.Sprintf("The cache key %s cannot be worked out: %v.", definition.Key, err)}
			}
			st := store{key: key, paths: definition.Paths, file: filepath.Join(dir, fileOf(key, definition.Paths))}
			found := "nothing under " + printable(key)
			if n, err := unpack(ctx, st.file, s.Root()); err == nil {
				st.hit = true
				found = report.Count(n, "file") + " from " + printable(key)
			} else if !errors.Is(err, fs.ErrNotExist) {
				if ctx.Err() != nil {
					return "", context.Cause(ctx)
				}
				s.Log(fmt.Sprintf("What is cached under %s cannot be used: %v", key, err))
				found = "not restored: " + printable(key)
			}
			stores = append(stores, st)
			details = append(details, found)
		}
		return strings.Join(details, "; "), nil
	})
	return stores, err
}

// save keeps the paths of every key that was not there.
func save(ctx context.Context, s runner.Session, stores []store) {
	stores = slices.DeleteFunc(slices.Clone(stores), func(st store) bool { return st.hit })
	if len(stores) == 0 || !s.Task().CacheWritable {
		return
	}
	err := s.Step(ctx, "Save cache", func(ctx context.Context) (string, error) {
		var details []string
		for _, st := range stores {
			n, err := pack(ctx, s.Root(), st.paths, st.file)
			if err != nil {
				return strings.Join(details, "; "), fmt.Errorf("save %s: %w", st.key, err)
			}
			details = append(details, fmt.Sprintf("%s under %s", report.Count(n, "file"), printable(st.key)))
		}
		return strings.Join(details, "; "), evict(filepath.Dir(stores[0].file))
	})
	if err != nil {
		s.Log("The cache was not saved: " + err.Error())
	}
}

// fileOf names the file of a key. The paths belong to it: the same key for other paths is another entry.
func fileOf(key string, paths []string) string {
	sum := sha256.Sum256([]byte(key + "\x00" + strings.Join(paths, "\x00")))
	return hex.EncodeToString(sum[:]) + ".tar"
}

const (
	openExpression  = "${{"
	closeExpression = "}}"
)

// expand works out ${{ hashFiles('a', '**/b') }} parts of a key. Files that do not exist hash to nothing.
func expand(ctx context.Context, root *os.Root, key string) (string, error) {
	var result strings.Builder
	for {
		before, rest, found := strings.Cut(key, openExpression)
		result.WriteString(before)
		if !found {
			return result.String(), nil
		}
		inside, after, closed := strings.Cut(rest, closeExpression)
		if !closed {
			return "", errors.New("${{ is not closed by }}")
		}
		patterns, err := hashFilesArguments(strings.TrimSpace(inside))
		if err != nil {
			return "", err
		}
		sum, err := hashFiles(ctx, root, patterns)
		if err != nil {
			return "", err
		}
		result.WriteString(sum)
		key = after
	}
}

func hashFilesArguments(expression string) ([]string, error) {
	inside, ok := strings.CutPrefix(expression, "hashFiles(")
	inside, closed := strings.CutSuffix(inside, ")")
	if !ok || !closed {
		return nil, fmt.Errorf("${{ %s }} is not hashFiles('pattern', …), the only function of a cache key", expression)
	}
	var patterns []string
	for part := range strings.SplitSeq(inside, ",") {
		part = strings.TrimSpace(part)
		if len(part) < 3 || (part[0] != '\'' && part[0] != '"') || part[len(part)-1] != part[0] {
			return nil, fmt.Errorf("the patterns of hashFiles are written in quotes, not %s", part)
		}
		patterns = append(patterns, part[1:len(part)-1])
	}
	return patterns, nil
}

func hashFiles(ctx context.Context, root *os.Root, patterns []string) (string, error) {
	names, err := match(ctx, root, patterns, maxVisited)
	if err != nil || len(names) == 0 {
		return "", err
	}
	slices.Sort(names)
	total := sha256.New()
	for _, name := range names {
		f, err := root.Open(filepath.FromSlash(name))
		if err != nil {
			return "", err
		}
		one := sha256.New()
		_, err = io.Copy(one, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(total, "%s\x00%x\n", name, one.Sum(nil)) // a hash never fails
	}
	return hex.EncodeToString(total.Sum(nil)), nil
}

// evict removes the entries that were not used for longest.
func evict(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	type aged struct {
		name string
		at   int64
	}
	var files []aged
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasSuffix(e.Name(), ".tar") {
			files = append(files, aged{e.Name(), info.ModTime().UnixNano()})
		}
	}
	slices.SortFunc(files, func(a, b aged) int { return int(max(-1, min(1, b.at-a.at))) })
	var problems error
	for _, f := range files[min(len(files), keptEntries):] {
		problems = errors.Join(problems, os.Remove(filepath.Join(dir, f.name)))
	}
	return problems
}
