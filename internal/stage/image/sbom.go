package image

import (
	"encoding/json"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// How BuildKit attaches statements to an image: beside it in its index stands a manifest whose layers they are. See
// docs/attestations/attestation-storage.md of moby/buildkit.
const (
	refDigest     = "vnd.docker.reference.digest"
	refType       = "vnd.docker.reference.type"
	attestation   = "attestation-manifest"
	inToto        = types.MediaType("application/vnd.in-toto+json")
	predicateType = "in-toto.io/predicate-type"
	spdx          = "https://spdx.dev/Document"
)

func isAttestation(d v1.Descriptor) bool { return d.Annotations[refType] == attestation }

// statement is an in-toto statement about an image.
type statement struct {
	Type          string          `json:"_type"`
	Subject       []subject       `json:"subject"`
	PredicateType string          `json:"predicateType"`
	Predicate     json.RawMessage `json:"predicate"`
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// attach adds the list of its contents to each image, beside its provenance where it has one. The images themselves stay
// as they are; what they are published as is an index, whose digest is a new one.
func attach(made built, name string, sboms map[string]json.RawMessage) (built, error) {
	index := made.index
	if index == nil {
		platform := made.images[0].platform
		index = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
			mutate.IndexAddendum{Add: made.images[0].image, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	for _, one := range made.images {
		sbom, have := sboms[one.digest.String()]
		if !have {
			continue
		}
		var err error
		if index, err = attachOne(index, one, name, sbom); err != nil {
			return made, fmt.Errorf("attach the list of the image's contents: %w", err)
		}
	}
	if err := made.path.AppendIndex(index); err != nil {
		return made, fmt.Errorf("write the image: %w", err)
	}
	return only(made, index)
}

func attachOne(index v1.ImageIndex, one platformImage, name string, sbom json.RawMessage) (v1.ImageIndex, error) {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	beside := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, d := range manifest.Manifests {
		if !isAttestation(d) || d.Annotations[refDigest] != one.digest.String() {
			continue
		}
		if beside, err = index.Image(d.Digest); err != nil {
			return nil, err
		}
		// Two platforms that were built alike share one manifest of statements.
		index = mutate.RemoveManifests(index, func(other v1.Descriptor) bool {
			return other.Digest == d.Digest && other.Annotations[refDigest] == one.digest.String()
		})
	}
	text, err := json.Marshal(statement{
		Type: "https://in-toto.io/Statement/v0.1", PredicateType: spdx, Predicate: sbom,
		Subject: []subject{{Name: "pkg:docker/" + name + "?platform=" + one.platform.String(), Digest: map[string]string{one.digest.Algorithm: one.digest.Hex}}},
	})
	if err != nil {
		return nil, err
	}
	beside, err = mutate.Append(beside, mutate.Addendum{Layer: static.NewLayer(text, inToto), Annotations: map[string]string{predicateType: spdx}})
	if err != nil {
		return nil, err
	}
	return mutate.AppendManifests(index, mutate.IndexAddendum{Add: beside, Descriptor: v1.Descriptor{
		Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}, Annotations: map[string]string{refDigest: one.digest.String(), refType: attestation},
	}}), nil
}

// only makes the new index the one thing that the layout holds.
func only(made built, index v1.ImageIndex) (built, error) {
	digest, err := index.Digest()
	if err != nil {
		return made, err
	}
	size, err := index.Size()
	if err != nil {
		return made, err
	}
	mediaType, err := index.MediaType()
	if err != nil {
		return made, err
	}
	return made.pointTo(v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size})
}

// pointTo makes one index the only thing that the layout holds.
func (b built) pointTo(index v1.Descriptor) (built, error) {
	text := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		types.OCIImageIndex, index.MediaType, index.Digest, index.Size)
	if err := b.path.WriteFile("index.json", []byte(text), fileReadable); err != nil {
		return b, fmt.Errorf("write the image: %w", err)
	}
	return openLayout(b.dir)
}
