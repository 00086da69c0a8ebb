//go:build tools

// Package buildkit names the programs that this module builds, so that go.mod keeps what they need.
package buildkit

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
