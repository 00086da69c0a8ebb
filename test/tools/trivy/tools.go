//go:build tools

// Package trivy names the program that this module builds, so that go.mod keeps what it needs.
package trivy

import _ "github.com/aquasecurity/trivy/cmd/trivy"
