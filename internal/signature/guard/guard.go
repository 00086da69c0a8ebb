// Package guard keeps images that are not signed out of environments that ask for signatures: a stage that enters one
// begins only when every image it comes after, or that a rollback brings back, is signed with the environment's key.
package guard

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
	"github.com/slipwayhq/slipway/internal/registry/login"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/signature"
)

// Options are how registries are reached.
type Options struct {
	// Insecure are the registries that are spoken to without TLS.
	Insecure []string
	// Backoff of requests; zero: the usual one.
	Backoff registry.Backoff
}

type stage struct {
	inner   runner.Stage
	options Options
}

// Stage guards another one.
func Stage(inner runner.Stage, o Options) runner.Stage { return &stage{inner, o} }

// All guards each.
func All(kinds map[string]runner.Stage, o Options) map[string]runner.Stage {
	guarded := make(map[string]runner.Stage, len(kinds))
	for uses, inner := range kinds {
		guarded[uses] = Stage(inner, o)
	}
	return guarded
}

// Run implements runner.Stage.
func (g *stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	if !asked(s.Task()) {
		return g.inner.Run(ctx, s)
	}
	err := s.Step(ctx, "Verify signatures", func(ctx context.Context) (string, error) { return g.verify(ctx, s) })
	if ctx.Err() != nil {
		return pipeline.Verdict{}, context.Cause(ctx)
	}
	if err != nil {
		verdict := refusal(s.Task(), err)
		s.Log(verdict.Cause)
		return verdict, nil
	}
	return g.inner.Run(ctx, s)
}

// asked: what only shows what it would do (a pull request, a plan) has nothing that is published, and what takes an
// environment down, or takes back what was let in, brings nothing in: a registry that is away must not keep it from that.
func asked(t pipeline.Task) bool {
	return t.Phase != pipeline.PhaseRestore && t.Environment != nil && t.Environment.ImageKey != "" && t.Stage.Enters && len(t.Images) > 0 && t.Action != pipeline.ActionDestroy
}

func (g *stage) verify(ctx context.Context, s runner.Session) (detail string, err error) {
	t := s.Task()
	name := t.Environment.ImageKey
	text, set := s.Secret(name)
	if !set {
		return "", fmt.Errorf("the secret %s, which holds the public key (cosign.pub), is not set for %s", name, t.Environment.Name)
	}
	key, err := signature.ParsePublicKey(text)
	if err != nil {
		return "", fmt.Errorf("the secret %s cannot be used: %w", name, err)
	}
	var verified []string
	for _, built := range slices.Sorted(maps.Keys(t.Images)) {
		image := t.Images[built]
		if err := g.image(ctx, s, image, key); err != nil {
			return "", err
		}
		verified = append(verified, image)
	}
	return strings.Join(verified, ", "), nil
}

func (g *stage) image(ctx context.Context, s runner.Session, image string, key *signature.PublicKey) error {
	repository, digest, found := strings.Cut(image, "@")
	if !found {
		return fmt.Errorf("the image %s is not named by its digest", image)
	}
	credentials, err := login.For(ctx, s, registry.Host(repository))
	if err != nil {
		return err
	}
	in, err := registry.Open(repository, registry.Options{
		Credentials: credentials, Insecure: g.options.Insecure, Backoff: g.options.Backoff, Log: s.Log,
	})
	if err != nil {
		return err
	}
	return signature.Verify(ctx, in, digest, key)
}

// refusal is the verdict: whatever went wrong, nothing enters.
func refusal(t pipeline.Task, err error) pipeline.Verdict {
	verdict := pipeline.Verdict{Status: pipeline.StatusFailure, Title: "The signature of the image could not be verified"}
	what := err.Error()
	if _, ok := errors.AsType[*signature.UnsignedError](err); ok {
		verdict.Title = "The image is not signed"
	} else if p, ok := errors.AsType[*registry.Problem](err); ok {
		what, verdict.Infrastructure = p.Cause, p.Temporary
	} else if p, ok := errors.AsType[*awscloud.Problem](err); ok {
		what = p.Cause
	}
	verdict.Cause = fmt.Sprintf("%s admits only images that are signed with the key in %s (`require-signed`), and %s. Nothing was changed by this stage.",
		t.Environment.Name, t.Environment.ImageKey, strings.TrimSuffix(what, "."))
	return verdict
}
