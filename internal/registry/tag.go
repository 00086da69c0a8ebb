package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// tagsWithin bounds the moving of tags once it has begun: a cancel must not leave some of them behind.
const tagsWithin = 2 * time.Minute

func (r *Repository) reference(text string) name.Reference {
	if strings.Contains(text, ":") {
		return r.repo.Digest(text)
	}
	return r.repo.Tag(text)
}

// Tag makes tags stand for what is in the repository under a digest, and transfers nothing. Either all of them move, or
// those that had moved are put back: what is new and cannot be put back is named in the error.
func (r *Repository) Tag(ctx context.Context, digest string, tags []string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), tagsWithin, errors.New("the registry took too long to move the tags"))
	defer cancel()
	target, err := remote.Get(r.repo.Digest(digest), r.options(ctx)...)
	if err != nil {
		return r.do(ctx, "Reading the image that is to be tagged", err)
	}
	before := map[string]string{}
	for i, tag := range tags {
		was, found, err := r.Digest(ctx, tag)
		if err == nil && found {
			before[tag] = was
		}
		if err == nil && was != digest {
			err = r.move(ctx, tag, target)
		}
		if err != nil {
			return r.putBack(ctx, tags[:i], before, digest, err)
		}
	}
	return nil
}

func (r *Repository) move(ctx context.Context, tag string, to *remote.Descriptor) error {
	return r.do(ctx, "Moving the tag "+tag+" of "+r.written, remote.Put(r.repo.Tag(tag), to, r.options(ctx)...))
}

// putBack undoes what a failed Tag has done.
func (r *Repository) putBack(ctx context.Context, moved []string, before map[string]string, digest string, cause error) error {
	var left []string
	for _, tag := range moved {
		was, had := before[tag]
		if was == digest {
			continue
		}
		if !had {
			left = append(left, tag)
			continue
		}
		old, err := remote.Get(r.repo.Digest(was), r.options(ctx)...)
		if err == nil {
			err = r.move(ctx, tag, old)
		}
		if err != nil {
			left = append(left, tag)
		}
	}
	if len(left) == 0 {
		return cause
	}
	problem := &Problem{Title: "Not all tags of " + r.written + " could be moved", Err: cause}
	problem.Cause = fmt.Sprintf("%v Already moved, and not put back: %s.", cause, strings.Join(left, ", "))
	if known, ok := errors.AsType[*Problem](cause); ok {
		problem.Temporary = known.Temporary
	}
	return problem
}
