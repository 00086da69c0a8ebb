package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cacheImages names the cache that holds built images and what they were built of.
const cacheImages = "images"

// Bounds of what is kept: the second step of a run comes minutes or, after an approval, days later.
const (
	keptImages   = 20
	keptFor      = 14 * 24 * time.Hour
	unfinished   = 24 * time.Hour
	newPrefix    = "new-"
	layoutsDir   = "layouts"
	recordsDir   = "builds"
	permissions  = 0o700
	fileReadable = 0o600
)

// store keeps built images, one folder each. Blobs that several share are one file with several names.
type store struct {
	dir string
	now func() time.Time
}

func (a *attempt) openStore() (store, error) {
	dir, err := a.s.CacheDir(cacheImages)
	if err != nil {
		return store{}, err
	}
	st := store{dir, a.options.Now}
	for _, sub := range []string{layoutsDir, recordsDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), permissions); err != nil {
			return store{}, fmt.Errorf("open the cache of images: %w", err)
		}
	}
	return st, nil
}

// begin makes a folder for the next image. Where it shares, it holds the blobs of the kept ones already, so that the
// builder sends only what is new.
func (st store) begin(shares bool) (string, error) {
	dir, err := os.MkdirTemp(filepath.Join(st.dir, layoutsDir), newPrefix)
	if err != nil {
		return "", fmt.Errorf("make a folder for the image: %w", err)
	}
	if !shares {
		return dir, nil
	}
	return dir, linkBlobs(filepath.Join(st.dir, layoutsDir, "sha256-*", "blobs", "sha256", "*"), dir)
}

// linkBlobs gives the blobs that a pattern finds a second name in a folder. What cannot be shared, or is removed meanwhile, is
// sent once more.
func linkBlobs(pattern, dir string) error {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, permissions); err != nil {
		return fmt.Errorf("make a folder for blobs: %w", err)
	}
	kept, err := filepath.Glob(pattern)
	if err != nil {
		return fmt.Errorf("look for blobs to share: %w", err)
	}
	for _, blob := range kept {
		_ = os.Link(blob, filepath.Join(blobs, filepath.Base(blob))) // see above
	}
	return nil
}

// keep gives a finished folder its place, without the blobs that are none of its image's. A folder of the same image that
// is there already stays.
func (st store) keep(b built) (string, error) {
	needed, err := b.reachable()
	if err != nil {
		return "", err
	}
	names := map[string]bool{}
	for blob := range needed {
		names[blob.Hex] = true
	}
	blobs := filepath.Join(b.dir, "blobs", "sha256")
	entries, err := os.ReadDir(blobs)
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if !names[entry.Name()] {
			if err := os.Remove(filepath.Join(blobs, entry.Name())); err != nil {
				return "", err
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "ingest")); err != nil {
		return "", err
	}
	to := st.folder(b.digest.String())
	if err := os.Rename(b.dir, to); err != nil {
		if _, found := st.find(b.digest.String()); !found {
			return "", fmt.Errorf("keep the image: %w", err)
		}
		return to, os.RemoveAll(b.dir)
	}
	return to, nil
}

func (st store) folder(digest string) string {
	return filepath.Join(st.dir, layoutsDir, strings.ReplaceAll(digest, ":", "-"))
}

// find opens a kept image, and marks it as used.
func (st store) find(digest string) (built, bool) {
	dir := st.folder(digest)
	b, err := openLayout(dir)
	if err != nil || b.digest.String() != digest {
		return built{}, false
	}
	st.used(dir)
	return b, true
}

// used marks what is kept as used. That matters to the sweep only, which is for its own sake.
func (st store) used(name string) { _ = os.Chtimes(name, st.now(), st.now()) } // see above

// drop removes every kept image.
func (st store) drop() error {
	kept, err := filepath.Glob(filepath.Join(st.dir, layoutsDir, "sha256-*"))
	for _, dir := range kept {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// sweep removes what is old or too much, the longest unused first. What was found in the images that environments run is
// kept: the next ones are compared with it. What cannot be removed now is tried again next time.
func (st store) sweep(running map[string]string) error {
	for _, image := range running {
		if name, ok := st.foundFile(digestIn(image)); ok {
			st.used(name)
		}
	}
	err := st.sweepFolder(layoutsDir, keptImages)
	const records = 20 * keptImages
	return errors.Join(err, st.sweepFolder(recordsDir, records))
}

func (st store) sweepFolder(name string, most int) error {
	dir := filepath.Join(st.dir, name)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var kept []fs.FileInfo
	var problems []error
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue // another runner removed it
		}
		age := st.now().Sub(info.ModTime())
		if age > keptFor || strings.HasPrefix(info.Name(), newPrefix) && age > unfinished {
			problems = append(problems, os.RemoveAll(filepath.Join(dir, info.Name())))
		} else if !strings.HasPrefix(info.Name(), newPrefix) {
			kept = append(kept, info)
		}
	}
	slices.SortFunc(kept, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range kept[min(len(kept), most):] {
		problems = append(problems, os.RemoveAll(filepath.Join(dir, info.Name())))
	}
	return errors.Join(problems...)
}
