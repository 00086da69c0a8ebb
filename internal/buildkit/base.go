package buildkit

import (
	"cmp"
	"context"
	"fmt"
	"strings"

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
	var unresolved error // on its way through the builder an error loses the image it is about
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
				return ofImage(ref, err)
			})
		}
		unresolved = group.Wait()
		return gateway.NewResult(), unresolved
	}, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, explain(cmp.Or(unresolved, err))
	}
	for i, name := range names {
		digests[name] = found[i]
	}
	return digests, nil
}

// ofImage says which image an error is about, as a build does.
func ofImage(ref string, err error) error {
	if err == nil || strings.Contains(err.Error(), resolving) {
		return err
	}
	return fmt.Errorf(resolving+"%s: %w", ref, err)
}

const resolving = "failed to resolve source metadata for "
