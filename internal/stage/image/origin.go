package image

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// origin is the commit that an image is built of, as it says itself.
type origin struct {
	revision, branch string
	epoch            time.Time
}

// origin of an image that was used again; zero: it is the commit of the run.
func (p prepared) origin() origin { return origin{p.Reused, p.ReusedBranch, p.ReusedEpoch} }

// originOf is the commit of the run, unless another one is given.
func (a *attempt) originOf(ctx context.Context, given origin) (origin, error) {
	if given.revision != "" {
		return given, nil
	}
	own := origin{revision: a.task().Trigger.SHA, branch: a.task().Trigger.Branch}
	if a.options.CommitTime == nil {
		return own, nil
	}
	var err error
	if own.epoch, err = a.options.CommitTime(ctx, a.s); err != nil {
		return own, fmt.Errorf("find out when the commit was made: %w", err)
	}
	return own, nil
}

// labels are those of the OCI's image specification.
func (a *attempt) labels(b building) map[string]string {
	labels := map[string]string{"org.opencontainers.image.revision": b.origin.revision}
	set := func(name, value string) {
		if label := "org.opencontainers.image." + name; value != "" && !b.dockerfile.labels[label] {
			labels[label] = value
		}
	}
	set("source", a.source())
	set("version", tagOf(b.origin.branch))
	if !b.origin.epoch.IsZero() {
		set("created", b.origin.epoch.UTC().Format(time.RFC3339))
	}
	return labels
}

// source is where people look at the repository.
func (a *attempt) source() string {
	return strings.TrimSuffix(a.task().Trigger.Repository.CloneURL, ".git")
}
