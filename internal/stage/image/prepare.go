package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// preparedFile is what the first step keeps for the second.
const preparedFile = "image.json"

// prepared is what the second step has to know of the first.
type prepared struct {
	// Digest is what is published: an image, or an index of one for each platform with what is attached to them.
	Digest string `json:"digest"`
	// Manifests are what runs, by platform. Should the image have to be built again, these must be the same.
	Manifests map[string]string `json:"manifests"`
	Bytes     int64             `json:"bytes"`
	Layers    int               `json:"layers"`
	// Scan is what the scan said, for the title.
	Scan string `json:"scan"`
	// Reused is the commit whose image this is, ReusedBranch the branch that it was built on, ReusedEpoch when it was made.
	Reused       string    `json:"reused,omitempty"`
	ReusedBranch string    `json:"reused_branch,omitempty"`
	ReusedEpoch  time.Time `json:"reused_epoch,omitzero"`
}

// building is a build with all that it is made of.
type building struct {
	place      place
	dockerfile dockerfile
	contents   contents
	builder    *buildkit.Builder
	// own: BuildKit's own frontend reads the Dockerfile.
	own    bool
	origin origin
	// bare: nothing is attached.
	bare bool
}

// prepare builds and scans. Nothing is pushed.
func (a *attempt) prepare(ctx context.Context) (pipeline.Verdict, error) {
	b := building{}
	if err := a.look(ctx, &b); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.logIn(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.preflight(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.dial(ctx, &b); err != nil {
		return pipeline.Verdict{}, err
	}
	defer func() { _ = b.builder.Close() }() // nothing of the build is left on this connection
	st, err := a.openStore()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	made, how, err := a.make(ctx, st, b)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	scan, made, err := a.examine(ctx, st, b, made, how)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if how.key != "" && how.earlier.revision == "" {
		if err := st.remember(how.key, record{
			Digest: made.digest.String(), Revision: b.origin.revision, Branch: b.origin.branch, Epoch: b.origin.epoch, SBOM: a.settings.SBOM && len(scan.sboms) > 0,
		}); err != nil {
			a.s.Log(err.Error()) // the next build of the same will be done again, no more
		}
	}
	if err := st.sweep(a.task().Running); err != nil {
		a.s.Log("Old images could not be removed from the cache: " + err.Error())
	}
	return a.conclude(b, made, how, scan)
}

// look reads what is to be built, and whether it can be.
func (a *attempt) look(ctx context.Context, b *building) error {
	return a.s.Step(ctx, "Read the Dockerfile", func(ctx context.Context) (string, error) {
		var err error
		if b.place, err = a.find(); err != nil {
			return "", err
		}
		b.dockerfile, err = parse(b.place.text, a.settings.Target, a.settings.BuildArgs)
		if strange := a.strangeFrontend(b.place.name, b.dockerfile); strange != nil {
			return "", strange
		}
		if problem, ok := errors.AsType[*syntaxError](err); ok && b.dockerfile.builtIn() {
			return "", a.badDockerfile(b.place.name, "The Dockerfile cannot be read", problem)
		}
		ignored, err := a.ignores(b.place)
		if err != nil {
			return "", err
		}
		if b.contents, err = measure(ctx, b.place, ignored, a.options.MaxContext); err != nil {
			return "", err
		}
		if b.origin, err = a.originOf(ctx, b.origin); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, context of %s in %s", b.place.name, bytesOf(b.contents.bytes), report.Count(b.contents.files, "file")), nil
	})
}

// preflight asks the registry before minutes are spent on an image that it would refuse.
func (a *attempt) preflight(ctx context.Context) error {
	if !a.publishes() {
		return nil
	}
	return a.s.Step(ctx, "Ask the registry", func(ctx context.Context) (string, error) {
		repository, err := a.openRepository()
		if err != nil {
			return "", err
		}
		if err := repository.Preflight(ctx); err != nil {
			return "", err
		}
		return "an image may be pushed to " + a.settings.Repository, nil
	})
}

func (a *attempt) dial(ctx context.Context, b *building) error {
	return a.s.Step(ctx, "Reach the builder", func(ctx context.Context) (string, error) {
		var err error
		if b.builder, err = buildkit.Dial(ctx, a.options.Builder); err != nil {
			return "", err
		}
		b.own = a.ownFrontend(b.builder, b.dockerfile)
		detail := b.builder.String()
		if version := b.builder.Version(); version != "" {
			detail += ", " + version
		}
		return detail, nil
	})
}

// conclude tells what was built, keeps what the second step needs, and judges.
func (a *attempt) conclude(b building, made built, how howMade, scan scanned) (pipeline.Verdict, error) {
	kept := prepared{
		Digest: made.digest.String(), Manifests: made.manifests(), Scan: scan.title(),
		Reused: how.earlier.revision, ReusedBranch: how.earlier.branch, ReusedEpoch: how.earlier.epoch,
	}
	layers, err := made.layers()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	for _, l := range layers {
		kept.Bytes += l.bytes
	}
	kept.Layers = len(layers)
	a.tell(b, made, how, layers, scan)
	verdict := pipeline.Verdict{
		Status: pipeline.StatusSuccess, Title: fmt.Sprintf("%s, %s; %s", report.Count(kept.Layers, "layer"), bytesOf(kept.Bytes), kept.Scan),
	}
	if cause := a.tooBad(scan); cause != "" {
		verdict.Status, verdict.Cause = pipeline.StatusFailure, cause
		a.s.Log(cause)
		return verdict, nil
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return pipeline.Verdict{}, fmt.Errorf("keep what was built: %w", err)
	}
	return verdict, errors.Join(a.keepAttached(made), a.s.KeepPrivate(preparedFile, text))
}

// short is a commit as people read it.
func short(sha string) string { return sha[:min(shortSHA, len(sha))] }
