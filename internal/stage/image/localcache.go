package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
)

// cacheSteps names the cache that holds results of steps, where `cache` is local.
const cacheSteps = "buildkit"

const (
	stepsPrefix = "steps-"
	// keptSteps is how many builds' results are kept: the last ones, and those that a build may still be reading.
	keptSteps = 3
)

// localCache keeps the results of each build's steps in a folder of its own, because BuildKit removes nothing of what it
// adds to one, and others may be reading it. What several hold is one file with several names.
type localCache struct {
	dir string
	now func() time.Time
}

func (a *attempt) openLocalCache() (localCache, error) {
	dir, err := a.s.CacheDir(cacheSteps)
	return localCache{dir, a.options.Now}, err
}

// folders are the finished ones, the newest first.
func (c localCache) folders() ([]string, error) {
	all, err := filepath.Glob(filepath.Join(c.dir, stepsPrefix+"*"))
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(b, a) })
	return all, err
}

// source is what a build may take results from; none: there is nothing yet.
func (c localCache) source() ([]buildkit.Cache, error) {
	all, err := c.folders()
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return []buildkit.Cache{{Type: cacheLocal, Dir: all[0]}}, nil
}

// begin makes a folder for the results of a build, with what the newest one holds.
func (c localCache) begin() (string, error) {
	dir, err := os.MkdirTemp(c.dir, newPrefix)
	if err != nil {
		return "", fmt.Errorf("make a folder for the build cache: %w", err)
	}
	all, err := c.folders()
	if err != nil || len(all) == 0 {
		return dir, err
	}
	return dir, linkBlobs(filepath.Join(all[0], "blobs", "sha256", "*"), dir)
}

// keep gives a finished folder its place, as the newest, and removes those that are too many.
func (c localCache) keep(dir string) error {
	name := stepsPrefix + c.now().UTC().Format("20060102T150405.000000000") + strings.TrimPrefix(filepath.Base(dir), newPrefix)
	if err := os.Rename(dir, filepath.Join(c.dir, name)); err != nil {
		return err
	}
	all, err := c.folders()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(c.dir)
	for _, entry := range entries {
		path := filepath.Join(c.dir, entry.Name())
		if slices.Contains(all[:min(len(all), keptSteps)], path) || c.beingMade(entry) {
			continue
		}
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// beingMade reports whether a build that may still be going on writes there.
func (c localCache) beingMade(entry os.DirEntry) bool {
	info, err := entry.Info()
	return err != nil || strings.HasPrefix(entry.Name(), newPrefix) && c.now().Sub(info.ModTime()) <= unfinished
}

// buildLocally builds, and keeps the results of the steps where `cache` is local.
func (a *attempt) buildLocally(build func(to []buildkit.Cache) (buildkit.Result, error)) (buildkit.Result, error) {
	if a.settings.Cache != cacheLocal || !a.task().CacheWritable {
		return build(nil)
	}
	c, err := a.openLocalCache()
	if err != nil {
		return buildkit.Result{}, err
	}
	dir, err := c.begin()
	if err != nil {
		return buildkit.Result{}, err
	}
	result, err := build([]buildkit.Cache{{Type: cacheLocal, Dir: dir}})
	if err != nil {
		return result, errors.Join(err, os.RemoveAll(dir))
	}
	if err := c.keep(dir); err != nil {
		a.s.Log("The build cache could not be kept, so that the next build may take longer: " + err.Error())
	}
	return result, nil
}
