package imagetest

import (
	"os"

	"github.com/slipwayhq/slipway/internal/testtool"
)

// Tool finds a program on PATH or among those that scripts/tools has built.
func Tool(name string) (string, error) { return testtool.Find(name, "buildkit trivy") }

// ToolFolder is where scripts/tools leaves what it has built.
func ToolFolder() string { return testtool.Folder() }

// Wanted reports whether this machine is asked to run the tests that need real components, which take minutes and root.
func Wanted() bool { return os.Getenv("SLIPWAY_E2E") == "1" }
