package buildkit

import (
	"regexp"
	"strconv"
	"strings"
)

// ownSyntax are the names of the frontend that every BuildKit has built in, up to the version that the oldest BuildKit has
// for which it is used.
var ownSyntax = regexp.MustCompile(`^(?:docker\.io/)?docker/dockerfile:1(?:\.(\d{1,3})(?:\.\d{1,3})?)?$`)

// The frontend of BuildKit 0.16 is docker/dockerfile:1.10.
const (
	ownSince   = 16
	ownMinor   = 10
	noFrontend = "" // a Dockerfile without a syntax line
)

// HasSyntax reports whether the builder's own frontend is the one that a `# syntax=` line asks for: then it need not be
// fetched. The name stands for a version of the Dockerfile's language, which a BuildKit of that time or later knows.
func (b *Builder) HasSyntax(line string) bool {
	if line == noFrontend {
		return true
	}
	found := ownSyntax.FindStringSubmatch(line)
	if found == nil || minor(b.version) < ownSince {
		return false
	}
	if found[1] == "" {
		return true
	}
	asked, err := strconv.Atoi(found[1])
	return err == nil && asked <= ownMinor
}

var official = regexp.MustCompile(`^(?:docker\.io/)?docker/dockerfile(?:[:@]|$)`)

// IsOfficial reports whether a `# syntax=` line asks for any version of the frontend that every BuildKit has built in, or
// for none.
func IsOfficial(line string) bool { return line == noFrontend || official.MatchString(line) }

// minor is 31 for v0.31.2; what is not told or not read is 0. A version from 1.0 on would be later than all.
func minor(version string) int {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 {
		return 0
	}
	if parts[0] != "0" {
		return ownSince
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return n
}
