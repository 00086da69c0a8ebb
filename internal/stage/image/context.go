package image

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"

	"github.com/slipwayhq/slipway/internal/report"
)

// contents is what a build sees of the commit.
type contents struct {
	files int
	bytes int64
	// hash names all of it: paths, modes, links and what is in the files.
	hash string
	// largest are the folders and files at the top that make up most of it.
	largest []sized
}

type sized struct {
	name  string
	bytes int64
}

// namedLargest is how many of the largest are told.
const namedLargest = 3

// measure reads the build context as the builder will: without what is ignored.
func measure(ctx context.Context, p place, ignored []string, limit int64) (contents, error) {
	folder, err := fsutil.NewFS(p.context)
	if err != nil {
		return contents{}, err
	}
	seen, err := fsutil.NewFilterFS(folder, &fsutil.FilterOpt{ExcludePatterns: ignored})
	if err != nil {
		return contents{}, fmt.Errorf("read the build context: %w", err)
	}
	c, sum, tops := contents{}, sha256.New(), map[string]int64{}
	err = seen.Walk(ctx, "", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == "" {
			return err
		}
		size, err := add(sum, p.context, path, entry, c.bytes <= limit)
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			c.files++
		}
		c.bytes += size
		top, _, _ := strings.Cut(filepath.ToSlash(path), "/")
		tops[top] += size
		return nil
	})
	if err != nil {
		return contents{}, fmt.Errorf("read the build context: %w", err)
	}
	c.hash = hex.EncodeToString(sum.Sum(nil))
	c.largest = largest(tops)
	if c.bytes > limit {
		return c, tooLarge(c, limit)
	}
	return c, nil
}

// add puts one entry into the sum; the content of files only while the context is no larger than it may be.
func add(sum hash.Hash, root, path string, entry fs.DirEntry, whole bool) (size int64, err error) {
	info, err := entry.Info()
	if err != nil {
		return 0, err
	}
	note := func(format string, values ...any) { _, _ = fmt.Fprintf(sum, format, values...) } // a hash takes everything
	note("%q %o", path, info.Mode())
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		target, err := os.Readlink(filepath.Join(root, path))
		note(" -> %q\n", target)
		return 0, err
	case !info.Mode().IsRegular():
		note("\n")
		return 0, nil
	}
	note(" %d\n", info.Size())
	if !whole {
		return info.Size(), nil
	}
	f, err := os.Open(filepath.Join(root, path)) //nolint:gosec // a file of the checkout, where nothing of the repository runs
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(sum, f)
	return info.Size(), err
}

func largest(tops map[string]int64) []sized {
	all := make([]sized, 0, len(tops))
	for name, bytes := range tops {
		all = append(all, sized{name, bytes})
	}
	slices.SortFunc(all, func(a, b sized) int { return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.name, b.name)) })
	return all[:min(len(all), namedLargest)]
}

func tooLarge(c contents, limit int64) error {
	names := make([]string, 0, len(c.largest))
	for _, one := range c.largest {
		names = append(names, one.name+" ("+bytesOf(one.bytes)+")")
	}
	return fail("The build context is too large", fmt.Sprintf(
		"The build context has %s in %s; at most %s are sent to the builder. Largest: %s. What the image does not need belongs into .dockerignore.",
		bytesOf(c.bytes), report.Count(c.files, "file"), bytesOf(limit), strings.Join(names, ", ")))
}

// ignores are the patterns of what the build does not see: those of Dockerfile.dockerignore, else of .dockerignore, and
// our .git, whose content is the machine's and not the commit's.
func (a *attempt) ignores(p place) ([]string, error) {
	patterns := []string{".git"}
	for _, path := range []string{p.dockerfile + ".dockerignore", filepath.Join(p.context, ".dockerignore")} {
		name, base := strings.TrimPrefix(path, a.s.Dir()+string(filepath.Separator)), filepath.Base(path)
		text, err := a.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var own []string
		if err == nil {
			own, err = ignorefile.ReadAll(bytes.NewReader(text))
		}
		if err != nil {
			return nil, fail("The file "+base+" cannot be read", fmt.Sprintf("%s: %v.", name, err))
		}
		for _, pattern := range own {
			if _, err := patternmatcher.MatchesOrParentMatches("any", []string{pattern}); err != nil {
				return nil, fail("A pattern of "+base+" cannot be read", fmt.Sprintf("%s: %s: %v.", name, clip(pattern, maxCell), err))
			}
		}
		return append(own, patterns...), nil
	}
	return patterns, nil
}

// bytesOf is a size as people read it.
func bytesOf(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, "kMGT"
	for value >= unit && len(prefix) > 1 {
		value, prefix = value/unit, prefix[1:]
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %cB", value, prefix[0])
	}
	return fmt.Sprintf("%.0f %cB", value, prefix[0])
}
