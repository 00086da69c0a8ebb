// Package artifact keeps the logs and files of stage attempts in the data folder.
package artifact

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Store is a folder:
//
//	logs/12/12345.jsonl           one line of JSON a log line, only ever appended to
//	artifacts/12/12345/index.jsonl the names, one line of JSON each
//	artifacts/12/12345/9f86d0…     a file, named by a digest of its name: names are hostile
//	private/12/12345/9f86d0…       a file for an attempt's second step, encrypted with private.key
//
// It implements pipeline.LogStore and pipeline.ArtifactStore. One process writes; others may read.
type Store struct {
	dir string

	mu   sync.Mutex
	logs map[int64]*logFile
	// clock counts uses of log files, to find the one that was not used for longest.
	clock int64
}

// New prepares dir, which is made when it does not exist.
func New(dir string) (*Store, error) {
	for _, sub := range []string{"logs", "artifacts", "private"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("folder of logs and artifacts: %w", explain(dir, err))
		}
	}
	return &Store{dir: dir, logs: map[int64]*logFile{}}, nil
}

// Close closes the logs that are open.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []error
	for id, log := range s.logs {
		problems = append(problems, log.close())
		delete(s.logs, id)
	}
	return errors.Join(problems...)
}

// shard keeps folders small: a thousand attempts each.
func shard(stageRunID int64) string { return strconv.FormatInt(stageRunID/1000, 10) }

func (s *Store) logPath(stageRunID int64) string {
	return filepath.Join(s.dir, "logs", shard(stageRunID), strconv.FormatInt(stageRunID, 10)+".jsonl")
}

func (s *Store) artifactDir(stageRunID int64) string {
	return filepath.Join(s.dir, "artifacts", shard(stageRunID), strconv.FormatInt(stageRunID, 10))
}

// explain names the remedy where there is one.
func explain(dir string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk that holds %s is full: free some space there (%w)", dir, err)
	}
	return err
}
