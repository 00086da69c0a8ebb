package stagetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Terraform is a folder with terraform or tofu: the machine's own, or the one that scripts/tools has built.
func Terraform(tb testing.TB) string {
	tb.Helper()
	dirs := append(filepath.SplitList(os.Getenv("PATH")), Tools())
	for _, dir := range dirs {
		for _, name := range []string{"terraform", "tofu"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() { //nolint:gosec // a program of PATH
				return dir
			}
		}
	}
	Missing(tb, "Terraform (or OpenTofu, which scripts/tools builds)")
	return ""
}

// Tools is the folder of programs that scripts/tools builds for tests.
func Tools() string {
	dir, err := os.Getwd()
	for ; err == nil && dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, ".cache", "bin")
		}
	}
	return "/nonexistent"
}
