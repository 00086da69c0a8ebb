package buildkit

import (
	"errors"
	"regexp"
	"strings"

	"github.com/moby/buildkit/solver/errdefs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// BuildError is a build that failed, mostly by what the Dockerfile says.
type BuildError struct {
	// Message is the builder's, without the wrapping of its layers.
	Message string
	// Line and EndLine are those of the Dockerfile; 0: it names none.
	Line, EndLine int
	// Lost: the connection to the builder broke, which says nothing of the Dockerfile.
	Lost bool
}

func (e *BuildError) Error() string { return e.Message }

// layers are words that BuildKit puts before the message that counts.
var layers = regexp.MustCompile(`^(?:failed to solve(?: with frontend [\w.]+)?: |failed to build LLB: |executor failed running |dockerfile parse error[^:]*: |failed to read dockerfile: |rpc error: code = \w+ desc = |failed to compute cache key: |failed to calculate checksum of ref \S+: )`)

func explain(err error) error {
	built := &BuildError{Message: plain(err).Error()}
	if s, ok := status.FromError(errors.Unwrap(err)); ok && s.Code() == codes.Unavailable {
		built.Lost = true
	}
	if strings.Contains(built.Message, "transport is closing") || strings.Contains(built.Message, "error reading from server") ||
		strings.Contains(built.Message, "connection refused") && strings.Contains(built.Message, "transport: Error while dialing") {
		built.Lost = true
	}
	for _, source := range errdefs.Sources(err) {
		for _, r := range source.GetRanges() {
			first, last := int(r.GetStart().GetLine()), int(r.GetEnd().GetLine())
			if built.Line == 0 || first < built.Line {
				built.Line = first
			}
			built.EndLine = max(built.EndLine, first, last)
		}
		if built.Line > 0 {
			break
		}
	}
	return built
}

// plain takes the words of BuildKit's layers off an error.
func plain(err error) error {
	text := err.Error()
	for {
		shorter := layers.ReplaceAllString(text, "")
		if shorter == text || shorter == "" {
			return errors.New(text)
		}
		text = shorter
	}
}
