package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Content is what is pushed: a v1.Image or a v1.ImageIndex.
type Content interface {
	remote.Taggable
	Digest() (v1.Hash, error)
}

// pushes is how often a push is tried while the registry is in trouble.
const pushes = 3

// Push sends an image or an index under its digest, with everything it holds that the registry has not. No tag moves.
// Afterwards it is read back and compared. progress may be nil.
func (r *Repository) Push(ctx context.Context, content Content, progress func(done, total int64)) (string, error) {
	digest, err := content.Digest()
	if err != nil {
		return "", fmt.Errorf("read the image: %w", err)
	}
	doing := "Pushing the image to " + r.written
	for try := 1; ; try++ {
		err := r.do(ctx, doing, r.send(ctx, content, digest.String(), progress))
		if err == nil {
			break
		}
		// The library tries each part again and again; what has arrived meanwhile need not be sent once more.
		if problem, ok := errors.AsType[*Problem](err); !ok || !problem.Temporary || try == pushes {
			return "", err
		}
	}
	if err := r.readBack(ctx, digest.String()); err != nil {
		return "", r.do(ctx, doing, err)
	}
	return digest.String(), nil
}

func (r *Repository) send(ctx context.Context, content Content, digest string, progress func(done, total int64)) error {
	options := r.options(ctx)
	told := make(chan struct{})
	if progress == nil {
		close(told)
	} else {
		updates := make(chan v1.Update, 100)
		options = append(options, remote.WithProgress(updates))
		go func() {
			defer close(told)
			for u := range updates {
				progress(u.Complete, u.Total)
			}
		}()
	}
	defer func() { <-told }()
	switch c := content.(type) {
	case v1.ImageIndex:
		return remote.WriteIndex(r.repo.Digest(digest), c, options...)
	case v1.Image:
		return remote.Write(r.repo.Digest(digest), c, options...)
	}
	return fmt.Errorf("a %T is no image", content)
}

// readBack holds what the registry gives for a digest against it.
func (r *Repository) readBack(ctx context.Context, digest string) error {
	found, err := remote.Get(r.repo.Digest(digest), r.options(ctx)...)
	// The library compares, too, and has no type for what it says then.
	differs := err != nil && strings.Contains(err.Error(), "does not match requested digest")
	if err != nil && !differs {
		return fmt.Errorf("read back %s: %w", digest, err)
	}
	if !differs {
		sum := sha256.Sum256(found.Manifest)
		differs = "sha256:"+hex.EncodeToString(sum[:]) != digest
	}
	if differs {
		return &Problem{
			Title: r.Host() + " does not hold what was pushed",
			Cause: fmt.Sprintf("The image %s was pushed and read back, and the two differ.", r.Reference(digest)), Err: errMoved,
		}
	}
	return nil
}

// Digest is what a tag or digest stands for in the registry now; false: nothing.
func (r *Repository) Digest(ctx context.Context, reference string) (string, bool, error) {
	found, err := remote.Head(r.reference(reference), r.options(ctx)...)
	if missing(err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, r.do(ctx, "Looking for "+reference+" in "+r.written, err)
	}
	return found.Digest.String(), true, nil
}

// Image reads an image by its tag or digest; false: there is none.
func (r *Repository) Image(ctx context.Context, reference string) (v1.Image, bool, error) {
	image, err := remote.Image(r.reference(reference), r.options(ctx)...)
	if missing(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, r.do(ctx, "Reading "+reference+" of "+r.written, err)
	}
	return image, true, nil
}

// Write sends a small image and gives it a tag at once: a signature.
func (r *Repository) Write(ctx context.Context, image v1.Image, tag string) error {
	return r.do(ctx, "Writing "+tag+" to "+r.written, remote.Write(r.repo.Tag(tag), image, r.options(ctx)...))
}

func missing(err error) bool {
	answer, ok := errors.AsType[*transport.Error](err)
	return ok && (answer.StatusCode == http.StatusNotFound || has(answer, transport.ManifestUnknownErrorCode) || has(answer, transport.NameUnknownErrorCode))
}
