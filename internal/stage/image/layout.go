package image

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/slipwayhq/slipway/internal/registry"
)

// built is an image that lies in a folder as an OCI layout: one manifest, or an index of one for each platform with
// their attestations.
type built struct {
	dir    string
	path   layout.Path
	digest v1.Hash
	// index is nil where the top is a single image.
	index  v1.ImageIndex
	images []platformImage
}

// platformImage is what one platform runs.
type platformImage struct {
	platform v1.Platform
	digest   v1.Hash
	image    v1.Image
}

// openLayout reads the only image of a layout.
func openLayout(dir string) (built, error) {
	b := built{dir: dir}
	var err error
	if b.path, err = layout.FromPath(dir); err != nil {
		return b, fmt.Errorf("open the built image: %w", err)
	}
	top, err := b.path.ImageIndex()
	if err != nil {
		return b, fmt.Errorf("open the built image: %w", err)
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return b, fmt.Errorf("open the built image: %w", err)
	}
	if len(manifest.Manifests) != 1 {
		return b, fmt.Errorf("open the built image: the layout holds %d, not one", len(manifest.Manifests))
	}
	entry := manifest.Manifests[0]
	b.digest = entry.Digest
	if !entry.MediaType.IsIndex() {
		return b, b.add(top, entry)
	}
	if b.index, err = top.ImageIndex(entry.Digest); err != nil {
		return b, fmt.Errorf("open the built image: %w", err)
	}
	children, err := b.index.IndexManifest()
	if err != nil {
		return b, fmt.Errorf("open the built image: %w", err)
	}
	for _, child := range children.Manifests {
		if isAttestation(child) {
			continue
		}
		if err := b.add(b.index, child); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (b *built) add(in v1.ImageIndex, entry v1.Descriptor) error {
	image, err := in.Image(entry.Digest)
	if err != nil {
		return fmt.Errorf("open the built image: %w", err)
	}
	one := platformImage{digest: entry.Digest, image: image}
	if entry.Platform != nil {
		one.platform = *entry.Platform
	} else if config, err := image.ConfigFile(); err == nil && config.Platform() != nil {
		one.platform = *config.Platform()
	}
	b.images = append(b.images, one)
	return nil
}

// content is what a registry is given.
func (b built) content() registry.Content {
	if b.index != nil {
		return b.index
	}
	return b.images[0].image
}

// manifests are what runs, by platform: two builds that agree in these are the same image, whatever is attached to them.
func (b built) manifests() map[string]string {
	all := map[string]string{}
	for _, one := range b.images {
		all[one.platform.String()] = one.digest.String()
	}
	return all
}

// reachable are the blobs of the image.
func (b built) reachable() (map[v1.Hash]bool, error) {
	all := map[v1.Hash]bool{b.digest: true}
	images := []v1.Image{}
	if b.index == nil {
		images = append(images, b.images[0].image)
	} else {
		manifest, err := b.index.IndexManifest()
		if err != nil {
			return nil, err
		}
		for _, child := range manifest.Manifests {
			all[child.Digest] = true
			image, err := b.index.Image(child.Digest)
			if err != nil {
				return nil, err
			}
			images = append(images, image)
		}
	}
	for _, image := range images {
		manifest, err := image.Manifest()
		if err != nil {
			return nil, err
		}
		all[manifest.Config.Digest] = true
		for _, l := range manifest.Layers {
			all[l.Digest] = true
		}
	}
	return all, nil
}

// verify holds every blob against its name: the folder is a cache, which a full disk or another stage may have touched.
func (b built) verify() error {
	all, err := b.reachable()
	if err != nil {
		return err
	}
	for blob := range all {
		if err := b.verifyBlob(blob); err != nil {
			return fmt.Errorf("blob %s: %w", blob, err)
		}
	}
	return nil
}

func (b built) verifyBlob(blob v1.Hash) (err error) {
	f, err := os.Open(filepath.Join(b.dir, "blobs", blob.Algorithm, blob.Hex))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != blob.Hex {
		return errors.New("it holds something else")
	}
	return nil
}
