package imagetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Tool finds a program on PATH or among those that scripts/tools has built.
func Tool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", ToolFolder()} {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is neither installed nor built: scripts/tools buildkit trivy", name)
}

// ToolFolder is where scripts/tools leaves what it has built.
func ToolFolder() string {
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

// Wanted reports whether this machine is asked to run the tests that need real components, which take minutes and root.
func Wanted() bool { return os.Getenv("SLIPWAY_E2E") == "1" }
