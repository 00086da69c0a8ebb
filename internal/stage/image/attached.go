package image

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// attachedFile is what the first step keeps of what stands beside the images.
const attachedFile = "attached.json.gz"

// statements are the index of an image with the statements in it, without the images themselves: those can be built again,
// while a second build's provenance would be another one.
type statements struct {
	Index v1.Hash `json:"index"`
	// Blobs are the index, and the manifests, configurations and layers of the statements.
	Blobs map[string][]byte `json:"blobs"`
}

// attached reads what is attached; false: it is a single image with nothing beside it.
func (b built) attached() (statements, bool, error) {
	all := statements{Index: b.digest, Blobs: map[string][]byte{}}
	if b.index == nil {
		return all, false, nil
	}
	blobs := []v1.Hash{b.digest}
	manifest, err := b.index.IndexManifest()
	if err != nil {
		return all, false, err
	}
	for _, child := range manifest.Manifests {
		if !isAttestation(child) {
			continue
		}
		image, err := b.index.Image(child.Digest)
		if err != nil {
			return all, false, err
		}
		own, err := image.Manifest()
		if err != nil {
			return all, false, err
		}
		blobs = append(blobs, child.Digest, own.Config.Digest)
		for _, l := range own.Layers {
			blobs = append(blobs, l.Digest)
		}
	}
	for _, blob := range blobs {
		if all.Blobs[blob.String()], err = b.path.Bytes(blob); err != nil {
			return all, false, err
		}
	}
	return all, true, nil
}

// keepAttached keeps it for the second step, where that publishes.
func (a *attempt) keepAttached(made built) error {
	if !a.publishes() {
		return nil
	}
	all, some, err := made.attached()
	if err != nil {
		return fmt.Errorf("keep what is attached to the image: %w", err)
	}
	if !some {
		return nil
	}
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	if err := errors.Join(json.NewEncoder(w).Encode(all), w.Close()); err != nil {
		return fmt.Errorf("keep what is attached to the image: %w", err)
	}
	if err := a.s.KeepPrivate(attachedFile, text.Bytes()); err != nil {
		a.s.Log("Should the image be lost before it is published, it will be built again with other statements attached: " + err.Error())
	}
	return nil
}

// keptAttached is what the first step has kept; false: nothing.
func (a *attempt) keptAttached() (statements, bool, error) {
	var all statements
	text, found := a.s.File(attachedFile)
	if !found {
		return all, false, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err == nil {
		err = json.NewDecoder(r).Decode(&all)
	}
	if err != nil {
		return all, false, fmt.Errorf("read what is attached to the image: %w", err)
	}
	return all, true, nil
}

// withAttached puts the images of a build without statements into the index that they had.
func (b built) withAttached(all statements) (built, error) {
	for name, content := range all.Blobs {
		digest, err := v1.NewHash(name)
		if err == nil {
			err = b.path.WriteBlob(digest, io.NopCloser(bytes.NewReader(content)))
		}
		if err != nil {
			return b, fmt.Errorf("write what is attached to the image: %w", err)
		}
	}
	text := all.Blobs[all.Index.String()]
	index, err := v1.ParseIndexManifest(bytes.NewReader(text))
	if err != nil {
		return b, fmt.Errorf("read what is attached to the image: %w", err)
	}
	return b.pointTo(v1.Descriptor{MediaType: index.MediaType, Digest: all.Index, Size: int64(len(text))})
}
