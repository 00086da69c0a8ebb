package imagetest

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// How stand-ins are told apart in their folder, an OCI layout.
const (
	// AnnotationName is what a Dockerfile calls the image, without its registry: "library/python:3.13-slim".
	AnnotationName = "org.opencontainers.image.ref.name"
	// AnnotationWords says what it is made of.
	AnnotationWords = "org.opencontainers.image.description"
)

// StandIn is an image that was made on this machine and stands in for one of Docker Hub.
type StandIn struct{ Name, Words string }

// StandInFolder is where scripts/tools base-images leaves them.
func StandInFolder() string { return filepath.Join(filepath.Dir(ToolFolder()), "base-images") }

// PublishStandIns puts the images of a folder into the open registry.
func (w *World) PublishStandIns(ctx context.Context, dir string) ([]StandIn, error) {
	path, err := layout.FromPath(dir)
	if err != nil {
		return nil, fmt.Errorf("read the base images: %w", err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("read the base images: %w", err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("read the base images: %w", err)
	}
	var published []StandIn
	for _, d := range manifest.Manifests {
		image, err := index.Image(d.Digest)
		if err != nil {
			return nil, fmt.Errorf("read the base images: %w", err)
		}
		ref, err := name.ParseReference(w.Open+"/"+d.Annotations[AnnotationName], name.Insecure)
		if err != nil {
			return nil, fmt.Errorf("read the base images: %w", err)
		}
		if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
			return nil, fmt.Errorf("publish %s: %w", ref, err)
		}
		published = append(published, StandIn{d.Annotations[AnnotationName], d.Annotations[AnnotationWords]})
	}
	return published, nil
}
