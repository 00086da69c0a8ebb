package stagetest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/slipwayhq/slipway/internal/testtool"
)

// Terraform is a folder with terraform or tofu: the machine's own, or what `scripts/tools opentofu` has built.
func Terraform(tb testing.TB) string {
	tb.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), testtool.Folder()) {
		for _, name := range []string{"terraform", "tofu"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() { //nolint:gosec // a program of PATH
				return dir
			}
		}
	}
	Missing(tb, "Terraform (or OpenTofu: scripts/tools opentofu)")
	return ""
}

// LocalProvider is the configuration file of a command line that gets the provider example.com/slipway/local, version 2.5.3,
// from a folder: hashicorp/local as `scripts/tools provider` has built it.
func LocalProvider(tb testing.TB) string {
	tb.Helper()
	built, err := os.ReadFile(filepath.Join(testtool.Folder(), "terraform-provider-local"))
	if err != nil {
		Missing(tb, "the provider hashicorp/local (scripts/tools provider)")
	}
	mirror := folder(tb)
	dir := filepath.Join(mirror, "example.com", "slipway", "local", "2.5.3", runtime.GOOS+"_"+runtime.GOARCH)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "terraform-provider-local_v2.5.3"), built, 0o700); err != nil { //nolint:gosec // a program
		tb.Fatal(err)
	}
	config := filepath.Join(mirror, "terraform.rc")
	text := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path    = %q\n    include = [\"example.com/*/*\"]\n  }\n}\n", mirror)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return config
}
