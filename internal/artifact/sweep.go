package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sweep removes everything of these attempts. What is already gone is no error, so that a sweep may be repeated.
func (s *Store) Sweep(ctx context.Context, stageRunIDs []int64) error {
	var problems []error
	for _, id := range stageRunIDs {
		if ctx.Err() != nil {
			return errors.Join(append(problems, context.Cause(ctx))...)
		}
		problems = append(problems, s.forgetLog(id), os.RemoveAll(s.artifactDir(id)), os.RemoveAll(filepath.Dir(s.privatePath(id, ""))))
		if err := os.Remove(s.logPath(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("sweep logs and artifacts: %w", err)
	}
	return nil
}

// SweepUnknown removes what was last written before that time and belongs to no attempt that known knows of: a bot may
// have been killed after it removed a run and before it removed the run's files. It returns of how many attempts.
func (s *Store) SweepUnknown(
	ctx context.Context, before time.Time, known func(ctx context.Context, stageRunID int64) (bool, error),
) (int, error) {
	old, err := s.writtenBefore(before)
	if err != nil {
		return 0, fmt.Errorf("look for old logs and artifacts: %w", err)
	}
	var orphans []int64
	for _, id := range old {
		found, err := known(ctx, id)
		if err != nil {
			return 0, fmt.Errorf("look for the run of attempt %d: %w", id, err)
		}
		if !found {
			orphans = append(orphans, id)
		}
	}
	return len(orphans), s.Sweep(ctx, orphans)
}

// writtenBefore lists the attempts with a log or a folder of artifacts that old.
func (s *Store) writtenBefore(before time.Time) ([]int64, error) {
	var ids []int64
	root := os.DirFS(s.dir)
	for folder, suffix := range map[string]string{"logs": ".jsonl", "artifacts": "", "private": ""} {
		found, err := fs.Glob(root, folder+"/*/*"+suffix)
		if err != nil {
			return nil, err
		}
		for _, name := range found {
			id, err := strconv.ParseInt(strings.TrimSuffix(path.Base(name), suffix), 10, 64)
			if err != nil || path.Base(path.Dir(name)) != shard(id) {
				continue // none of ours
			}
			info, err := fs.Stat(root, name)
			if err == nil && info.ModTime().Before(before) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
