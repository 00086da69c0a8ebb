package pythonenv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/slipwayhq/slipway/internal/runner"
)

// memoCache names the cache of what interpreters said of themselves.
const memoCache = "python-interpreters"

// remembered returns what an interpreter said when it was last run, as long as its file is the same; else it is run, and
// its answer kept. Starting Python in a sandbox costs more than everything else before the tests. The cache is the
// repository's own: whoever writes a wrong version there deceives only itself.
func remembered(s runner.Session, path string, probe func() (Version, bool, error)) (Version, bool, error) {
	memo, err := memoOf(s, path)
	if err != nil {
		return Version{}, false, err
	}
	if memo == "" {
		return probe()
	}
	if text, err := os.ReadFile(memo); err == nil { //nolint:gosec // a name of ours in a cache of ours
		if version, _, err := parseVersion(string(text)); err == nil {
			return version, true, nil
		}
	}
	version, ok, err := probe()
	if err != nil || !ok {
		return version, ok, err
	}
	// A file that cannot be kept costs the next stage some time, no more.
	if err := os.WriteFile(memo, []byte(version.String()), 0o600); err != nil {
		s.Log("The version of " + path + " is not remembered: " + err.Error())
	}
	return version, true, nil
}

// memoOf names the file for an interpreter's identity; empty for what is no file of this machine.
func memoOf(s runner.Session, path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || s.Task().Stage.Image != "" {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", path, err)
	}
	dir, err := s.CacheDir(memoCache)
	if err != nil {
		return "", fmt.Errorf("cache of interpreters: %w", err)
	}
	identity := fmt.Sprintln(path, info.Size(), info.ModTime().UnixNano())
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		identity += fmt.Sprintln(stat.Dev, stat.Ino, stat.Ctim)
	}
	sum := sha256.Sum256([]byte(identity))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])), nil
}
