package image

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipwayhq/slipway/internal/registry"
)

// policy is one rule of good images, and how this one keeps it. Rules are reported; they fail nothing.
type policy struct {
	rule string
	kept bool
	note string
}

// policies are the rules that pipelines promise: no root, several stages, a minimal base.
func policies(d dockerfile, config *v1.ConfigFile) []policy {
	return []policy{user(config.Config.User), stages(d), base(d)}
}

func user(name string) policy {
	p := policy{rule: "Not run as root", kept: true, note: "it runs as " + name}
	id, _, _ := strings.Cut(name, ":")
	switch id {
	case "":
		p.kept, p.note = false, "the Dockerfile has no USER, so that the image runs as root"
	case "root", "0":
		p.kept, p.note = false, "USER is "+name
	}
	return p
}

func stages(d dockerfile) policy {
	if len(d.stages) < 2 {
		return policy{rule: "Built in stages", note: "one FROM: tools that only the build needs stay in the image"}
	}
	return policy{rule: "Built in stages", kept: true, note: fmt.Sprintf("%d stages", len(d.stages))}
}

// minimal are words in the names of images that hold little beside what runs.
var minimal = []string{"slim", "alpine", "distroless", "scratch", "busybox", "chainguard", "wolfi", "minimal", "micro", "tiny", "static", "nano", "nanoserver"} //nolint:gochecknoglobals // a constant list; Go has no constant slices

func base(d dockerfile) policy {
	p := policy{rule: "On a minimal base", note: d.final + " holds more than what runs; most images have a slim or distroless variant"}
	// Its registry says nothing of an image, nor does its digest.
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(d.final), registry.Host(d.final)+"/"), "@")
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r < 'a' || r > 'z' }) {
		if slices.Contains(minimal, word) {
			p.kept, p.note = true, d.final
		}
	}
	return p
}
