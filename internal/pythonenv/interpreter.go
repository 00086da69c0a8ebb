package pythonenv

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/runner"
)

// Interpreter is a Python that was run and told its version.
type Interpreter struct {
	Path    string
	Version Version
	// Image is the container image it lies in; empty: the machine.
	Image string
}

// Find returns an interpreter that satisfies the request, or a *Failure that names what is there. It is run before it
// is trusted, once for as long as its file stays the same: what the machine has is not always what a sandbox shows.
func Find(ctx context.Context, s runner.Session, machine Machine, want Request) (Interpreter, error) {
	image := s.Task().Stage.Image
	found := machine.candidates()
	if image != "" {
		found = inImage(want)
	}
	var there []Version
	for _, c := range found {
		if image == "" && !want.allowsMinor(c.version) {
			there = append(there, c.version)
			continue
		}
		version, ok, err := remembered(s, c.path, func() (Version, bool, error) { return probe(ctx, s, c.path) })
		if err != nil {
			return Interpreter{}, err
		}
		if !ok {
			continue
		}
		if want.Allows(version) {
			return Interpreter{Path: c.path, Version: version, Image: image}, nil
		}
		there = append(there, version)
	}
	return Interpreter{}, missing(want, there, image)
}

// inImage guesses names: the files of an image cannot be listed from here.
func inImage(want Request) []candidate {
	names := []string{"python3", "python"}
	for _, c := range want.constraints {
		if c.parts >= 2 {
			names = append([]string{"python" + c.version.Minor()}, names...)
		}
	}
	candidates := make([]candidate, len(names))
	for i, name := range names {
		candidates[i].path = name
	}
	return candidates
}

const versionScript = `import sys; print("slipway-python %d.%d.%d" % tuple(sys.version_info[:3]))`

func probe(ctx context.Context, s runner.Session, path string) (Version, bool, error) {
	exit, err := s.Command(ctx, runner.Command{
		// A shell, so that a name that is not there is an exit code and not our own trouble.
		Args:    []string{"sh", "-c", `command -v "$1" >/dev/null 2>&1 || exit 127; exec "$1" -I -c "$2" 2>/dev/null`, "sh", path, versionScript},
		Capture: true, Quiet: true, Image: s.Task().Stage.Image,
	})
	if err != nil {
		return Version{}, false, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(exit.Stdout)), "slipway-python ")
	if !exit.OK() || !ok {
		return Version{}, false, nil
	}
	version, _, err := parseVersion(text)
	return version, err == nil, nil
}

func missing(want Request, there []Version, image string) *Failure {
	place := "here"
	if image != "" {
		place = "in the image " + image
	}
	slices.SortFunc(there, func(a, b Version) int { return -a.Compare(b) })
	names := make([]string, 0, len(there))
	for _, v := range slices.Compact(there) {
		names = append(names, shown(v))
	}
	have := "no Python at all"
	if names = slices.Compact(names); len(names) > 0 {
		have = "Python " + strings.Join(names, ", ")
	}
	return &Failure{
		Title: fmt.Sprintf("Python %s is not installed %s", want.Text, place),
		Cause: fmt.Sprintf("Python %s (asked for by %s) is not installed %s; there is %s.", want.Text, want.Source, place, have),
	}
}

// shown leaves out a patch release that is not known.
func shown(v Version) string {
	if v[2] == 0 {
		return v.Minor()
	}
	return v.String()
}
