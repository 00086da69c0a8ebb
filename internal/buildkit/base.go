package buildkit

import (
	"context"
	"fmt"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"golang.org/x/sync/errgroup"
)

// Digests asks the builder, with its own mirrors and our logins, which images names stand for now.
func (b *Builder) Digests(ctx context.Context, names []string, credentials Credentials) (map[string]string, error) {
	digests := map[string]string{}
	if len(names) == 0 {
		return digests, nil
	}
	attached, err := Request{Credentials: credentials}.attachables()
	if err != nil {
		return nil, err
	}
	found := make([]string, len(names))
	options := client.SolveOpt{Session: append([]session.Attachable{}, attached...)}
	_, err = b.client.Build(ctx, options, "slipway", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		group, ctx := errgroup.WithContext(ctx)
		for i, name := range names {
			group.Go(func() error {
				full, err := reference.ParseNormalizedNamed(name)
				if err != nil {
					return fmt.Errorf("%s is no name of an image: %w", name, err)
				}
				ref := reference.TagNameOnly(full).String()
				_, digest, _, err := c.ResolveImageConfig(ctx, ref, sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{ResolveMode: "default"}})
				found[i] = digest.String()
				return err
			})
		}
		return gateway.NewResult(), group.Wait()
	}, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, explain(err)
	}
	for i, name := range names {
		digests[name] = found[i]
	}
	return digests, nil
}
