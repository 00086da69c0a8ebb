package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	engine "github.com/moby/moby/client"
)

// save takes an image out of a Docker engine that cannot export a layout, and makes one of it. The engine keeps layers
// unpacked, so they are packed here, always in the same way.
func (b *Builder) save(ctx context.Context, response map[string]string, output string) (digest string, err error) {
	id := response[exptypes.ExporterImageDigestKey]
	if id == "" {
		id = response[exptypes.ExporterImageConfigDigestKey]
	}
	if id == "" {
		return "", errNoImage
	}
	archive, err := os.CreateTemp(filepath.Dir(output), ".saved-*.tar")
	if err != nil {
		return "", fmt.Errorf("take the image out of the Docker engine: %w", err)
	}
	defer func() { err = errors.Join(err, archive.Close(), os.Remove(archive.Name())) }()
	saved, err := b.docker.ImageSave(ctx, []string{id})
	if err != nil {
		return "", fmt.Errorf("take the image out of the Docker engine: %w", err)
	}
	_, err = io.Copy(archive, saved)
	if err = errors.Join(err, saved.Close()); err != nil {
		return "", fmt.Errorf("take the image out of the Docker engine: %w", err)
	}
	image, err := tarball.ImageFromPath(archive.Name(), nil)
	if err != nil {
		return "", fmt.Errorf("read the image that the Docker engine has saved: %w", err)
	}
	at, err := layout.FromPath(output)
	if err != nil {
		at, err = layout.Write(output, empty.Index)
	}
	if err != nil {
		return "", fmt.Errorf("write the image: %w", err)
	}
	if err := at.AppendImage(image); err != nil {
		return "", fmt.Errorf("write the image: %w", err)
	}
	// It stays in the engine's cache of steps; the image itself, which has no name, is not wanted there.
	if _, err := b.docker.ImageRemove(ctx, id, engine.ImageRemoveOptions{}); err != nil {
		return "", fmt.Errorf("remove the image from the Docker engine: %w", err)
	}
	hash, err := image.Digest()
	return hash.String(), err
}
