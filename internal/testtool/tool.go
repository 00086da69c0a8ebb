// Package testtool finds the programs that tests use and that are no part of Slipway.
package testtool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Find finds a program on PATH, where the system's own are, or among those that scripts/tools has built. modules are what
// scripts/tools is to be called with.
func Find(name, modules string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", Folder()} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is neither installed nor built: scripts/tools %s", name, modules)
}

// Folder is where scripts/tools leaves what it has built.
func Folder() string {
	if dir := os.Getenv("SLIPWAY_TOOLS"); dir != "" {
		return filepath.Join(dir, "bin")
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "tools", "bin")
		}
	}
	return ""
}
